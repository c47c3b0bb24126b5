//! Manifests: fetched once, compared by a look, kept when the upstream is away.

use std::time::Duration;

use berth_mirror::MirrorError;
use berth_oci::{Digest, ErrorCode};

use crate::fake::{Fake, Fault, OCI_INDEX, OCI_MANIFEST, bytes};
use crate::world::{UP, World};

const APP: &str = "up.test/org/app";

#[tokio::test(flavor = "multi_thread")]
async fn the_first_pull_asks_and_the_second_is_answered_from_here() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.fresh = 3600).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 100_000)]);
    let first = world.get(APP, "1").await.unwrap().manifest;
    assert_eq!((&first.digest, first.media_type.as_str()), (&image.digest, OCI_MANIFEST));
    assert_eq!(Digest::sha256(&first.content), image.digest);
    assert_eq!(fake.take(), ["GET /v2/org/app/manifests/1"]);
    for at in ["1", &image.digest.to_string()] {
        assert_eq!(world.get(APP, at).await.unwrap().manifest, first, "{at}");
        assert_eq!(world.head(APP, at).await.unwrap().manifest.digest, image.digest, "{at}");
    }
    assert_eq!(fake.take(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_compared_by_a_look_and_followed_when_it_moved() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let old = fake.put_image("org/app", "latest", &[bytes(1, 10)]);
    world.get(APP, "latest").await.unwrap();
    fake.take();
    assert_eq!(world.get(APP, "latest").await.unwrap().manifest.digest, old.digest);
    assert_eq!(fake.take(), ["HEAD /v2/org/app/manifests/latest"], "a look is no pull");
    let new = fake.put_image("org/app", "latest", &[bytes(2, 10)]);
    assert_eq!(world.get(APP, "latest").await.unwrap().manifest.digest, new.digest);
    let asked = fake.take();
    assert_eq!(
        asked[1],
        format!("GET /v2/org/app/manifests/{}", new.digest),
        "by digest, so it cannot move between"
    );
    // Back to what is here still: no pull at all.
    fake.put_image("org/app", "latest", &[bytes(1, 10)]);
    assert_eq!(world.get(APP, "latest").await.unwrap().manifest.digest, old.digest);
    assert_eq!(fake.take(), ["HEAD /v2/org/app/manifests/latest"]);
    assert_eq!(world.get(APP, &new.digest.to_string()).await.unwrap().manifest.digest, new.digest);
    assert_eq!(fake.take(), [""; 0], "a digest means the same for ever");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_what_is_not_here_is_no_pull_and_the_tag_comes_with_the_manifest() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    let looked = world.head(APP, "1").await.unwrap().manifest;
    assert_eq!((looked.digest, looked.media_type.as_str()), (image.digest.clone(), OCI_MANIFEST));
    assert_eq!(fake.take(), ["HEAD /v2/org/app/manifests/1"]);
    world.get(APP, &image.digest.to_string()).await.unwrap();
    fake.away().await;
    assert_eq!(world.get(APP, "1").await.unwrap().manifest.digest, image.digest, "the tag is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_who_ask_at_once_are_one_question() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.fresh = 3600).await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    let access = world.access(APP).await;
    let asking = (0..20).map(|_| {
        let (mirror, access) = (world.mirror.clone(), access.clone());
        tokio::spawn(async move { mirror.get_manifest(&access, &"1".parse().unwrap()).await })
    });
    for answer in asking.collect::<Vec<_>>() {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(fake.take(), ["GET /v2/org/app/manifests/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_is_served_while_the_upstream_is_away_as_long_as_chosen() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    world.get(APP, "1").await.unwrap();
    for fault in [Fault::Status(500), Fault::Status(503), Fault::Status(429), Fault::Page] {
        fake.fault(fault);
        let answer = world.get(APP, "1").await.unwrap_or_else(|error| panic!("{fault:?}: {error}"));
        assert_eq!(answer.manifest.digest, image.digest, "{fault:?}");
        let (age, why) = answer.stale.unwrap_or_else(|| panic!("{fault:?} is told"));
        assert!(age < Duration::from_secs(60) && !why.is_empty(), "{fault:?}: {age:?} {why}");
    }
    fake.fault(None);
    fake.away().await;
    assert!(world.get(APP, "1").await.unwrap().stale.is_some());
    // Also after a restart, when nothing is known but what is written.
    let world = world.restart().await;
    let answer = world.get(APP, "1").await.unwrap();
    assert_eq!(answer.manifest.digest, image.digest);
    assert!(answer.stale.is_some());
    world.add(&fake, |settings| settings.stale = 0).await;
    let refused = world.get(APP, "1").await.unwrap_err();
    assert!(matches!(refused, MirrorError::Away { .. }), "{refused}");
    assert_eq!(world.get(APP, &image.digest.to_string()).await.unwrap().manifest.digest, image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_upstream_has_no_more_is_not_there() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    world.get(APP, "1").await.unwrap();
    fake.state().content.remove("org/app/manifests/1");
    for _ in 0..2 {
        let gone = world.get(APP, "1").await.unwrap_err();
        assert_eq!(gone.code(), ErrorCode::ManifestUnknown, "{gone}");
    }
    fake.away().await;
    assert!(world.get(APP, "1").await.is_err(), "and it does not come back when nobody can be asked");
    assert_eq!(world.get(APP, &image.digest.to_string()).await.unwrap().manifest.digest, image.digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_manifest_is_neither_kept_nor_served() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    for fault in [Fault::Page, Fault::LyingDigest] {
        fake.fault(fault);
        for at in ["1", &image.digest.to_string()] {
            let refused = world.get(APP, at).await.unwrap_err();
            assert_eq!(refused.code(), ErrorCode::Unavailable, "{fault:?} {at}: {refused}");
        }
    }
    let trouble = world.mirror.status(&world.owner()).await.unwrap()[0].trouble.clone().unwrap();
    assert!(trouble.what.contains("up.test/org/app"), "{}", trouble.what);
    fake.fault(None);
    let huge = vec![b' '; (4 << 20) + 1];
    fake.put_manifest("org/app", "huge", OCI_MANIFEST, &huge.into());
    assert!(world.get(APP, "huge").await.is_err());
    assert_eq!(
        world.get(APP, "1").await.unwrap().manifest.digest,
        image.digest,
        "a good one comes after all that"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_look_promised_and_nobody_has_is_trouble_and_not_absence() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    fake.fault(Fault::LyingDigest);
    let lie = world.head(APP, "1").await.unwrap().manifest.digest;
    assert_ne!(lie, image.digest);
    fake.fault(None);
    let refused = world.get(APP, &lie.to_string()).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::Unavailable, "{refused}");
    assert_eq!(world.get(APP, "1").await.unwrap().manifest.digest, image.digest);
    let absent = Digest::sha256(b"never heard of");
    assert_eq!(world.get(APP, &absent.to_string()).await.unwrap_err().code(), ErrorCode::ManifestUnknown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_and_not_taken_for_absence() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    for status in [401, 403] {
        fake.fault(Fault::Status(status));
        let refused = world.get(APP, "1").await.unwrap_err();
        assert!(matches!(refused, MirrorError::Refused { .. }), "{status}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_comes_as_it_is_and_only_the_platform_that_is_asked_for_with_it() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let amd = fake.put_image("org/app", "amd", &[bytes(1, 10)]);
    let arm = fake.put_image("org/app", "arm", &[bytes(2, 10)]);
    let entry = |digest: &Digest, arch: &str| {
        format!(
            r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":1,"platform":{{"os":"linux","architecture":"{arch}"}}}}"#
        )
    };
    let index = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{},{}]}}"#,
        entry(&amd.digest, "amd64"),
        entry(&arm.digest, "arm64")
    );
    let index = fake.put_manifest("org/app", "multi", OCI_INDEX, &index.into());
    assert_eq!(world.get(APP, "multi").await.unwrap().manifest.digest, index);
    world.get(APP, &arm.digest.to_string()).await.unwrap();
    assert_eq!(fake.asked(&amd.digest.to_string()), 0);
    let wants = |platform: Option<&berth_oci::Platform>| platform.is_some_and(|p| p.architecture == "amd64");
    let access = world.access(APP).await;
    let done = world.mirror.prefetch(&access, &"multi".parse().unwrap(), &wants).await.unwrap();
    assert_eq!((done.manifests, done.blobs, done.fetched), (2, 2, 2));
    assert!(world.is_stored(APP, &amd.layers[0]).await && !world.is_stored(APP, &arm.layers[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn fallbacks_are_asked_in_their_order() {
    let (world, mut first, second) = (World::new().await, Fake::start().await, Fake::start().await);
    let third = Fake::start().await;
    world
        .add(&first, |settings| {
            settings.fallbacks = vec![format!("{}/hub", second.url()), third.url()];
            settings.user = Some("alice".into());
        })
        .await;
    let image = second.put_image("hub/org/app", "1", &[bytes(1, 10)]);
    let last = third.put_image("org/other", "1", &[bytes(2, 10)]);
    assert_eq!(world.get(APP, "1").await.unwrap().manifest.digest, image.digest, "the first has it not");
    assert_eq!(world.get("up.test/org/other", "1").await.unwrap().manifest.digest, last.digest);
    first.away().await;
    assert_eq!(world.get(APP, "1").await.unwrap().manifest.digest, image.digest, "the first is away");
    assert_eq!(second.asked("Basic") + third.asked("Basic"), 0, "credentials are those of the first");
    // Nobody has it, but one that is away might: that is no "no".
    let unknown = world.get("up.test/org/none", "1").await.unwrap_err();
    assert!(matches!(unknown, MirrorError::Away { .. }), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn few_pulls_left_are_spared() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.reserve = 10).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 10)]);
    fake.put_image("org/app", "2", &[bytes(2, 10)]);
    for (left, asks) in [(11, true), (9, false)] {
        fake.fault(Fault::Budget(left));
        world.get(APP, "2").await.unwrap();
        world.get(APP, "1").await.unwrap();
        fake.take();
        assert_eq!(world.get(APP, "1").await.unwrap().manifest.digest, image.digest);
        assert_eq!(!fake.take().is_empty(), asks, "{left} left");
    }
    let status = &world.mirror.status(&world.owner()).await.unwrap()[0];
    assert!(status.spares);
    assert_eq!(status.servers[0].1.rate.map(|rate| rate.remaining), Some(9));
    fake.put_image("org/app", "3", &[bytes(3, 10)]);
    world.get(APP, "3").await.expect("what is not here is asked for all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_listed_by_the_upstream_or_from_here() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    fake.put_image("org/app", "1", &[bytes(1, 10)]);
    let list = (r"application/json".to_owned(), r#"{"name":"org/app","tags":["1","2"]}"#.into());
    fake.state().content.insert("org/app/tags/list".into(), list);
    world.get(APP, "1").await.unwrap();
    let access = world.access(APP).await;
    let listed = world.mirror.tags(&access, 10, "").await.unwrap();
    assert_eq!(listed, Some((vec!["1".to_owned(), "2".to_owned()], false)));
    fake.away().await;
    assert_eq!(world.mirror.tags(&access, 10, "").await.unwrap(), None);
    assert_eq!(world.registry.list_tags(&access, None, 10).await.unwrap().items, ["1"]);
    assert!(world.mirror.status(&world.owner()).await.unwrap().iter().any(|status| status.name == UP));
}
