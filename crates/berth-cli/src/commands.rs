//! The commands, one file each.

pub mod digest;
pub mod pull;
pub mod push;
