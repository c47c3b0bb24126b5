//! TLS before an upstream: by nginx, with a certificate that is right or one for another name, or no TLS at all.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::certificate::{Certificate, Key};
use crate::server::{end, free_port};

/// How long nginx may take until it listens.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a mirror finds behind the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// A certificate for the address.
    Right,
    /// A certificate of the same kind for another name.
    OtherName,
    /// A server that knows no TLS.
    Plain,
}

/// An address at which an upstream is reached by TLS, and which can go wrong.
#[derive(Debug)]
pub(crate) struct Secured {
    nginx: Child,
    address: SocketAddr,
    right: SocketAddr,
    other_name: SocketAddr,
    plain: SocketAddr,
    target: Arc<Mutex<SocketAddr>>,
    /// Both certificates, to be trusted.
    pub(crate) authority: PathBuf,
}

impl Secured {
    /// Puts TLS before `plain`; files are kept in `folder`.
    pub(crate) fn start(folder: &Path, plain: SocketAddr) -> anyhow::Result<Secured> {
        fs::create_dir_all(folder)?;
        let port = || -> anyhow::Result<SocketAddr> { Ok((Ipv4Addr::LOCALHOST, free_port()?).into()) };
        let (right, other_name) = (port()?, port()?);
        let one = Certificate::make(&folder.join("right"), "IP:127.0.0.1", Key::Curve)?;
        let two = Certificate::make(&folder.join("other"), "DNS:other.test", Key::Curve)?;
        let authority = folder.join("authority.pem");
        fs::write(&authority, fs::read_to_string(&one.cert)? + &fs::read_to_string(&two.cert)?)?;
        let config = folder.join("nginx.conf");
        fs::write(&config, nginx(folder, plain, &[(right, &one), (other_name, &two)]))?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "nginx", "-e", "error.log", "-p"]).arg(folder);
        let log = File::create(folder.join("nginx.log"))?;
        command.arg("-c").arg(&config).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let nginx = command.spawn().context("nginx is missing")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let target = Arc::new(Mutex::new(right));
        let secured = Secured { nginx, address, right, other_name, plain, target, authority };
        secured.wait()?;
        let target = Arc::clone(&secured.target);
        thread::spawn(move || relay(&listener, &target));
        Ok(secured)
    }

    /// The URL of the upstream.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Changes what new connections find.
    pub(crate) fn show(&self, front: Front) {
        let target = match front {
            Front::Right => self.right,
            Front::OtherName => self.other_name,
            Front::Plain => self.plain,
        };
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    fn wait(&self) -> anyhow::Result<()> {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if TcpStream::connect(self.right).is_ok() {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("nginx does not listen on {}", self.right)
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        end(&mut self.nginx);
    }
}

/// Connections last for one request: what the address shows is then what the next request finds.
fn nginx(folder: &Path, plain: SocketAddr, servers: &[(SocketAddr, &Certificate)]) -> String {
    let folder = folder.display();
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {folder}/{kind};\n"))
        .concat();
    let servers: String = servers
        .iter()
        .map(|(address, made)| {
            format!(
                "  server {{\n    listen {address} ssl;\n    ssl_certificate {};\n    ssl_certificate_key {};\n\
                 \x20   location / {{ proxy_pass http://{plain}; }}\n  }}\n",
                made.cert.display(),
                made.key.display()
            )
        })
        .collect();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\nevents {{}}\nhttp {{\n\
         \x20 access_log off;\n  keepalive_timeout 0;\n  proxy_http_version 1.1;\n  proxy_buffering off;\n\
         \x20 proxy_set_header Host $http_host;\n  proxy_set_header Connection \"\";\n{temp}{servers}}}\n"
    )
}

/// Passes bytes on to what the address shows when a connection comes.
fn relay(listener: &TcpListener, target: &Mutex<SocketAddr>) {
    for client in listener.incoming().flatten() {
        let target = *target.lock().unwrap_or_else(PoisonError::into_inner);
        // Without a server the client sees its connection closed.
        let Ok(server) = TcpStream::connect(target) else { continue };
        let link = Arc::new((client, server));
        let other = Arc::clone(&link);
        thread::spawn(move || pump(&link.0, &link.1));
        thread::spawn(move || pump(&other.1, &other.0));
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream) {
    // Either end may go at any time; the other one learns of it.
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
