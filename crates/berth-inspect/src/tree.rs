//! The files of an image: layers one over the other (image-spec, "Applying Changesets").

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::ops::Bound;

use crate::{Entry, Kind, LayerIndex};

/// Links that are followed for one path.
const HOPS: usize = 40;

/// Files by their path. Borrows the indexes of the layers.
#[derive(Debug, Default)]
pub struct Tree<'a> {
    files: BTreeMap<Cow<'a, [u8]>, Found<'a>>,
    /// Hashes of paths that were no folders at some time: most paths lead through none of them, and need not be looked up.
    others: HashSet<u64>,
    hashing: RandomState,
}

/// An entry, and the layer that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// The number of the layer, from 0.
    pub layer: usize,
}

/// A name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed<'a> {
    /// The name.
    pub name: &'a [u8],
    /// The entry; `None` of a folder that no layer mentions by itself.
    pub found: Option<Found<'a>>,
    /// Whether there is something below it.
    pub is_folder: bool,
    /// Bytes of the file, or of all files below.
    pub size: u64,
    /// Files below.
    pub files: u64,
}

impl<'a> Tree<'a> {
    /// The files that a container sees: each layer changes what those before it made.
    pub fn of(layers: &[&'a LayerIndex]) -> Tree<'a> {
        let mut tree = Tree::default();
        for (layer, index) in layers.iter().enumerate() {
            // Whiteouts are about the layers below, wherever in the archive they stand.
            for entry in &index.entries {
                match entry.kind {
                    Kind::Whiteout => {
                        let path = tree.placed(&entry.path);
                        tree.files.remove(&path);
                        tree.clear(&path);
                    }
                    Kind::Opaque => {
                        let path = tree.placed(&entry.path);
                        tree.clear(&path);
                    }
                    _ => {}
                }
            }
            for entry in &index.entries {
                if !matches!(entry.kind, Kind::Whiteout | Kind::Opaque) {
                    tree.add(Found { entry, layer });
                }
            }
        }
        tree
    }

    /// What one layer holds; what it removes is there with the kind of a whiteout.
    pub fn single(index: &'a LayerIndex, layer: usize) -> Tree<'a> {
        let mut tree = Tree::default();
        for entry in index.entries.iter().filter(|entry| entry.kind != Kind::Opaque) {
            tree.files.insert(Cow::Borrowed(&entry.path), Found { entry, layer });
        }
        tree
    }

    fn add(&mut self, found: Found<'a>) {
        let path = self.placed(&found.entry.path);
        if found.entry.kind != Kind::Folder {
            // A file where a folder was; what was below it has no place any more.
            self.clear(&path);
            self.others.insert(self.hash(&path));
        }
        // A file above it gives way.
        while let Some(end) = self.first_in_the_way(&path) {
            self.files.remove(&path[..end]);
        }
        self.files.insert(path, found);
    }

    /// Where an entry comes to lie: what unpacks layers writes through links that are in its way.
    fn placed(&self, path: &'a [u8]) -> Cow<'a, [u8]> {
        let mut placed = Cow::Borrowed(path);
        for _ in 0..HOPS {
            let Some(end) = self.first_in_the_way(&placed) else { break };
            let is_link = self.get(&placed[..end]).is_some_and(|found| found.entry.kind == Kind::Link);
            let Some(real) = self.resolve(&placed[..end]).filter(|_| is_link) else { break };
            placed = Cow::Owned([&real, &placed[end..]].concat());
        }
        placed
    }

    /// Where the first folder of a path ends that is none.
    fn first_in_the_way(&self, path: &[u8]) -> Option<usize> {
        let mut hasher = self.hashing.build_hasher();
        for (at, byte) in path.iter().enumerate() {
            if *byte == b'/'
                && self.others.contains(&hasher.finish())
                && self.files.get(&path[..at]).is_some_and(|above| above.entry.kind != Kind::Folder)
            {
                return Some(at);
            }
            hasher.write_u8(*byte);
        }
        None
    }

    /// The hash of a path, byte by byte as [`Tree::first_in_the_way`] makes it on its way.
    fn hash(&self, path: &[u8]) -> u64 {
        let mut hasher = self.hashing.build_hasher();
        path.iter().for_each(|byte| hasher.write_u8(*byte));
        hasher.finish()
    }

    /// Removes what is below a path.
    fn clear(&mut self, path: &[u8]) {
        let gone: Vec<_> = self.range(path).map(|(path, _)| path.to_vec()).collect();
        for path in gone {
            self.files.remove(path.as_slice());
        }
    }

    /// What is below a path, in order.
    fn range(&self, path: &[u8]) -> impl Iterator<Item = (&[u8], &Found<'a>)> {
        let (first, end) = below(path);
        let end = end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let range = self.files.range::<[u8], _>((Bound::Included(first.as_slice()), end));
        range.map(|(path, found)| (path.as_ref(), found))
    }

    /// The entry at a path.
    pub fn get(&self, path: &[u8]) -> Option<Found<'a>> {
        self.files.get(path).copied()
    }

    /// All entries by their paths.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Found<'a>)> {
        self.files.iter().map(|(path, found)| (path.as_ref(), *found))
    }

    /// Files, and their bytes.
    pub fn totals(&self) -> (u64, u64) {
        let files = self.files.values().filter(|found| found.entry.kind == Kind::File);
        files.fold((0, 0), |(n, bytes), found| (n + 1, bytes.saturating_add(found.entry.size)))
    }

    /// What is in a folder, folders first; `None` if it is none. The path of the whole is empty.
    pub fn list(&self, path: &[u8]) -> Option<Vec<Listed<'_>>> {
        let skipped = if path.is_empty() { 0 } else { path.len() + 1 };
        let mut names: BTreeMap<&[u8], Listed<'_>> = BTreeMap::new();
        for (whole, found) in self.range(path) {
            let rest = &whole[skipped..];
            let (name, deeper) = match rest.iter().position(|byte| *byte == b'/') {
                Some(slash) => (&rest[..slash], true),
                None => (rest, false),
            };
            let listed = names.entry(name).or_insert(Listed {
                name,
                found: None,
                is_folder: deeper,
                size: 0,
                files: 0,
            });
            listed.is_folder |= deeper || found.entry.kind == Kind::Folder;
            if !deeper {
                listed.found = Some(*found);
            }
            if found.entry.kind == Kind::File {
                listed.size = listed.size.saturating_add(found.entry.size);
                listed.files += 1;
            }
        }
        let is_folder =
            path.is_empty() || self.get(path).is_some_and(|found| found.entry.kind == Kind::Folder);
        if names.is_empty() && !is_folder {
            return None;
        }
        let mut listed: Vec<_> = names.into_values().collect();
        listed.sort_by_key(|listed| !listed.is_folder);
        Some(listed)
    }

    /// The path that a path leads to when links are followed; `None` if it leads nowhere, out, or in a circle.
    pub fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        let mut left: Vec<Vec<u8>> = parts(path).rev().map(<[u8]>::to_vec).collect();
        let (mut at, mut hops) = (Vec::new(), 0);
        while let Some(part) = left.pop() {
            if part == b".." {
                let parent = at.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                at.truncate(parent);
                continue;
            }
            let parent = at.len();
            if !at.is_empty() {
                at.push(b'/');
            }
            at.extend_from_slice(&part);
            let Some(found) = self.get(&at) else { continue };
            match found.entry.kind {
                Kind::Link => {
                    hops += 1;
                    if hops > HOPS {
                        return None;
                    }
                    let target = found.entry.target.as_slice();
                    at.truncate(if target.starts_with(b"/") { 0 } else { parent });
                    left.extend(parts(target).rev().map(<[u8]>::to_vec));
                }
                Kind::HardLink if found.entry.target != at => {
                    hops += 1;
                    if hops > HOPS {
                        return None;
                    }
                    at.clone_from(&found.entry.target);
                }
                _ => {}
            }
        }
        let is_there = self.get(&at).is_some() || self.list(&at).is_some();
        is_there.then_some(at)
    }
}

/// The parts of a path that mean something.
fn parts(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".")
}

/// The first path that can be below one, and the first that cannot any more: the byte after the slash is the zero.
fn below(path: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    if path.is_empty() {
        return (Vec::new(), None);
    }
    ([path, b"/"].concat(), Some([path, b"0"].concat()))
}
