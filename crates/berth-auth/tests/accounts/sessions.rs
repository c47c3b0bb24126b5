//! Sessions of the web page.

use berth_auth::{AuthError, Caller, Secret, SessionId, UserChange};
use berth_db::testing::on_each;

use crate::town::{PASSWORD, Town, account};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stands_for_a_user_until_he_ends_it() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let one = town.accounts.begin_session(&alice, "Firefox\r\n on Linux").await.unwrap();
        let two = town.accounts.begin_session(&alice, "phone").await.unwrap();
        assert_ne!(one.reveal(), two.reveal());
        let (caller, id) = town.accounts.session(&one, None).await.unwrap().unwrap();
        assert_eq!(caller.name(), "alice", "{}", town.test.engine);
        let views = town.accounts.sessions(&caller).await.unwrap();
        assert_eq!(
            views.iter().map(|view| view.agent.as_str()).collect::<Vec<_>>(),
            ["phone", "Firefox on Linux"]
        );
        let bob = town.person("bob").await;
        assert!(matches!(town.accounts.end_session(id, &bob).await, Err(AuthError::Unknown { .. })));
        assert!(town.accounts.sessions(&bob).await.unwrap().is_empty());
        town.accounts.end_session(id, &caller).await.unwrap();
        assert!(town.accounts.session(&one, None).await.unwrap().is_none());
        assert!(town.accounts.session(&two, None).await.unwrap().is_some(), "the other one goes on");
        assert!(town.accounts.end_session(SessionId(id.0), &caller).await.is_err());
        for bad in ["", "x", &"A".repeat(43)] {
            assert!(town.accounts.session(&Secret::new(bad), None).await.unwrap().is_none(), "{bad}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_with_the_password_and_with_the_account() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let root = town.person("root-of-all").await;
        let secret = town.accounts.begin_session(&alice, "").await.unwrap();
        let change = UserChange {
            password: Some(Secret::new("another password")),
            present_password: Some(Secret::new(PASSWORD)),
            ..UserChange::default()
        };
        town.accounts.change_user(&account("alice"), change, &alice).await.unwrap();
        assert!(town.accounts.session(&secret, None).await.unwrap().is_none(), "{}", town.test.engine);
        let secret = town.accounts.begin_session(&alice, "").await.unwrap();
        let off = UserChange { disabled: Some(true), ..UserChange::default() };
        town.accounts.change_user(&account("alice"), off, &root).await.unwrap();
        assert!(town.accounts.session(&secret, None).await.unwrap().is_none());
        let on = UserChange { disabled: Some(false), ..UserChange::default() };
        town.accounts.change_user(&account("alice"), on, &root).await.unwrap();
        assert!(town.accounts.session(&secret, None).await.unwrap().is_none(), "it does not come back");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_comes_in_person_gets_a_session() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let (_, secret) = town.token("alice", "pull,push,delete,admin", &[]).await;
        let by_token = town.login("alice", secret.reveal()).await.unwrap();
        for caller in [&by_token, &Caller::anonymous(None), &Caller::folder_owner()] {
            assert!(town.accounts.begin_session(caller, "").await.is_err(), "{caller:?}");
        }
    })
    .await;
}
