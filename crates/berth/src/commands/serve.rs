//! `berth serve`: joins configuration, data folder, database, blob store, registry and server, and runs them.

use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::thread::available_parallelism;
use std::time::Duration;

use berth_auth::{Accounts, Invitation};
use berth_http::control::Control;
use berth_http::health::Operations;
use berth_http::metrics::{Cleaning, Metrics, Mirrored};
use berth_http::server::{Limits, Progress, Server, ServerConfig, TlsConfig};
use berth_registry::{RegistryError, WithoutAccounts};
use tokio::runtime::{Builder, Runtime};

use crate::cli::ConfigArgs;
use crate::commands::config;
use crate::config::{Config, Effective, ListenAddress};
use crate::data_folder::{DataFolder, DataFolderError};
use crate::exposure;
use crate::logging;
use crate::notify::{READY, STOPPING, notify};
use crate::page;
use crate::signals::Stop;
use crate::wiring::Joined;
use berth_cli::failure::Failure;

/// Threads for work that blocks: file reads and writes, fsync. They mostly wait for the disk.
const BLOCKING_THREADS: usize = 128;
/// What blocking work gets to end after the last request.
const LAST_WORK: Duration = Duration::from_secs(5);

/// Runs the server until a signal ends it.
pub(crate) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let effective = config::read(&args.sources())?;
    logging::start(&effective.config.log);
    tell_sources(&effective);
    // Only one TLS implementation is compiled in; installing it twice cannot happen, and would be harmless.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = runtime()?;
    let outcome = runtime.block_on(serve(&effective));
    runtime.shutdown_timeout(LAST_WORK);
    outcome
}

fn tell_sources(effective: &Effective) {
    if let Some(file) = &effective.file {
        tracing::info!(file = %file.display(), "configuration read");
    }
    for warning in &effective.warnings {
        tracing::warn!("{warning}");
    }
}

fn runtime() -> io::Result<Runtime> {
    let cores = available_parallelism().map_or(1, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("berth")
        .enable_all()
        .build()
}

async fn serve(effective: &Effective) -> Result<(), Failure> {
    let config = &effective.config;
    let stop = Stop::on_signals()?;
    let addresses = resolve(&config.listen).await?;
    let without = exposure::without_accounts(config, &addresses);
    let folder = DataFolder::open(&config.data).map_err(unusable_folder)?;
    let joined = Joined::open(config, &folder, without).await?;
    let has_accounts = joined.accounts.any();
    if without == WithoutAccounts::Open {
        exposure::warn(&addresses, has_accounts);
    }
    let operations = operations(&joined);
    let entrances = entrances(config, &addresses).await?;
    let mut handler = joined.api(config, entrances.clone()).counted(operations.metrics());
    if let Some(page) = page::page(&joined, effective, operations.metrics())? {
        handler = handler.with_pages(page);
    }
    let control = Control::bind(folder.path()).map_err(|error| {
        Failure::other(error).hint("commands reach the server by control.sock in its data folder")
    })?;
    let server =
        Server::bind(server_config(config, [addresses, entrances].concat()), operations, handler.clone())
            .map_err(cannot_listen)?;
    let setup = if without == WithoutAccounts::Closed { invite(&joined.accounts).await? } else { None };
    let background = [
        tokio::spawn(joined.registry.clone().run_janitor()),
        tokio::spawn(joined.registry.clone().run_cleaning()),
        tokio::spawn(joined.registry.clone().run_uses()),
        tokio::spawn(joined.accounts.clone().run_upkeep()),
        tokio::spawn(joined.mirror.clone().run()),
        tokio::spawn(control.serve(handler)),
    ];
    let greeting = Greeting { config, address: server.local_addr(), folder: &folder, has_accounts, setup };
    greeting.say()?;
    notify(READY);
    let first = {
        let stop = stop.clone();
        async {
            stop.asked(1).await;
            tracing::info!("stopping: requests under way are finished first, a second signal cuts them");
            notify(STOPPING);
        }
    };
    server.serve(first, stop.asked(2)).await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
    for task in background {
        // It was told to end; so its end is no news. The socket's file goes with it.
        let _ = task.await;
    }
    write_last(&joined).await;
    tracing::info!("stopped");
    Ok(())
}

/// Writes what was counted in memory.
async fn write_last(joined: &Joined) {
    let told = |what: &str, written: Result<(), RegistryError>| {
        if let Err(error) = written {
            tracing::warn!(error = &error as &dyn std::error::Error, "{what}");
        }
    };
    told("what was had from upstreams lately is not counted", joined.mirror.write().await);
    told("the last pulls are not counted", joined.registry.write_uses().await);
}

/// `/readyz` says no with the reason while the database or the blob folder does not answer.
fn operations(joined: &Joined) -> Operations {
    let (registry, cleaned) = (joined.registry.clone(), joined.registry.clone());
    let mirrored = Mirrored(joined.mirror.clone());
    let cleaning = Cleaning(Box::new(move || cleaned.freed().read()));
    let metrics = Metrics::with(env!("CARGO_PKG_VERSION"), |metrics| {
        metrics.register_collector(Box::new(cleaning));
        metrics.register_collector(Box::new(mirrored));
    });
    Operations::new(metrics, move || {
        let registry = registry.clone();
        async move { registry.ready().await.map_err(|error| error.to_string()) }
    })
}

/// The addresses behind what was configured: a name such as `localhost` may have several.
async fn resolve(listen: &ListenAddress) -> Result<Vec<SocketAddr>, Failure> {
    let found = tokio::net::lookup_host((listen.host.as_str(), listen.port)).await.map_err(|error| {
        Failure::usage(format!("cannot listen on {listen}: the name has no address: {error}"))
            .hint("an address of this machine works always: 127.0.0.1, or 0.0.0.0 for all of them")
    })?;
    let mut addresses = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.len() > 1 {
        // `localhost` is often ::1 too where IPv6 is switched off.
        addresses.retain(|address| UdpSocket::bind((address.ip(), 0)).is_ok());
    }
    if listen.port == 0 {
        // Each would get a port of its own, and nobody could know them all.
        addresses.truncate(1);
    }
    Ok(addresses)
}

/// The addresses where this server is taken for Docker Hub. They are no address of the registry itself.
async fn entrances(config: &Config, addresses: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let Some(listen) = &config.mirror_listen.0 else { return Ok(Vec::new()) };
    let entrances = resolve(listen).await?;
    if entrances.iter().any(|entrance| addresses.contains(entrance)) {
        return Err(Failure::usage(format!("mirror_listen and listen are both {listen}"))
            .hint("they need two ports: what a bare name means is different on each"));
    }
    Ok(entrances)
}

fn server_config(config: &Config, listen: Vec<SocketAddr>) -> ServerConfig {
    let limits = Limits {
        header_timeout: config.limits.header_timeout,
        handshake_timeout: config.limits.header_timeout,
        idle_timeout: config.limits.idle_timeout,
        progress: Progress { bytes: config.limits.progress.0, window: config.limits.progress_window },
        header_bytes: usize::try_from(config.limits.header_size.0).unwrap_or(usize::MAX),
        connections: config.limits.connections as usize,
        connections_per_ip: config.limits.connections_per_address as usize,
        ..Limits::default()
    };
    let tls = config.tls.cert.as_ref().zip(config.tls.key.as_ref());
    ServerConfig {
        listen,
        tls: tls.map(|(cert, key)| TlsConfig::new(cert, key)),
        limits,
        drain: config.drain,
        notice: Duration::ZERO,
        access_log: config.log.requests,
    }
}

fn unusable_folder(error: DataFolderError) -> Failure {
    match error {
        DataFolderError::InUse { .. } => {
            Failure::other(error).hint("stop that one, or give this one its own folder: --data OTHER-FOLDER")
        }
        DataFolderError::Io { .. } => Failure::other(error).hint("choose another folder: --data FOLDER"),
    }
}

fn cannot_listen(error: berth_http::server::ServerError) -> Failure {
    use berth_http::server::ServerError;
    let hint = match &error {
        ServerError::Listen { source, .. } => match source.kind() {
            io::ErrorKind::AddrInUse => {
                "another program listens there; choose another port: --listen 127.0.0.1:5050"
            }
            io::ErrorKind::PermissionDenied => {
                "ports below 1024 need a permission of the system: choose one above"
            }
            _ => "choose an address of this machine: --listen 127.0.0.1:5000",
        },
        ServerError::Tls(_) => {
            "tls.cert and tls.key name PEM files: the chain, and the key of its first certificate"
        }
        ServerError::NoAddress => "choose an address of this machine: --listen 127.0.0.1:5000",
    };
    Failure::other(error).hint(hint)
}

/// The link for the first administrator of a server that others can reach.
async fn invite(accounts: &Accounts) -> Result<Option<Invitation>, Failure> {
    accounts.invite_first_administrator().await.map_err(Failure::other)
}

/// The three lines that a person reads first; a fourth where the first account is to be made.
struct Greeting<'a> {
    config: &'a Config,
    address: SocketAddr,
    folder: &'a DataFolder,
    has_accounts: bool,
    setup: Option<Invitation>,
}

impl Greeting<'_> {
    /// Says them. A reader that is gone is no reason not to serve.
    fn say(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(self.text().as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        let scheme = if self.config.tls.cert.is_some() { "https" } else { "http" };
        let name = host_for_people(&self.config.listen, self.address);
        let next = match (&self.setup, self.has_accounts) {
            (None, false) => format!("Push an image: docker push {name}/my-app\n"),
            (None, true) => format!("Sign in, then push: docker login {name}\n"),
            (Some(setup), _) => {
                let base = self.config.external_url.0.clone().unwrap_or_else(|| format!("{scheme}://{name}"));
                format!(
                    "Nothing is served until there is an account: berth user add NAME --admin\n\
                     Or open within 15 minutes, once: {base}/setup/{}\n",
                    setup.secret.reveal()
                )
            }
        };
        let (version, address, folder) =
            (env!("CARGO_PKG_VERSION"), self.address, self.folder.path().display());
        format!("Berth {version} serves {scheme}://{address}\nData is kept in {folder}\n{next}")
    }
}

/// What to write before the name of an image on this machine.
fn host_for_people(listen: &ListenAddress, address: SocketAddr) -> String {
    let ip = address.ip();
    if ip.is_loopback() || ip.is_unspecified() {
        // Docker speaks plain HTTP to this name without being told.
        format!("localhost:{}", address.port())
    } else {
        ListenAddress { host: listen.host.clone(), port: address.port() }.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_to_copy_names_a_host_that_docker_reaches() {
        let name = |host: &str, address: &str| {
            let listen = ListenAddress { host: host.to_owned(), port: 0 };
            host_for_people(&listen, address.parse().expect("an address"))
        };
        assert_eq!(name("127.0.0.1", "127.0.0.1:5000"), "localhost:5000");
        assert_eq!(name("0.0.0.0", "0.0.0.0:5000"), "localhost:5000");
        assert_eq!(name("registry.lan", "10.0.0.7:5000"), "registry.lan:5000");
        assert_eq!(name("fd00::7", "[fd00::7]:5000"), "[fd00::7]:5000");
    }
}
