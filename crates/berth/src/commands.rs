//! The commands, one file each.

pub(crate) mod audit;
pub(crate) mod bench;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod copy;
pub(crate) mod grant;
pub(crate) mod inspect_layer;
pub(crate) mod man;
pub(crate) mod mirror;
pub(crate) mod prefetch;
pub(crate) mod removal;
pub(crate) mod repo;
pub(crate) mod retention;
pub(crate) mod robot;
pub(crate) mod rules;
pub(crate) mod serve;
pub(crate) mod tag;
pub(crate) mod team;
pub(crate) mod token;
pub(crate) mod trash;
pub(crate) mod usage;
pub(crate) mod user;
pub(crate) mod why;
pub(crate) mod why_life;
