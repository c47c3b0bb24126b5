//! The control channel: the management API for whoever owns the data folder, over a Unix socket in it.
//!
//! Only the owner can open the socket, so nobody is asked for a name. The command line is the other end; it speaks the
//! same requests to an [`Api`] of its own when no server runs.

use std::convert::Infallible;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_registry::Caller;
use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};

use crate::Api;
use crate::server::ResponseBody;

/// The socket's name in the data folder.
const SOCKET: &str = "control.sock";
/// The longest path that a socket address surely has room for, in bytes.
const LONGEST: usize = 100;
/// The longest body, in bytes.
const MOST: usize = 2 * 1024 * 1024;
/// What a command gets to send its request.
const PATIENCE: Duration = Duration::from_secs(10);

/// A socket that is listened on; its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listens in a data folder that this process holds the lock of. What an earlier process left there is replaced.
    ///
    /// # Errors
    /// Of the system.
    pub fn bind(folder: &Path) -> io::Result<Control> {
        let path = folder.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = reached(folder, |path| UnixListener::bind(path))?;
        // The folder is closed to others already.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Control { listener, path })
    }

    /// Answers requests until it is dropped.
    pub async fn serve(self, api: Api) {
        loop {
            match self.listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(serve_one(stream, api.clone()))),
                Err(error) => {
                    tracing::warn!(%error, "the control socket does not accept");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // The next start replaces it anyway.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve_one(stream: UnixStream, api: Api) {
    let service = service_fn(move |request: Request<Incoming>| {
        let api = api.clone();
        async move { Ok::<_, Infallible>(take(&api, request).await.map(Full::new)) }
    });
    let mut connection = server::conn::http1::Builder::new();
    connection.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
    if let Err(error) = connection.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a command went away");
    }
}

async fn take(api: &Api, request: Request<Incoming>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(PATIENCE, Limited::new(body, MOST).collect()).await {
        Ok(Ok(body)) => answer(api, Request::from_parts(head, body.to_bytes())).await,
        _ => {
            let mut refusal = Response::new(Bytes::new());
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            refusal
        }
    }
}

/// Answers a request of the owner of the data folder.
pub async fn answer(api: &Api, request: Request<Bytes>) -> Response<Bytes> {
    let (head, body) = request.into_parts();
    let body = stream::iter([Ok::<_, Infallible>(body)]);
    let answer = api.answer_as(Caller::folder_owner(), Request::from_parts(head, body)).await;
    answer.map(|body| match body {
        ResponseBody::Full(bytes) => bytes,
        // The management API says everything in one piece.
        _ => Bytes::new(),
    })
}

/// Sends a request to the server that uses a data folder.
///
/// # Errors
/// `NotFound` or `ConnectionRefused` if no server listens there; others of the system.
pub async fn ask(folder: &Path, request: Request<Bytes>) -> io::Result<Response<Bytes>> {
    let stream = reached(folder, std::os::unix::net::UnixStream::connect)?;
    stream.set_nonblocking(true)?;
    let stream = TokioIo::new(UnixStream::from_std(stream)?);
    let (mut sender, connection) = client::conn::http1::handshake(stream).await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let answer = sender.send_request(request.map(Full::new)).await.map_err(io::Error::other)?;
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    drop(sender);
    // The answer is here; how the connection ends does not matter any more.
    connection.abort();
    Ok(Response::from_parts(head, body))
}

/// Reaches the socket of a folder, also one whose path is too long for a socket address.
fn reached<T>(folder: &Path, reach: impl FnOnce(PathBuf) -> io::Result<T>) -> io::Result<T> {
    let path = folder.join(SOCKET);
    if path.as_os_str().len() <= LONGEST {
        return reach(path);
    }
    let open = File::open(folder)?;
    reach(PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", open.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_reached_in_short_and_long_folders_and_goes_with_its_server() {
        for depth in [0, 20] {
            let root = tempfile::tempdir().expect("a temporary folder");
            let folder = (0..depth).fold(root.path().to_owned(), |path, _| path.join("a-folder"));
            fs::create_dir_all(&folder).expect("folders");
            fs::write(folder.join(SOCKET), "left by an earlier one").expect("a file");
            let control = Control::bind(&folder).expect("it listens");
            let mode = fs::metadata(folder.join(SOCKET)).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            let connected = reached(&folder, std::os::unix::net::UnixStream::connect);
            assert!(connected.is_ok(), "{depth}");
            drop(control);
            assert!(!folder.join(SOCKET).exists());
            let gone = ask(&folder, Request::new(Bytes::new())).await.expect_err("nobody listens");
            assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        }
    }
}
