//! Ending: requests under way are finished, and uploads outlive the process.

use std::io::Write;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::client::{Request, read_answer};
use crate::server::{Server, berth};

/// Bytes that are easy to make and hard to mistake, and their digest: `seq -w 1 200000 | sha256sum`.
fn blob() -> (Vec<u8>, &'static str) {
    let text: String = (1..=200_000).map(|number| format!("{number:06}\n")).collect();
    (text.into_bytes(), "sha256:aed9fca288431bac9831e80985633cee191edb2ed31b2302b989f1228f3531b4")
}

fn start_upload(server: &Server) -> String {
    let opened = server.ask(&Request::new("POST", "/v2/app/blobs/uploads/"));
    assert_eq!(opened.status, 202, "{opened:?}");
    opened.location()
}

/// `path` with the digest of the whole blob.
fn finish_path(path: &str, digest: &str) -> String {
    format!("{path}{}digest={digest}", if path.contains('?') { '&' } else { '?' })
}

#[test]
fn an_upload_in_flight_is_finished_after_sigterm() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(folder.path());
    let (bytes, digest) = blob();
    let path = finish_path(&start_upload(&server), digest);
    let mut stream = Request::new("PUT", &path).body(&bytes).begin(server.address);
    let (first, rest) = bytes.split_at(bytes.len() / 2);
    stream.write_all(first).expect("the first half");
    sleep(Duration::from_millis(200));
    server.signal(Signal::TERM);
    for piece in rest.chunks(rest.len() / 4) {
        sleep(Duration::from_millis(200));
        stream.write_all(piece).expect("the server still reads");
    }
    let answer = read_answer(stream);
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(server.wait(), Some(0));

    let server = Server::start(folder.path());
    assert!(
        server.get(&format!("/v2/app/blobs/{digest}")).body == bytes,
        "the blob is there after a restart"
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server = Server::start(folder.path());
    let (bytes, digest) = blob();
    let path = finish_path(&start_upload(&server), digest);
    let mut stream = Request::new("PUT", &path).body(&bytes).begin(server.address);
    stream.write_all(&bytes[..1000]).expect("a beginning");
    sleep(Duration::from_millis(200));
    server.signal(Signal::INT);
    sleep(Duration::from_millis(300));
    let begin = Instant::now();
    server.signal(Signal::INT);
    assert_eq!(server.wait(), Some(0));
    assert!(begin.elapsed() < Duration::from_secs(10), "it did not wait for the upload");
}

#[test]
fn the_drain_has_an_end() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut server =
        Server::start_with(berth(folder.path(), &["serve", "--listen", "127.0.0.1:0", "--drain", "500ms"]));
    let (bytes, digest) = blob();
    let path = finish_path(&start_upload(&server), digest);
    let mut stream = Request::new("PUT", &path).body(&bytes).begin(server.address);
    stream.write_all(&bytes[..1000]).expect("a beginning");
    sleep(Duration::from_millis(200));
    server.signal(Signal::TERM);
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn an_upload_outlives_a_killed_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    let (bytes, digest) = blob();
    let half = bytes.len() / 2;
    let path = start_upload(&server);
    let range = format!("0-{}", half - 1);
    let appended =
        server.ask(&Request::new("PATCH", &path).header("Content-Range", &range).body(&bytes[..half]));
    assert_eq!((appended.status, appended.header("Range")), (202, range.as_str()));
    let path = appended.location();
    server.kill();

    let server = Server::start(folder.path());
    let status = server.get(&path);
    assert_eq!((status.status, status.header("Range")), (204, range.as_str()));
    let path = finish_path(&status.location(), digest);
    let rest = format!("{half}-{}", bytes.len() - 1);
    let finished =
        server.ask(&Request::new("PUT", &path).header("Content-Range", &rest).body(&bytes[half..]));
    assert_eq!(finished.status, 201, "{finished:?}");
    assert!(server.get(&format!("/v2/app/blobs/{digest}")).body == bytes);
}
