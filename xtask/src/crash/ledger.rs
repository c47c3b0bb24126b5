//! What the server promised: every write with its answer, and from that the values each object may have now.
//!
//! An object (a blob or manifest in a repository, a tag) is a register that pushes and deletes overwrite. A write that
//! was acknowledged counts; one that was refused does not; one without an answer may or may not have happened. After a
//! crash a value is allowed if its write can be the last in some order that respects time: no acknowledged write of
//! the same object began after it had ended. An acknowledgement that
//! arrives after the power began to go counts as no answer: a real machine would have been silent, and here the kernel
//! lets a sync that races with the cut return success for bytes that are lost.
//!
//! Deleting a manifest also removes the tags that point at it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write as _};
use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

/// `sha256:<hex>`.
pub(crate) type Digest = String;
/// What an object holds: nothing, or the bytes of this digest.
pub(crate) type Value = Option<Digest>;

/// A thing that can be pushed, read and deleted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Object {
    Blob { repository: String, digest: Digest },
    Manifest { repository: String, digest: Digest },
    Tag { repository: String, tag: String },
}

impl Object {
    /// A blob in a repository.
    pub(crate) fn blob(repository: &str, digest: &str) -> Object {
        Object::Blob { repository: repository.to_owned(), digest: digest.to_owned() }
    }

    /// A manifest in a repository, by digest.
    pub(crate) fn manifest(repository: &str, digest: &str) -> Object {
        Object::Manifest { repository: repository.to_owned(), digest: digest.to_owned() }
    }

    /// A tag in a repository.
    pub(crate) fn tag(repository: &str, tag: &str) -> Object {
        Object::Tag { repository: repository.to_owned(), tag: tag.to_owned() }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Blob { repository, digest } => write!(f, "blob {repository}@{digest}"),
            Object::Manifest { repository, digest } => write!(f, "manifest {repository}@{digest}"),
            Object::Tag { repository, tag } => write!(f, "tag {repository}:{tag}"),
        }
    }
}

/// What an object turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Observed {
    Absent,
    /// The digest of the bytes that were served, not the one that was asked for.
    Serves(Digest),
    /// Neither there nor not there: an error status, a body cut short, a manifest without its blobs.
    Broken(String),
}

/// How a request ended, as far as the client can know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Acknowledged,
    /// The server said that nothing was changed.
    Refused,
    /// No answer, or an error on the server's side: it may have happened.
    Unknown,
}

/// One write of one object. Times are ticks of the ledger's own clock.
#[derive(Debug, Clone)]
struct Write {
    operation: u64,
    began: u64,
    /// `None` until an acknowledgement arrives.
    ended: Option<u64>,
    value: Value,
}

impl Write {
    /// True if this write surely happened, and after `other` had ended.
    fn surely_after(&self, other: &Write) -> bool {
        self.ended.is_some() && other.ended.is_some_and(|ended| self.began > ended)
    }
}

/// The value that the last look at the server settled, and the writes since then.
#[derive(Debug, Default)]
struct History {
    settled: Value,
    writes: Vec<Write>,
}

impl History {
    /// The writes that may be the last one; the settled value is a write before all others.
    fn candidates(&self) -> Vec<Write> {
        let settled = Write { operation: 0, began: 0, ended: Some(0), value: self.settled.clone() };
        let all: Vec<&Write> = std::iter::once(&settled).chain(&self.writes).collect();
        all.iter()
            .filter(|write| !all.iter().any(|other| other.surely_after(write)))
            .map(|&write| write.clone())
            .collect()
    }
}

/// A promise that was broken.
#[derive(Debug)]
pub(crate) struct Violation(pub(crate) String);

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Default)]
struct Book {
    clock: u64,
    /// Whether the power began to go in this cycle.
    dark: bool,
    operations: u64,
    histories: BTreeMap<Object, History>,
    acknowledged: BTreeMap<&'static str, u64>,
}

impl Book {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}

/// The book of all writes to one server, shared by its clients, with a journal for reading after a failure.
pub(crate) struct Ledger {
    book: Mutex<Book>,
    journal: Mutex<Box<dyn io::Write + Send>>,
    opened: Instant,
}

/// A write that has begun and whose answer is awaited; dropping it leaves the outcome unknown.
#[derive(Debug)]
pub(crate) struct Operation {
    number: u64,
    kind: &'static str,
    objects: Vec<Object>,
}

impl Ledger {
    /// An empty ledger; each event is also a line in `journal`, which must not live on the filesystem under test.
    pub(crate) fn new(journal: impl io::Write + Send + 'static) -> Self {
        Ledger { book: Mutex::default(), journal: Mutex::new(Box::new(journal)), opened: Instant::now() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no holder of the book panics")
    }

    /// Adds a line to the journal. Losing a line there loses no knowledge: the book decides.
    pub(crate) fn note(&self, line: &str) {
        let mut journal = self.journal.lock().expect("no writer of the journal panics");
        let millis = self.opened.elapsed().as_secs_f64() * 1000.0;
        let _ = writeln!(journal, "{millis:10.3} {line}");
    }

    /// Enters a write before it is sent.
    pub(crate) fn begin(&self, kind: &'static str, effects: Vec<(Object, Value)>) -> Operation {
        let mut book = self.book();
        let began = book.tick();
        book.operations += 1;
        let number = book.operations;
        let objects: Vec<Object> = effects.iter().map(|(object, _)| object.clone()).collect();
        for (object, value) in effects {
            let write = Write { operation: number, began, ended: None, value };
            book.histories.entry(object).or_default().writes.push(write);
        }
        drop(book);
        let names: Vec<String> = objects.iter().map(Object::to_string).collect();
        self.note(&format!("tick {began} operation {number} {kind} begins: {}", names.join(", ")));
        Operation { number, kind, objects }
    }

    /// Enters the answer to a write.
    pub(crate) fn finish(&self, operation: Operation, outcome: Outcome) {
        let Operation { number, kind, objects } = operation;
        let mut book = self.book();
        let ended = book.tick();
        let outcome = if book.dark && outcome == Outcome::Acknowledged { Outcome::Unknown } else { outcome };
        for object in objects {
            let history = book.histories.entry(object).or_default();
            match outcome {
                Outcome::Acknowledged => {
                    let own = history.writes.iter_mut().filter(|write| write.operation == number);
                    own.for_each(|write| write.ended = Some(ended));
                }
                Outcome::Refused => history.writes.retain(|write| write.operation != number),
                Outcome::Unknown => {}
            }
        }
        if outcome == Outcome::Acknowledged {
            *book.acknowledged.entry(kind).or_default() += 1;
        }
        drop(book);
        self.note(&format!("tick {ended} operation {number} {outcome:?}"));
    }

    /// From now on until [`Ledger::settle`] no acknowledgement counts: the power is about to be cut.
    pub(crate) fn darken(&self) {
        let mut book = self.book();
        book.dark = true;
        let tick = book.tick();
        drop(book);
        self.note(&format!("tick {tick} the power is being cut"));
    }

    /// How many writes of each kind were acknowledged so far.
    pub(crate) fn acknowledged(&self) -> BTreeMap<&'static str, u64> {
        self.book().acknowledged.clone()
    }

    /// All objects that were ever written, and whether they were since the last [`Ledger::settle`].
    pub(crate) fn objects(&self) -> Vec<(Object, bool)> {
        let book = self.book();
        book.histories.iter().map(|(object, history)| (object.clone(), !history.writes.is_empty())).collect()
    }

    /// The value that the last look settled.
    pub(crate) fn settled(&self, object: &Object) -> Value {
        self.book().histories.get(object).and_then(|history| history.settled.clone())
    }

    /// The values that an object may have now.
    pub(crate) fn allowed(&self, object: &Object) -> BTreeSet<Value> {
        let book = self.book();
        let Some(history) = book.histories.get(object) else {
            return BTreeSet::from([None]);
        };
        history.candidates().into_iter().flat_map(|write| outcomes(&book, object, write)).collect()
    }

    /// Compares what was seen with what is allowed.
    pub(crate) fn judge(&self, seen: &BTreeMap<Object, Observed>) -> Vec<Violation> {
        let mut violations = Vec::new();
        for (object, observed) in seen {
            let value = match observed {
                Observed::Absent => None,
                Observed::Serves(digest) => Some(digest.clone()),
                Observed::Broken(reason) => {
                    violations.push(Violation(format!("{object} is broken: {reason}")));
                    continue;
                }
            };
            let allowed = self.allowed(object);
            if !allowed.contains(&value) {
                let allowed: Vec<&str> = allowed.iter().map(name_of).collect();
                let (found, allowed) = (name_of(&value), allowed.join(" or "));
                violations.push(Violation(format!("{object} is {found}, must be {allowed}")));
            }
        }
        violations
    }

    /// Takes what was seen as the truth from now on; the writes before are forgotten.
    pub(crate) fn settle(&self, seen: &BTreeMap<Object, Observed>) {
        let mut book = self.book();
        book.dark = false;
        for (object, observed) in seen {
            let history = book.histories.entry(object.clone()).or_default();
            history.writes.clear();
            history.settled = match observed {
                Observed::Serves(digest) => Some(digest.clone()),
                Observed::Absent | Observed::Broken(_) => None,
            };
        }
    }

    /// Writes out what has been noted so far.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.journal.lock().expect("no writer of the journal panics").flush()
    }
}

fn name_of(value: &Value) -> &str {
    value.as_deref().unwrap_or("absent")
}

/// The values that an object may have if `last` was the last write to it. Only tags have more than one: a deletion of
/// the manifest that they point at takes them along if it came later.
fn outcomes(book: &Book, object: &Object, last: Write) -> Vec<Value> {
    let (Object::Tag { repository, .. }, Some(digest)) = (object, &last.value) else {
        return vec![last.value];
    };
    let manifest = Object::manifest(repository, digest);
    let deletions: Vec<&Write> = book
        .histories
        .get(&manifest)
        .into_iter()
        .flat_map(|history| &history.writes)
        .filter(|write| write.value.is_none())
        .collect();
    if deletions.iter().any(|deletion| deletion.surely_after(&last)) {
        return vec![None];
    }
    if deletions.iter().any(|deletion| deletion.ended.is_none_or(|ended| ended > last.began)) {
        return vec![None, last.value];
    }
    vec![last.value]
}

#[cfg(test)]
mod tests;
