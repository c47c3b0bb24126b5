//! The log: to standard error, as text or JSON, filtered by level and module.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process. A second call does nothing.
pub(crate) fn start(log: &Log) {
    // Asking for the line of each request wins over a level that would hide it.
    let requests = if log.requests { ",berth::access=info" } else { "" };
    let filter = EnvFilter::new(format!("{}{requests}", log.level.0));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // It fails only if logging was started before, and then there is a log.
    let _ = match log.format {
        LogFormat::Text => {
            builder.with_ansi(io::stderr().is_terminal()).with_target(false).finish().try_init()
        }
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).finish().try_init(),
    };
}
