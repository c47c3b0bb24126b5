//! How much a cache holds, what goes first, and what a rehearsal says.

use std::time::Duration;

use berth_registry::{Caller, Page};
use bytes::Bytes;

use crate::fake::{Fake, Image, bytes};
use crate::world::{UP, World};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Pulls an image with all its blobs.
async fn pull(world: &World, name: &str, image: &Image) {
    world.get(name, "1").await.unwrap();
    for blob in image.layers.iter().chain([&image.config]) {
        world.blob_kept(name, blob).await;
    }
}

async fn used(world: &World) -> u64 {
    world.mirror.status(&world.owner()).await.unwrap()[0].bytes
}

/// Three images of one own layer each and one that all share, pulled one after the other.
async fn three(world: &World, fake: &Fake) -> Vec<(String, Image)> {
    let mut images = Vec::new();
    for n in 1..=3_u8 {
        let layers: [Bytes; 2] = [bytes(99, 50_000), bytes(n.into(), 100_000)];
        let image = fake.put_image(&format!("org/app{n}"), "1", &layers);
        let name = format!("{UP}/org/app{n}");
        pull(world, &name, &image).await;
        world.registry.write_uses().await.unwrap();
        images.push((name, image));
    }
    images
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_used_for_longest_goes_first_by_exact_bytes() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.fresh = 3600).await;
    let images = three(&world, &fake).await;
    let all = used(&world).await;
    // The oldest is used once more, so the second is the one to go.
    world.get(&images[0].0, "1").await.unwrap();
    world.add(&fake, |settings| settings.max_bytes = Some(all)).await;
    world.mirror.make_room().await.unwrap();
    assert_eq!(used(&world).await, all, "as much as it may hold is not too much");
    world.add(&fake, |settings| settings.max_bytes = Some(all - 1)).await;
    world.mirror.make_room().await.unwrap();
    let kept = |n: usize| {
        let (world, (name, image)) = (&world, &images[n]);
        async move {
            [world.is_stored(name, &image.layers[0]).await, world.is_stored(name, &image.layers[1]).await]
        }
    };
    assert_eq!([kept(0).await, kept(1).await, kept(2).await], [[true; 2], [false; 2], [true; 2]]);
    let manifest = world.get(&images[0].0, "1").await.unwrap().manifest.size;
    let config = world.blob(&images[0].0, &images[0].1.config).await.unwrap().len() as u64;
    // The shared layer is still there for the others; its bytes count once.
    assert_eq!(used(&world).await, 50_000 + 2 * (100_000 + manifest) + config);
    let cycle = world.registry.clean().await.unwrap();
    assert_eq!(cycle.bytes, 100_000, "and the disk is freed by the next cleaning");
    pull(&world, &images[1].0, &images[1].1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pinned_stays_and_what_is_old_goes() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    let images = three(&world, &fake).await;
    let name = images[0].0.parse().unwrap();
    let admin = world.registry.authorizer().authorize(&Caller::folder_owner(), &name).await.unwrap();
    assert!(world.registry.set_pin(&admin, &"1".parse().unwrap(), true).await.unwrap());
    world.add(&fake, |settings| settings.max_age = Some(3600)).await;
    world.mirror.make_room().await.unwrap();
    assert!(world.is_stored(&images[1].0, &images[1].1.layers[1]).await, "nothing is an hour old");
    world.add(&fake, |settings| settings.max_age = Some(0)).await;
    world.mirror.make_room().await.unwrap();
    assert!(!world.is_stored(&images[1].0, &images[1].1.layers[1]).await);
    assert!(world.is_stored(&images[0].0, &images[0].1.layers[1]).await, "pinned");
    assert!(world.registry.set_pin(&admin, &"1".parse().unwrap(), false).await.unwrap());
    assert!(!world.registry.set_pin(&admin, &"1".parse().unwrap(), false).await.unwrap());
    world.mirror.make_room().await.unwrap();
    assert_eq!(used(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_names_what_would_fail() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |_| {}).await;
    three(&world, &fake).await;
    let half = fake.put_image("org/half", "1", &[bytes(7, 10), bytes(8, 10)]);
    world.get("up.test/org/half", "1").await.unwrap();
    world.blob_kept("up.test/org/half", &half.layers[0]).await;
    fake.take();
    let rehearsal = world.mirror.rehearse(&world.owner(), UP, 30 * DAY).await.unwrap();
    assert_eq!(rehearsal.n_good, 3);
    let [fails] = rehearsal.fail.as_slice() else { panic!("{:?}", rehearsal.fail) };
    assert_eq!((fails.image.as_str(), &fails.digest), ("up.test/org/half:1", &half.digest));
    assert_eq!(fails.why, "2 of its blobs are not here");
    assert_eq!(fake.take(), [""; 0], "nothing is asked");
    assert_eq!(world.mirror.rehearse(&world.owner(), UP, Duration::ZERO).await.unwrap().fail, []);
    let access = world.access("up.test/org/half").await;
    world.mirror.prefetch(&access, &"1".parse().unwrap(), &|_| true).await.unwrap();
    assert_eq!(world.mirror.rehearse(&world.owner(), UP, 30 * DAY).await.unwrap().fail, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_had_from_where_is_counted() {
    let (world, fake) = (World::new().await, Fake::start().await);
    world.add(&fake, |settings| settings.fresh = 3600).await;
    let image = fake.put_image("org/app", "1", &[bytes(1, 100_000)]);
    let name = "up.test/org/app";
    pull(&world, name, &image).await;
    let traffic = world.mirror.status(&world.owner()).await.unwrap()[0].traffic;
    let size = world.get(name, "1").await.unwrap().manifest.size;
    assert_eq!((traffic.misses, traffic.hits), (3, 0));
    assert_eq!(traffic.bytes_fetched, 100_000 + 22 + size);
    pull(&world, name, &image).await;
    let traffic = world.mirror.status(&world.owner()).await.unwrap()[0].traffic;
    assert_eq!((traffic.misses, traffic.hits), (3, 4));
    assert_eq!(traffic.bytes_saved, 100_000 + 22 + 2 * size);
    // A tag that moves back to what is here fetches nothing.
    world.add(&fake, |_| {}).await;
    let other = fake.put_image("org/app", "1", &[bytes(2, 10)]);
    world.get(name, "1").await.unwrap();
    fake.put_image("org/app", "1", &[bytes(1, 100_000)]);
    assert_ne!(world.get(name, "1").await.unwrap().manifest.digest, other.digest);
    let after = world.mirror.status(&world.owner()).await.unwrap()[0].traffic;
    assert_eq!((after.misses, after.hits), (traffic.misses + 1, traffic.hits + 1));
    let traffic = after;
    let world = world.restart().await;
    assert_eq!(world.mirror.status(&world.owner()).await.unwrap()[0].traffic, traffic);
    let Page { items, .. } =
        world.registry.mirrored_tags(&world.owner(), UP, berth_registry::Timestamp(0), 0, 10).await.unwrap();
    assert_eq!(items.len(), 1);
}
