//! Blobs: one download for all, read while it arrives, and never whole unless it is right.

use berth_blobs::Options;
use berth_mirror::{MirrorError, MirroredBlob};
use berth_registry::BlobBody;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};

use crate::fake::{Fake, Fault, bytes};
use crate::world::{World, read};

const APP: &str = "up.test/org/app";

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_is_read_while_it_arrives_and_kept() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let content = bytes(1, 1_000_000);
    let image = fake.put_image("org/app", "1", std::slice::from_ref(&content));
    world.get(APP, "1").await.unwrap();
    fake.close();
    let access = world.access(APP).await;
    let opened = world.mirror.open_blob(&access, &image.layers[0]).await.unwrap();
    let MirroredBlob::Here(arriving) = opened else { panic!("there is room") };
    assert_eq!(arriving.size, content.len() as u64);
    let BlobBody::Growing(following) = arriving.body else { panic!("it arrives") };
    let mut start = Box::pin(following.read(0..1000));
    let first = start.next().await.unwrap().unwrap();
    assert!(!first.is_empty() && content.starts_with(&first), "the first bytes come before the last");
    fake.open();
    let rest: Vec<Bytes> = start.try_collect().await.unwrap();
    assert_eq!([first, rest.concat().into()].concat(), content[..1000]);
    assert_eq!(following.finished().await.unwrap(), content.len() as u64);
    assert_eq!(world.blob(APP, &image.layers[0]).await.unwrap(), content);
    assert_eq!(fake.asked("GET /v2/org/app/blobs"), 1);
    assert_eq!(world.blob(APP, &image.config).await.unwrap().len(), 22, "small ones too");
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_are_one_download_and_one_who_leaves_harms_nobody() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let content = bytes(2, 2_000_000);
    let image = fake.put_image("org/app", "1", std::slice::from_ref(&content));
    world.get(APP, "1").await.unwrap();
    fake.close();
    let access = world.access(APP).await;
    let start = |leaves: bool| {
        let (mirror, access, digest) = (world.mirror.clone(), access.clone(), image.layers[0].clone());
        tokio::spawn(async move {
            let blob = mirror.open_blob(&access, &digest).await.unwrap();
            if leaves { Ok(Bytes::new()) } else { read(blob).await }
        })
    };
    // The one for whom the download was begun goes first.
    start(true).await.unwrap().unwrap();
    let readers: Vec<_> = (0..20).map(|n| start(n == 7)).collect();
    fake.open();
    for (n, reader) in readers.into_iter().enumerate() {
        let got = reader.await.unwrap().unwrap();
        assert!(n == 7 || got == content, "reader {n} got {} bytes", got.len());
    }
    assert_eq!(world.blob_kept(APP, &image.layers[0]).await, content);
    assert_eq!(fake.asked("GET /v2/org/app/blobs"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_goes_on_where_it_stopped() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let content = bytes(3, 1_000_000);
    let image = fake.put_image("org/app", "1", std::slice::from_ref(&content));
    world.get(APP, "1").await.unwrap();
    fake.fault(Fault::CutAfter(300_000));
    assert_eq!(world.blob(APP, &image.layers[0]).await.unwrap(), content);
    assert_eq!(fake.asked("GET /v2/org/app/blobs"), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_goes_away_in_the_middle_leaves_nothing_on_the_disk() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(9, 1_000_000)]);
    world.get(APP, "1").await.unwrap();
    fake.close();
    let opened = world.mirror.open_blob(&world.access(APP).await, &image.layers[0]).await.unwrap();
    assert_eq!(world.blobs.list_stages().await.unwrap().len(), 1, "it arrives");
    fake.away().await;
    assert!(read(opened).await.is_err());
    world.landed().await;
    assert_eq!(world.blobs.list_stages().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bytes_are_never_whole_never_kept_and_told() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let cases = [
        (Fault::WrongByte, 500_000),
        (Fault::WrongByte, 100),
        (Fault::Longer, 500_000),
        (Fault::Longer, 100),
        (Fault::Page, 500_000),
        (Fault::Page, 100),
    ];
    for (n, (fault, len)) in cases.into_iter().enumerate() {
        let content = bytes(n as u64 + 70, len);
        let image = fake.put_image("org/app", "1", std::slice::from_ref(&content));
        world.get(APP, "1").await.unwrap();
        fake.fault(fault);
        for _ in 0..3 {
            let got = world.blob(APP, &image.layers[0]).await;
            assert!(got.is_err(), "{fault:?} {len}: {} bytes came to a clean end", got.unwrap().len());
            assert!(!world.is_stored(APP, &image.layers[0]).await, "{fault:?} {len}");
        }
        world.landed().await;
        let trouble = world.mirror.status(&world.owner()).await.unwrap()[0].trouble.clone().unwrap();
        assert!(trouble.what.contains(&image.layers[0].to_string()), "{fault:?}: {}", trouble.what);
        fake.fault(None);
        assert_eq!(world.blob(APP, &image.layers[0]).await.unwrap(), content, "a good one comes after that");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_blobs_pass_through_and_are_checked_all_the_same() {
    let (world, fake) = (World::with(Options { reserve: u64::MAX }).await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let content = bytes(4, 300_000);
    let image = fake.put_image("org/app", "1", std::slice::from_ref(&content));
    world.get(APP, "1").await.unwrap();
    let opened = world.mirror.open_blob(&world.access(APP).await, &image.layers[0]).await.unwrap();
    assert!(matches!(opened, MirroredBlob::Passing(_)));
    assert_eq!(read(opened).await.unwrap(), content);
    fake.fault(Fault::WrongByte);
    assert!(world.blob(APP, &image.layers[0]).await.is_err());
    assert!(!world.is_stored(APP, &image.layers[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_base_that_images_share_is_fetched_once_and_asked_about_for_each() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let base = bytes(5, 200_000);
    let image = fake.put_image("org/app", "1", std::slice::from_ref(&base));
    fake.put_image("org/other", "1", std::slice::from_ref(&base));
    world.blob_kept(APP, &image.layers[0]).await;
    fake.take();
    assert_eq!(world.blob("up.test/org/other", &image.layers[0]).await.unwrap(), base);
    assert_eq!(fake.take(), [format!("HEAD /v2/org/other/blobs/{}", image.layers[0])]);
    // What the upstream does not give there is not had from here either.
    let denied = world.mirror.open_blob(&world.access("up.test/org/third").await, &image.layers[0]).await;
    assert!(matches!(denied, Err(MirrorError::NotThere { .. })));
    assert!(!world.is_stored("up.test/org/third", &image.layers[0]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_blob_fetches_nothing() {
    let (world, mut fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let image = fake.put_image("org/app", "1", &[bytes(6, 200_000)]);
    let access = world.access(APP).await;
    let looked = world.mirror.stat_blob(&access, &image.layers[0]).await.unwrap();
    assert_eq!(looked.size, 200_000);
    assert_eq!(fake.take(), [format!("HEAD /v2/org/app/blobs/{}", image.layers[0])]);
    world.blob_kept(APP, &image.layers[0]).await;
    fake.away().await;
    assert_eq!(world.mirror.stat_blob(&access, &image.layers[0]).await.unwrap().size, 200_000);
}
