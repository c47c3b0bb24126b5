//! Who may change accounts, and what a change ends.

use berth_audit::Filter;
use berth_auth::{
    AuthError, Caller, GrantId, NewGrant, NewUser, Role, Secret, TokenId, UserChange, Visibility,
};
use berth_db::testing::on_each;

use crate::town::{PASSWORD, Town, account, here, token};

fn user(name: &str, admin: bool) -> NewUser {
    NewUser { name: account(name), admin, password: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_user_is_an_administrator_and_the_last_one_stays() {
    on_each(|test| async move {
        let town = Town::empty(test).await;
        assert!(!town.accounts.any());
        let refused = town.accounts.add_user(user("alice", false), &town.owner).await;
        assert!(matches!(refused, Err(AuthError::Invalid(_))), "{}", town.test.engine);
        town.accounts.add_user(user("alice", true), &town.owner).await.unwrap();
        assert!(town.accounts.any());
        let name = account("alice");
        for change in [
            UserChange { admin: Some(false), ..UserChange::default() },
            UserChange { disabled: Some(true), ..UserChange::default() },
        ] {
            let refused = town.accounts.change_user(&name, change, &town.owner).await;
            assert!(matches!(refused, Err(AuthError::LastAdministrator { .. })), "{refused:?}");
        }
        let refused = town.accounts.remove_user(&name, &town.owner).await;
        assert!(matches!(refused, Err(AuthError::LastAdministrator { .. })));
        assert!(town.accounts.user(&name, &town.owner).await.unwrap().admin, "nothing was changed");
        town.accounts.add_user(user("bob", true), &town.owner).await.unwrap();
        town.accounts.remove_user(&name, &town.owner).await.unwrap();
        let taken = town.accounts.add_user(user("bob", false), &town.owner).await;
        assert!(matches!(taken, Err(AuthError::Exists { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_administrator_changes_what_is_his_and_learns_of_nothing_else() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let accounts = &town.accounts;
        accounts.add_team(account("acme"), &town.owner).await.unwrap();
        accounts.add_robot(account("bob.ci"), &town.owner).await.unwrap();
        let (bobs, _) = town.token("bob", "pull", &[]).await;
        let alice = town.person("alice").await;
        let forbidden =
            |outcome: AuthError| assert!(matches!(outcome, AuthError::Forbidden { .. }), "{outcome:?}");
        forbidden(accounts.add_user(user("carol", false), &alice).await.unwrap_err());
        forbidden(accounts.users(&alice).await.unwrap_err());
        forbidden(accounts.remove_user(&account("bob"), &alice).await.unwrap_err());
        forbidden(accounts.add_team(account("mine"), &alice).await.unwrap_err());
        forbidden(accounts.invite_password(&account("alice"), &alice).await.unwrap_err());
        forbidden(accounts.import_htpasswd("", &alice).await.unwrap_err());
        let promote = UserChange { admin: Some(true), ..UserChange::default() };
        forbidden(accounts.change_user(&account("alice"), promote, &alice).await.unwrap_err());
        // What exists and what does not look the same.
        for name in ["bob", "nobody-here"] {
            let told = accounts.user(&account(name), &alice).await.unwrap_err().to_string();
            assert_eq!(told, format!("there is no user {name}"), "{}", town.test.engine);
            let open = UserChange { default_visibility: Some(Visibility::Public), ..UserChange::default() };
            let told = accounts.change_user(&account(name), open, &alice).await.unwrap_err().to_string();
            assert_eq!(told, format!("there is no user {name}"));
        }
        for name in ["acme", "nobody-here"] {
            let told = accounts.team(&account(name), &alice).await.unwrap_err().to_string();
            assert_eq!(told, format!("there is no team {name}"));
            let told = accounts.set_member(&account(name), &account("alice"), Role::Admin, &alice).await;
            assert_eq!(told.unwrap_err().to_string(), format!("there is no team {name}"));
        }
        for name in ["bob.ci", "bob.no"] {
            let told = accounts.remove_robot(&account(name), &alice).await.unwrap_err().to_string();
            assert_eq!(told, format!("there is no robot {name}"));
        }
        for id in [bobs.id, TokenId(9999)] {
            let told = accounts.revoke_token(id, &alice).await.unwrap_err().to_string();
            assert_eq!(told, format!("there is no token {}", id.0));
        }
        accounts.add_robot(account("bob.other"), &alice).await.unwrap_err();
        assert!(accounts.tokens(None, &alice).await.unwrap().is_empty());
        assert!(accounts.robots(&alice).await.unwrap().is_empty());
        accounts.add_robot(account("alice.ci"), &alice).await.unwrap();
        assert_eq!(accounts.robots(&alice).await.unwrap(), [account("alice.ci")]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_a_name_changes_anything() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let nobody = Caller::anonymous(here());
        let accounts = &town.accounts;
        assert!(accounts.add_user(user("eve", true), &nobody).await.is_err(), "{}", town.test.engine);
        assert!(accounts.users(&nobody).await.is_err());
        assert!(accounts.user(&account("alice"), &nobody).await.is_err());
        assert!(accounts.teams(&nobody).await.is_err());
        assert!(accounts.robots(&nobody).await.is_err());
        assert!(accounts.tokens(None, &nobody).await.is_err());
        assert!(accounts.add_token(token("pull", &[]), &nobody).await.is_err());
        assert!(accounts.grants(&nobody).await.is_err());
        assert!(accounts.remove_grant(GrantId(1), &nobody).await.is_err());
        assert!(accounts.invite_password(&account("alice"), &nobody).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_grant_in_their_namespace_and_wide_patterns_have_to_be_meant() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let grant = |pattern: &str, wide| NewGrant {
            subject: "bob".parse().unwrap(),
            pattern: pattern.parse().unwrap(),
            actions: "pull".parse().unwrap(),
            wide,
        };
        let made = town.accounts.add_grant(grant("alice/**", false), &alice).await.unwrap();
        assert_eq!(made.created_by, "alice", "{}", town.test.engine);
        for pattern in ["bob/app", "**", "alice", "alic*/app", "quay.io/x"] {
            let refused = town.accounts.add_grant(grant(pattern, true), &alice).await;
            assert!(matches!(refused, Err(AuthError::Forbidden { .. })), "{pattern}");
        }
        let unmeant = town.accounts.add_grant(grant("**", false), &town.owner).await;
        assert!(matches!(unmeant, Err(AuthError::WidePattern { .. })));
        town.accounts.add_grant(grant("**", true), &town.owner).await.unwrap();
        let bob = town.person("bob").await;
        assert_eq!(town.accounts.grants(&bob).await.unwrap().len(), 2, "he sees what he was granted");
        assert!(town.accounts.remove_grant(made.id, &bob).await.is_err());
        town.accounts.remove_grant(made.id, &alice).await.unwrap();
        assert_eq!(town.accounts.grants(&alice).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_given_again_inherits_nothing() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        town.accounts.add_robot(account("bob.ci"), &town.owner).await.unwrap();
        town.grant("bob", "quay.io/**", "pull").await;
        town.grant("bob.ci", "bob/**", "push").await;
        town.grant("alice", "bob/**", "pull").await;
        town.grant("alice", "bobby/**", "pull").await;
        let bob = town.person("bob").await;
        let (_, secret) = town.token("bob", "*", &[]).await;
        let (_, robots) = town.token("bob.ci", "*", &[]).await;
        let bearer = town.accounts.issue(&bob, Vec::new()).unwrap().token;
        town.accounts.remove_user(&account("bob"), &town.owner).await.unwrap();
        assert_eq!(town.actions(&bob, "bob/app"), "", "{}", town.test.engine);
        let again = NewUser { password: Some(Secret::new(PASSWORD)), ..user("bob", false) };
        town.accounts.add_user(again, &town.owner).await.unwrap();
        town.accounts.add_robot(account("bob.ci"), &town.owner).await.unwrap();
        assert_eq!(town.actions(&bob, "bob/app"), "", "the one who was there before is somebody else");
        let bob = town.person("bob").await;
        assert_eq!(town.actions(&bob, "quay.io/x"), "");
        let alice = town.person("alice").await;
        assert_eq!(town.actions(&alice, "bob/app"), "", "what he granted is not granted by the next");
        assert_eq!(town.actions(&alice, "bobby/app"), "pull");
        for secret in [secret, robots, bearer] {
            assert!(town.bearer(&secret).await.is_err());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_what_was_handed_out_for_it_and_only_that() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let kept = town.accounts.remember(&alice, "docker").await.unwrap().unwrap();
        let (_, made) = town.token("alice", "pull", &[]).await;
        let bearer = town.accounts.issue(&alice, Vec::new()).unwrap().token;
        town.accounts.refresh(&kept, here()).unwrap();
        let change = |present: Option<&str>| UserChange {
            password: Some(Secret::new("another long password")),
            present_password: present.map(Secret::new),
            ..UserChange::default()
        };
        let name = account("alice");
        for present in [None, Some("wrong password")] {
            let refused = town.accounts.change_user(&name, change(present), &alice).await;
            assert!(matches!(refused, Err(AuthError::WrongPassword)), "{}", town.test.engine);
        }
        town.accounts.change_user(&name, change(Some(PASSWORD)), &alice).await.unwrap();
        assert!(town.login("alice", PASSWORD).await.is_err());
        assert!(town.login("alice", "another long password").await.is_ok());
        assert!(town.accounts.refresh(&kept, here()).is_err());
        assert!(town.bearer(&bearer).await.is_err());
        assert!(town.bearer(&made).await.is_ok(), "access tokens are revoked one by one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_is_out_at_once_with_all_that_stands_for_it() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        town.accounts.add_robot(account("alice.ci"), &town.owner).await.unwrap();
        town.grant("alice.ci", "alice/**", "*").await;
        let alice = town.person("alice").await;
        let (_, secret) = town.token("alice", "*", &[]).await;
        let (_, robot) = town.token("alice.ci", "*", &[]).await;
        let bearer = town.accounts.issue(&alice, Vec::new()).unwrap().token;
        let by_robot = town.bearer(&robot).await.unwrap();
        assert_eq!(town.actions(&by_robot, "alice/x"), "pull,push,delete,admin");
        let disabled = |disabled| UserChange { disabled: Some(disabled), ..UserChange::default() };
        town.accounts.change_user(&account("alice"), disabled(true), &town.owner).await.unwrap();
        assert_eq!(town.actions(&alice, "alice/x"), "", "{}", town.test.engine);
        assert_eq!(town.actions(&by_robot, "alice/x"), "");
        assert!(town.login("alice", PASSWORD).await.is_err());
        for secret in [&secret, &robot, &bearer] {
            assert!(town.bearer(secret).await.is_err());
        }
        town.accounts.change_user(&account("alice"), disabled(false), &town.owner).await.unwrap();
        assert!(town.login("alice", PASSWORD).await.is_ok());
        assert!(town.bearer(&secret).await.is_ok() && town.bearer(&robot).await.is_ok());
        assert!(town.bearer(&bearer).await.is_err(), "what was handed out before has ended");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_learns_of_a_change() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let other = berth_auth::Accounts::open(town.test.db.clone()).await.unwrap();
        let upkeep = tokio::spawn(other.clone().run_upkeep());
        town.accounts.add_team(account("acme"), &town.owner).await.unwrap();
        let began = std::time::Instant::now();
        while other.directory().account_named("acme").is_none() {
            assert!(began.elapsed().as_secs() < 5, "{}: not within five seconds", town.test.engine);
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        upkeep.abort();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_in_the_audit_log_and_no_secret_is() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let (made, secret) = town.accounts.add_token(token("pull", &["alice/**"]), &alice).await.unwrap();
        town.accounts.revoke_token(made.id, &alice).await.unwrap();
        town.login("alice", "a wrong guess").await.unwrap_err();
        town.login("My Password!", "a wrong guess").await.unwrap_err();
        let entries = town.accounts.audit().search(&Filter::default(), None, 100).await.unwrap();
        let told: Vec<_> =
            entries.iter().rev().map(|entry| format!("{} {}", entry.actor.name, entry.action)).collect();
        assert_eq!(
            told,
            [
                "owner user.add",
                "owner user.add",
                "owner user.add",
                "alice login.accept",
                "alice token.add",
                "alice token.revoke",
                "anonymous login.refuse",
                "anonymous login.refuse",
            ],
            "{}",
            town.test.engine
        );
        let text = format!("{entries:?}");
        for canary in [PASSWORD, secret.reveal(), "a wrong guess", "My Password!", "$argon2"] {
            assert!(!text.contains(canary), "{canary} is in the log");
        }
    })
    .await;
}
