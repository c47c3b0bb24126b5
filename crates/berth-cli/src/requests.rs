//! `--verbose`: the requests, as they go out and are answered.

use std::io;

use tracing::Dispatch;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

/// Tells each request from now on, to standard error. What is secret in them was never given to the log.
pub(crate) fn show(is_colored: bool) {
    // It fails only if there is a log already.
    let _ = shown(io::stderr, is_colored).try_init();
}

fn shown<W>(writer: W, is_colored: bool) -> impl Into<Dispatch>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("off,berth_egress::requests=debug"))
        .with_writer(writer)
        .with_ansi(is_colored)
        .with_target(false)
        .with_level(false)
        .finish()
}

#[cfg(test)]
mod tests;
