//! Private daemons: a containerd and a docker engine that share nothing with those of the machine.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::server;

/// How long a daemon may take until its socket is there.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon of its own, ended when it is dropped.
#[derive(Debug)]
struct Daemon {
    child: Child,
    socket: PathBuf,
}

/// A running containerd.
#[derive(Debug)]
pub(crate) struct Containerd {
    daemon: Daemon,
    // Sockets have paths of at most 108 bytes, hence not below the target folder.
    _sockets: tempfile::TempDir,
}

/// A running docker engine.
#[derive(Debug)]
pub(crate) struct Engine {
    // In this order: the engine ends before the containerd that it uses.
    daemon: Daemon,
    _containerd: Containerd,
    _sockets: tempfile::TempDir,
}

impl Containerd {
    /// Starts a containerd with everything below `folder`.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Containerd> {
        fs::create_dir_all(folder)?;
        let sockets = tempfile::tempdir()?;
        let socket = sockets.path().join("containerd.sock");
        let config = format!(
            "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
             [grpc]\naddress = {socket:?}\n",
            folder.join("root"),
            sockets.path().join("state"),
        );
        fs::write(folder.join("config.toml"), config)?;
        let mut command = Command::new("containerd");
        command.arg("--config").arg(folder.join("config.toml"));
        let daemon = Daemon::start(command, socket, &folder.join("containerd.log"))?;
        Ok(Containerd { daemon, _sockets: sockets })
    }

    /// The path of its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.daemon.socket
    }
}

impl Engine {
    /// Starts an engine with everything below `folder`; it touches no network settings.
    pub(crate) fn start(folder: &Path) -> anyhow::Result<Engine> {
        Engine::start_with(folder, "{}")
    }

    /// Starts such an engine with this `daemon.json`.
    pub(crate) fn start_with(folder: &Path, configuration: &str) -> anyhow::Result<Engine> {
        let containerd = Containerd::start(&folder.join("containerd"))?;
        let sockets = tempfile::tempdir()?;
        let socket = sockets.path().join("docker.sock");
        let mut command = Command::new("dockerd");
        command.arg("--data-root").arg(folder.join("data"));
        command.arg("--exec-root").arg(sockets.path().join("exec"));
        command.arg("--pidfile").arg(sockets.path().join("docker.pid"));
        command.arg("--containerd").arg(containerd.socket());
        command.arg("--host").arg(format!("unix://{}", socket.display()));
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        // Else it would read the machine's own configuration.
        let config = folder.join("daemon.json");
        fs::write(&config, configuration)?;
        command.arg("--config-file").arg(config);
        let daemon = Daemon::start(command, socket, &folder.join("dockerd.log"))?;
        Ok(Engine { daemon, _containerd: containerd, _sockets: sockets })
    }

    /// The value of `DOCKER_HOST` for this engine.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.daemon.socket.display())
    }
}

impl Daemon {
    fn start(mut command: Command, socket: PathBuf, log: &Path) -> anyhow::Result<Daemon> {
        let output = File::create(log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        let mut daemon = Daemon { child, socket };
        let started = Instant::now();
        while !daemon.socket.exists() {
            let ended = daemon.child.try_wait()?;
            if ended.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(log).unwrap_or_default();
                bail!("it did not come up: {}", log.lines().last().unwrap_or("nothing was logged"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        server::end(&mut self.child);
    }
}
