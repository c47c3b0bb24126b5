//! The server under test: started, waited for, and killed without warning.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::http::{Connection, Request};
use crate::server::free_port;

/// A server that does not serve after this time has not recovered.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry program and how to break it on purpose.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) file: PathBuf,
    /// The value of `BERTH_SABOTAGE`.
    pub(crate) sabotage: Option<&'static str>,
}

impl Program {
    /// Debian's `docker-registry`, which the rig can also judge.
    pub(crate) fn is_distribution(&self) -> bool {
        self.file.file_name().is_some_and(|name| name == "docker-registry")
    }

    fn command(&self, address: SocketAddr, data: &Path, scratch: &Path) -> anyhow::Result<Command> {
        // The kernel ends the server when this process ends, in whatever way that happens.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(&self.file).arg("serve");
        if self.is_distribution() {
            let config = scratch.join("registry.yml");
            fs::write(&config, distribution_config(address, data))?;
            command.arg(config);
        } else {
            command.args(["--listen", &address.to_string(), "--data"]).arg(data);
        }
        // Neither settings nor a configuration file of the person who runs this may change what is tested.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BERTH_"))
        {
            command.env_remove(name);
        }
        command.current_dir(scratch);
        // Cleaning all the time, of what was deleted by hand: everything else is promised for longer than a run.
        command.env("BERTH_CLEAN_INTERVAL", "100ms");
        command.envs(self.sabotage.map(|name| ("BERTH_SABOTAGE", name)));
        Ok(command)
    }

    /// Starts the server on `data` and waits until it serves. Its output goes to `server.log` in `scratch`.
    pub(crate) fn start(&self, data: &Path, scratch: &Path) -> anyhow::Result<Victim> {
        let mut victim = self.launch(data, scratch)?;
        victim.recover()?;
        Ok(victim)
    }

    /// Starts the server without waiting for anything.
    pub(crate) fn launch(&self, data: &Path, scratch: &Path) -> anyhow::Result<Victim> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let log = File::options().create(true).append(true).open(scratch.join("server.log"))?;
        let mut command = self.command(address, data, scratch)?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.file.display()))?;
        Ok(Victim { child, address, recovery: Duration::ZERO })
    }
}

fn distribution_config(address: SocketAddr, data: &Path) -> String {
    format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  filesystem: {{rootdirectory: \
         \"{}\"}}\n  delete: {{enabled: true}}\nhttp: {{addr: \"{address}\", secret: crash}}\n",
        data.display()
    )
}

/// A running server; dropping it kills it.
#[derive(Debug)]
pub(crate) struct Victim {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From start to first answer.
    pub(crate) recovery: Duration,
}

impl Victim {
    fn recover(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        while !self.serves() {
            if let Some(status) = self.ended()? {
                bail!("the server ended while starting, with {status}");
            }
            if started.elapsed() > PATIENCE {
                bail!("the server does not serve {} s after its start", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.recovery = started.elapsed();
        Ok(())
    }

    fn serves(&self) -> bool {
        Connection::new(self.address)
            .send(&Request::new("GET", "/v2/"))
            .is_ok_and(|answer| answer.status == 200)
    }

    /// SIGKILL, and wait until it is gone.
    pub(crate) fn kill(&mut self) {
        // An error means that it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// How it ended, if it ended by itself.
    pub(crate) fn ended(&mut self) -> anyhow::Result<Option<String>> {
        Ok(self.child.try_wait()?.map(|status| status.to_string()))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.kill();
    }
}
