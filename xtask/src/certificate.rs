//! Self-signed certificates, made by `openssl`: each is its own authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

/// The kind of key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// P-256: fast.
    Curve,
    /// RSA with 2048 bits, where a signature must have a fixed form.
    Rsa,
}

/// A certificate and its key, PEM files.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// Makes `tls.crt` and `tls.key` in `folder` for one name, such as `IP:127.0.0.1` or `DNS:a.test`.
    pub(crate) fn make(folder: &Path, name: &str, key: Key) -> anyhow::Result<Certificate> {
        fs::create_dir_all(folder)?;
        let made = Certificate { cert: folder.join("tls.crt"), key: folder.join("tls.key") };
        let key: &[&str] = match key {
            Key::Curve => &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
            Key::Rsa => &["rsa:2048"],
        };
        let mut command = Command::new("openssl");
        command.args(["req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=test", "-newkey"]).args(key);
        command.args(["-addext", &format!("subjectAltName={name}")]);
        // Some libraries take no authority for a server, and any of them takes a server that is trusted itself.
        command.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(&made.key).arg("-out").arg(&made.cert);
        let output = command.output().context("openssl is missing")?;
        ensure!(output.status.success(), "openssl: {}", String::from_utf8_lossy(&output.stderr));
        Ok(made)
    }
}
