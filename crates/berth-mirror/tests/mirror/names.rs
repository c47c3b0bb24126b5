//! Which name is whose.

use berth_mirror::{Entrance, Mirror, Named};
use berth_oci::RepositoryName;
use proptest::prelude::*;

use crate::fake::Fake;
use crate::world::World;

fn named(mirror: &Mirror, entrance: Entrance, ns: Option<&str>, name: &str) -> Option<Named> {
    mirror.named(entrance, ns, Some("localhost:5000"), &name.parse().unwrap()).ok()
}

fn up(name: &str) -> Option<Named> {
    Some(Named::Upstream(name.parse().unwrap()))
}

fn own(name: &str) -> Option<Named> {
    Some(Named::Own(name.parse().unwrap()))
}

async fn world() -> (World, Fake) {
    let (world, fake) = (World::new().await, Fake::start().await);
    for name in ["docker.io", "quay.io"] {
        world.add_as(name, &fake, |_| {}).await;
    }
    world.add_as("local.test", &fake, |settings| settings.url = "http://127.0.0.1:5999".into()).await;
    (world, fake)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_forms_of_a_name_reach_the_same_image() {
    let (world, _fake) = world().await;
    let mirror = &world.mirror;
    let alpine = up("docker.io/library/alpine");
    for (entrance, ns, name) in [
        (Entrance::Mirror, None, "library/alpine"),
        (Entrance::Mirror, None, "alpine"),
        (Entrance::Mirror, Some("docker.io"), "library/alpine"),
        (Entrance::Main, Some("docker.io"), "library/alpine"),
        (Entrance::Main, Some("docker.io"), "alpine"),
        (Entrance::Main, Some("index.docker.io"), "library/alpine"),
        (Entrance::Main, Some("Docker.IO"), "library/alpine"),
        (Entrance::Main, None, "docker.io/library/alpine"),
        (Entrance::Main, None, "docker.io/alpine"),
        (Entrance::Main, Some("docker.io"), "docker.io/library/alpine"),
        (Entrance::Mirror, None, "docker.io/alpine"),
        (Entrance::Mirror, Some("localhost:5000"), "library/alpine"),
    ] {
        assert_eq!(named(mirror, entrance, ns, name), alpine, "{entrance:?} {ns:?} {name}");
    }
    assert_eq!(
        named(mirror, Entrance::Main, Some("127.0.0.1:5999"), "a/b"),
        up("local.test/a/b"),
        "by its address"
    );
    assert_eq!(
        named(mirror, Entrance::Main, Some("quay.io"), "app"),
        up("quay.io/app"),
        "only the Hub has a library"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_are_own_ones_or_nobodys() {
    let (world, fake) = world().await;
    let mirror = &world.mirror;
    for name in ["library/alpine", "alpine", "quay.io", "quay.iox/a", "acme/quay.io/app"] {
        assert_eq!(named(mirror, Entrance::Main, None, name), own(name), "{name}");
        assert_eq!(named(mirror, Entrance::Main, Some("localhost:5000"), name), own(name), "{name}");
    }
    for ns in ["evil.example", "quay.io:443", "http://quay.io", "127.0.0.1", "", "quay.io/x"] {
        for entrance in [Entrance::Main, Entrance::Mirror] {
            assert_eq!(named(mirror, entrance, Some(ns), "library/alpine"), None, "{ns:?}");
        }
    }
    assert_eq!(fake.take(), [""; 0]);
}

/// Without accounts everybody may everything; and the other listener is on the network.
#[tokio::test(flavor = "multi_thread")]
async fn a_private_upstream_is_not_at_the_open_listener() {
    let (world, fake) = world().await;
    for name in ["docker.io", "quay.io"] {
        world.add_as(name, &fake, |settings| settings.public = false).await;
    }
    let mirror = &world.mirror;
    for (ns, name) in [
        (None, "library/alpine"),
        (None, "docker.io/library/alpine"),
        (None, "quay.io/org/app"),
        (Some("quay.io"), "org/app"),
        (Some("docker.io"), "library/alpine"),
    ] {
        assert_eq!(named(mirror, Entrance::Mirror, ns, name), None, "{ns:?} {name}");
    }
    assert_eq!(named(mirror, Entrance::Main, Some("quay.io"), "org/app"), up("quay.io/org/app"));
    assert_eq!(
        named(mirror, Entrance::Mirror, None, "local.test/a/b"),
        up("local.test/a/b"),
        "a public one is"
    );
    world.add_as("docker.io", &fake, |_| {}).await;
    let beside = named(mirror, Entrance::Mirror, None, "quay.io/org/app");
    assert_eq!(beside, None, "and Docker Hub is not asked for what another has");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_own_repository_is_reached_where_this_is_taken_for_docker_hub() {
    let (world, _fake) = world().await;
    let mut runner = proptest::test_runner::TestRunner::default();
    let names = "[a-z][a-z0-9]{0,5}(\\.io)?(/[a-z0-9]{1,6}){0,3}";
    let mirror = &world.mirror;
    runner
        .run(&names, |name| {
            let name: RepositoryName = name.parse().unwrap();
            let meant = mirror.named(Entrance::Mirror, None, None, &name);
            prop_assert!(!matches!(meant, Ok(Named::Own(_))), "{name}");
            for entrance in [Entrance::Main, Entrance::Mirror] {
                let by_ns = mirror.named(entrance, Some("quay.io"), None, &name);
                prop_assert!(!matches!(by_ns, Ok(Named::Own(_))), "{name}");
                if let Ok(Named::Upstream(found)) = by_ns {
                    prop_assert!(found.as_str().starts_with("quay.io/"), "{found}");
                    let again = mirror.named(Entrance::Main, None, None, &found);
                    prop_assert_eq!(
                        again.ok(),
                        Some(Named::Upstream(found)),
                        "the whole name means the same"
                    );
                }
            }
            Ok(())
        })
        .unwrap();
}
