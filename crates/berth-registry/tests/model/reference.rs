//! What a repository should be, without rows or order: what lives is computed anew from the whole graph.

use std::collections::{BTreeMap, BTreeSet};

use berth_oci::{Digest, ErrorCode};
use bytes::Bytes;

/// A manifest that can be pushed, and what it names.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) content: Bytes,
    pub(crate) media_type: &'static str,
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) children: BTreeSet<Digest>,
    pub(crate) subject: Option<Digest>,
}

/// A manifest in a repository of the model.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) image: Image,
    pub(crate) deleted: bool,
    /// Whether it was pushed (or restored) without anything that held it, and nothing has since.
    pub(crate) free: bool,
    /// The tags that its deletion ended.
    pub(crate) took: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Repository {
    pub(crate) blobs: BTreeSet<Digest>,
    pub(crate) manifests: BTreeMap<Digest, Kept>,
    pub(crate) tags: BTreeMap<String, Digest>,
    /// What each tag named, one after the other, as far as it has ended.
    pub(crate) past: BTreeMap<String, Vec<Digest>>,
}

impl Repository {
    /// What is neither deleted nor without a hold, by definition.
    pub(crate) fn living(&self) -> BTreeSet<Digest> {
        let there = |digest: &Digest| self.manifests.get(digest).is_some_and(|kept| !kept.deleted);
        let mut living: BTreeSet<Digest> =
            self.tags.values().filter(|digest| there(digest)).cloned().collect();
        living.extend(
            self.manifests.iter().filter(|(_, kept)| kept.free && !kept.deleted).map(|(d, _)| d.clone()),
        );
        loop {
            let mut more = BTreeSet::new();
            for (digest, kept) in self.manifests.iter().filter(|(_, kept)| !kept.deleted) {
                if kept.image.subject.as_ref().is_some_and(|subject| living.contains(subject)) {
                    more.insert(digest.clone());
                }
                if living.contains(digest) {
                    more.extend(kept.image.children.iter().filter(|child| there(child)).cloned());
                }
            }
            let n = living.len();
            living.extend(more);
            if living.len() == n {
                return living;
            }
        }
    }

    /// Whether something else than itself keeps it alive.
    pub(crate) fn is_held(&self, digest: &Digest, living: &BTreeSet<Digest>) -> bool {
        self.tags.values().any(|named| named == digest)
            || self.holding_index(digest, living)
            || self.manifests[digest].image.subject.as_ref().is_some_and(|subject| living.contains(subject))
    }

    pub(crate) fn holding_index(&self, digest: &Digest, living: &BTreeSet<Digest>) -> bool {
        living.iter().any(|parent| self.manifests[parent].image.children.contains(digest))
    }

    /// After each change: who is held now was not left alone.
    pub(crate) fn settle(&mut self) {
        let living = self.living();
        let held: Vec<_> = living.iter().filter(|digest| self.is_held(digest, &living)).cloned().collect();
        for digest in held {
            if let Some(kept) = self.manifests.get_mut(&digest) {
                kept.free = false;
            }
        }
    }

    pub(crate) fn set_tag(&mut self, tag: &str, digest: &Digest) {
        if self.tags.get(tag) == Some(digest) {
            return;
        }
        self.end_tag(tag);
        self.tags.insert(tag.to_owned(), digest.clone());
    }

    pub(crate) fn end_tag(&mut self, tag: &str) -> bool {
        let Some(named) = self.tags.remove(tag) else { return false };
        self.past.entry(tag.to_owned()).or_default().push(named);
        true
    }

    pub(crate) fn lacks(&self, image: &Image) -> bool {
        let child = |child: &Digest| {
            self.manifests.get(child).is_some_and(|kept| !kept.deleted) || self.blobs.contains(child)
        };
        !image.blobs.iter().all(|blob| self.blobs.contains(blob)) || !image.children.iter().all(child)
    }

    pub(crate) fn push(&mut self, digest: &Digest, image: &Image, tags: &[String]) -> Result<(), ErrorCode> {
        let known = self.manifests.get(digest).map(|kept| kept.deleted);
        if known != Some(false) && self.lacks(image) {
            return Err(ErrorCode::ManifestBlobUnknown);
        }
        let was_living = known == Some(false) && self.living().contains(digest);
        self.manifests
            .entry(digest.clone())
            .and_modify(|kept| kept.deleted = false)
            .or_insert_with(|| Kept { image: image.clone(), deleted: false, free: false, took: Vec::new() });
        for tag in tags {
            self.set_tag(tag, digest);
        }
        if !was_living {
            self.begin_anew(digest);
        }
        self.settle();
        Ok(())
    }

    /// A manifest that just came and that nothing holds is free, unless it belongs to what is on its way out.
    pub(crate) fn begin_anew(&mut self, digest: &Digest) {
        let living = self.living();
        let is_held = self.is_held(digest, &living);
        let subject = self.manifests[digest].image.subject.clone();
        let belongs = subject.is_some_and(|subject| self.manifests.contains_key(&subject));
        if let Some(kept) = self.manifests.get_mut(digest) {
            kept.free = !is_held && !belongs;
        }
    }

    pub(crate) fn delete_manifest(&mut self, digest: &Digest) -> Result<(), ErrorCode> {
        let living = self.living();
        if self.manifests.get(digest).is_none_or(|kept| kept.deleted) {
            return Err(ErrorCode::ManifestUnknown);
        }
        if self.holding_index(digest, &living) {
            return Err(ErrorCode::Denied);
        }
        let named: Vec<String> =
            self.tags.iter().filter(|(_, named)| *named == digest).map(|(tag, _)| tag.clone()).collect();
        for tag in &named {
            self.end_tag(tag);
        }
        if let Some(kept) = self.manifests.get_mut(digest) {
            (kept.deleted, kept.free, kept.took) = (true, false, named);
        }
        self.settle();
        Ok(())
    }

    pub(crate) fn restore_manifest(&mut self, digest: &Digest) -> Result<(), ErrorCode> {
        let living = self.living();
        let Some(kept) = self.manifests.get(digest).cloned() else { return Err(ErrorCode::ManifestUnknown) };
        if living.contains(digest) || !kept.image.blobs.iter().all(|blob| self.blobs.contains(blob)) {
            return Err(ErrorCode::ManifestUnknown);
        }
        if kept.deleted {
            for tag in
                kept.took.iter().filter(|tag| !self.tags.contains_key(*tag)).cloned().collect::<Vec<_>>()
            {
                self.set_tag(&tag, digest);
            }
        }
        if let Some(kept) = self.manifests.get_mut(digest) {
            (kept.deleted, kept.free) = (false, true);
        }
        self.settle();
        Ok(())
    }

    pub(crate) fn roll_back(&mut self, tag: &str) -> Result<(), ErrorCode> {
        let before =
            self.past.get(tag).and_then(|past| past.last()).cloned().ok_or(ErrorCode::ManifestUnknown)?;
        let kept = self.manifests.get(&before).ok_or(ErrorCode::ManifestUnknown)?;
        if !kept.image.blobs.iter().all(|blob| self.blobs.contains(blob)) {
            return Err(ErrorCode::ManifestUnknown);
        }
        if let Some(kept) = self.manifests.get_mut(&before) {
            kept.deleted = false;
        }
        self.set_tag(tag, &before);
        self.settle();
        Ok(())
    }

    pub(crate) fn delete_blob(&mut self, blob: &Digest) -> Result<(), ErrorCode> {
        if !self.blobs.contains(blob) {
            return Err(ErrorCode::BlobUnknown);
        }
        if self.manifests.values().any(|kept| !kept.deleted && kept.image.blobs.contains(blob)) {
            return Err(ErrorCode::Denied);
        }
        self.blobs.remove(blob);
        Ok(())
    }

    /// What a cleaning without any grace leaves.
    pub(crate) fn clean(&mut self) {
        let living = self.living();
        self.manifests.retain(|digest, _| living.contains(digest));
        let named: BTreeSet<_> = self.manifests.values().flat_map(|kept| kept.image.blobs.clone()).collect();
        self.blobs.retain(|blob| named.contains(blob));
    }
}
