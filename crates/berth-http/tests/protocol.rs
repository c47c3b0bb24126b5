//! The distribution API from outside: the real handler on a real data folder, mostly without sockets.

#[path = "protocol/support.rs"]
mod support;

#[path = "protocol/bad_input.rs"]
mod bad_input;
#[path = "protocol/contract.rs"]
mod contract;
#[path = "protocol/quirks.rs"]
mod quirks;
#[path = "protocol/replay.rs"]
mod replay;
#[path = "protocol/wire.rs"]
mod wire;
