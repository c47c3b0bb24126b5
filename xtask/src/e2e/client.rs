//! A client program with a configuration of its own.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, bail, ensure};

/// Seconds that one call of a client may take.
const PATIENCE: &str = "180";

/// One client: the program, the arguments that begin each call, and its environment.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    program: PathBuf,
    fixed: Vec<OsString>,
    home: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Client {
    /// A client that finds its configuration in `home` and nowhere else.
    pub(crate) fn new(program: impl Into<PathBuf>, home: &Path) -> anyhow::Result<Client> {
        std::fs::create_dir_all(home)?;
        // buildah wants the file to be there.
        std::fs::write(home.join("auth.json"), "{}")?;
        Ok(Client {
            program: program.into(),
            fixed: Vec::new(),
            home: home.to_owned(),
            environment: Vec::new(),
        })
    }

    /// Begins each call with this argument.
    pub(crate) fn fixed(mut self, argument: impl AsRef<OsStr>) -> Client {
        self.fixed.push(argument.as_ref().to_owned());
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Client {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Runs the client; returns what it said on both streams when it succeeded.
    pub(crate) fn run<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<String> {
        let (said, succeeded) = self.call(arguments)?;
        ensure!(succeeded, "{} failed: {}", self.shown(arguments), said.trim());
        Ok(said)
    }

    /// Runs the client, which must say `expected` on one of its streams.
    pub(crate) fn says<A: AsRef<OsStr>>(&self, arguments: &[A], expected: &str) -> anyhow::Result<String> {
        let said = self.run(arguments)?;
        ensure!(said.contains(expected), "{} said no {expected:?}: {}", self.shown(arguments), said.trim());
        Ok(said)
    }

    /// Runs the client, which must fail and say `expected`.
    pub(crate) fn refuses<A: AsRef<OsStr>>(&self, arguments: &[A], expected: &str) -> anyhow::Result<()> {
        let (said, succeeded) = self.call(arguments)?;
        if succeeded || !said.contains(expected) {
            bail!("{} should fail with {expected:?}: {}", self.shown(arguments), said.trim());
        }
        Ok(())
    }

    /// Runs the client, which must fail with this exit code and say each of `expected`.
    pub(crate) fn fails<A: AsRef<OsStr>>(
        &self,
        arguments: &[A],
        code: i32,
        expected: &[&str],
    ) -> anyhow::Result<()> {
        let output = self.command(arguments).output()?;
        let (said, _) = said(&output);
        let missing = expected.iter().find(|expected| !said.contains(**expected));
        if output.status.code() != Some(code) || missing.is_some() {
            let shown = self.shown(arguments);
            bail!("{shown} should end with {code} and say {expected:?}: {}: {}", output.status, said.trim());
        }
        Ok(())
    }

    /// What the client wrote on standard output alone, when it succeeded.
    pub(crate) fn reads<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<Vec<u8>> {
        let output = self.command(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{} failed: {}", self.shown(arguments), said.trim());
        Ok(output.stdout)
    }

    /// Runs the client with this on its standard input; returns what it said, and whether it succeeded.
    pub(crate) fn fed<A: AsRef<OsStr>>(
        &self,
        input: &str,
        arguments: &[A],
    ) -> anyhow::Result<(String, bool)> {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {}", self.program.display()))?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        Ok(said(&child.wait_with_output()?))
    }

    fn call<A: AsRef<OsStr>>(&self, arguments: &[A]) -> anyhow::Result<(String, bool)> {
        let output = self.command(arguments).output();
        Ok(said(&output.with_context(|| format!("cannot run {}", self.program.display()))?))
    }

    fn command<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", PATIENCE]).arg(&self.program).args(&self.fixed).args(arguments);
        self.dress(command)
    }

    /// The program itself, to be watched, limited or killed.
    pub(crate) fn bare<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.fixed).args(arguments);
        self.dress(command)
    }

    /// Gives a command the environment of this client.
    fn dress(&self, mut command: Command) -> Command {
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BERTH_"))
        {
            command.env_remove(name);
        }
        command.env("HOME", &self.home).env("DOCKER_CONFIG", self.home.join(".docker"));
        command.env("REGISTRY_AUTH_FILE", self.home.join("auth.json"));
        command.env("NO_PROXY", "127.0.0.1,localhost").env_remove("XDG_CONFIG_HOME");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).current_dir(&self.home);
        command
    }

    fn shown<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        let words = arguments.iter().map(|word| word.as_ref().to_string_lossy().into_owned());
        format!("`{} {}`", self.program.display(), words.collect::<Vec<_>>().join(" "))
    }
}

/// Both streams of a program that ended, and whether it succeeded.
fn said(output: &Output) -> (String, bool) {
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (said, output.status.success())
}

/// Whether a program of this name can be found.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
