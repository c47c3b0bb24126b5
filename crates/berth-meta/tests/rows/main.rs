//! The rules of the rows, run on each database engine at hand.

mod contract;
mod life;
mod support;
