//! Who may see what: an upstream's images are no way around the rights here, and no own image takes their place.

use berth_auth::{Action, Actions, NewGrant, Subject};
use berth_oci::{Reference, RepositoryName};
use berth_registry::{Access, Caller, Pull, Push, PutManifest, Refusal, RegistryError};
use bytes::Bytes;

use crate::fake::{Fake, bytes};
use crate::world::{UP, World};

async fn may<R: berth_registry::Right>(
    world: &World,
    caller: &Caller,
    name: &str,
) -> Result<Access<R>, RegistryError> {
    let name: RepositoryName = name.parse().unwrap();
    world.registry.authorizer().authorize(caller, &name).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_upstream_is_seen_by_those_alone_who_may() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.public = false).await;
    let (alice, bob, anonymous) =
        (world.user("alice").await, world.user("bob").await, Caller::anonymous(None));
    let grant = NewGrant {
        subject: Subject::Account("alice".parse().unwrap()),
        pattern: "up.test/**".parse().unwrap(),
        actions: Actions::NONE.with(Action::Pull),
        wide: false,
    };
    world.accounts.add_grant(grant, &Caller::folder_owner()).await.unwrap();
    let image = fake.put_image("org/app", "1", &[bytes(1, 100_000)]);
    let app = "up.test/org/app";
    for round in ["before it is here", "when it is here"] {
        for caller in [&bob, &anonymous] {
            let refused = may::<Pull>(&world, caller, app).await;
            assert!(matches!(refused, Err(RegistryError::Denied(_))), "{round}");
        }
        let access = may::<Pull>(&world, &alice, app).await.unwrap();
        world.mirror.get_manifest(&access, &"1".parse().unwrap()).await.unwrap();
        world.mirror.open_blob(&access, &image.layers[0]).await.unwrap();
    }
    // The same bytes by a mount into an own repository, for who may not see them.
    let target = may::<Push>(&world, &bob, "bob/app").await.unwrap();
    let mounted = world.registry.mount_blob(&target, &image.layers[0], None).await.unwrap();
    assert_eq!(mounted, None);
    // Made public and private again, what is here follows.
    world.add(&fake, |_| {}).await;
    may::<Pull>(&world, &anonymous, app).await.unwrap();
    may::<Pull>(&world, &anonymous, "up.test/org/other").await.unwrap();
    world.add(&fake, |settings| settings.public = false).await;
    assert!(may::<Pull>(&world, &anonymous, app).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_pushes_under_an_upstreams_name() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    for caller in [Caller::anonymous(None), Caller::folder_owner()] {
        let refused = may::<Push>(&world, &caller, "up.test/org/app").await.unwrap_err();
        assert!(matches!(refused, RegistryError::Denied(Refusal::Mirrored { .. })), "{refused}");
    }
    assert!(may::<Push>(&world, &Caller::folder_owner(), "uptest/org/app").await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_pushed_before_stays_an_own_repository() {
    let (world, fake) = (World::new().await, Fake::start().await);
    let owner = Caller::folder_owner();
    let access = may::<Push>(&world, &owner, "up.test/org/app").await.unwrap();
    let manifest = PutManifest {
        reference: "1".parse::<Reference>().unwrap(),
        media_type: "application/vnd.oci.image.index.v1+json".into(),
        content: Bytes::from_static(
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        ),
        tags: Vec::new(),
    };
    let own = world.registry.put_manifest(&access, manifest).await.unwrap();
    // An upstream cannot be set up over it.
    let settings = berth_mirror::Settings { url: fake.url(), private: true, ..Default::default() };
    let change = berth_mirror::Change { settings, password: None };
    let taken = world.mirror.set_upstream(&world.owner(), UP, change).await.unwrap_err();
    assert!(taken.to_string().contains("up.test/org/app"), "{taken}");
    // One from the configuration is there all the same: its own names are its, and this one is not.
    let names = world.registry.authorizer().upstreams();
    names.set([berth_registry::Upstream { name: UP.into(), visibility: berth_registry::Visibility::Public }]);
    let read = may::<Pull>(&world, &owner, "up.test/org/app").await.unwrap();
    assert_eq!(read.upstream(), None);
    assert_eq!(world.registry.get_manifest(&read, &"1".parse().unwrap()).await.unwrap().digest, own.digest);
    may::<Push>(&world, &owner, "up.test/org/app").await.expect("its owner goes on with it");
    assert!(may::<Push>(&world, &owner, "up.test/org/new").await.is_err());
    assert_eq!(may::<Pull>(&world, &owner, "up.test/org/new").await.unwrap().upstream(), Some(UP));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_allowed_is_had() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world
        .add(&fake, |settings| {
            settings.allow = vec!["org/**".into()];
            settings.deny = vec!["org/secret".into()];
        })
        .await;
    for repository in ["org/app", "org/secret", "other/app"] {
        fake.put_image(repository, "1", &[bytes(1, 10)]);
        let got = world.get(&format!("up.test/{repository}"), "1").await;
        assert_eq!(got.is_ok(), repository == "org/app", "{repository}");
    }
    assert_eq!(fake.asked("secret") + fake.asked("other"), 0, "nobody is asked for what may not be had");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_knows_its_own_requests() {
    let world = World::new().await;
    let fake = Fake::start().await;
    world.add(&fake, |_| {}).await;
    assert!(!world.mirror.is_own_request("1.1 berth-0000000000000000, 1.1 proxy"));
    world.get("up.test/org/app", "1").await.unwrap_err();
    let via = fake.state().via.clone().expect("it says who asks");
    assert!(world.mirror.is_own_request(&format!("1.1 proxy, {via}")));
    assert!(!World::new().await.mirror.is_own_request(&via), "another one is not this one");
}
