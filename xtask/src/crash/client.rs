//! A client that pushes, mounts, retags and deletes at random until its server is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::ledger::{Ledger, Object, Outcome, Value};
use super::observe::{MANIFEST, sha256};
use super::world::{Blob, Image, REPOSITORIES, Session, TAGS, World};
use crate::http::{Connection, Request, Response};
use crate::random::Random;

mod stories;
mod uploads;

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Every kind of write; a run in which one was never acknowledged has proved nothing about it.
pub(crate) const KINDS: [&str; 16] = [
    "push small blob",
    "push large blob",
    "push blob in parts",
    "push manifest",
    "retag",
    "mount blob",
    "delete tag",
    "delete manifest",
    "delete blob",
    "rename",
    "delete repository",
    "restore repository",
    "empty the trash",
    "restore tag",
    "restore manifest",
    "retention",
];

/// One client; it is used by one thread.
pub(crate) struct Client<'a> {
    pub(crate) connection: Connection,
    pub(crate) random: Random,
    /// The same for all clients of a cycle.
    pub(crate) popular: u64,
    /// Whether the server knows `?tag=` on a push by digest.
    pub(crate) tag_parameters: bool,
    pub(crate) ledger: &'a Ledger,
    pub(crate) world: &'a World,
}

impl Client<'_> {
    /// Works until `stop`; returns the uploads that were left open.
    pub(crate) fn work(mut self, stop: &AtomicBool) -> Vec<Session> {
        let mut open = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            open.extend(self.step());
            // Pauses matter: what one forgot to sync is often carried along by the next one's sync.
            std::thread::sleep(Duration::from_micros(self.random.within(0..3000)));
        }
        open
    }

    fn step(&mut self) -> Option<Session> {
        let repository = self.repository();
        match self.random.within(0..100) {
            0..20 => self.push_whole("push small blob", repository, 1..20_000),
            20..34 => self.push_whole("push large blob", repository, 66_000..400_000),
            34..46 => return self.push_in_parts(repository),
            46..66 => self.push_manifest(repository),
            66..76 => self.retag(repository),
            76..84 => self.mount(repository),
            84..90 => self.delete_tag(repository),
            90..93 => self.delete_manifest(repository),
            // Only this workspace's own registry knows these.
            93..97 if self.tag_parameters => self.tell_a_story(),
            _ => self.delete_blob(repository),
        }
        None
    }

    fn repository(&mut self) -> &'static str {
        self.random.pick(&REPOSITORIES).expect("there are repositories")
    }

    /// Sends the request that decides a write, and enters both ends of it in the ledger.
    fn decide(
        &mut self,
        kind: &'static str,
        effects: Vec<(Object, Value)>,
        request: &Request<'_>,
        success: u16,
    ) -> bool {
        let operation = self.ledger.begin(kind, effects);
        let outcome = match self.connection.send(request) {
            Ok(answer) => outcome(answer.status, success),
            Err(_) => Outcome::Unknown,
        };
        self.ledger.finish(operation, outcome);
        outcome == Outcome::Acknowledged
    }

    /// Sends a request that decides nothing.
    fn ask(&mut self, request: &Request<'_>, success: u16) -> Option<Response> {
        self.connection.send(request).ok().filter(|answer| answer.status == success)
    }

    fn push_manifest(&mut self, repository: &'static str) {
        let random = &mut self.random;
        let blobs: Vec<Blob> = self.world.shelf(repository, |shelf| {
            let count = random.within(2..5);
            (0..count).filter_map(|_| random.pick(&shelf.blobs).cloned()).collect()
        });
        let Some((config, layers)) = blobs.split_first() else {
            return self.push_whole("push small blob", repository, 1..20_000);
        };
        let bytes = manifest(config, layers, self.random.next());
        let image = Image { digest: sha256(&bytes), bytes: Arc::new(bytes) };
        self.put_manifest("push manifest", repository, &image);
    }

    fn retag(&mut self, repository: &'static str) {
        let random = &mut self.random;
        if let Some(image) = self.world.shelf(repository, |shelf| random.pick(&shelf.images).cloned()) {
            self.put_manifest("retag", repository, &image);
        }
    }

    /// By digest, by tag, or where the server can do it by digest with several tags at once.
    fn put_manifest(&mut self, kind: &'static str, repository: &'static str, image: &Image) {
        let digest = image.digest.as_str();
        let tags: Vec<&str> = (0..2).filter_map(|_| self.random.pick(&TAGS).copied()).collect();
        let (reference, tags) = match self.random.within(0..100) {
            0..15 => (digest.to_owned(), &tags[..0]),
            15..30 if self.tag_parameters => (format!("{digest}?tag={}", tags.join("&tag=")), &tags[..]),
            _ => (tags[0].to_owned(), &tags[..1]),
        };
        let value = || Some(image.digest.clone());
        let mut effects = BTreeMap::from([(Object::manifest(repository, digest), value())]);
        effects.extend(tags.iter().map(|tag| (Object::tag(repository, tag), value())));
        let request = Request::new("PUT", format!("/v2/{repository}/manifests/{reference}"))
            .header("Content-Type", MANIFEST)
            .body(&image.bytes);
        if self.decide(kind, effects.into_iter().collect(), &request, 201) && kind == "push manifest" {
            self.world.shelf(repository, |shelf| shelf.images.push(image.clone()));
        }
    }

    fn mount(&mut self, repository: &'static str) {
        let (from, loose) = (self.repository(), self.random.chance(35));
        let random = &mut self.random;
        let picked = self.world.shelf(from, |shelf| random.pick(shelf.blobs(loose)).cloned());
        let Some(blob) = picked.filter(|_| from != repository) else { return };
        let request = Request::new(
            "POST",
            format!("/v2/{repository}/blobs/uploads/?mount={}&from={from}", blob.digest),
        );
        let effects = vec![(Object::blob(repository, &blob.digest), Some(blob.digest.clone()))];
        if self.decide("mount blob", effects, &request, 201) {
            self.world.shelf(repository, |shelf| shelf.blobs(loose).push(blob));
        }
    }

    fn delete_tag(&mut self, repository: &'static str) {
        let tag = *self.random.pick(&TAGS).expect("there are tags");
        let request = Request::new("DELETE", format!("/v2/{repository}/manifests/{tag}"));
        self.decide("delete tag", vec![(Object::tag(repository, tag), None)], &request, 202);
    }

    fn delete_manifest(&mut self, repository: &'static str) {
        let random = &mut self.random;
        let Some(image) = self.world.shelf(repository, |shelf| random.pick(&shelf.images).cloned()) else {
            return;
        };
        let request = Request::new("DELETE", format!("/v2/{repository}/manifests/{}", image.digest));
        self.decide(
            "delete manifest",
            vec![(Object::manifest(repository, &image.digest), None)],
            &request,
            202,
        );
    }

    fn delete_blob(&mut self, repository: &'static str) {
        let random = &mut self.random;
        let Some(blob) = self.world.shelf(repository, |shelf| random.pick(&shelf.loose).cloned()) else {
            return;
        };
        let request = Request::new("DELETE", format!("/v2/{repository}/blobs/{}", blob.digest));
        self.decide("delete blob", vec![(Object::blob(repository, &blob.digest), None)], &request, 202);
    }
}

/// What a status says about a write that would be acknowledged with `success`.
fn outcome(status: u16, success: u16) -> Outcome {
    match status {
        status if status == success => Outcome::Acknowledged,
        // An upload was opened in place of a mount or a single POST.
        202 => Outcome::Refused,
        408 => Outcome::Unknown,
        400..500 => Outcome::Refused,
        _ => Outcome::Unknown,
    }
}

fn manifest(config: &Blob, layers: &[Blob], nonce: u64) -> Vec<u8> {
    let descriptor = |media_type: &str, blob: &Blob| serde_json::json!({ "mediaType": media_type, "digest": blob.digest, "size": blob.size });
    let layers: Vec<_> = layers.iter().map(|blob| descriptor(LAYER, blob)).collect();
    let manifest = serde_json::json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(CONFIG, config),
        "layers": layers,
        "annotations": { "nonce": format!("{nonce:016x}") },
    });
    manifest.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, outcome};

    #[test]
    fn only_the_agreed_status_is_an_acknowledgement() {
        assert_eq!(outcome(201, 201), Outcome::Acknowledged);
        assert_eq!(outcome(202, 202), Outcome::Acknowledged);
        assert_eq!(outcome(202, 201), Outcome::Refused);
        assert_eq!(outcome(404, 202), Outcome::Refused);
        for status in [200, 408, 500, 503, 507] {
            assert_eq!(outcome(status, 201), Outcome::Unknown);
        }
    }
}
