//! Servers beside the first: one whose folder moves to another place, one with TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::client::Client;
use super::images;
use super::stage::Stage;
use crate::certificate::{Certificate, Key};
use crate::server::{Kind, Launch};

/// Runs the steps; skopeo and curl are the clients.
pub(crate) fn run(stage: &Stage) -> anyhow::Result<()> {
    if !stage.has("skopeo", &["skopeo", "openssl", "curl"]) {
        return Ok(());
    }
    let skopeo = Client::new("skopeo", &stage.home("servers"))?;
    stage.step("skopeo", "a folder that moved is served elsewhere", || moved(stage, &skopeo));
    stage.step("skopeo", "TLS with a certificate of an own authority", || tls(stage, &skopeo));
    if stage.program.kind() == Kind::Berth {
        stage.step("curl", "a new certificate is taken without a restart", || renewed(stage));
    }
    Ok(())
}

fn copy(stage: &Stage, skopeo: &Client, options: &[&str], name: &str) -> anyhow::Result<()> {
    let source = format!("oci:{}:multi", stage.images.layout.display());
    let target = format!("docker://{name}");
    skopeo.run(&[&["copy", "--all"], options, &[&source, &target]].concat())?;
    Ok(())
}

fn moved(stage: &Stage, skopeo: &Client) -> anyhow::Result<()> {
    let here = stage.home("here");
    let there = stage.home("there/and deeper");
    fs::create_dir_all(&there)?;
    let mut launch = Launch { data: here.join("data"), log: stage.home("moved.log"), ..Launch::default() };
    fs::create_dir_all(&here)?;
    let first = stage.program.start(&launch)?;
    let name = |server: &crate::server::Server| format!("{}/moved/app:1", server.address());
    copy(stage, skopeo, &["--dest-tls-verify=false"], &name(&first))?;
    first.stop()?;
    launch.data = there.join("data");
    fs::rename(here.join("data"), &launch.data)?;
    let second = stage.program.start(&launch)?;
    let source = format!("docker://{}", name(&second));
    let raw = skopeo.reads(&["inspect", "--raw", "--tls-verify=false", &source])?;
    ensure!(format!("sha256:{}", images::hex(&raw)) == stage.images.multi, "another digest after the move");
    let back = format!("dir:{}", stage.home("moved-back").display());
    skopeo.run(&["copy", "--all", "--src-tls-verify=false", &source, &back])?;
    second.stop()
}

/// A certificate for 127.0.0.1, and a folder that trusts it, as `--cert-dir` wants it.
fn certificate(folder: &Path) -> anyhow::Result<(Certificate, PathBuf)> {
    let made = Certificate::make(folder, "IP:127.0.0.1", Key::Curve)?;
    let trusting = folder.join("clients");
    fs::create_dir_all(&trusting)?;
    fs::copy(&made.cert, trusting.join("ca.crt"))?;
    Ok((made, trusting))
}

fn tls(stage: &Stage, skopeo: &Client) -> anyhow::Result<()> {
    let (made, trusting) = certificate(&stage.home("tls"))?;
    let launch = Launch {
        data: stage.home("tls-data"),
        log: stage.home("tls.log"),
        tls: Some((made.cert, made.key)),
        ..Launch::default()
    };
    let server = stage.program.start(&launch)?;
    let name = format!("{}/secure/app:1", server.address());
    let trust = format!("--dest-cert-dir={}", trusting.display());
    copy(stage, skopeo, &[&trust], &name)?;
    let target = format!("docker://{name}");
    skopeo.refuses(&["inspect", &target], "certificate")?;
    let trust = format!("--cert-dir={}", trusting.display());
    let raw = skopeo.reads(&["inspect", "--raw", &trust, &target])?;
    ensure!(format!("sha256:{}", images::hex(&raw)) == stage.images.multi, "another digest over TLS");
    server.stop()
}

fn renewed(stage: &Stage) -> anyhow::Result<()> {
    let (first, trusts_first) = certificate(&stage.home("renewed"))?;
    let (second, trusts_second) = certificate(&stage.home("renewed-later"))?;
    let launch = Launch {
        data: stage.home("renewed-data"),
        log: stage.home("renewed.log"),
        tls: Some((first.cert.clone(), first.key.clone())),
        ..Launch::default()
    };
    let server = stage.program.start(&launch)?;
    let curl = Client::new("curl", &stage.home("renewed-home"))?.fixed("--silent").fixed("--fail");
    let url = format!("https://{}/v2/", server.address());
    let trusts = |authority: &Path| curl.run(&["--cacert", &authority.to_string_lossy(), &url]).map(drop);
    trusts(&trusts_first.join("ca.crt")).context("the first certificate is not served")?;
    fs::rename(&second.key, &first.key)?;
    fs::rename(&second.cert, &first.cert)?;
    let changed = Instant::now();
    while let Err(error) = trusts(&trusts_second.join("ca.crt")) {
        ensure!(
            changed.elapsed() < Duration::from_secs(30),
            "still the old certificate after 30 s: {error:#}"
        );
        std::thread::sleep(Duration::from_millis(250));
    }
    server.stop()
}
