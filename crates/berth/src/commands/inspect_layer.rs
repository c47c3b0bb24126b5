//! `berth inspect-layer`: what the server starts to read a layer. People have no use for it.

use std::process::ExitCode;

/// Reads a layer, if this process was started for that; nothing else of the program has run by then.
pub(crate) fn serve() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != berth_inspect::worker::COMMAND {
        return None;
    }
    let arguments: Vec<_> = arguments.collect();
    Some(ExitCode::from(berth_inspect::worker::serve(&arguments)))
}
