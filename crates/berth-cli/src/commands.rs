//! The commands, one file each.

pub mod config;
pub mod copy;
pub mod digest;
pub mod history;
pub mod images;
pub mod import;
pub mod inspect;
pub mod layers;
pub mod load;
pub mod login;
pub mod logout;
pub mod ls;
pub mod manifest;
pub mod prune;
pub mod pull;
pub mod push;
pub mod referrers;
pub mod rm;
pub mod rmi;
pub mod save;
pub mod search;
pub mod tag;
pub mod tags;
