//! The commands about images, at any registry and in a store of one's own, in the words that people know from docker.
//!
//! [`ImageCommand`] is what can be written. Each command is a file below `commands`; all of them stand on the same few
//! nouns: the [`Environment`] that a command runs in, the registries as this machine knows them, names as docker reads
//! them. No server is needed for any of it, and nothing here knows ours.

mod command;
pub mod commands;
mod ends;
mod environment;
mod fetching;
mod filter;
mod glob;
mod listing;
mod names;
mod place;
mod progress;
mod registries;
mod remote;
mod requests;
mod template;
mod trouble;
mod units;

#[cfg(test)]
mod tests;

pub mod exit;
pub mod failure;
pub mod output;
pub mod removal;

pub use command::ImageCommand;
pub use environment::Environment;
