//! A registry of a few lines that takes blobs as the specification says, with faults in an order that a test wants.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::digest;
use super::fake::{Asked, Fake, Reply, Then};

/// How a registry of blobs is, and what goes wrong with the next bodies.
#[derive(Debug, Clone, Default)]
pub(super) struct Habits {
    /// What happens to a body, one after the other; nothing when they are used up.
    pub(super) faults: VecDeque<Fault>,
    /// The largest body; 413 beyond it.
    pub(super) largest: Option<usize>,
    /// `OCI-Chunk-Min-Length`.
    pub(super) smallest: Option<usize>,
    /// Whether `Range` begins with a unit, which is wrong.
    pub(super) unit: bool,
    /// Whether `Location` is a bare name, which some clients cannot read.
    pub(super) bare: bool,
    /// Whether answers to PATCH say nothing of how far it is.
    pub(super) silent: bool,
    /// The answer that closes an upload, in place of 201.
    pub(super) closing: Option<u16>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Fault {
    /// The connection ends after so many bytes of the body, of which those count that are said behind it.
    Cut { after: usize, kept: usize },
    /// The body is taken, and the answer is lost.
    Deaf,
    /// This status, and nothing of the body is kept.
    Status(u16),
    /// Everything about the upload is forgotten.
    Amnesia,
}

#[derive(Debug, Default)]
struct State {
    blobs: HashMap<String, Vec<u8>>,
    uploads: HashMap<String, Vec<u8>>,
    opened: usize,
    received: usize,
}

/// The registry.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) fake: Fake,
    state: Arc<Mutex<State>>,
}

impl Shelf {
    pub(super) async fn start(habits: Habits) -> Shelf {
        let state = Arc::new(Mutex::new(State::default()));
        let faults = Arc::new(Mutex::new(habits.faults.clone()));
        let (next, largest) = (Arc::clone(&faults), habits.largest.unwrap_or(usize::MAX));
        let appetite = move |asked: &Asked| match next.lock().unwrap().front() {
            _ if asked.length() > largest => 0,
            Some(Fault::Cut { after, .. }) if has_body(asked) => *after,
            _ => usize::MAX,
        };
        let kept = Arc::clone(&state);
        let answer = move |asked: &Asked| {
            let fault =
                Some(faults.lock().unwrap()).filter(|_| has_body(asked)).and_then(|mut it| it.pop_front());
            kept.lock().unwrap().answer(&habits, asked, fault)
        };
        Shelf { fake: Fake::picky(appetite, answer).await, state }
    }

    /// The blob of that content, as it is stored.
    pub(super) fn blob(&self, content: &[u8]) -> Option<Vec<u8>> {
        self.state.lock().unwrap().blobs.get(&digest(content).to_string()).cloned()
    }

    /// Bytes of bodies that came.
    pub(super) fn received(&self) -> usize {
        self.state.lock().unwrap().received
    }

    pub(super) fn open_uploads(&self) -> usize {
        self.state.lock().unwrap().uploads.len()
    }
}

fn has_body(asked: &Asked) -> bool {
    asked.length() > 0
}

impl State {
    fn answer(&mut self, habits: &Habits, asked: &Asked, fault: Option<Fault>) -> Reply {
        self.received += asked.body.len();
        let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
        let last = path.rsplit('/').next().unwrap().to_owned();
        match asked.method.as_str() {
            "HEAD" => match self.blobs.get(&last) {
                Some(blob) => Reply::new(200, &[("content-length", &blob.len().to_string())], ""),
                None => Reply::new(404, &[], ""),
            },
            "POST" => self.open(habits),
            _ if !self.uploads.contains_key(&last) => Reply::new(404, &[], ""),
            "DELETE" => {
                self.uploads.remove(&last);
                Reply::new(204, &[], "")
            }
            "GET" => self.at(habits, 204, &last, true),
            "PATCH" | "PUT" => self.body(habits, asked, (&last, query), fault),
            other => panic!("{other}"),
        }
    }

    fn open(&mut self, habits: &Habits) -> Reply {
        self.opened += 1;
        let id = format!("u{}", self.opened);
        self.uploads.insert(id.clone(), Vec::new());
        self.at(habits, 202, &id, true)
    }

    fn at(&self, habits: &Habits, status: u16, id: &str, told: bool) -> Reply {
        let last = self.uploads[id].len().saturating_sub(1);
        let range = format!("{}0-{last}", if habits.unit { "bytes=" } else { "" });
        let location = match habits.bare {
            true => format!("{id}?s=1"),
            false => format!("/v2/a/b/blobs/uploads/{id}?s=1"),
        };
        let smallest = habits.smallest.unwrap_or_default().to_string();
        let mut headers = vec![("location", location.as_str()), ("oci-chunk-min-length", &smallest)];
        if told {
            headers.push(("range", &range));
        }
        Reply::new(status, &headers, "")
    }

    fn body(
        &mut self,
        habits: &Habits,
        asked: &Asked,
        (id, query): (&str, &str),
        fault: Option<Fault>,
    ) -> Reply {
        let length = asked.length();
        if habits.largest.is_some_and(|largest| length > largest) {
            return Reply::new(413, &[], "<html>Request Entity Too Large</html>");
        }
        if let Some(range) = asked.headers.get("content-range") {
            let (from, to) = range.split_once('-').unwrap();
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            assert_eq!(to - from + 1, length, "a range that is not that of its body");
            if from != self.uploads[id].len() {
                return self.at(habits, 416, id, true);
            }
        }
        let upload = self.uploads.get_mut(id).unwrap();
        match fault {
            Some(Fault::Status(status)) => return Reply::new(status, &[], ""),
            Some(Fault::Amnesia) => {
                self.uploads.remove(id);
                return Reply::raw("", Then::Cut);
            }
            Some(Fault::Cut { kept, .. }) if asked.body.len() < length => {
                upload.extend_from_slice(&asked.body[..kept.min(asked.body.len())]);
                return Reply::raw("", Then::Cut);
            }
            _ => upload.extend_from_slice(&asked.body),
        }
        let reply = match asked.method.as_str() {
            "PATCH" => self.at(habits, 202, id, !habits.silent),
            _ => self.close(habits, id, query),
        };
        match fault {
            Some(Fault::Deaf) => Reply::raw("", Then::Cut),
            _ => reply,
        }
    }

    fn close(&mut self, habits: &Habits, id: &str, query: &str) -> Reply {
        let content = self.uploads.remove(id).unwrap();
        let wanted =
            query.split('&').find_map(|part| part.strip_prefix("digest=")).unwrap().replace("%3A", ":");
        let is = digest(&content).to_string();
        if is != wanted {
            let error = r#"{"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match","detail":{}}]}"#;
            return Reply::new(400, &[], error);
        }
        self.blobs.insert(is.clone(), content);
        Reply::new(habits.closing.unwrap_or(201), &[("docker-content-digest", &is)], "")
    }
}
