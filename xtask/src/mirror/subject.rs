//! The mirror under test: Berth, or docker-registry to compare with.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use crate::folders;
use crate::server::{Kind, Launch, Program, Server, settings};
use crate::upstream;

/// The name of the upstream in Berth.
pub(super) const NAME: &str = "up.test";

/// A running mirror of one upstream.
pub(super) struct Subject {
    pub(super) server: Server,
    /// What stands before the names of repositories.
    pub(super) prefix: String,
}

impl Subject {
    /// Starts a mirror of `url` with an empty cache, which asks the upstream at each pull of a tag.
    pub(super) fn start(
        program: &Program,
        folder: &Path,
        url: &str,
        authority: Option<&Path>,
    ) -> anyhow::Result<Subject> {
        fs::create_dir_all(folder)?;
        let data = folder.join("data");
        // Kept, since it is read when something failed.
        let log = folders::kept("mirror")?.join(folder.file_name().unwrap_or_default()).with_extension("log");
        if program.kind() == Kind::DockerRegistry {
            let server = upstream::peer(folder, url)?;
            return Ok(Subject { server, prefix: String::new() });
        }
        let settings = settings(&[("LOG_REQUESTS", "false")]);
        let server = program.start(&Launch { data: data.clone(), log, settings, ..Launch::default() })?;
        let mut command = program.alone(&data);
        command
            .args(["mirror", "add", NAME, "--url", url, "--private", "--fresh", "0s", "--data"])
            .arg(&data);
        if let Some(authority) = authority {
            command.arg("--ca-file").arg(authority);
        }
        let output = command.stdin(Stdio::null()).output().context("cannot run berth mirror add")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "berth mirror add: {}", said.trim());
        Ok(Subject { server, prefix: format!("{NAME}/") })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }
}
