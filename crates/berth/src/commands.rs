//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod grant;
pub(crate) mod repo;
pub(crate) mod robot;
pub(crate) mod serve;
pub(crate) mod team;
pub(crate) mod token;
pub(crate) mod user;
pub(crate) mod why;
