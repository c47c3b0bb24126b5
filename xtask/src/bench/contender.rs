//! The servers that are compared: each on a free loopback port with data of its own, ended by its process id.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::Serialize;

use crate::server::{end, free_port};

/// How long a server may take to answer after its start.
const PATIENCE: Duration = Duration::from_secs(60);

/// One of the compared servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Contender {
    /// This workspace's registry.
    Berth,
    /// Debian's package `docker-registry`.
    DockerRegistry,
    /// nginx, serving the same bytes from files: what pulls can reach at most.
    Nginx,
}

/// A running server; it is ended when this is dropped, and its data removed when it is stopped.
pub(crate) struct Running {
    pub(crate) contender: Contender,
    child: Child,
    address: SocketAddr,
    data: PathBuf,
    /// From the start of the process to its first answer.
    pub(crate) first_answer: Duration,
}

impl Contender {
    pub(crate) const ALL: [Contender; 3] = [Contender::Berth, Contender::DockerRegistry, Contender::Nginx];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Contender::Berth => "berth",
            Contender::DockerRegistry => "docker-registry",
            Contender::Nginx => "nginx",
        }
    }

    /// Whether it can be asked for this scenario: nginx only reads.
    pub(crate) fn can(self, scenario: &str) -> bool {
        self != Contender::Nginx
            || matches!(scenario, "pull-large" | "pull-small" | "manifest-get" | "manifest-head")
    }

    /// What answers once the server is ready; of Berth, something that needs its database.
    fn first_question(self) -> &'static str {
        match self {
            Contender::Berth => "/v2/_catalog?n=1",
            Contender::DockerRegistry | Contender::Nginx => "/v2/",
        }
    }
}

impl Running {
    /// Starts a server on `data` and waits for its first answer.
    pub(crate) fn start(contender: Contender, berth: &Path, data: &Path) -> anyhow::Result<Running> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = match contender {
            Contender::Berth => berth_command(berth, address, data),
            Contender::DockerRegistry => docker_registry_command(address, data)?,
            Contender::Nginx => nginx_command(address, data)?,
        };
        let log = File::options().create(true).append(true).open(data.with_extension("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let started = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", contender.name()))?;
        let data = data.to_owned();
        let mut running = Running { contender, child, address, data, first_answer: Duration::ZERO };
        running.wait(started)?;
        Ok(running)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where files must lie for a server of files.
    pub(crate) fn static_root(&self) -> Option<PathBuf> {
        (self.contender == Contender::Nginx).then(|| self.data.join("www"))
    }

    /// Resident memory of the process.
    pub(crate) fn resident_mib(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib =
            line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<f64>().ok());
        Ok(kib.context("the process tells no VmRSS")? / 1024.0)
    }

    /// Ends the server and removes its data.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let data = self.stop_and_keep()?;
        fs::remove_dir_all(&data).with_context(|| format!("cannot remove {}", data.display()))
    }

    /// Ends the server and returns its data.
    pub(crate) fn stop_and_keep(mut self) -> anyhow::Result<PathBuf> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended by itself with {status}; {}", self.contender.name(), self.last_words());
        }
        end(&mut self.child);
        Ok(self.data.clone())
    }

    fn wait(&mut self, started: Instant) -> anyhow::Result<()> {
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended at once with {status}; {}", self.contender.name(), self.last_words());
            }
            if answers(self.address, self.contender.first_question()) {
                self.first_answer = started.elapsed();
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        bail!("{} did not answer within {} s", self.contender.name(), PATIENCE.as_secs())
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.data.with_extension("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(10).collect();
        format!("its last words: {}", lines.into_iter().rev().collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// A program that ends when this process does, however that ends.
fn tied_to_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

fn berth_command(berth: &Path, address: SocketAddr, data: &Path) -> Command {
    let mut command = tied_to_us(berth);
    command.args(["serve", "--listen", &address.to_string(), "--data"]).arg(data);
    command
}

fn docker_registry_command(address: SocketAddr, data: &Path) -> anyhow::Result<Command> {
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage:\n  cache: {{blobdescriptor: inmemory}}\n  \
         filesystem: {{rootdirectory: \"{}\"}}\n  delete: {{enabled: true}}\nhttp: {{addr: \"{address}\"}}\n",
        data.display()
    );
    let file = data.with_extension("yml");
    fs::write(&file, config)?;
    let mut command = tied_to_us(Path::new("docker-registry"));
    command.arg("serve").arg(file);
    Ok(command)
}

fn nginx_command(address: SocketAddr, data: &Path) -> anyhow::Result<Command> {
    fs::create_dir_all(data.join("www/v2"))?;
    let file = data.join("nginx.conf");
    fs::write(&file, nginx_config(address, data))?;
    let mut command = tied_to_us(Path::new("nginx"));
    command.arg("-p").arg(data).arg("-c").arg(file).args(["-e", "error.log"]);
    Ok(command)
}

/// Files by sendfile, one worker per core, connections kept for ever, no log.
fn nginx_config(address: SocketAddr, data: &Path) -> String {
    let folder = data.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    // Workers of a master that runs as root would change to a user that cannot read the folder.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "{user}daemon off;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  sendfile on;\n  tcp_nopush on;\n\
         \x20 tcp_nodelay on;\n  keepalive_timeout 600;\n  keepalive_requests 1000000000;\n\
         \x20 default_type application/vnd.oci.image.manifest.v1+json;\n{temp}\
         \x20 server {{\n    listen {address};\n    root {folder}/www;\n    location = /v2/ {{ return 200 \"{{}}\"; }}\n  }}\n}}\n"
    )
}

/// Whether something on `address` answers 200.
fn answers(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let mut start = [0; 12];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start.ends_with(b" 200")
}

#[cfg(test)]
mod tests {
    use super::Contender;

    #[test]
    fn nginx_is_asked_only_for_what_files_can_answer() {
        assert!(Contender::Nginx.can("pull-small") && !Contender::Nginx.can("push-small"));
        assert!(Contender::DockerRegistry.can("push-small"));
    }

    #[test]
    fn the_configuration_of_nginx_keeps_to_its_folder() {
        let config = super::nginx_config(([127, 0, 0, 1], 5099).into(), "/data/n".as_ref());
        assert!(
            config.contains("listen 127.0.0.1:5099;") && config.contains("root /data/n/www;"),
            "{config}"
        );
        assert_eq!(config.matches('{').count(), config.matches('}').count(), "{config}");
        assert!(!config.contains("/var/"), "{config}");
    }
}
