//! One registry beside what it should be, and the verbs that are done on both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use berth_auth::Accounts;
use berth_db::Db;
use berth_oci::{Digest, ErrorCode, Reference, Tag};
use berth_registry::{
    Access, Admin, Authorizer, BlobStore, BodyError, Caller, CopyRequest, Delete, Meta, Mode, Past, Policy,
    Pull, Push, PutManifest, Registry, RegistryError, RenameRequest, Right, WithoutAccounts,
};
use bytes::Bytes;
use futures_util::stream;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::reference::{Image, Kept, Repository};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// One registry and what it should be.
pub(crate) struct Pair {
    registry: Registry,
    catalog_caller: Caller,
    /// Whether the trash and the grace time are over at once, and the cleaning is one of the verbs.
    at_once: bool,
    prefix: String,
    model: BTreeMap<String, Repository>,
    /// Deleted repositories by the name that they had; the last one comes back first.
    trashed: BTreeMap<String, Vec<Repository>>,
    blobs: Vec<(Digest, Bytes)>,
    images: Vec<(Digest, Image)>,
    random: StdRng,
}

pub(crate) async fn open(folder: &TempDir, policy: Policy) -> Registry {
    let db = Db::open_sqlite(&folder.path().join("berth.db")).await.unwrap();
    let meta = Meta::open(db.clone()).await.unwrap();
    let accounts = Accounts::open(db).await.unwrap();
    let authorizer = Authorizer::new(accounts, meta.clone(), WithoutAccounts::Open);
    Registry::new(meta, BlobStore::open(folder.path()).await.unwrap(), authorizer, policy)
}

fn code<T>(result: Result<T, RegistryError>) -> Result<(), ErrorCode> {
    match result {
        Ok(_) => Ok(()),
        Err(error) => Err(error.code()),
    }
}

impl Pair {
    pub(crate) fn new(registry: Registry, at_once: bool, prefix: &str, seed: u64) -> Pair {
        Pair {
            registry,
            catalog_caller: Caller::anonymous(None),
            at_once,
            prefix: prefix.to_owned(),
            model: BTreeMap::new(),
            trashed: BTreeMap::new(),
            blobs: Vec::new(),
            images: Vec::new(),
            random: StdRng::seed_from_u64(seed),
        }
    }

    async fn may<R: Right>(&self, name: &str) -> Access<R> {
        let name = name.parse().unwrap();
        self.registry.authorizer().authorize(&self.catalog_caller, &name).await.unwrap()
    }

    fn name(&mut self) -> String {
        format!("{}/{}", self.prefix, ["a", "b", "c"].choose(&mut self.random).unwrap())
    }

    fn tag(&mut self) -> String {
        (*["1", "2", "latest", "x"].choose(&mut self.random).unwrap()).to_owned()
    }

    fn size(&self, blob: &Digest) -> usize {
        self.blobs.iter().find(|(known, _)| known == blob).map_or(0, |(_, content)| content.len())
    }

    fn image(&mut self) -> Option<(Digest, Image)> {
        self.images.choose(&mut self.random).cloned()
    }

    /// One verb on both; the message tells which, if they differ.
    pub(crate) async fn step(&mut self) {
        let name = self.name();
        let done = match self.random.random_range(0..100) {
            0..16 => self.put_blob(&name).await,
            16..22 => self.mount(&name).await,
            22..44 => self.push_new(&name).await,
            44..56 => self.push_again(&name).await,
            56..63 => self.delete_tag(&name).await,
            63..70 => self.delete_manifest(&name).await,
            70..74 => self.delete_blob(&name).await,
            74..79 => self.restore_manifest(&name).await,
            79..84 => self.roll_back(&name).await,
            84..88 => self.copy(&name).await,
            88..90 => self.delete_repository(&name).await,
            90..93 => self.restore_repository(&name).await,
            93..95 => self.rename(&name).await,
            _ => self.clean().await,
        };
        let (verb, told, expected) = done;
        assert_eq!(told, expected, "{verb}");
        self.compare(&verb).await;
    }

    async fn put_blob(&mut self, name: &str) -> Outcome {
        let n: u64 = self.random.random_range(0..12);
        // Every third is a file, the others are rows.
        let content =
            Bytes::from(if n.is_multiple_of(3) { vec![n as u8; 70_000] } else { vec![n as u8; 10] });
        let digest = Digest::sha256(&content);
        let parts: Vec<Result<Bytes, BodyError>> = vec![Ok(content.clone())];
        let told = self.registry.put_blob(&self.may(name).await, stream::iter(parts), &digest).await;
        if !self.blobs.iter().any(|(known, _)| *known == digest) {
            self.blobs.push((digest.clone(), content));
        }
        self.model.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
        (format!("put blob {digest} into {name}"), code(told), Ok(()))
    }

    async fn mount(&mut self, name: &str) -> Outcome {
        let from = self.name();
        let Some((digest, _)) = self.blobs.choose(&mut self.random).cloned() else { return nothing() };
        let source = self.may::<Pull>(&from).await;
        let told = self.registry.mount_blob(&self.may(name).await, &digest, Some(&source)).await.unwrap();
        let has = self.model.get(&from).is_some_and(|repository| repository.blobs.contains(&digest));
        if has {
            self.model.entry(name.to_owned()).or_default().blobs.insert(digest.clone());
        }
        assert_eq!(told.is_some(), has, "mount {digest} from {from} into {name}");
        nothing()
    }

    async fn push_new(&mut self, name: &str) -> Outcome {
        let present = self.model.get(name).cloned().unwrap_or_default();
        let kind = self.random.random_range(0..3);
        let blobs: Vec<_> = present.blobs.iter().cloned().choose_multiple(&mut self.random, 3);
        let living: Vec<_> = present.living().into_iter().collect();
        let nonce: u64 = self.random.random_range(0..6);
        let describe = |media_type: &str, digest: &Digest, size: usize| serde_json::json!({ "mediaType": media_type, "digest": digest.to_string(), "size": size });
        let mut document =
            serde_json::json!({ "schemaVersion": 2, "annotations": { "nonce": nonce.to_string() } });
        let mut image = Image {
            content: Bytes::new(),
            media_type: IMAGE,
            blobs: BTreeSet::new(),
            children: BTreeSet::new(),
            subject: None,
        };
        let described = |digest: &Digest, present: &Repository| {
            let kept = &present.manifests[digest].image;
            describe(kept.media_type, digest, kept.content.len())
        };
        if kind == 0 {
            let children: Vec<_> = living.iter().cloned().choose_multiple(&mut self.random, 2);
            image.media_type = INDEX;
            document["manifests"] = children.iter().map(|child| described(child, &present)).collect();
            image.children = children.into_iter().collect();
        } else {
            let Some((config, layers)) = blobs.split_first() else { return nothing() };
            document["config"] = describe(CONFIG, config, self.size(config));
            document["layers"] =
                layers.iter().map(|layer| describe(LAYER, layer, self.size(layer))).collect();
            image.blobs = blobs.iter().cloned().collect();
        }
        if kind == 2
            && let Some(subject) = present.manifests.keys().choose(&mut self.random)
        {
            document["subject"] = described(subject, &present);
            image.subject = Some(subject.clone());
        }
        document["mediaType"] = image.media_type.into();
        image.content = document.to_string().into();
        let digest = Digest::sha256(&image.content);
        if !self.images.iter().any(|(known, _)| *known == digest) {
            self.images.push((digest.clone(), image.clone()));
        }
        self.push(name, &digest, &image).await
    }

    async fn push_again(&mut self, name: &str) -> Outcome {
        let Some((digest, image)) = self.image() else { return nothing() };
        self.push(name, &digest, &image).await
    }

    async fn push(&mut self, name: &str, digest: &Digest, image: &Image) -> Outcome {
        let tags: Vec<String> = (0..self.random.random_range(0..3)).map(|_| self.tag()).collect();
        let put = PutManifest {
            reference: Reference::Digest(digest.clone()),
            media_type: image.media_type.to_owned(),
            content: image.content.clone(),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
        };
        let told = self.registry.put_manifest(&self.may(name).await, put).await;
        let is_new = !self.model.contains_key(name);
        let expected = self.model.entry(name.to_owned()).or_default().push(digest, image, &tags);
        if is_new && expected.is_err() {
            self.model.remove(name);
        }
        (format!("push {digest} as {tags:?} into {name}"), code(told), expected)
    }

    async fn delete_tag(&mut self, name: &str) -> Outcome {
        let tag = self.tag();
        let at = Reference::Tag(tag.parse().unwrap());
        let told = self.registry.delete_manifest(&self.may::<Delete>(name).await, &at, Mode::Real).await;
        let expected = self.there(name, |repository| {
            let ended = repository.end_tag(&tag);
            repository.settle();
            if ended { Ok(()) } else { Err(ErrorCode::ManifestUnknown) }
        });
        (format!("delete tag {name}:{tag}"), code(told), expected)
    }

    async fn delete_manifest(&mut self, name: &str) -> Outcome {
        let Some((digest, _)) = self.image() else { return nothing() };
        let (access, at) = (self.may::<Delete>(name).await, Reference::Digest(digest.clone()));
        let tried = self.registry.delete_manifest(&access, &at, Mode::DryRun).await;
        let told = self.registry.delete_manifest(&access, &at, Mode::Real).await;
        assert_eq!(tried.as_ref().ok(), told.as_ref().ok(), "a dry run of the deletion of {name}@{digest}");
        let expected = self.there(name, |repository| repository.delete_manifest(&digest));
        (format!("delete {name}@{digest}"), code(told), expected)
    }

    async fn delete_blob(&mut self, name: &str) -> Outcome {
        let Some((digest, _)) = self.blobs.choose(&mut self.random).cloned() else { return nothing() };
        let told = self.registry.delete_blob(&self.may::<Delete>(name).await, &digest).await;
        let expected = match self.model.get_mut(name) {
            Some(repository) => repository.delete_blob(&digest),
            None => Err(ErrorCode::BlobUnknown),
        };
        (format!("delete blob {digest} of {name}"), code(told), expected)
    }

    async fn restore_manifest(&mut self, name: &str) -> Outcome {
        let Some((digest, _)) = self.image() else { return nothing() };
        let told = self.registry.restore_manifest(&self.may::<Push>(name).await, &digest).await;
        let expected = self.there(name, |repository| repository.restore_manifest(&digest));
        (format!("restore {name}@{digest}"), code(told), expected)
    }

    async fn roll_back(&mut self, name: &str) -> Outcome {
        let tag = self.tag();
        let parsed: Tag = tag.parse().unwrap();
        let access = self.may::<Push>(name).await;
        let told = self.registry.roll_back(&access, &parsed, Past::Previous, Mode::Real).await;
        let expected = self.there(name, |repository| repository.roll_back(&tag));
        (format!("roll back {name}:{tag}"), code(told), expected)
    }

    async fn copy(&mut self, name: &str) -> Outcome {
        let (into, tag) = (self.name(), self.tag());
        if into == name {
            return nothing();
        }
        let (from, target) = (self.may::<Pull>(name).await, self.may::<Push>(&into).await);
        let request = CopyRequest {
            at: Reference::Tag(tag.parse().unwrap()),
            tags: vec![tag.parse().unwrap()],
            referrers: true,
            mode: Mode::Real,
        };
        let told = self.registry.copy_image(&from, &target, request).await;
        let expected = self.copy_model(name, &into, &tag);
        (format!("copy {name}:{tag} into {into}"), code(told), expected)
    }

    fn copy_model(&mut self, from: &str, into: &str, tag: &str) -> Result<(), ErrorCode> {
        let source = self.model.get(from).ok_or(ErrorCode::NameUnknown)?;
        let root = source.tags.get(tag).cloned().ok_or(ErrorCode::ManifestUnknown)?;
        let mut family = BTreeSet::from([root.clone()]);
        loop {
            let n = family.len();
            for (digest, kept) in source.manifests.iter().filter(|(_, kept)| !kept.deleted) {
                let is_child =
                    family.iter().any(|member| source.manifests[member].image.children.contains(digest));
                let is_about = kept.image.subject.as_ref().is_some_and(|subject| family.contains(subject));
                if is_child || is_about {
                    family.insert(digest.clone());
                }
            }
            if family.len() == n {
                break;
            }
        }
        let members: Vec<(Digest, Image)> =
            family.iter().map(|digest| (digest.clone(), source.manifests[digest].image.clone())).collect();
        let blobs = source.blobs.clone();
        let target = self.model.entry(into.to_owned()).or_default();
        let living = target.living();
        for (digest, image) in &members {
            target.blobs.extend(image.blobs.iter().filter(|blob| blobs.contains(blob)).cloned());
            target.manifests.entry(digest.clone()).and_modify(|kept| kept.deleted = false).or_insert_with(
                || Kept { image: image.clone(), deleted: false, free: false, took: Vec::new() },
            );
        }
        target.set_tag(tag, &root);
        for (digest, _) in members.iter().filter(|(digest, _)| !living.contains(digest)) {
            target.begin_anew(digest);
        }
        target.settle();
        Ok(())
    }

    async fn delete_repository(&mut self, name: &str) -> Outcome {
        let told = self.registry.delete_repository(&self.may::<Admin>(name).await, Mode::Real).await;
        let expected = match self.model.remove(name) {
            Some(repository) => {
                self.trashed.entry(name.to_owned()).or_default().push(repository);
                Ok(())
            }
            None => Err(ErrorCode::NameUnknown),
        };
        (format!("delete repository {name}"), code(told), expected)
    }

    async fn restore_repository(&mut self, name: &str) -> Outcome {
        let catalog = self.registry.authorizer().search(&self.catalog_caller).unwrap();
        let told = self.registry.restore_repository(&self.may::<Admin>(name).await, &catalog, None).await;
        let deleted = self.trashed.entry(name.to_owned()).or_default();
        let expected = match deleted.pop() {
            Some(_) if self.at_once => Err(ErrorCode::ManifestUnknown),
            Some(repository) if self.model.contains_key(name) => {
                deleted.push(repository);
                Err(ErrorCode::Denied)
            }
            Some(repository) => {
                self.model.insert(name.to_owned(), repository);
                Ok(())
            }
            None => Err(ErrorCode::ManifestUnknown),
        };
        (format!("restore repository {name}"), code(told), expected)
    }

    async fn rename(&mut self, name: &str) -> Outcome {
        let to = self.name();
        if to == name {
            return nothing();
        }
        let request = RenameRequest { redirect: Duration::ZERO, mode: Mode::Real };
        let (from, into) = (self.may::<Admin>(name).await, self.may::<Admin>(&to).await);
        let told = self.registry.rename_repository(&from, &into, request).await;
        let expected = match (self.model.contains_key(name), self.model.contains_key(&to)) {
            (false, _) => Err(ErrorCode::NameUnknown),
            (true, true) => Err(ErrorCode::Denied),
            (true, false) => {
                let repository = self.model.remove(name).unwrap_or_default();
                self.model.insert(to.clone(), repository);
                Ok(())
            }
        };
        (format!("rename {name} to {to}"), code(told), expected)
    }

    async fn clean(&mut self) -> Outcome {
        let told = self.registry.clean().await;
        if self.at_once {
            self.model.values_mut().for_each(Repository::clean);
            self.trashed.clear();
        }
        ("clean".to_owned(), code(told), Ok(()))
    }

    fn there(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Repository) -> Result<(), ErrorCode>,
    ) -> Result<(), ErrorCode> {
        self.model.get_mut(name).map_or(Err(ErrorCode::NameUnknown), change)
    }

    /// Everything that can be asked is answered as the model would.
    async fn compare(&self, verb: &str) {
        for (name, expected) in &self.model {
            let access = self.may::<Pull>(name).await;
            let tags = self.registry.list_tags(&access, None, 100).await.unwrap().items;
            assert_eq!(tags, expected.tags.keys().cloned().collect::<Vec<_>>(), "{name} after {verb}");
            let manifests = expected.manifests.values().map(|kept| kept.image.content.len());
            let blobs = expected.blobs.iter().map(|digest| self.size(digest));
            let usage = self.registry.repository_usage(&access).await.unwrap();
            assert_eq!(
                usage.all,
                manifests.chain(blobs).sum::<usize>() as u64,
                "usage of {name} after {verb}"
            );
            for (tag, digest) in &expected.tags {
                let at = Reference::Tag(tag.parse().unwrap());
                let told = self.registry.stat_manifest(&access, &at).await;
                assert_eq!(told.unwrap().digest, *digest, "{name}:{tag} after {verb}");
            }
            for (digest, _) in &self.images {
                let at = Reference::Digest(digest.clone());
                let told = self.registry.get_manifest(&access, &at).await.is_ok();
                let is_there = expected.manifests.get(digest).is_some_and(|kept| !kept.deleted);
                assert_eq!(told, is_there, "{name}@{digest} after {verb}");
            }
            for (digest, content) in &self.blobs {
                let told = self.registry.open_blob(&access, digest).await;
                assert_eq!(
                    told.is_ok(),
                    expected.blobs.contains(digest),
                    "blob {digest} of {name} after {verb}"
                );
                if let Ok(told) = told {
                    assert_eq!(told.size, content.len() as u64);
                }
            }
        }
    }
}

/// What was done, what the registry answered, what the model answers.
type Outcome = (String, Result<(), ErrorCode>, Result<(), ErrorCode>);

fn nothing() -> Outcome {
    (String::new(), Ok(()), Ok(()))
}
