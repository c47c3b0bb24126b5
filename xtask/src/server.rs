//! Registries that a command starts for itself: on a free loopback port, with data of their own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::folders;

/// How long a server may take to answer after its start, and to end after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which registry to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// This workspace's own.
    Berth,
    /// Debian's package `docker-registry`, to compare with.
    DockerRegistry,
}

/// Which registry the command is run against.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Choice {
    /// Which registry to start and test.
    #[arg(long, value_enum, default_value = "berth")]
    pub(crate) server: Kind,
    /// Test this berth instead of building one.
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Build berth with optimisation.
    #[arg(long)]
    release: bool,
}

/// A registry program, ready to be started.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    kind: Kind,
    file: PathBuf,
}

/// What a start is given.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    /// The folder with all of the registry's data.
    pub(crate) data: PathBuf,
    /// Standard output and error are written here.
    pub(crate) log: PathBuf,
    /// The port to listen on; `None` takes a free one.
    pub(crate) port: Option<u16>,
    /// Settings of berth: variables without the prefix `BERTH_`, and their values.
    pub(crate) settings: Vec<(&'static str, String)>,
    /// More of docker-registry's configuration: whole sections, YAML.
    pub(crate) yaml: String,
    /// Certificate and key, PEM.
    pub(crate) tls: Option<(PathBuf, PathBuf)>,
}

/// A running registry; it is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Choice {
    /// Builds or finds the registry program.
    pub(crate) fn program(&self) -> anyhow::Result<Program> {
        let file = match (self.server, &self.binary) {
            (Kind::DockerRegistry, _) => return Ok(Program::docker_registry()),
            (Kind::Berth, Some(binary)) => {
                binary.canonicalize().with_context(|| format!("cannot find {}", binary.display()))?
            }
            (Kind::Berth, None) => build(self.release)?,
        };
        Ok(Program { kind: self.server, file })
    }
}

impl Program {
    /// Debian's package `docker-registry`.
    pub(crate) fn docker_registry() -> Program {
        Program { kind: Kind::DockerRegistry, file: PathBuf::from("docker-registry") }
    }

    /// Makes an administrator in a folder that no server uses.
    pub(crate) fn add_administrator(&self, data: &Path, name: &str, password: &str) -> anyhow::Result<()> {
        fs::create_dir_all(data)?;
        let mut command = alone(&self.file, data);
        command.args(["user", "add", name, "--admin", "--password-stdin", "--data"]).arg(data);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(password.as_bytes())?;
        ensure!(child.wait()?.success(), "the administrator was not made");
        Ok(())
    }

    /// A command of the program that no settings of the person who runs this reach; it is run in `folder`.
    pub(crate) fn alone(&self, folder: &Path) -> Command {
        alone(&self.file, folder)
    }

    /// The program's file.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Which registry this is.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Starts the registry and waits for its first answer.
    pub(crate) fn start(&self, launch: &Launch) -> anyhow::Result<Server> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, launch.port.map_or_else(free_port, Ok)?));
        fs::create_dir_all(&launch.data)?;
        let log = File::create(&launch.log)?;
        let mut command = match self.kind {
            Kind::Berth => berth(&self.file, address, launch),
            Kind::DockerRegistry => docker_registry(&self.file, address, launch)?,
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.file.display()))?;
        let mut server = Server { child, address };
        server.wait_until_ready(launch)?;
        Ok(server)
    }
}

impl Server {
    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks the server to end, and fails when it does not end by itself with success.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        terminate(&self.child)?;
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                // docker-registry knows no graceful end: there the signal itself is the end.
                ensure!(status.success() || status.code().is_none(), "the server ended with {status}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the server was still running {} s after SIGTERM", PATIENCE.as_secs())
    }

    fn wait_until_ready(&mut self, launch: &Launch) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended at once with {status}:\n{}", last_lines(&launch.log));
            }
            if answers(self.address, launch.tls.is_some()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!(
            "the server did not answer within {} s; its log is {}",
            PATIENCE.as_secs(),
            launch.log.display()
        )
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a process that was started here: SIGTERM, then SIGKILL when that is not enough.
pub(crate) fn end(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) && terminate(child).is_ok() {
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(10) && matches!(child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // A process that has ended already cannot be killed; there is nothing to do then.
    let _ = child.kill();
    let _ = child.wait();
}

/// Settings as [`Launch`] wants them.
pub(crate) fn settings(all: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    all.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

/// A loopback port that nobody listens on at this moment.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

fn terminate(child: &Child) -> anyhow::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.context("no such process id")?, rustix::process::Signal::TERM)?;
    Ok(())
}

fn build(release: bool) -> anyhow::Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "berth"]).current_dir(folders::root());
    if release {
        cargo.arg("--release");
    }
    ensure!(cargo.status()?.success(), "berth does not build");
    Ok(folders::target().join(if release { "release" } else { "debug" }).join("berth"))
}

fn berth(file: &Path, address: SocketAddr, launch: &Launch) -> Command {
    let mut command = alone(file, &launch.data);
    command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(&launch.data);
    command.env("BERTH_LOG_REQUESTS", "true").env("BERTH_LOG_FORMAT", "json");
    command.envs(launch.settings.iter().map(|(name, value)| (format!("BERTH_{name}"), value)));
    if let Some((cert, key)) = &launch.tls {
        command.env("BERTH_TLS_CERT", cert).env("BERTH_TLS_KEY", key);
    }
    command
}

/// Settings of the person who runs this must not reach the program: neither variables nor a file in this folder.
fn alone(file: &Path, data: &Path) -> Command {
    let mut command = Command::new(file);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BERTH_")) {
        command.env_remove(name);
    }
    command.current_dir(data);
    command
}

fn docker_registry(file: &Path, address: SocketAddr, launch: &Launch) -> anyhow::Result<Command> {
    let data = launch.data.display();
    let tls = launch.tls.as_ref().map_or_else(String::new, |(cert, key)| {
        format!("\n  tls: {{certificate: {:?}, key: {:?}}}", cert.display(), key.display())
    });
    let config = format!(
        "version: 0.1\nstorage:\n  filesystem: {{rootdirectory: \"{data}\"}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: \"{address}\"{tls}\n{}",
        launch.yaml
    );
    let path = launch.data.with_extension("yml");
    fs::write(&path, config)?;
    let mut command = Command::new(file);
    command.arg("serve").arg(path);
    Ok(command)
}

/// The end of a log, as much as is good to read in an error.
fn last_lines(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}

/// Whether something on `address` answers; over TLS an open port is enough.
fn answers(address: SocketAddr, tls: bool) -> bool {
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    if tls {
        return true;
    }
    let mut start = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut start).is_ok()
        // With accounts it asks who is there; that is an answer too.
        && (start.ends_with(b" 200") || start.ends_with(b" 401"))
}
