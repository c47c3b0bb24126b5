//! Blobs pushed whole, in parts, and after an interruption.

use std::sync::Arc;

use super::Client;
use crate::crash::ledger::{Object, Violation};
use crate::crash::observe::sha256;
use crate::crash::world::{Blob, Session};
use crate::http::Request;
use crate::random::Random;

/// Blobs that several clients push at the same time: the second of them must not be told "done" before the first
/// one's bytes are durable.
const POPULAR: u64 = 6;

/// Content to push, and whether manifests may name it.
struct Content {
    bytes: Arc<Vec<u8>>,
    loose: bool,
}

impl Client<'_> {
    fn content(&mut self, sizes: std::ops::Range<u64>) -> Content {
        let loose = self.random.chance(35);
        let mut source = match self.random.chance(25) {
            true => Random::new(
                self.popular ^ self.random.within(0..POPULAR) ^ (u64::from(loose) << 32) ^ sizes.end,
            ),
            false => self.random.fork(),
        };
        let size = source.within(sizes) as usize;
        Content { bytes: Arc::new(source.bytes(size)), loose }
    }

    fn shelve(&self, repository: &'static str, digest: String, content: &Content) {
        let blob = Blob { digest, size: content.bytes.len() };
        self.world.shelf(repository, |shelf| shelf.blobs(content.loose).push(blob));
    }

    /// One POST with the bytes, or a POST and a PUT with the bytes.
    pub(super) fn push_whole(
        &mut self,
        kind: &'static str,
        repository: &'static str,
        sizes: std::ops::Range<u64>,
    ) {
        let content = self.content(sizes);
        let digest = sha256(&content.bytes);
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let request = if self.random.chance(50) {
            Request::new("POST", format!("{uploads}?digest={digest}"))
        } else {
            let Some(location) = self.start_upload(repository) else { return };
            Request::new("PUT", with_digest(&location, &digest))
        };
        let request = request.header("Content-Type", "application/octet-stream").body(&content.bytes);
        let effects = vec![(Object::blob(repository, &digest), Some(digest.clone()))];
        // A server without the single POST answers 202 and keeps nothing.
        if self.decide(kind, effects, &request, 201) {
            self.shelve(repository, digest, &content);
        }
    }

    fn start_upload(&mut self, repository: &str) -> Option<String> {
        let answer = self.ask(&Request::new("POST", format!("/v2/{repository}/blobs/uploads/")), 202)?;
        answer.header("location").map(str::to_owned)
    }

    /// POST, some PATCHes, PUT. What remains unfinished is returned.
    pub(super) fn push_in_parts(&mut self, repository: &'static str) -> Option<Session> {
        let sizes = if self.random.chance(30) { 1000..60_000 } else { 66_000..400_000 };
        let content = self.content(sizes);
        let location = self.start_upload(repository)?;
        let mut session = Session { repository, location, content: content.bytes.clone(), sent: 0 };
        let parts = self.random.within(2..5) as usize;
        for part in content.bytes.chunks(content.bytes.len().div_ceil(parts)) {
            let range = format!("{}-{}", session.sent, session.sent + part.len() - 1);
            let patch = Request::new("PATCH", session.location.clone())
                .header("Content-Type", "application/octet-stream")
                .header("Content-Range", range)
                .body(part);
            session.sent += part.len();
            match self.ask(&patch, 202).and_then(|answer| answer.header("location").map(str::to_owned)) {
                Some(location) => session.location = location,
                None => return Some(session),
            }
        }
        let digest = sha256(&content.bytes);
        let put = Request::new("PUT", with_digest(&session.location, &digest));
        let effects = vec![(Object::blob(repository, &digest), Some(digest.clone()))];
        if !self.decide("push blob in parts", effects, &put, 201) {
            return Some(session);
        }
        self.shelve(repository, digest, &content);
        None
    }

    /// Goes on with an upload after a restart. `Ok(true)` if it could be finished. The server may have lost the
    /// upload or its tail, but it must not invent bytes, and without a power cut (`whole`) what it kept is right.
    pub(crate) fn resume(&mut self, session: &Session, whole: bool) -> Result<bool, Violation> {
        let Some(status) = self.ask(&Request::new("GET", session.location.clone()), 204) else {
            return Ok(false);
        };
        let length = status.header("range").and_then(length_of).unwrap_or(0);
        if length > session.sent {
            let message =
                format!("upload {} has {length} bytes, only {} were sent", session.location, session.sent);
            return Err(Violation(message));
        }
        let location = status.header("location").unwrap_or(&session.location).to_owned();
        let (rest, last) = (&session.content[length..], session.content.len().saturating_sub(1));
        let digest = sha256(&session.content);
        let mut put = Request::new("PUT", with_digest(&location, &digest)).body(rest);
        if !rest.is_empty() {
            put = put.header("Content-Range", format!("{length}-{last}"));
            put = put.header("Content-Type", "application/octet-stream");
        }
        let effects = vec![(Object::blob(session.repository, &digest), Some(digest.clone()))];
        match self.decide("push blob in parts", effects, &put, 201) {
            false if whole => {
                Err(Violation(format!("upload {} cannot be finished from byte {length}", session.location)))
            }
            finished => Ok(finished),
        }
    }
}

fn with_digest(location: &str, digest: &str) -> String {
    let separator = if location.contains('?') { '&' } else { '?' };
    format!("{location}{separator}digest={digest}")
}

/// The length that `Range: 0-N` stands for; `0-0` is also what an empty upload says, and then nothing is assumed.
fn length_of(range: &str) -> Option<usize> {
    let last: usize = range.strip_prefix("0-")?.parse().ok()?;
    Some(if last == 0 { 0 } else { last + 1 })
}

#[cfg(test)]
mod tests {
    use super::{length_of, with_digest};

    #[test]
    fn locations_and_ranges_are_read_as_clients_read_them() {
        assert_eq!(with_digest("/u/1", "sha256:a"), "/u/1?digest=sha256:a");
        assert_eq!(with_digest("/u/1?s=2", "sha256:a"), "/u/1?s=2&digest=sha256:a");
        assert_eq!((length_of("0-99"), length_of("0-0"), length_of("bytes=0-9")), (Some(100), Some(0), None));
    }
}
