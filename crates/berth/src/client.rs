//! The management API as commands use it: of the server that uses the data folder, or of the folder itself.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use berth_http::{Api, control};
use berth_registry::WithoutAccounts;
use bytes::Bytes;
use http::{Method, Request};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::cli::FolderArgs;
use crate::commands::config;
use crate::data_folder::{DataFolder, DataFolderError};
use crate::wiring::Joined;
use berth_cli::failure::Failure;

/// Everything but the unreserved characters of RFC 3986, and the slash of repository names.
const RESERVED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// One end of the management API, with the rights of the owner of the data folder.
pub(crate) struct Client {
    runtime: Runtime,
    end: End,
}

enum End {
    /// A server uses the folder.
    Server(PathBuf),
    /// Nobody does, so this process does for the moment.
    Folder { api: Box<Api>, _folder: DataFolder },
}

impl Client {
    /// Finds out which end there is. A folder that does not exist is made only if `makes` says so.
    pub(crate) fn open(args: &FolderArgs, makes: bool) -> Result<Client, Failure> {
        let effective = config::read(&args.sources())?;
        let data = &effective.config.data;
        if !makes && !data.exists() {
            return Err(Failure::usage(format!("there is no data folder {}", data.display()))
                .hint("--data FOLDER, or BERTH_DATA, says where it is"));
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let end = match DataFolder::open(data) {
            Ok(folder) => {
                require_owner(&folder)?;
                let opened = Joined::open(&effective.config, &folder, WithoutAccounts::Open);
                let api = runtime.block_on(opened)?.api(&effective.config, Vec::new());
                End::Folder { api: Box::new(api), _folder: folder }
            }
            Err(DataFolderError::InUse { path, .. }) => End::Server(path),
            Err(error) => {
                return Err(Failure::other(error).hint("--data FOLDER, or BERTH_DATA, says where it is"));
            }
        };
        Ok(Client { runtime, end })
    }

    /// Whether a server answers; else the folder was changed directly.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self.end, End::Server(_))
    }

    /// Sends a request and gives the document of the answer. What the other end refuses is a failure with its sentence.
    pub(crate) fn send(&self, method: Method, path: &str, body: Bytes) -> Result<Value, Failure> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/{path}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(body)
            .map_err(Failure::other)?;
        let answer = match &self.end {
            End::Folder { api, .. } => self.runtime.block_on(control::answer(api, request)),
            End::Server(folder) => self
                .runtime
                .block_on(control::ask(folder, request))
                .map_err(|error| unreachable(folder, &error))?,
        };
        let document = if answer.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(answer.body()).map_err(Failure::other)?
        };
        if answer.status().is_success() {
            return Ok(document);
        }
        let detail = document["detail"].as_str().unwrap_or("the server refused");
        Err(Failure::other(detail.to_owned()))
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, Bytes::new())
    }

    /// All entries of a list that comes in pages: the last page's document, with every entry under `name`.
    pub(crate) fn list(
        &self,
        path: &str,
        parameters: &[(&str, Option<String>)],
        name: &str,
    ) -> Result<Value, Failure> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let page = [("after", after), ("limit", Some("1000".to_owned()))];
            let mut found = self.get(&format!("{path}{}", query(&[parameters, &page].concat())))?;
            all.extend(found[name].as_array().cloned().unwrap_or_default());
            after = match &found["next"] {
                Value::String(name) => Some(name.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            };
            if after.is_none() {
                found[name] = Value::Array(all);
                return Ok(found);
            }
        }
    }

    pub(crate) fn post(&self, path: &str, document: &Value) -> Result<Value, Failure> {
        self.send(Method::POST, path, document.to_string().into())
    }

    pub(crate) fn patch(&self, path: &str, document: &Value) -> Result<Value, Failure> {
        self.send(Method::PATCH, path, document.to_string().into())
    }

    pub(crate) fn put(&self, path: &str, document: &Value) -> Result<Value, Failure> {
        self.send(Method::PUT, path, document.to_string().into())
    }

    pub(crate) fn delete(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::DELETE, path, Bytes::new())
    }
}

/// A word as a part of a path or a query.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A query of the parameters that are there.
pub(crate) fn query(parameters: &[(&str, Option<String>)]) -> String {
    let there = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    let pairs: Vec<_> = there.map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// What another user writes into the folder the server could not open any more.
fn require_owner(folder: &DataFolder) -> Result<(), Failure> {
    let owner = std::fs::metadata(folder.path())?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    let path = folder.path().display();
    Err(Failure::usage(format!("{path} belongs to another user, and no server is running on it"))
        .hint("start the server and try again, or run this as the user who runs the server"))
}

fn unreachable(folder: &std::path::Path, error: &io::Error) -> Failure {
    let failure = Failure::other(format!("a server uses {}, but does not answer: {error}", folder.display()));
    failure.hint("is it just starting or ending, or an older version? Stop it, then try again")
}
