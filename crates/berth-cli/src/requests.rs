//! `--verbose`: the requests, as they go out and are answered.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Tells each request from now on, to standard error. What is secret in them was never given to the log.
pub(crate) fn show(is_colored: bool) {
    let shown = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,berth_egress::requests=debug"))
        .with_writer(io::stderr)
        .with_ansi(is_colored)
        .with_target(false)
        .with_level(false)
        .finish();
    // It fails only if there is a log already.
    let _ = shown.try_init();
}
