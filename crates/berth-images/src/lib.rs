#![doc = include_str!("../README.md")]

mod archive;
mod copy;
mod error;
mod folder;
mod hold;
mod image;
mod incoming;
mod index;
mod inspect;
mod layout;
mod name;
mod remove;
mod resolve;
mod step;
mod store;
mod transfer;

pub use archive::{Format, Import, Loaded};
pub use error::Error;
pub use image::Wanted;
pub use incoming::{Begun, Incoming};
pub use inspect::{HistoryLine, Inspected, RootFs};
pub use layout::{Entry, Reader};
pub use remove::{Pruned, Removal, Removed};
pub use store::{Image, Listed, Store};
pub use transfer::Transfer;

#[cfg(test)]
mod tests;
