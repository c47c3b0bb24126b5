//! From credentials to a caller.

use std::net::IpAddr;

use berth_auth::{AuthError, Caller, Credentials, Invited, LoginError, NewUser, Secret, Who};
use berth_db::testing::on_each;

use crate::town::{PASSWORD, Town, account, here};

#[tokio::test(flavor = "multi_thread")]
async fn without_any_account_everybody_is_nobody() {
    on_each(|test| async move {
        let town = Town::empty(test).await;
        for credentials in [
            Credentials::None,
            Credentials::Basic { user: "a".to_owned(), secret: Secret::new("b") },
            Credentials::Bearer(Secret::new("c")),
        ] {
            let caller = town.accounts.identify(&credentials, here()).await.unwrap();
            assert!(caller.is_anonymous(), "{}", town.test.engine);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_are_refused_in_the_same_words_whoever_it_is() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let no_password = NewUser { name: account("carol"), admin: false, password: None };
        town.accounts.add_user(no_password, &town.owner).await.unwrap();
        for (user, secret) in [
            ("alice", "wrong password"),
            ("alice", ""),
            ("nobody-here", PASSWORD),
            ("carol", PASSWORD),
            ("", PASSWORD),
            ("Alice", PASSWORD),
            ("alice", "berth_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ] {
            let refused = town.login(user, secret).await.unwrap_err();
            assert!(matches!(refused, LoginError::Incorrect), "{} {user}: {refused:?}", town.test.engine);
            assert_eq!(refused.to_string(), "incorrect username or password");
        }
        let empty = Credentials::Basic { user: String::new(), secret: Secret::new("") };
        assert!(town.accounts.identify(&empty, None).await.unwrap().is_anonymous());
        assert_eq!(town.person("alice").await.name(), "alice");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_ends_and_the_owner_still_comes_in() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        town.person("alice").await;
        let attempt = |n: u8, secret: &'static str| {
            let accounts = town.accounts.clone();
            let credentials = Credentials::Basic { user: "alice".to_owned(), secret: Secret::new(secret) };
            async move { accounts.identify(&credentials, Some(IpAddr::from([10, 9, 9, n]))).await }
        };
        let mut computed = 0;
        for n in 0..60 {
            match attempt(n, "wrong guess").await {
                Err(LoginError::Incorrect) => computed += 1,
                Err(LoginError::TooMany { retry_after }) => assert!(retry_after.as_secs() <= 600),
                other => panic!("{other:?}"),
            }
        }
        assert!(computed <= 50, "{}: {computed} guesses were checked", town.test.engine);
        assert_eq!(
            attempt(200, PASSWORD).await.unwrap().name(),
            "alice",
            "what was right a moment ago is no guess"
        );
        let restarted = berth_auth::Accounts::open(town.test.db.clone()).await.unwrap();
        let credentials = Credentials::Basic { user: "alice".to_owned(), secret: Secret::new(PASSWORD) };
        let wrong = Credentials::Basic { user: "alice".to_owned(), secret: Secret::new("wrong guess") };
        for n in 0..60 {
            restarted.identify(&wrong, Some(IpAddr::from([10, 9, 9, n]))).await.unwrap_err();
        }
        let stranger = restarted.identify(&credentials, Some(IpAddr::from([10, 9, 9, 201]))).await;
        assert!(
            matches!(stranger, Err(LoginError::TooMany { .. })),
            "a stranger waits, even with the right password"
        );
        let owner = restarted.identify(&credentials, here()).await;
        assert_eq!(owner.unwrap().name(), "alice", "from where she signed in before she comes in");
        assert_eq!(town.person("bob").await.name(), "bob");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_of_htpasswd_go_on_working_and_become_ours() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let hash = bcrypt::hash("from the old registry", 4).unwrap();
        let imported =
            town.accounts.import_htpasswd(&format!("old:{hash}\nalice:{hash}\n"), &town.owner).await;
        let imported = imported.unwrap();
        assert_eq!(imported.added, ["old"], "{}", town.test.engine);
        assert_eq!(imported.refused.len(), 1);
        assert!(town.login("old", "from the new registry").await.is_err());
        town.login("old", "from the old registry").await.unwrap();
        let stored = town.test.db.read(|mut tx| {
            Box::pin(async move {
                tx.query_one("SELECT password FROM accounts WHERE name = 'old'", &[]).await?.get::<String>(0)
            })
        });
        let stored = stored.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"));
        assert!(stored.starts_with("$argon2id$"), "{stored}");
        town.login("old", "from the old registry").await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_administrator_comes_by_a_link_that_works_once() {
    on_each(|test| async move {
        let town = Town::empty(test).await;
        let earlier = town.accounts.invite_first_administrator().await.unwrap().unwrap();
        let link = town.accounts.invite_first_administrator().await.unwrap().unwrap();
        let accept = |secret: Secret, name: Option<&str>, password: &'static str| {
            let (accounts, name) = (town.accounts.clone(), name.map(account));
            async move { accounts.accept(&secret, name, &Secret::new(password), here()).await }
        };
        let ended = accept(earlier.secret, Some("eve"), PASSWORD).await;
        assert!(matches!(ended, Err(AuthError::UnknownInvitation)), "{}", town.test.engine);
        assert_eq!(town.accounts.invited(&link.secret).await.unwrap(), Invited::FirstAdministrator);
        assert!(matches!(
            accept(link.secret.clone(), Some("root-of-all"), "short").await,
            Err(AuthError::WeakPassword)
        ));
        assert!(matches!(accept(link.secret.clone(), None, PASSWORD).await, Err(AuthError::Invalid(_))));
        let race = [1, 2].map(|_| tokio::spawn(accept(link.secret.clone(), Some("root-of-all"), PASSWORD)));
        let mut made = 0;
        for visitor in race {
            made += usize::from(visitor.await.unwrap().is_ok());
        }
        assert_eq!(made, 1, "of two visitors one succeeds");
        let root = town.person("root-of-all").await;
        assert!(town.accounts.users(&root).await.unwrap()[0].admin);
        assert!(town.accounts.invite_first_administrator().await.unwrap().is_none());
        assert!(town.accounts.invited(&link.secret).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_lets_a_user_choose_his_password_once() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let root = town.person("root-of-all").await;
        let link = town.accounts.invite_password(&account("bob"), &root).await.unwrap();
        assert_eq!(town.accounts.invited(&link.secret).await.unwrap(), Invited::Password(account("bob")));
        let chosen = Secret::new("chosen by bob himself");
        let who = town.accounts.accept(&link.secret, Some(account("eve")), &chosen, here()).await.unwrap();
        assert_eq!(who, account("bob"), "{}: the link says whose it is", town.test.engine);
        assert!(town.login("bob", PASSWORD).await.is_err());
        assert!(town.login("bob", chosen.reveal()).await.is_ok());
        assert!(town.accounts.accept(&link.secret, None, &chosen, here()).await.is_err());
        assert!(town.accounts.invited(&Secret::new("guessed")).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_debug_text_holds_a_secret() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let kept = town.accounts.remember(&alice, "docker").await.unwrap().unwrap();
        let issued = town.accounts.issue(&alice, Vec::new()).unwrap();
        let credentials = Credentials::Basic { user: "alice".to_owned(), secret: Secret::new(PASSWORD) };
        let by_token = town.accounts.refresh(&kept, here()).unwrap();
        let refused = town.login("alice", "canary of a guess").await;
        let text = format!(
            "{alice:?} {by_token:?} {kept:?} {issued:?} {credentials:?} {refused:?} {:?}",
            town.accounts.directory()
        );
        for canary in [PASSWORD, kept.reveal(), issued.token.reveal(), "canary of a guess", "$argon2"] {
            assert!(!text.contains(canary), "{}", town.test.engine);
        }
        assert!(matches!(by_token.who(), Who::Account { .. }));
        assert!(
            town.accounts.remember(&by_token, "docker").await.unwrap().is_none(),
            "a token gets no other one"
        );
        assert!(town.accounts.remember(&Caller::anonymous(None), "docker").await.unwrap().is_none());
    })
    .await;
}
