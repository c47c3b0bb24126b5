//! Programs that keep passwords: `docker-credential-*`, which are spoken to by standard input and output.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use berth_oci::Secret;
use serde::{Deserialize, Serialize};

use crate::{ConfigError, SignIn};

/// The name under which helpers keep what is an identity token and no password.
const TOKEN_USER: &str = "<token>";
/// What helpers say of somebody they do not know. That is no failure.
const UNKNOWN: [&str; 3] = ["credentials not found", "no credentials", "not found in native keychain"];
/// Characters of what a helper says that are told on.
const TOLD: usize = 300;

/// A helper, by the end of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    program: OsString,
    /// The file that names it.
    named_by: PathBuf,
}

/// What helpers are given and give.
#[derive(Serialize, Deserialize)]
struct Kept {
    #[serde(rename = "ServerURL", default)]
    server: String,
    #[serde(rename = "Username", default)]
    user: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl Helper {
    /// `docker-credential-NAME`, looked up as the system looks up programs.
    ///
    /// # Errors
    /// [`ConfigError::Damaged`] if the name is none: it could lead to any program.
    pub(crate) fn named(name: &str, named_by: &Path) -> Result<Helper, ConfigError> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || !name.bytes().all(is_name) {
            let what = format!("{name:?} is no name of a credential helper");
            return Err(ConfigError::Damaged { path: named_by.to_owned(), what });
        }
        Ok(Helper { program: format!("docker-credential-{name}").into(), named_by: named_by.to_owned() })
    }

    /// The program, as it is called.
    pub fn program(&self) -> String {
        self.program.to_string_lossy().into_owned()
    }

    /// What it keeps for a registry.
    pub(crate) fn get(&self, server: &str) -> Result<Option<SignIn>, ConfigError> {
        let output = self.run("get", server.as_bytes())?;
        if !output.status.success() {
            let said = said(&output);
            let is_unknown = UNKNOWN.iter().any(|text| said.to_ascii_lowercase().contains(text));
            return if is_unknown { Ok(None) } else { Err(self.failed(said)) };
        }
        let kept: Kept = serde_json::from_slice(&output.stdout)
            .map_err(|_| self.failed("what it gives is not what helpers give".to_owned()))?;
        if kept.secret.is_empty() {
            return Ok(None);
        }
        let secret = Secret::new(kept.secret);
        Ok(Some(match kept.user.as_str() {
            TOKEN_USER => SignIn::IdentityToken { user: String::new(), token: secret },
            _ => SignIn::Password { user: kept.user, password: secret },
        }))
    }

    pub(crate) fn store(&self, server: &str, sign_in: &SignIn) -> Result<(), ConfigError> {
        let (user, secret) = match sign_in {
            SignIn::Password { user, password } => (user.as_str(), password),
            SignIn::IdentityToken { token, .. } => (TOKEN_USER, token),
        };
        let (server, user, secret) = (server.to_owned(), user.to_owned(), secret.reveal().to_owned());
        let input = serde_json::to_vec(&Kept { server, user, secret });
        let input = input.map_err(|error| self.failed(error.to_string()))?;
        self.done("store", &input).map(drop)
    }

    /// Lets it forget a registry. That it knows none is as good.
    pub(crate) fn erase(&self, server: &str) -> Result<(), ConfigError> {
        self.done("erase", server.as_bytes()).map(drop).or_else(|error| match &error {
            ConfigError::Helper { said, .. }
                if UNKNOWN.iter().any(|text| said.to_ascii_lowercase().contains(text)) =>
            {
                Ok(())
            }
            _ => Err(error),
        })
    }

    fn done(&self, verb: &str, input: &[u8]) -> Result<Output, ConfigError> {
        let output = self.run(verb, input)?;
        if output.status.success() { Ok(output) } else { Err(self.failed(said(&output))) }
    }

    fn run(&self, verb: &str, input: &[u8]) -> Result<Output, ConfigError> {
        let missing =
            |source| ConfigError::Missing { program: self.program(), path: self.named_by.clone(), source };
        let mut child = Command::new(&self.program)
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(missing)?;
        if let Some(mut stdin) = child.stdin.take() {
            // One that ends without reading says why, or needs nothing to be said.
            let _ = stdin.write_all(input);
        }
        child.wait_with_output().map_err(missing)
    }

    fn failed(&self, said: String) -> ConfigError {
        ConfigError::Helper { program: self.program(), said }
    }

    #[cfg(test)]
    pub(crate) fn at(program: &Path) -> Helper {
        Helper { program: program.into(), named_by: PathBuf::from("config.json") }
    }
}

/// What a program said when it failed: helpers say it on either way out. Never what a successful one says.
fn said(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).trim().to_owned());
    let text = texts.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| output.status.to_string());
    text.chars().filter(|letter| !letter.is_control()).take(TOLD).collect()
}
