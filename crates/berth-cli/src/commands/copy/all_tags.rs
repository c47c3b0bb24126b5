//! All tags of a repository, or of a layout, in one copy: what they share goes once.

use std::sync::{Mutex, PoisonError};

use berth_client::{CopyError, Sink, Source, Tally, copy_all};
use berth_images::Store;
use berth_oci::{Digest, Reference};
use serde_json::json;

use super::opened::Collection;
use super::targets::put_beside;
use super::{Job, not_for_all};
use crate::ends::LocalStore;
use crate::failure::Failure;
use crate::place::{Form, Place};
use crate::trouble::{self, Doing};

/// Refuses what has no tags, or one of them.
fn refuse_one(place: &Place) -> Result<(), Failure> {
    match place {
        Place::Registry(name) if name.tag().is_none() && name.digest().is_none() => Ok(()),
        Place::Layout { name: None, .. } | Place::Archive { form: Form::Oci, name: None, .. } => Ok(()),
        Place::Registry(_) | Place::Layout { .. } | Place::Archive { form: Form::Oci, .. } => {
            Err(Failure::other(format!("{place}: tag can't be used with --all-tags"))
                .hint("name all of it, without a tag"))
        }
        _ => Err(not_for_all()),
    }
}

impl Job<'_> {
    /// Copies all tags from one place to another.
    ///
    /// # Errors
    /// Each tag that cannot be copied. The others are.
    pub(super) async fn run_all(&self, source: &Place, target: &Place) -> Result<(), Failure> {
        self.check(target)?;
        refuse_one(source)?;
        refuse_one(target)?;
        let from = self.open_all(source).await?;
        match target {
            Place::Registry(name) => {
                let sink = self.registries.repository(name).await?;
                let told = |error| trouble::of_copy(Doing::Pushing, name, error);
                self.all(&from, target, &sink, &told).await
            }
            Place::Layout { folder, .. } => {
                let store = Store::open_layout(folder).map_err(trouble::of_store)?;
                let done = self.all_laid(&from, target, &store).await;
                // What cannot be tidied up is in nobody's way.
                let _ = store.tidy();
                done
            }
            Place::Archive { file, .. } => {
                let folder = self.scratch.folder(Some(file))?;
                let store = Store::open_layout(&folder.join("layout")).map_err(trouble::of_store)?;
                self.all_laid(&from, target, &store).await?;
                self.pack(store, file).await
            }
            _ => Err(not_for_all()),
        }
    }

    async fn all_laid(&self, from: &Collection, target: &Place, store: &Store) -> Result<(), Failure> {
        let sink = LocalStore::new(store.transfer().map_err(trouble::of_store)?);
        let done =
            self.all(from, target, &sink, &|error| trouble::of_place(&target.to_string(), error)).await;
        // Those that came are there, whatever became of others.
        put_beside(&sink.transfer, &sink.beside(), None)?;
        done
    }

    async fn all(
        &self,
        from: &Collection,
        target: &Place,
        sink: &impl Sink,
        of_sink: &(dyn Fn(CopyError) -> Failure + Sync),
    ) -> Result<(), Failure> {
        let failures = Mutex::new(Vec::new());
        let failure = |error| match error {
            CopyError::Sink(_) => of_sink(error),
            error => from.shown.trouble(error),
        };
        let told = |at: &Reference, copied: Result<&Digest, CopyError>| match copied {
            Ok(digest) => {
                let result = json!({ "tag": at.to_string(), "digest": digest.to_string() });
                self.progress.one(&result, &format!("{at}: digest: {digest}"));
            }
            Err(error) => {
                let failure = failure(error).of(&at.to_string());
                failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        };
        if from.tags.is_empty() {
            return Err(Failure::other(format!("{} has no tags", from.place))
                .hint("without --all-tags, an image is copied that has none"));
        }
        if let Some(home) = from.source.home() {
            self.progress.mounting_all(home.name());
        }
        let tags = from.tags.iter().filter_map(|tag| tag.parse::<Reference>().ok());
        let copied =
            copy_all(&from.source, tags.map(|tag| (tag.clone(), tag)), sink, &self.options(), told).await;
        let mut failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
        let tally = copied.map_err(failure).unwrap_or_else(|failure| {
            failures.push(failure);
            Tally::default()
        });
        if failures.is_empty() {
            self.finish_all(from.tags.len(), &tally, &target.to_string())?;
        }
        Failure::of_several(failures)
    }
}
