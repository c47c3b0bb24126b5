//! Sessions of the web page.

use berth_auth::{AuthError, Caller, Secret, SessionId, UserChange, Vouched};
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

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_leads_to_its_user_and_to_nobody_else() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let accounts = &town.accounts;
        let vouched = |subject: &str, name: &str| Vouched {
            issuer: "https://id.example".to_owned(),
            subject: subject.to_owned(),
            user_name: Some(name.to_owned()),
        };
        let alice = town.person("alice").await;
        let stranger = accounts.vouched(&vouched("1", "dora"), None, false).await;
        assert!(matches!(stranger, Err(AuthError::Invalid(_))), "{}", town.test.engine);
        let taken = accounts.vouched(&vouched("2", "alice"), None, true).await;
        assert!(matches!(taken, Err(AuthError::Exists { .. })), "a name is no proof of who somebody is");
        let dora = accounts.vouched(&vouched("1", "Dora@Example.com"), None, true).await.unwrap();
        assert_eq!(dora.name(), "dora");
        let again = accounts.vouched(&vouched("1", "root-of-all"), None, true).await.unwrap();
        assert_eq!(again.name(), "dora", "what counts is the subject");
        accounts.link_identity(&vouched("2", "x"), &alice).await.unwrap();
        let linked = accounts.vouched(&vouched("2", "x"), None, false).await.unwrap();
        assert_eq!(linked.name(), "alice");
        assert!(accounts.begin_session(&linked, "").await.is_ok());
        assert!(matches!(
            accounts.link_identity(&vouched("1", "x"), &alice).await,
            Err(AuthError::Exists { .. })
        ));
        assert_eq!(accounts.identities(&alice).await.unwrap().len(), 1);
        let root = town.person("root-of-all").await;
        let off = UserChange { disabled: Some(true), ..UserChange::default() };
        accounts.change_user(&account("dora"), off, &root).await.unwrap();
        assert!(
            accounts.vouched(&vouched("1", "dora"), None, true).await.is_err(),
            "disabled stays disabled"
        );
        assert!(accounts.unlink_identity("https://id.example", "1", &alice).await.is_err(), "another's");
        accounts.unlink_identity("https://id.example", "2", &alice).await.unwrap();
        assert!(accounts.vouched(&vouched("2", "x"), None, false).await.is_err());
    })
    .await;
}
