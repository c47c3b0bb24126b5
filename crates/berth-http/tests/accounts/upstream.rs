//! A registry on a port of this machine, to be mirrored.

use std::net::SocketAddr;

use berth_http::health::Operations;
use berth_http::metrics::Metrics;
use berth_http::server::{Server, ServerConfig};
use berth_registry::WithoutAccounts;
use tokio::sync::oneshot::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::town::Town;

/// A registry that has `acme/app:1.0`, until it is dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    running: [Sender<()>; 2],
    serving: JoinHandle<()>,
    _town: Town,
}

impl Upstream {
    /// One for everybody.
    pub(crate) async fn start() -> Upstream {
        Upstream::of(Town::empty(WithoutAccounts::Open).await).await
    }

    /// The same for those who sign in and may see it.
    pub(crate) async fn closed() -> Upstream {
        Upstream::of(Town::new().await).await
    }

    async fn of(town: Town) -> Upstream {
        town.push("acme/app").await;
        let operations = Operations::new(Metrics::new("test"), || async { Ok(()) });
        let config = ServerConfig::new(([127, 0, 0, 1], 0).into());
        let server = Server::bind(config, operations, town.api.clone()).unwrap();
        let address = server.local_addr();
        let ended = |sign: Receiver<()>| async move { drop(sign.await) };
        let ((end, ending), (cut, cutting)) = (channel(), channel());
        let serving = tokio::spawn(server.serve(ended(ending), ended(cutting)));
        Upstream { address, running: [end, cut], serving, _town: town }
    }

    /// The registry is away from now on, and its connections are cut.
    pub(crate) async fn stop(self) {
        drop(self.running);
        self.serving.await.unwrap();
    }
}
