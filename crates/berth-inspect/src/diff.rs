//! What differs between the files of two images.

use crate::tree::{Found, Tree};
use crate::{Entry, Kind};

/// What happened to a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is something else, or has other permissions.
    Changed,
}

/// A path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change<'a> {
    /// The path.
    pub path: &'a [u8],
    /// What happened.
    pub kind: ChangeKind,
    /// Bytes before.
    pub before: Option<u64>,
    /// Bytes after.
    pub after: Option<u64>,
}

/// All that differs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The paths in order; folders only where something else took their place.
    pub changes: Vec<Change<'a>>,
    /// Files that are new, and their bytes.
    pub added: (u64, u64),
    /// Files that are gone, and their bytes.
    pub removed: (u64, u64),
    /// Files that changed, and the bytes that they have now.
    pub changed: (u64, u64),
}

/// What differs between two trees.
pub fn difference<'a>(before: &'a Tree<'_>, after: &'a Tree<'_>) -> Difference<'a> {
    let mut difference = Difference::default();
    let (mut old, mut new) = (before.iter().peekable(), after.iter().peekable());
    loop {
        let side = match (old.peek(), new.peek()) {
            (None, None) => return difference,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((was, _)), Some((is, _))) => was.cmp(is),
        };
        let was = if side.is_le() { old.next() } else { None };
        let is = if side.is_ge() { new.next() } else { None };
        let path = was.or(is).map_or(&[][..], |(path, _)| path);
        difference.add(path, was.map(|(_, found)| found), is.map(|(_, found)| found));
    }
}

impl<'a> Difference<'a> {
    fn add(&mut self, path: &'a [u8], was: Option<Found<'_>>, is: Option<Found<'_>>) {
        let counts = |found: &Found<'_>| found.entry.kind != Kind::Folder;
        let size = |found: Found<'_>| found.entry.size;
        let (kind, total, bytes) = match (was, is) {
            (Some(was), Some(is)) if !counts(&was) && !counts(&is) => return,
            (Some(was), Some(is)) if is_same(was.entry, is.entry) => return,
            (Some(_), Some(is)) => (ChangeKind::Changed, &mut self.changed, size(is)),
            (Some(was), None) if counts(&was) => (ChangeKind::Removed, &mut self.removed, size(was)),
            (None, Some(is)) if counts(&is) => (ChangeKind::Added, &mut self.added, size(is)),
            _ => return,
        };
        total.0 += 1;
        total.1 = total.1.saturating_add(bytes);
        self.changes.push(Change { path, kind, before: was.map(size), after: is.map(size) });
    }
}

/// Whether two entries are the same to a container. Times differ with each build and matter to nobody.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let told = |entry: &Entry| (entry.kind, entry.size, entry.mode, entry.uid, entry.gid, entry.sum);
    told(a) == told(b) && a.target == b.target
}
