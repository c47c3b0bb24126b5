//! Who may do what.

use berth_auth::{Action, Caller, Missing, Reason, Role, Verdict, Visibility};
use berth_db::testing::on_each;

use crate::town::{Town, account, here};

const ALL: &str = "pull,push,delete,admin";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_owns_his_namespace_and_nothing_beside_it() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let (root, alice) = (town.person("root-of-all").await, town.person("alice").await);
        for name in ["alice/app", "alice/a/b/c"] {
            assert_eq!(town.actions(&alice, name), ALL, "{} {name}", town.test.engine);
        }
        for name in ["alice", "alice2/app", "bob/app", "cc-hello-world", "quay.io/alice/app", "nobody/app"] {
            assert_eq!(town.actions(&alice, name), "", "{name}");
            assert_eq!(town.actions(&root, name), ALL, "{name}");
        }
        let verdict = town.verdict(&alice, Action::Push, "bob/app");
        let Verdict::Refused(Missing::Right { owner, .. }) = &verdict else { panic!("{verdict:?}") };
        assert_eq!(owner.as_ref(), Some(&account("bob")));
        assert_eq!(town.verdict(&alice, Action::Push, "alice/x"), Verdict::Allowed(Reason::OwnNamespace));
        assert_eq!(town.verdict(&town.owner, Action::Push, "x"), Verdict::Allowed(Reason::FolderOwner));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn anybody_may_pull_what_is_public_and_nothing_more() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let nobody = Caller::anonymous(here());
        for caller in [&nobody, &town.person("bob").await] {
            assert!(town.may(caller, Action::Pull, "alice/app", Visibility::Public), "{}", town.test.engine);
            assert!(!town.may(caller, Action::Pull, "alice/app", Visibility::Private));
            for action in [Action::Push, Action::Delete, Action::Admin] {
                assert!(!town.may(caller, action, "alice/app", Visibility::Public));
            }
        }
        assert_eq!(town.verdict(&nobody, Action::Pull, "alice/app"), Verdict::Refused(Missing::SignIn));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_a_team_reach_as_far_as_they_say() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        town.accounts.add_team(account("acme"), &town.owner).await.unwrap();
        let alice = town.person("alice").await;
        for (role, actions) in [(Role::Read, "pull"), (Role::Write, "pull,push"), (Role::Admin, ALL)] {
            town.accounts.set_member(&account("acme"), &account("alice"), role, &town.owner).await.unwrap();
            assert_eq!(town.actions(&alice, "acme/app"), actions, "{} {role}", town.test.engine);
            assert_eq!(town.actions(&alice, "acme"), "");
        }
        assert_eq!(town.actions(&town.person("bob").await, "acme/app"), "");
        town.accounts.remove_member(&account("acme"), &account("alice"), &town.owner).await.unwrap();
        assert_eq!(town.actions(&alice, "acme/app"), "");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_reach_users_teams_robots_and_everyone() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        town.accounts.add_team(account("acme"), &town.owner).await.unwrap();
        town.accounts.set_member(&account("acme"), &account("bob"), Role::Read, &town.owner).await.unwrap();
        town.accounts.add_robot(account("alice.ci"), &town.owner).await.unwrap();
        town.grant("alice", "quay.io/**", "pull,push").await;
        town.grant("acme", "cc-hello-world", "pull").await;
        town.grant("alice.ci", "alice/app", "push").await;
        town.grant("everyone", "shared/*", "pull").await;
        let (alice, bob) = (town.person("alice").await, town.person("bob").await);
        let (_, secret) = town.token("alice.ci", "*", &[]).await;
        let robot = town.login("whoever", secret.reveal()).await.unwrap();
        for (caller, name, actions) in [
            (&alice, "quay.io/a/b", "pull,push"),
            (&alice, "cc-hello-world", ""),
            (&bob, "cc-hello-world", "pull"),
            (&robot, "alice/app", "push"),
            (&robot, "alice/other", ""),
            (&robot, "alice.ci/x", ""),
            (&robot, "shared/x", "pull"),
            (&Caller::anonymous(here()), "shared/x", "pull"),
            (&Caller::anonymous(here()), "shared/x/y", ""),
        ] {
            assert_eq!(town.actions(caller, name), actions, "{} {} {name}", town.test.engine, caller.name());
        }
        let verdict = town.verdict(&bob, Action::Pull, "cc-hello-world");
        let Verdict::Allowed(reason) = verdict else { panic!("{verdict:?}") };
        assert!(reason.to_string().contains("which acme has for cc-hello-world"), "{reason}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_answers_as_the_decision_does_and_only_those_whom_it_concerns() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let (alice, bob) = (town.person("alice").await, town.person("bob").await);
        let name = crate::town::repository("alice/app");
        let why = |subject: &'static str, by| {
            let (accounts, name) = (town.accounts.clone(), name.clone());
            async move { accounts.why(subject, Action::Push, &name, Visibility::Private, by) }
        };
        assert_eq!(why("alice", &alice).await.unwrap(), Verdict::Allowed(Reason::OwnNamespace));
        assert!(!why("bob", &alice).await.unwrap().is_allowed(), "the owner may ask about his repositories");
        assert!(!why("bob", &bob).await.unwrap().is_allowed(), "and everybody about himself");
        assert_eq!(why("anonymous", &town.owner).await.unwrap(), Verdict::Refused(Missing::SignIn));
        why("alice", &bob).await.unwrap_err();
        why("nobody-here", &town.owner).await.unwrap_err();
        why("alice", &Caller::anonymous(None)).await.unwrap_err();
    })
    .await;
}
