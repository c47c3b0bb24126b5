//! What is set of upstreams: kept, sealed, and refused with a sentence.

use berth_client::Secret;
use berth_mirror::{Change, ManageError, Settings};
use berth_registry::{Caller, Push};

use crate::fake::{Fake, Fault, bytes};
use crate::world::{UP, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_kept_for_its_address_alone() {
    let (world, fake, other) = (World::new().await, Fake::start().await, Fake::start().await);
    world.add(&fake, |settings| settings.user = Some("alice".into())).await;
    let set = async |url: String, user: Option<&str>| {
        let settings = Settings { url, private: true, user: user.map(str::to_owned), ..Settings::default() };
        world.mirror.set_upstream(&world.owner(), UP, Change { settings, password: None }).await
    };
    set(fake.url(), Some("alice")).await.expect("the same address keeps it");
    let elsewhere = set(other.url(), Some("alice")).await.unwrap_err();
    assert!(matches!(elsewhere, ManageError::Half), "{elsewhere}");
    set(other.url(), None).await.expect("without a user there is nothing to keep");
    let back = set(fake.url(), Some("alice")).await;
    assert!(matches!(back, Err(ManageError::Half)), "and it is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_survives_a_restart_and_is_sent_when_the_upstream_asks() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.user = Some("alice".into())).await;
    let world = world.restart().await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    fake.fault(Fault::SignIn);
    world.get("up.test/org/app", "1").await.unwrap();
    // alice:geheim
    assert_eq!(fake.asked("Basic YWxpY2U6Z2VoZWlt"), 1, "{:?}", fake.take());
    assert!(world.mirror.status(&world.owner()).await.unwrap()[0].has_password);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let world = World::new().await;
    let set = async |name: &str, settings: Settings| {
        let change = Change { settings, password: None };
        world.mirror.set_upstream(&world.owner(), name, change).await.map(drop)
    };
    let at = |url: &str| Settings { url: url.into(), ..Settings::default() };
    for (name, settings) in [
        ("corp", at("https://corp.example")),
        ("corp.example", Settings::default()),
        ("corp.example", at("corp.example")),
        ("corp.example", at("https://user:pw@corp.example")),
        ("corp.example", at("https://2130706433")),
        ("corp.example", at("gopher://corp.example")),
        ("corp.example", Settings { allow: vec!["***".into()], ..at("https://corp.example") }),
        ("corp.example", Settings { reserve: 101, ..at("https://corp.example") }),
        ("corp.example", Settings { user: Some("alice".into()), ..at("https://corp.example") }),
        (
            "corp.example",
            Settings { fallbacks: vec!["https://a.example".into(); 9], ..at("https://corp.example") },
        ),
    ] {
        let refused = set(name, settings.clone()).await.expect_err(&format!("{name} {settings:?}"));
        assert!(refused.to_string().len() > 20, "{refused}");
    }
    assert!(world.mirror.status(&world.owner()).await.unwrap().is_empty());
    let half = Change { settings: at("https://corp.example"), password: Some(Secret::new("x")) };
    let half = world.mirror.set_upstream(&world.owner(), "corp.example", half).await;
    assert!(matches!(half, Err(ManageError::Half)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_on_this_machine_has_to_be_meant() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.private = false).await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    let refused = world.get("up.test/org/app", "1").await.unwrap_err().to_string();
    assert!(refused.contains("an address of this machine") && refused.contains("--private"), "{refused}");
    assert_eq!(fake.take(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_upstream_gives_its_names_back() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    world.get("up.test/org/app", "1").await.unwrap();
    assert_eq!(world.mirror.remove_upstream(&world.owner(), UP, false).await.unwrap(), 0);
    assert!(!world.mirror.has(UP));
    // What came from it can be pulled, and nothing is mixed with it.
    let name = "up.test/org/app".parse().unwrap();
    let authorizer = world.registry.authorizer();
    let kept =
        world.registry.get_manifest(&world.access("up.test/org/app").await, &"1".parse().unwrap()).await;
    kept.unwrap();
    let pushed = authorizer.authorize::<Push>(&Caller::folder_owner(), &name).await.unwrap_err();
    assert!(pushed.to_string().contains("up.test"), "{pushed}");
    authorizer.authorize::<Push>(&Caller::folder_owner(), &"up.test/org/new".parse().unwrap()).await.unwrap();
    world.add(&fake, |_| {}).await;
    world.get("up.test/org/app", "1").await.expect("it is the upstream's again");
    assert_eq!(world.mirror.remove_upstream(&world.owner(), UP, true).await.unwrap(), 1);
    let unknown = world.mirror.remove_upstream(&world.owner(), UP, true).await;
    assert!(matches!(unknown, Err(ManageError::Unknown { .. })));
    assert_eq!(world.access("up.test/org/app").await.upstream(), None);
    world.add(&fake, |_| {}).await;
    fake.fault(Fault::Status(503));
    assert!(world.get("up.test/org/app", "1").await.is_err(), "nothing of before is left");
}
