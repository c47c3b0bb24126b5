//! Registries that a mirror can be put before: each with a proxy that counts and misbehaves.

use std::path::Path;

use crate::fault::Proxy;
use crate::server::{Launch, Program, Server};

mod tls;
mod token;

pub(crate) use tls::{Front, Secured};
pub(crate) use token::TokenServer;

/// What docker-registry writes of each request is of no use in a run with thousands of them.
const QUIET: &str = "log: {level: error, accesslog: {disabled: true}}\n";

/// A running upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    /// What the mirror asks.
    pub(crate) proxy: Proxy,
    /// What images are pushed to.
    pub(crate) server: Server,
}

impl Upstream {
    /// Debian's `docker-registry`, open to everybody, with its data below `folder`.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Upstream> {
        Upstream::registry(folder, "")
    }

    /// `docker-registry` that believes the tokens of `tokens`.
    pub(crate) fn with_tokens(folder: &Path, tokens: &TokenServer) -> anyhow::Result<Upstream> {
        Upstream::registry(folder, &tokens.believed())
    }

    /// A registry program as it is launched: another Berth, for example.
    pub(crate) fn of(program: &Program, launch: &Launch) -> anyhow::Result<Upstream> {
        let server = program.start(launch)?;
        Ok(Upstream { proxy: Proxy::start(server.address())?, server })
    }

    fn registry(folder: &Path, more: &str) -> anyhow::Result<Upstream> {
        std::fs::create_dir_all(folder)?;
        let (data, log) = (folder.join("data"), folder.join("log"));
        let launch = Launch { data, log, yaml: format!("{QUIET}{more}"), ..Launch::default() };
        Upstream::of(&Program::docker_registry(), &launch)
    }
}

/// Debian's `docker-registry` as a mirror of that URL, to compare with.
pub(crate) fn peer(folder: &Path, url: &str) -> anyhow::Result<Server> {
    std::fs::create_dir_all(folder)?;
    let (data, log) = (folder.join("data"), folder.join("log"));
    let yaml = format!("{QUIET}proxy: {{remoteurl: {url:?}}}\n");
    Program::docker_registry().start(&Launch { data, log, yaml, ..Launch::default() })
}

#[cfg(test)]
mod tests;
