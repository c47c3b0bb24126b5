//! Some people, and short words for what tests say about them.

use std::net::IpAddr;

use berth_auth::{
    AccountName, Accounts, Action, Actions, Caller, Credentials, LoginError, NewGrant, NewToken, NewUser,
    Pattern, Secret, TokenView, Verdict, Visibility,
};
use berth_db::testing::TestDb;
use berth_oci::RepositoryName;

/// An administrator `root-of-all`, users `alice` and `bob`, whose passwords are [`PASSWORD`].
pub(crate) struct Town {
    pub(crate) accounts: Accounts,
    pub(crate) owner: Caller,
    pub(crate) test: TestDb,
}

pub(crate) const PASSWORD: &str = "correct horse battery staple";

impl Town {
    pub(crate) async fn new(test: TestDb) -> Town {
        let town = Town::empty(test).await;
        for (name, admin) in [("root-of-all", true), ("alice", false), ("bob", false)] {
            let user = NewUser { name: account(name), admin, password: Some(Secret::new(PASSWORD)) };
            town.accounts.add_user(user, &town.owner).await.unwrap();
        }
        town
    }

    pub(crate) async fn empty(test: TestDb) -> Town {
        let accounts = Accounts::open(test.db.clone()).await.unwrap();
        Town { accounts, owner: Caller::folder_owner(), test }
    }

    /// Somebody who came with his password.
    pub(crate) async fn person(&self, name: &str) -> Caller {
        self.login(name, PASSWORD).await.unwrap()
    }

    pub(crate) async fn login(&self, user: &str, secret: &str) -> Result<Caller, LoginError> {
        let credentials = Credentials::Basic { user: user.to_owned(), secret: Secret::new(secret) };
        self.accounts.identify(&credentials, here()).await
    }

    pub(crate) async fn bearer(&self, token: &Secret) -> Result<Caller, LoginError> {
        self.accounts.identify(&Credentials::Bearer(token.clone()), here()).await
    }

    pub(crate) async fn grant(&self, subject: &str, pattern: &str, actions: &str) {
        let grant = NewGrant {
            subject: subject.parse().unwrap(),
            pattern: pattern.parse().unwrap(),
            actions: actions.parse().unwrap(),
            wide: true,
        };
        self.accounts.add_grant(grant, &self.owner).await.unwrap();
    }

    pub(crate) async fn token(&self, account: &str, actions: &str, patterns: &[&str]) -> (TokenView, Secret) {
        let token = NewToken { account: Some(self::account(account)), ..token(actions, patterns) };
        self.accounts.add_token(token, &self.owner).await.unwrap()
    }

    pub(crate) fn may(&self, caller: &Caller, action: Action, name: &str, visibility: Visibility) -> bool {
        self.accounts.decide(caller, action, &repository(name), visibility).is_allowed()
    }

    /// The actions that somebody may do in a private repository.
    pub(crate) fn actions(&self, caller: &Caller, name: &str) -> String {
        self.accounts.allowed(caller, &repository(name), Visibility::Private).to_string()
    }

    pub(crate) fn verdict(&self, caller: &Caller, action: Action, name: &str) -> Verdict {
        self.accounts.decide(caller, action, &repository(name), Visibility::Private)
    }
}

pub(crate) fn here() -> Option<IpAddr> {
    Some(IpAddr::from([10, 0, 0, 1]))
}

pub(crate) fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

pub(crate) fn repository(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

pub(crate) fn token(actions: &str, patterns: &[&str]) -> NewToken {
    NewToken {
        account: None,
        name: "ci".to_owned(),
        actions: actions.parse::<Actions>().unwrap(),
        patterns: patterns.iter().map(|pattern| pattern.parse::<Pattern>().unwrap()).collect(),
        expires_at: None,
        sources: Vec::new(),
    }
}
