//! Looking inside of layers: their indexes are made in the background when somebody first asks, and kept.
//!
//! One layer is read at a time, by a process of its own; so whoever pushes bombs makes those wait who want to look inside,
//! and nobody else.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use berth_inspect::{LayerIndex, Limits, Source, Stop, Worker, WorkerError};
use berth_meta::Timestamp;
use berth_oci::{Digest, Role};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Access, BlobBody, Looked, Pull, Registry, RegistryError, ServerAccess};

/// Layers that wait to be read; beyond that one has to ask again.
const WAITING: usize = 256;
/// Bytes of indexes that are remembered as they are.
const REMEMBERED: usize = 64 * 1024 * 1024;
/// What the indexes of one image may weigh in memory together, in bytes.
const TOGETHER: usize = 128 * 1024 * 1024;
/// Those who look into images at a time.
const LOOKERS: usize = 2;

/// The layers of an image, as far as their indexes are there.
#[derive(Debug)]
pub enum Inside {
    /// All of them, in order; a layer that is no archive has an index that says so.
    Ready(Vec<Arc<LayerIndex>>),
    /// So many of so many are read.
    Reading {
        /// Read already.
        done: usize,
        /// All.
        all: usize,
    },
}

/// A turn in looking into images. While it lives few others have indexes in memory.
#[derive(Debug)]
pub struct Looking {
    _turn: OwnedSemaphorePermit,
}

/// What reads layers, and what it is at.
#[derive(Default)]
pub(crate) struct Inspector {
    worker: Option<Worker>,
    /// Layers that wait or are read, and since when.
    under_way: Mutex<HashMap<Digest, Timestamp>>,
    turn: Turn<1>,
    lookers: Turn<LOOKERS>,
    remembered: Mutex<Remembered>,
}

/// So many at a time.
struct Turn<const MOST: usize>(Arc<Semaphore>);

impl<const MOST: usize> Default for Turn<MOST> {
    fn default() -> Self {
        Turn(Arc::new(Semaphore::new(MOST)))
    }
}

#[derive(Default)]
struct Remembered {
    weight: usize,
    indexes: HashMap<Digest, Arc<LayerIndex>>,
}

impl Inspector {
    pub(crate) fn new(program: PathBuf) -> Inspector {
        let worker = Some(Worker { program, limits: Limits::default() });
        Inspector { worker, ..Inspector::default() }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Digest, Timestamp>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, layer: &Digest, index: &Arc<LayerIndex>) {
        let weight = index.weight();
        if weight > REMEMBERED / 2 {
            return;
        }
        let mut kept = self.remembered();
        if kept.weight + weight > REMEMBERED {
            *kept = Remembered::default();
        }
        if kept.indexes.insert(layer.clone(), Arc::clone(index)).is_none() {
            kept.weight += weight;
        }
    }
}

impl Registry {
    /// Lets layers be read by processes of this program.
    #[must_use]
    pub fn reading_layers_with(mut self, program: PathBuf) -> Registry {
        self.inspector = Arc::new(Inspector::new(program));
        self
    }

    /// Waits for a turn in looking into images, which may be held for one page.
    ///
    /// # Errors
    /// None in practice.
    pub async fn begin_looking(&self) -> Result<Looking, RegistryError> {
        let turn = Arc::clone(&self.inspector.lookers.0).acquire_owned().await;
        Ok(Looking { _turn: turn.map_err(internal)? })
    }

    /// What is inside of an image's layers. Those that were not read yet are read in the background; ask again.
    ///
    /// # Errors
    /// Only internal ones.
    pub async fn inside(
        &self,
        access: &Access<Pull>,
        looked: &Looked,
        _turn: &Looking,
    ) -> Result<Inside, RegistryError> {
        let references = looked.manifest.iter().flat_map(|manifest| &manifest.references);
        let layers: Vec<_> = references.filter(|reference| reference.role == Role::Layer).collect();
        let (all, mut indexes, mut weight) = (layers.len(), Vec::new(), 0);
        for layer in layers {
            let digest = &layer.descriptor.digest;
            let index = match self.layer_index(access, digest).await {
                Ok(Some(index)) => index,
                Ok(None) => {
                    self.read_later(access, digest).await?;
                    continue;
                }
                // A layer that may be had elsewhere only; the others are shown.
                Err(RegistryError::BlobUnknown { .. }) => Arc::new(LayerIndex::stopped(Stop::Absent)),
                Err(error) => return Err(error),
            };
            weight += index.weight();
            // What is too much together is said of those that come last, and the others are shown.
            let fits = weight <= TOGETHER;
            indexes.push(if fits { index } else { Arc::new(LayerIndex::stopped(Stop::Together)) });
        }
        if indexes.len() == all {
            Ok(Inside::Ready(indexes))
        } else {
            Ok(Inside::Reading { done: indexes.len(), all })
        }
    }

    /// The first `most` bytes of one file of a layer, by what its index says.
    ///
    /// # Errors
    /// [`RegistryError::BlobUnknown`]; internal ones. `None` if the bytes cannot be had.
    pub async fn file_of_layer(
        &self,
        access: &Access<Pull>,
        layer: &Digest,
        offset: u64,
        size: u64,
        most: u64,
    ) -> Result<Option<Vec<u8>>, RegistryError> {
        let Some(worker) = self.inspector.worker.clone() else { return Ok(None) };
        let Some(source) = self.source_of(access, layer).await? else { return Ok(None) };
        // Files are opened in turn with the reading of layers: one process at a time, whoever asks.
        let _turn = self.inspector.turn.0.acquire().await.map_err(internal)?;
        let read = tokio::task::spawn_blocking(move || worker.file(source, offset, size, most)).await;
        match read.map_err(internal)? {
            Ok(content) => Ok(Some(content)),
            Err(WorkerError::Stopped(_)) => Ok(None),
            Err(error) => Err(internal(error)),
        }
    }

    /// The layers that wait or are read, and since when.
    pub fn layers_being_read(&self, _access: &ServerAccess) -> Vec<(String, i64)> {
        let under_way = self.inspector.under_way();
        let mut layers: Vec<_> =
            under_way.iter().map(|(layer, since)| (layer.to_string(), since.0)).collect();
        layers.sort_by_key(|(_, since)| *since);
        layers
    }

    async fn layer_index(
        &self,
        access: &Access<Pull>,
        layer: &Digest,
    ) -> Result<Option<Arc<LayerIndex>>, RegistryError> {
        // Who may not read a layer here may not look into it, wherever else it was read.
        let member = self.meta.blob(access.repository(), layer).await;
        member.map_err(|error| RegistryError::about_blob(error, layer))?;
        if let Some(index) = self.inspector.remembered().indexes.get(layer) {
            return Ok(Some(Arc::clone(index)));
        }
        let Some(bytes) = self.meta.layer_index(layer).await? else { return Ok(None) };
        let read =
            tokio::task::spawn_blocking(move || LayerIndex::from_bytes(&bytes)).await.map_err(internal)?;
        // One of another version is made anew.
        let Ok(index) = read else { return Ok(None) };
        let index = Arc::new(index);
        self.inspector.remember(layer, &index);
        Ok(Some(index))
    }

    /// Begins to read a layer, unless that is under way.
    async fn read_later(&self, access: &Access<Pull>, layer: &Digest) -> Result<(), RegistryError> {
        let Some(worker) = self.inspector.worker.clone() else { return Ok(()) };
        {
            let mut under_way = self.inspector.under_way();
            if under_way.contains_key(layer) || under_way.len() >= WAITING {
                return Ok(());
            }
            under_way.insert(layer.clone(), Timestamp::now());
        }
        let source = match self.source_of(access, layer).await {
            Ok(Some(source)) => source,
            // One that still arrives is read when somebody looks again.
            other => {
                self.inspector.under_way().remove(layer);
                return other.map(|_| ());
            }
        };
        let (registry, layer) = (self.clone(), layer.clone());
        tokio::spawn(async move {
            if let Err(error) = registry.read_layer(worker, source, &layer).await {
                tracing::error!(%layer, error = &error as &dyn std::error::Error, "a layer could not be read");
            }
            registry.inspector.under_way().remove(&layer);
        });
        Ok(())
    }

    async fn read_layer(&self, worker: Worker, source: Source, layer: &Digest) -> Result<(), RegistryError> {
        let _turn = self.inspector.turn.0.acquire().await.map_err(internal)?;
        let read =
            tokio::task::spawn_blocking(move || worker.index(source).map(|index| (packed(&index), index)));
        let (bytes, index) = read.await.map_err(internal)?.map_err(internal)?;
        if let Some(stop) = &index.stopped {
            tracing::info!(%layer, %stop, "a layer is shown only in part");
        }
        // What did not come to its end for want of memory or time is not written down: another day it may.
        if index.stopped != Some(Stop::Killed) {
            self.meta.keep_layer_index(layer, bytes, Timestamp::now()).await?;
        }
        self.inspector.remember(layer, &Arc::new(index));
        Ok(())
    }

    /// Where the bytes of a layer are, unless they are still on their way: nobody unpacks what was not verified.
    async fn source_of(
        &self,
        access: &Access<Pull>,
        layer: &Digest,
    ) -> Result<Option<Source>, RegistryError> {
        Ok(match self.open_blob(access, layer).await?.body {
            BlobBody::Inline(bytes) => Some(Source::Bytes(bytes.to_vec())),
            BlobBody::File(file) => Some(Source::File(Arc::clone(file.file()))),
            BlobBody::Growing(_) => None,
        })
    }
}

fn packed(index: &LayerIndex) -> bytes::Bytes {
    index.to_bytes().into()
}

fn internal(error: impl std::error::Error + Send + Sync + 'static) -> RegistryError {
    RegistryError::Internal(Box::new(error))
}
