//! The rules of the rows, run on each database engine at hand.

mod contract;
mod life;
mod lists;
mod mirrored;
mod moves;
mod support;
mod tags;
mod trash;
mod usage;
