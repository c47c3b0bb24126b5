//! Looks at a registry as a client would after a restart, and never finds half of something acceptable.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use sha2::{Digest as _, Sha256};

use super::ledger::{Object, Observed, Violation};
use crate::http::{Connection, Request, Response};

/// Media types of everything that the rig pushes.
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LOOKERS: usize = 4;

/// The digest of some bytes, as text.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// Looks at each object, with several connections.
pub(crate) fn observe(server: SocketAddr, objects: &[Object]) -> BTreeMap<Object, Observed> {
    let (next, seen, blobs) = (AtomicUsize::new(0), Mutex::default(), Mutex::default());
    std::thread::scope(|scope| {
        for _ in 0..LOOKERS {
            scope.spawn(|| {
                let mut looker = Looker { connection: Connection::new(server), blobs: &blobs };
                while let Some(object) = objects.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let observed = looker.look(object);
                    seen.lock()
                        .map(|mut seen: std::sync::MutexGuard<'_, BTreeMap<_, _>>| {
                            seen.insert(object.clone(), observed);
                        })
                        .expect("no looker panics with the lock");
                }
            });
        }
    });
    seen.into_inner().expect("no looker panics with the lock")
}

/// Compares the tag list of a repository with the tags that were seen one by one.
pub(crate) fn check_tag_list(
    server: SocketAddr,
    repository: &str,
    seen: &BTreeMap<Object, Observed>,
) -> Option<Violation> {
    let served: BTreeSet<String> = seen
        .iter()
        .filter_map(|(object, observed)| match (object, observed) {
            (Object::Tag { repository: of, tag }, Observed::Serves(_)) if of == repository => {
                Some(tag.clone())
            }
            _ => None,
        })
        .collect();
    let answer =
        match Connection::new(server).send(&Request::new("GET", format!("/v2/{repository}/tags/list"))) {
            Ok(answer) => answer,
            Err(error) => return Some(Violation(format!("no tag list of {repository}: {error}"))),
        };
    let listed: BTreeSet<String> = match answer.status {
        404 => BTreeSet::new(),
        _ => serde_json::from_slice::<Json>(&answer.body)
            .map(|list| strings(&list["tags"]))
            .unwrap_or_default(),
    };
    (listed != served)
        .then(|| Violation(format!("the tag list of {repository} has {listed:?}, but {served:?} are served")))
}

fn strings(list: &Json) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
}

/// One connection of [`observe`]; what is known about blobs is shared, because many manifests name the same ones.
struct Looker<'a> {
    connection: Connection,
    blobs: &'a Mutex<HashMap<(String, String), Observed>>,
}

impl Looker<'_> {
    fn look(&mut self, object: &Object) -> Observed {
        match object {
            Object::Blob { repository, digest } => self.blob(repository, digest),
            Object::Manifest { repository, digest } => self.manifest(repository, digest),
            Object::Tag { repository, tag } => self.tag(repository, tag),
        }
    }

    fn get(&mut self, path: String) -> Result<Option<Response>, Observed> {
        let request = Request::new("GET", path).header("Accept", MANIFEST);
        match self.connection.send(&request) {
            Ok(answer) if answer.status == 200 => Ok(Some(answer)),
            Ok(answer) if answer.status == 404 => Ok(None),
            Ok(answer) => Err(Observed::Broken(format!("status {}", answer.status))),
            Err(error) => Err(Observed::Broken(error.to_string())),
        }
    }

    fn blob(&mut self, repository: &str, digest: &str) -> Observed {
        let key = (repository.to_owned(), digest.to_owned());
        if let Some(known) = self.blobs.lock().expect("no looker panics with the lock").get(&key) {
            return known.clone();
        }
        let observed = match self.get(format!("/v2/{repository}/blobs/{digest}")) {
            Ok(Some(answer)) => Observed::Serves(sha256(&answer.body)),
            Ok(None) => Observed::Absent,
            Err(broken) => broken,
        };
        self.blobs.lock().expect("no looker panics with the lock").insert(key, observed.clone());
        observed
    }

    fn manifest(&mut self, repository: &str, digest: &str) -> Observed {
        match self.get(format!("/v2/{repository}/manifests/{digest}")) {
            Ok(Some(answer)) => self.walk(repository, &answer.body),
            Ok(None) => Observed::Absent,
            Err(broken) => broken,
        }
    }

    fn tag(&mut self, repository: &str, tag: &str) -> Observed {
        let answer = match self.get(format!("/v2/{repository}/manifests/{tag}")) {
            Ok(Some(answer)) => answer,
            Ok(None) => return Observed::Absent,
            Err(broken) => return broken,
        };
        let digest = sha256(&answer.body);
        if answer.header("docker-content-digest") != Some(digest.as_str()) {
            return Observed::Broken(format!("its digest header is not that of its bytes, {digest}"));
        }
        match self.manifest(repository, &digest) {
            Observed::Absent => Observed::Broken(format!("half there: {digest} cannot be pulled by digest")),
            observed => observed,
        }
    }

    /// A manifest counts only with all of its blobs.
    fn walk(&mut self, repository: &str, bytes: &[u8]) -> Observed {
        let Ok(manifest) = serde_json::from_slice::<Json>(bytes) else {
            return Observed::Broken("not JSON".to_owned());
        };
        let layers = manifest["layers"].as_array().into_iter().flatten();
        for descriptor in std::iter::once(&manifest["config"]).chain(layers) {
            let digest = descriptor["digest"].as_str().unwrap_or_default();
            let observed = self.blob(repository, digest);
            if observed != Observed::Serves(digest.to_owned()) {
                return Observed::Broken(format!("half there: its blob {digest} is {observed:?}"));
            }
        }
        Observed::Serves(sha256(bytes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener};
    use std::slice::from_ref;

    use super::{observe, sha256};
    use crate::crash::ledger::{Object, Observed};

    /// Answers every request with what `answer` makes of its path; ends with the test process.
    fn registry(answer: impl Fn(&str) -> (u16, Vec<u8>) + Clone + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let answer = answer.clone();
                std::thread::spawn(move || {
                    let mut head = [0; 4096];
                    while let Ok(length @ 1..) = stream.read(&mut head) {
                        let head = String::from_utf8_lossy(&head[..length]).into_owned();
                        let (status, body) = answer(head.split(' ').nth(1).unwrap());
                        let digest = sha256(&body);
                        let length = body.len();
                        let head = format!(
                            "HTTP/1.1 {status} X\r\nDocker-Content-Digest: {digest}\r\nContent-Length: {length}\r\n\r\n"
                        );
                        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).unwrap();
                    }
                });
            }
        });
        address
    }

    fn manifest(blob: &str) -> Vec<u8> {
        format!(r#"{{"config":{{"digest":"{blob}"}},"layers":[]}}"#).into_bytes()
    }

    #[test]
    fn a_whole_image_serves_and_what_is_missing_is_absent() {
        let bytes = manifest(&sha256(b"config"));
        let (blob, digest) = (sha256(b"config"), sha256(&bytes));
        let server = registry(move |path| match path {
            path if path.contains("/blobs/sha256") => (200, b"config".to_vec()),
            path if path.ends_with("/missing") => (404, b"{}".to_vec()),
            _ => (200, bytes.clone()),
        });
        let objects = [Object::tag("a", "latest"), Object::blob("a", &blob), Object::tag("a", "missing")];
        let seen = observe(server, &objects);
        assert_eq!(seen[&objects[0]], Observed::Serves(digest));
        assert_eq!(seen[&objects[1]], Observed::Serves(blob));
        assert_eq!(seen[&objects[2]], Observed::Absent);
    }

    #[test]
    fn half_an_image_is_broken() {
        let bytes = manifest(&sha256(b"config"));
        let missing_blob = bytes.clone();
        let server =
            registry(
                move |path| {
                    if path.contains("/blobs/") { (404, vec![]) } else { (200, missing_blob.clone()) }
                },
            );
        let tag = Object::tag("a", "latest");
        assert!(
            matches!(&observe(server, from_ref(&tag))[&tag], Observed::Broken(why) if why.contains("half there"))
        );

        let server =
            registry(move |path| if path.contains("sha256") { (404, vec![]) } else { (200, bytes.clone()) });
        assert!(
            matches!(&observe(server, from_ref(&tag))[&tag], Observed::Broken(why) if why.contains("by digest"))
        );

        let server = registry(|_| (500, vec![]));
        assert_eq!(observe(server, from_ref(&tag))[&tag], Observed::Broken("status 500".into()));
    }
}
