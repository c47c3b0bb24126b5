//! SIGTERM and SIGINT: the first drains the server, the second ends it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// How often the operator asked the server to stop.
#[derive(Clone)]
pub(crate) struct Stop(watch::Receiver<u32>);

impl Stop {
    /// Listens for signals from now on; needs a tokio runtime.
    pub(crate) fn on_signals() -> io::Result<Stop> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        // A closed terminal must not end a server that serves or drains: SIGHUP is received and means nothing, since
        // changed certificates are found without it.
        let hang_up = signal(SignalKind::hangup())?;
        let (count, stop) = watch::channel(0);
        tokio::spawn(follow(count, terminate, interrupt, hang_up));
        Ok(Stop(stop))
    }

    /// Ready after the `n`-th signal.
    pub(crate) async fn asked(mut self, n: u32) {
        // Without the task that counts, no signal will ever come.
        if self.0.wait_for(|count| *count >= n).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn follow(
    count: watch::Sender<u32>,
    mut terminate: Signal,
    mut interrupt: Signal,
    mut hang_up: Signal,
) {
    loop {
        tokio::select! {
            _ = terminate.recv() => count.send_modify(|count| *count += 1),
            _ = interrupt.recv() => count.send_modify(|count| *count += 1),
            _ = hang_up.recv() => tracing::info!("SIGHUP ignored: changed certificates are found without it"),
        }
    }
}
