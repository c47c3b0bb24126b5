//! A token server as large registries have one: it knows one person, and signs what docker-registry believes.

use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::certificate::{Certificate, Key};
use crate::message::{self, Head, HttpHead};

const ISSUER: &str = "rig";
const SERVICE: &str = "upstream.test";
/// Seconds that a token is good for.
const LIFE: u64 = 300;

/// The running server; its thread ends with the process.
#[derive(Debug)]
pub(crate) struct TokenServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    certificate: Certificate,
    /// The value of `Authorization` that is right.
    right: String,
    /// The statuses that were answered.
    answered: Mutex<Vec<u16>>,
}

impl TokenServer {
    /// Starts a server that knows this person alone; its certificate is kept in `folder`.
    pub(crate) fn start(folder: &Path, user: &str, password: &str) -> anyhow::Result<TokenServer> {
        let certificate = Certificate::make(folder, "DNS:tokens.test", Key::Rsa)?;
        let right = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let shared = Arc::new(Shared { certificate, right, answered: Mutex::default() });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let serving = Arc::clone(&serving);
                // A client that goes away in the middle is its own affair.
                thread::spawn(move || drop(serving.serve(&client)));
            }
        });
        Ok(TokenServer { address, shared })
    }

    /// The configuration with which docker-registry demands tokens of this server.
    pub(super) fn believed(&self) -> String {
        format!(
            "auth:\n  token: {{realm: \"http://{}/token\", service: {SERVICE}, issuer: {ISSUER}, rootcertbundle: {:?}}}\n",
            self.address, self.shared.certificate.cert
        )
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The statuses that were answered so far.
    pub(crate) fn answered(&self) -> Vec<u16> {
        self.shared.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    fn serve(&self, client: &TcpStream) -> anyhow::Result<()> {
        let mut from = BufReader::new(client);
        let mut to = client;
        while let Head::Http(head) = message::read_head(&mut from)? {
            message::copy_body(head.request_body(), &mut from, |_| Ok(()))?;
            let (status, body) = self.answer(&head)?;
            self.answered.lock().unwrap_or_else(PoisonError::into_inner).push(status);
            let body = body.to_string();
            write!(
                to,
                "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )?;
        }
        Ok(())
    }

    /// Nobody gets a token that opens nothing, the right person what he asks for, and a wrong one none.
    fn answer(&self, head: &HttpHead) -> anyhow::Result<(u16, Value)> {
        let target = head.start_line().split(' ').nth(1).unwrap_or_default();
        if !head.start_line().starts_with("GET /token?") {
            return Ok((404, json!({ "details": "tokens are got by GET /token" })));
        }
        let access = match head.header("authorization") {
            None => Vec::new(),
            Some(said) if said == self.right => scopes(target).collect(),
            Some(_) => return Ok((401, json!({ "details": "incorrect username or password" }))),
        };
        let token = self.token(&access)?;
        Ok((200, json!({ "token": token, "access_token": token, "expires_in": LIFE })))
    }

    fn token(&self, access: &[Value]) -> anyhow::Result<String> {
        let pem = fs::read_to_string(&self.certificate.cert)?;
        let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header = json!({ "typ": "JWT", "alg": "RS256", "x5c": [der] });
        let claims = json!({
            "iss": ISSUER, "sub": "", "aud": SERVICE, "jti": format!("{now}"),
            "iat": now, "nbf": now.saturating_sub(10), "exp": now + LIFE, "access": access,
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.sign(signed.as_bytes())?)))
    }

    fn sign(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut command = Command::new("openssl");
        command.args(["dgst", "-sha256", "-sign"]).arg(&self.certificate.key);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(bytes)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "openssl did not sign");
        Ok(output.stdout)
    }
}

/// The entries of a token for each `scope` of a query.
fn scopes(target: &str) -> impl Iterator<Item = Value> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let values = query.split('&').filter_map(|pair| pair.strip_prefix("scope=")).map(decoded);
    let all: Vec<String> =
        values.flat_map(|value| value.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect();
    all.into_iter().filter_map(|scope| {
        let (kind, rest) = scope.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        let actions: Vec<&str> = actions.split(',').collect();
        Some(json!({ "type": kind, "name": name, "actions": actions }))
    })
}

/// A value of a query as it was meant.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::scopes;
    use serde_json::{Value, json};

    #[test]
    fn scopes_are_read_in_each_form() {
        let all: Vec<Value> =
            scopes("/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&service=x&scope=registry:catalog:*")
                .collect();
        let first = json!({ "type": "repository", "name": "a/b", "actions": ["pull", "push"] });
        assert_eq!(all, [first, json!({ "type": "registry", "name": "catalog", "actions": ["*"] })]);
        assert_eq!(scopes("/token?scope=repository:a:pull+repository:b:pull").count(), 2);
        assert_eq!(scopes("/token").count(), 0);
    }
}
