//! What the tests share.

use std::time::Duration;

use berth_db::testing::TestDb;
use berth_meta::{Actor, Change, Edge, EdgeRole, Meta, NewBlob, NewManifest, PutManifest, Sparse, Timestamp};
use berth_oci::{Digest, Reference, RepositoryName, Tag};
use bytes::Bytes;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const NOW: Timestamp = Timestamp(1_000_000);

pub(crate) async fn open(test: &TestDb) -> Meta {
    Meta::open(test.db.clone()).await.unwrap()
}

pub(crate) fn by(who: &str) -> Change {
    let actor = Actor { id: format!("user:{who}"), name: who.to_owned(), address: None };
    Change { actor, audited: true, at: NOW, makes_public: false }
}

pub(crate) fn name(text: &str) -> RepositoryName {
    text.parse().unwrap()
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> Reference {
    text.parse().unwrap()
}

pub(crate) async fn add_blob(meta: &Meta, repository: &str, content: &'static [u8]) -> Digest {
    let digest = Digest::sha256(content);
    let blob = NewBlob {
        digest: digest.clone(),
        size: content.len() as u64,
        content: Some(Bytes::from_static(content)),
        upload: None,
    };
    meta.add_blob(&name(repository), blob, &by("alice"), NOW.plus(HOUR)).await.unwrap();
    digest
}

pub(crate) fn manifest(content: &'static str, references: &[(EdgeRole, &Digest)]) -> NewManifest {
    NewManifest {
        digest: Digest::sha256(content.as_bytes()),
        media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(),
        content: Bytes::from_static(content.as_bytes()),
        references: references
            .iter()
            .map(|(role, digest)| Edge { role: *role, digest: (*digest).clone(), size: 1 })
            .collect(),
        subject: None,
        artifact_type: None,
        annotations: None,
    }
}

pub(crate) fn put(repository: &str, manifest: NewManifest, tags: &[&str]) -> PutManifest {
    PutManifest {
        repository: name(repository),
        manifest,
        tags: tags.iter().map(|text| tag(text)).collect(),
        change: by("alice"),
        sparse: Sparse::Refuse,
    }
}
