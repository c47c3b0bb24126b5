//! Upstreams, and what is had from them while it is stored.
//!
//! A [`Mirror`] stands between the transport and the registry. What a name asks for that belongs to an upstream it looks
//! up in the registry first; what is missing, or may have changed, it asks of the upstream, stores by the same path as a
//! push, and hands on while it arrives. There is one download of a blob at a time, whoever waits for it, and it goes on
//! when they leave. Digests are those of the upstream, and nothing unverified is ever whole.
//!
//! Only upstreams that were set up are asked. Which name is whose is written in [`names`].

mod blobs;
mod direct;
mod error;
mod flights;
mod freshness;
mod lists;
mod manage;
mod manifests;
mod mirror;
mod names;
mod prefetch;
mod rehearsal;
mod room;
mod seal;
mod settings;
mod status;
mod traffic;
mod upstream;

pub use berth_client::{Health, RateLimit, Secret};
use std::sync::{Mutex, MutexGuard, PoisonError};

pub use blobs::MirroredBlob;
pub use direct::DirectStream;
pub use error::MirrorError;
pub use manage::{Change, ManageError};
pub use manifests::MirroredManifest;
pub use mirror::{Mirror, MirrorOptions};
pub use names::{Entrance, Named};
pub use prefetch::Prefetched;
pub use rehearsal::{Rehearsal, WouldFail};
pub use seal::{SealError, Sealer};
pub use settings::{Settings, SettingsError};
pub use status::{State, Status, Trouble};
pub use traffic::Had;

/// Takes a lock. What these hold is whole after each step, so a panic elsewhere does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
