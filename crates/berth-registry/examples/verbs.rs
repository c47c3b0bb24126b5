//! Measures the verbs without HTTP: how many small blobs, manifests and lookups a second, on the folder given.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use berth_db::Db;
use berth_oci::{Digest, Reference};
use berth_registry::{
    Access, Authorizer, BlobStore, BodyError, Caller, Meta, Policy, Pull, Push, PutManifest, Registry, Right,
};
use bytes::Bytes;
use futures_util::stream;

const PUSHERS: usize = 32;
const EACH: usize = 500;

#[tokio::main]
async fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("a folder to write to"));
    let db = Db::open_sqlite(&folder.join("berth.db")).await.expect("a database");
    let blobs = BlobStore::open(&folder).await.expect("a blob store");
    let meta = Meta::open(db).await.expect("tables");
    let registry = Registry::new(meta, blobs, Authorizer::open(), Policy::default());

    run("push of 16 KiB blobs", &registry, |registry, n| async move {
        let content = Bytes::from(format!("{n:0>16384}"));
        let digest = Digest::sha256(&content);
        let push = may::<Push>(&registry).await;
        let upload = registry.start_upload(&push, None).await.expect("an upload");
        let body = stream::iter([Ok::<_, BodyError>(content)]);
        registry.finish_upload(&push, &upload.id, None, body, &digest).await.expect("a blob");
    })
    .await;
    run("push of manifests", &registry, |registry, n| async move {
        registry.put_manifest(&may(&registry).await, manifest(n)).await.expect("a manifest");
    })
    .await;
    run("pull of manifests", &registry, |registry, n| async move {
        let reference: Reference = format!("v{n}").parse().expect("a tag");
        registry.get_manifest(&may::<Pull>(&registry).await, &reference).await.expect("a manifest");
    })
    .await;
    run("pull of 16 KiB blobs", &registry, |registry, n| async move {
        let digest = Digest::sha256(format!("{n:0>16384}").as_bytes());
        registry.open_blob(&may::<Pull>(&registry).await, &digest).await.expect("a blob");
    })
    .await;
}

async fn may<R: Right>(registry: &Registry) -> Access<R> {
    let repository = "bench/app".parse().expect("a name");
    registry.authorizer().authorize(&Caller::anonymous(None), &repository).await.expect("a right")
}

fn manifest(n: usize) -> PutManifest {
    let content = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[],"annotations":{{"n":"{n}"}}}}"#
    );
    PutManifest {
        reference: format!("v{n}").parse().expect("a tag"),
        media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        content: content.into(),
        tags: Vec::new(),
    }
}

async fn run<F>(what: &str, registry: &Registry, verb: fn(Registry, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let tasks: Vec<_> = (0..PUSHERS)
        .map(|pusher| {
            let registry = registry.clone();
            tokio::spawn(async move {
                for n in 0..EACH {
                    verb(registry.clone(), pusher * EACH + n).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a pusher");
    }
    let took: Duration = began.elapsed();
    println!("{what}: {:.0}/s", (PUSHERS * EACH) as f64 / took.as_secs_f64());
}
