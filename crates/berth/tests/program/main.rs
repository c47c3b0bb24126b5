//! The program as people run it: the real binary, real sockets, real signals.

mod accounts;
mod client;
mod configuration;
mod copying;
mod desk;
mod ending;
mod engine;
mod fake;
mod help;
mod images;
mod large;
mod life;
mod look;
mod looking_inside;
mod mirror;
mod server;
mod serving;
mod start;
mod transcripts;
