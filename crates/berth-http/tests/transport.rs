//! The transport from outside, through real sockets on loopback.

#[path = "transport/support.rs"]
mod support;

#[path = "transport/files.rs"]
mod files;
#[path = "transport/lifecycle.rs"]
mod lifecycle;
#[path = "transport/limits.rs"]
mod limits;
#[path = "transport/plain.rs"]
mod plain;
#[path = "transport/tls.rs"]
mod tls;
