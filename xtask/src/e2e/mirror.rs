//! Berth as a mirror: real clients before it, and behind it upstreams that count, demand tokens and break.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::client::Client;
use super::images;
use super::stage::Stage;
use crate::fault::{self, Kind, Proxy};
use crate::server::{self, Launch, Server, free_port, settings};
use crate::upstream::{TokenServer, Upstream};

mod daemons;
mod prefixes;
mod rights;
mod trouble;

/// Seconds until a head must have come: clients of containerd's family give up after 30.
const PATIENCE: &str = "20";
/// An image of Docker Hub that nobody has there: a client that falls back to it finds nothing.
const BARE: &str = "berth-e2e";
/// The images of the two upstreams beside Docker Hub.
const GUARDED: &str = "org/app";
const SECRET: &str = "acme/secret";
/// The administrator here and at the other Berth.
const ROOT: &str = "root-of-all";
/// Passwords: of people here, at the token server, at the other Berth, and of somebody at the real Docker Hub.
const PASSWORD: &str = "correct horse battery staple";
const TOKEN_PASSWORD: &str = "a word for the token server";
const OTHER_PASSWORD: &str = "a word for the other registry";
const HUB_PASSWORD: &str = "dckr_pat_that-no-mirror-may-see";

/// Runs the steps; a registry that is no mirror has none.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    let programs = ["docker-registry", "openssl", "skopeo", "curl"];
    if stage.program.kind() != server::Kind::Berth || !stage.has("mirror", &programs) {
        return Ok(());
    }
    let mut harbor = None;
    stage.step("mirror", "three upstreams are added while it runs", || {
        harbor = Some(Harbor::build(stage)?);
        Ok(())
    });
    let Some(harbor) = harbor else { return Ok(()) };
    prefixes::run(&harbor)?;
    daemons::docker(&harbor)?;
    daemons::containerd(&harbor)?;
    daemons::podman(&harbor)?;
    rights::run(&harbor);
    trouble::run(&harbor);
    stage.step("mirror", "ends by itself after SIGTERM, and has logged no secret", || {
        harbor.server.stop()?;
        let log = fs::read_to_string(stage.home("mirror/log"))?;
        ensure!(log.contains("TRACE") || log.contains("DEBUG"), "it logged less than everything");
        for secret in [PASSWORD, TOKEN_PASSWORD, OTHER_PASSWORD, HUB_PASSWORD] {
            ensure!(!log.contains(secret), "a secret of {} letters is in the log", secret.len());
        }
        ensure!(!log.contains(&daemons::hub_login()), "a login to Docker Hub is in the log");
        Ok(())
    });
    Ok(())
}

/// A mirror with accounts, its upstreams, and who talks to them.
struct Harbor<'a> {
    stage: &'a Stage,
    /// Plays Docker Hub: open to everybody.
    hub: Upstream,
    /// Plays Quay: tokens for who knows the password.
    quay: Upstream,
    tokens: TokenServer,
    /// Another Berth with accounts; it is `private.test` here.
    other: Upstream,
    server: Server,
    /// The open listener.
    open: SocketAddr,
    berth: Client,
    skopeo: Client,
    curl: Client,
}

/// An answer as curl shows it.
struct Shown {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Harbor<'_> {
    fn build(stage: &Stage) -> anyhow::Result<Harbor<'_>> {
        let home = |name: &str| stage.home(&format!("mirror/{name}"));
        fs::create_dir_all(home("data"))?;
        let hub = Upstream::open(&home("hub"))?;
        let tokens = TokenServer::start(&home("tokens"), "ann", TOKEN_PASSWORD)?;
        let quay = Upstream::with_tokens(&home("quay"), &tokens)?;
        stage.program.add_administrator(&home("other-data"), ROOT, OTHER_PASSWORD)?;
        let launch = Launch { data: home("other-data"), log: home("other-log"), ..Launch::default() };
        let other = Upstream::of(&stage.program, &launch)?;
        stage.program.add_administrator(&home("data"), ROOT, PASSWORD)?;
        let open = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let settings = settings(&[("LOG_LEVEL", "trace"), ("MIRROR_LISTEN", &open.to_string())]);
        let launch = Launch { data: home("data"), log: home("log"), settings, ..Launch::default() };
        let server = stage.program.start(&launch)?;
        let berth = Client::new(stage.program.file(), &home("berth"))?
            .env("BERTH_DATA", home("data"))
            .env("BERTH_MIRROR_LISTEN", open.to_string());
        let skopeo = Client::new("skopeo", &home("skopeo"))?;
        let curl = Client::new("curl", &home("curl"))?.fixed("--silent").fixed("--show-error");
        let harbor = Harbor { stage, hub, quay, tokens, other, server, open, berth, skopeo, curl };
        harbor.fill()?;
        harbor.connect()?;
        Ok(harbor)
    }

    /// Pushes the images to the upstreams.
    fn fill(&self) -> anyhow::Result<()> {
        let push = |to: SocketAddr, credentials: Option<String>, tag: &str, name: &str| {
            let from = format!("oci:{}:{tag}", self.stage.images.layout.display());
            let to = format!("docker://{to}/{name}:{tag}");
            let credentials = credentials.map(|pair| format!("--dest-creds={pair}"));
            let mut arguments = vec!["copy", "--all", "--dest-tls-verify=false"];
            arguments.extend(credentials.as_deref());
            self.skopeo.run(&[arguments.as_slice(), &[&from, &to]].concat())
        };
        let hub = self.hub.server.address();
        for tag in ["app", "multi"] {
            push(hub, None, tag, &format!("library/{BARE}"))?;
            push(self.quay.server.address(), Some(format!("ann:{TOKEN_PASSWORD}")), tag, GUARDED)?;
        }
        push(self.other.server.address(), Some(format!("{ROOT}:{OTHER_PASSWORD}")), "app", SECRET)?;
        Ok(())
    }

    /// Tells the mirror of its upstreams.
    fn connect(&self) -> anyhow::Result<()> {
        let add = |name: &str, upstream: &Upstream, more: &[&str], password: &str| {
            let url = upstream.proxy.url();
            let first = ["mirror", "add", name, "--url", &url, "--private", "--fresh", "0s"];
            let (said, succeeded) = self.berth.fed(password, &[first.as_slice(), more].concat())?;
            ensure!(succeeded, "berth mirror add {name}: {said}");
            Ok(())
        };
        add("docker.io", &self.hub, &["--visibility", "public"], "")?;
        // The realm is another origin than the registry, as Docker Hub's is: it has to be named to get a password.
        let realm = self.tokens.address().to_string();
        let ann = ["--user", "ann", "--password-stdin", "--auth-host", &realm, "--visibility", "public"];
        add("quay.io", &self.quay, &ann, TOKEN_PASSWORD)?;
        let root = ["--user", ROOT, "--password-stdin", "--visibility", "private"];
        add("private.test", &self.other, &root, OTHER_PASSWORD)?;
        let listed = self.berth.run(&["mirror", "list"])?;
        for name in ["docker.io", "quay.io", "private.test"] {
            ensure!(listed.contains(name), "{name} is not listed: {listed}");
        }
        ensure!(!listed.contains(TOKEN_PASSWORD), "a password is listed");
        Ok(())
    }

    /// The name of an image at the mirror.
    fn name(&self, name: &str) -> String {
        format!("{}/{name}", self.server.address())
    }

    /// The digest that skopeo finds at the mirror.
    fn digest(&self, name: &str) -> anyhow::Result<String> {
        let name = format!("docker://{}", self.name(name));
        let manifest = self.skopeo.reads(&["inspect", "--raw", "--tls-verify=false", &name])?;
        Ok(format!("sha256:{}", images::hex(&manifest)))
    }

    /// Copies an image from the mirror with everything that belongs to it, to nowhere.
    fn copy(&self, name: &str) -> anyhow::Result<String> {
        let folder = tempfile::tempdir_in(self.stage.home("mirror"))?;
        let (from, to) =
            (format!("docker://{}", self.name(name)), format!("dir:{}", folder.path().display()));
        self.skopeo.run(&["copy", "--all", "--src-tls-verify=false", &from, &to])
    }

    /// What curl gets at the main listener, with an answer of any status.
    fn ask(&self, path: &str, options: &[&str]) -> anyhow::Result<Shown> {
        self.ask_at(self.server.address(), path, options)
    }

    fn ask_at(&self, address: SocketAddr, path: &str, options: &[&str]) -> anyhow::Result<Shown> {
        let url = format!("http://{address}{path}");
        let answer = self.curl.reads(&[&["--include", "--max-time", PATIENCE], options, &[&url]].concat())?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").context("curl shows no head")?;
        let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
        Ok(Shown { status, head, body: answer[end + 4..].to_vec() })
    }
}

impl Shown {
    /// A header's value.
    fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, it)| it)
    }

    /// What it says is wrong, which must be in the form of the protocol.
    fn error(&self) -> anyhow::Result<String> {
        let body = String::from_utf8_lossy(&self.body);
        let told: Value = serde_json::from_str(&body).with_context(|| format!("no JSON: {body}"))?;
        let error = &told["errors"][0];
        ensure!(error["code"].is_string() && error["message"].is_string(), "no error in {body}");
        Ok(error.to_string())
    }
}

/// Fails when blobs or manifests came from the upstream since then; asking for tags (HEAD) costs nothing.
fn nothing_fetched(proxy: &Proxy, mark: usize) -> anyhow::Result<()> {
    let asked = proxy.since(mark);
    let (manifests, bytes) = (fault::count(&asked, "GET", Kind::Manifest), fault::blob_bytes(&asked));
    ensure!(
        manifests == 0 && bytes == 0,
        "{manifests} manifests and {bytes} bytes of blobs came from the upstream again: {asked:?}"
    );
    Ok(())
}
