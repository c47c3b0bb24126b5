//! A registry of a few lines with several repositories, as good as its word; and a store in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use berth_oci::media_type::OCI_INDEX;
use berth_oci::{Descriptor, Digest, IndexBuilder, Manifest, Reference};
use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;

use super::digest;
use super::fake::{Asked, Fake, Reply};
use crate::{Content, EndError, FetchedManifest, Progress, Repository, Sink, Source, Uploaded};

/// What is in a registry: by repository and digest or tag.
#[derive(Debug, Default)]
pub(super) struct Stock {
    pub(super) blobs: BTreeMap<(String, String), Vec<u8>>,
    pub(super) manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Whether it keeps lists of referrers.
    pub(super) lists: bool,
    /// Blobs that it does not give.
    pub(super) broken: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Depot {
    pub(super) fake: Fake,
    pub(super) stock: Arc<Mutex<Stock>>,
}

impl Depot {
    pub(super) async fn start() -> Depot {
        let stock = Arc::new(Mutex::new(Stock { lists: true, ..Stock::default() }));
        let kept = Arc::clone(&stock);
        Depot { fake: Fake::start(move |asked| kept.lock().unwrap().answer(asked)).await, stock }
    }

    pub(super) fn repository(&self, name: &str) -> Repository {
        super::client(&self.fake).repository(name)
    }

    /// Puts a blob where it is, and gives its descriptor.
    pub(super) fn blob(&self, repository: &str, media_type: &str, content: &[u8]) -> Descriptor {
        let key = (repository.to_owned(), digest(content).to_string());
        self.stock.lock().unwrap().blobs.insert(key, content.to_vec());
        Descriptor::new(media_type, digest(content), content.len() as u64)
    }

    /// Puts a manifest where it is, also under these tags, and gives its descriptor.
    pub(super) fn manifest(
        &self,
        repository: &str,
        media_type: &str,
        content: &str,
        tags: &[&str],
    ) -> Descriptor {
        let mut stock = self.stock.lock().unwrap();
        for at in tags.iter().map(ToString::to_string).chain([digest(content).to_string()]) {
            stock.manifests.insert((repository.to_owned(), at), (media_type.to_owned(), content.into()));
        }
        Descriptor::new(media_type, digest(content), content.len() as u64)
    }

    /// Everything in a repository: addresses of blobs, and of manifests with their bytes.
    pub(super) fn inventory(&self, repository: &str) -> (Vec<String>, BTreeMap<String, Vec<u8>>) {
        let stock = self.stock.lock().unwrap();
        let blobs = stock.blobs.keys().filter(|(name, _)| name == repository);
        let manifests = stock.manifests.iter().filter(|((name, _), _)| name == repository);
        let manifests = manifests.map(|((_, at), (_, content))| (at.clone(), content.clone()));
        (blobs.map(|(_, digest)| digest.clone()).collect(), manifests.collect())
    }
}

impl Stock {
    fn answer(&mut self, asked: &Asked) -> Reply {
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let query = query.replace("%3A", ":").replace("%2F", "/");
        let field = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)).map(str::to_owned);
        let path = path.strip_prefix("/v2/").unwrap();
        if let Some((repository, _)) = path.split_once("/blobs/uploads/") {
            return self.upload(asked, repository, field("mount=").zip(field("from=")), field("digest="));
        }
        let (rest, last) = path.rsplit_once('/').unwrap();
        let (repository, kind) = rest.rsplit_once('/').unwrap();
        let key = (repository.to_owned(), last.to_owned());
        match (kind, asked.method.as_str()) {
            ("blobs", _) if self.broken.contains(&key.1) => Reply::new(404, &[], ""),
            ("blobs", _) => match self.blobs.get(&key) {
                Some(blob) => given(asked, &[], blob),
                None => Reply::new(404, &[], ""),
            },
            ("manifests", "PUT") => self.put(asked, key),
            ("manifests", _) => match self.manifests.get(&key) {
                Some((media_type, content)) => {
                    let digest = digest(content).to_string();
                    given(asked, &[("content-type", media_type), ("docker-content-digest", &digest)], content)
                }
                None => Reply::new(404, &[], ""),
            },
            ("referrers", _) if self.lists => {
                given(asked, &[("content-type", OCI_INDEX)], &self.referrers(&key.0, &key.1))
            }
            ("referrers", _) => Reply::new(404, &[], ""),
            other => panic!("{other:?}"),
        }
    }

    fn upload(
        &mut self,
        asked: &Asked,
        repository: &str,
        mount: Option<(String, String)>,
        closing: Option<String>,
    ) -> Reply {
        if let Some((wanted, from)) = mount
            && let Some(blob) = self.blobs.get(&(from, wanted.clone()))
        {
            let blob = blob.clone();
            self.blobs.insert((repository.to_owned(), wanted), blob);
            return Reply::new(201, &[], "");
        }
        match closing {
            Some(wanted) => {
                assert_eq!(digest(&asked.body).to_string(), wanted);
                self.blobs.insert((repository.to_owned(), wanted), asked.body.clone());
                Reply::new(201, &[], "")
            }
            None => Reply::new(202, &[("location", &format!("/v2/{repository}/blobs/uploads/1"))], ""),
        }
    }

    /// As registries are: what a manifest names has to be there.
    fn put(&mut self, asked: &Asked, key: (String, String)) -> Reply {
        let media_type = &asked.headers["content-type"];
        let manifest = Manifest::read(media_type, &asked.body).unwrap();
        for reference in manifest.references.iter().filter(|reference| !reference.is_foreign()) {
            let needed = (key.0.clone(), reference.descriptor.digest.to_string());
            let has = self.blobs.contains_key(&needed) || self.manifests.contains_key(&needed);
            assert!(has, "{} is put before what it names", key.1);
        }
        let digest = digest(&asked.body).to_string();
        let stored = (media_type.clone(), asked.body.clone());
        self.manifests.insert((key.0.clone(), digest.clone()), stored.clone());
        self.manifests.insert(key, stored);
        let subject = manifest.subject.map(|subject| subject.digest.to_string()).filter(|_| self.lists);
        let mut headers = vec![("docker-content-digest", digest.as_str())];
        headers.extend(subject.as_deref().map(|subject| ("oci-subject", subject)));
        Reply::new(201, &headers, "")
    }

    fn referrers(&self, repository: &str, subject: &str) -> Vec<u8> {
        let here = self.manifests.iter().filter(|((name, at), _)| name == repository && at.contains(':'));
        let about = here.filter_map(|(_, (media_type, content))| {
            let manifest = Manifest::read(media_type, content).unwrap();
            let is_about = manifest.subject.is_some_and(|it| it.digest.to_string() == subject);
            is_about.then(|| Descriptor::new(media_type, digest(content), content.len() as u64))
        });
        IndexBuilder::from_iter(about).finish()
    }
}

fn given(asked: &Asked, headers: &[(&str, &str)], content: &[u8]) -> Reply {
    let length = content.len().to_string();
    let mut headers = headers.to_vec();
    headers.push(("content-length", &length));
    Reply::new(200, &headers, if asked.method == "HEAD" { &[] } else { content })
}

/// Images in memory: what somebody else may bring.
#[derive(Default)]
pub(super) struct Memory {
    pub(super) blobs: Mutex<BTreeMap<Digest, Bytes>>,
    pub(super) manifests: Mutex<BTreeMap<String, FetchedManifest>>,
}

impl Source for Memory {
    async fn manifest(&self, at: &Reference) -> Result<FetchedManifest, EndError> {
        self.manifests.lock().unwrap().get(&at.to_string()).cloned().ok_or(EndError::NotFound)
    }

    fn blob(&self, blob: &Descriptor) -> Box<dyn Content> {
        Box::new(self.blobs.lock().unwrap()[&blob.digest].clone())
    }

    async fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>, EndError> {
        Ok(Vec::new())
    }
}

impl Sink for Memory {
    async fn has_manifest(&self, at: &Reference, digest: &Digest) -> Result<bool, EndError> {
        Ok(self.manifests.lock().unwrap().get(&at.to_string()).is_some_and(|it| it.digest == *digest))
    }

    async fn put_blob(
        &self,
        blob: &Descriptor,
        content: &dyn Content,
        _: Option<&Repository>,
        _: Option<Progress>,
    ) -> Result<Uploaded, EndError> {
        if self.blobs.lock().unwrap().contains_key(&blob.digest) {
            return Ok(Uploaded::Existed);
        }
        let pieces = content.read_from(0).await.map_err(EndError::Content)?;
        let all: Vec<Bytes> = pieces.try_collect().await.map_err(EndError::Content)?;
        let all = all.iter().fold(BytesMut::new(), |mut all, piece| {
            all.extend_from_slice(piece);
            all
        });
        if digest(&all) != blob.digest {
            return Err(EndError::Other("another digest".into()));
        }
        self.blobs.lock().unwrap().insert(blob.digest.clone(), all.freeze());
        Ok(Uploaded::Sent)
    }

    async fn put_manifest(&self, at: &Reference, manifest: &FetchedManifest) -> Result<(), EndError> {
        let mut manifests = self.manifests.lock().unwrap();
        manifests.insert(manifest.digest.to_string(), manifest.clone());
        manifests.insert(at.to_string(), manifest.clone());
        Ok(())
    }
}
