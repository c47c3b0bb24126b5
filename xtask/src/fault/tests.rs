//! Each fault as a client sees it, with an upstream that knows one body.

use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Fault, Kind, On, Place, Proxy, gzip};
use crate::http::{Connection, Request, Response};
use crate::message::{self, Head};
use crate::random::Random;

const BLOB: &str = "/v2/a/blobs/sha256:1";
const MANIFEST: &str = "/v2/a/manifests/1";

fn body() -> Vec<u8> {
    Random::new(3).bytes(200_000)
}

/// Answers every request with the body, and tells in a header which target was asked for.
fn origin() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                let mut from = BufReader::new(&stream);
                let mut to = &stream;
                while let Ok(Head::Http(head)) = message::read_head(&mut from) {
                    let (body, line) = (body(), head.start_line());
                    let head = format!(
                        "HTTP/1.1 200 OK\r\nX-Asked: {line}\r\nContent-Length: {}\r\n\r\n",
                        body.len()
                    );
                    to.write_all(head.as_bytes()).unwrap();
                    if !line.starts_with("HEAD") {
                        let _ = to.write_all(&body);
                    }
                }
            });
        }
    });
    address
}

fn get(proxy: &Proxy, target: &str) -> std::io::Result<Response> {
    Connection::new(proxy.address()).send(&Request::new("GET", target))
}

#[test]
fn what_is_not_spoiled_is_passed_on_and_counted() {
    let proxy = Proxy::start(origin()).unwrap();
    let mark = proxy.mark();
    let mut connection = Connection::new(proxy.address());
    for (method, target) in [("GET", BLOB), ("HEAD", MANIFEST), ("GET", "/v2/")] {
        let answer =
            connection.send(&Request::new(method, target).header("Authorization", "Basic eA==")).unwrap();
        assert_eq!(answer.status, 200);
        assert!(method == "HEAD" || answer.body == body());
    }
    let asked = proxy.since(mark);
    assert_eq!(super::count(&asked, "GET", Kind::Blob), 1);
    assert_eq!(super::count(&asked, "HEAD", Kind::Manifest), 1);
    assert_eq!(super::blob_bytes(&asked), 200_000);
    assert_eq!((asked[0].reference(), asked[1].reference()), ("sha256:1", "1"));
    assert!(asked.iter().all(|asked| asked.status == 200 && asked.authorization.is_some()));
    assert!(asked[..2].iter().all(|asked| asked.whole && !asked.spoiled));
}

#[test]
fn bodies_are_cut_reset_and_given_wrong_lengths() {
    let proxy = Proxy::start(origin()).unwrap();
    for fault in [Fault::Cut(Place::Half), Fault::Reset(Place::After(7)), Fault::Longer] {
        proxy.misbehave(On::Blobs, std::slice::from_ref(&fault));
        let mark = proxy.mark();
        let error = get(&proxy, BLOB).unwrap_err();
        let is_reset = error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(is_reset || !matches!(fault, Fault::Reset(_)), "{fault:?}: {error}");
        assert!(!proxy.since(mark)[0].whole);
        assert_eq!(get(&proxy, MANIFEST).unwrap().body, body(), "only blobs were to be spoiled");
    }
    proxy.misbehave(On::Blobs, &[Fault::Shorter, Fault::Nothing, Fault::Extra]);
    assert_eq!(get(&proxy, BLOB).unwrap().body, body()[..100_000]);
    assert_eq!(get(&proxy, BLOB).unwrap().body, body());
    let more = get(&proxy, BLOB).unwrap().body;
    assert_eq!((&more[..200_000], more.len()), (body().as_slice(), 200_001));
    proxy.behave();
    assert_eq!(get(&proxy, BLOB).unwrap().body, body());
}

#[test]
fn bytes_are_wrong_in_one_place_or_packed() {
    let proxy = Proxy::start(origin()).unwrap();
    proxy.misbehave_times(1, On::Everything, Fault::Flip);
    let wrong = get(&proxy, BLOB).unwrap().body;
    let right = body();
    let differing: Vec<usize> = (0..wrong.len()).filter(|&at| wrong[at] != right[at]).collect();
    assert_eq!((differing, wrong.len()), (vec![100_000], 200_000));
    assert_eq!(get(&proxy, BLOB).unwrap().body, body(), "it was to happen once");
    proxy.misbehave(On::Everything, &[Fault::Gzip]);
    let packed = get(&proxy, BLOB).unwrap();
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert_eq!(packed.body, gzip::stored(&body()));
}

#[test]
fn what_is_packed_is_what_gzip_unpacks() {
    for length in [0, 1, 65_535, 65_536, 200_000] {
        let bytes = Random::new(length).bytes(usize::try_from(length).unwrap());
        let mut gzip = Command::new("gzip");
        let mut child = gzip.arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut input = child.stdin.take().unwrap();
        let packed = super::gzip::stored(&bytes);
        let writer = thread::spawn(move || input.write_all(&packed).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success() && output.stdout == bytes, "{length}");
    }
}

#[test]
fn heads_lie() {
    let proxy = Proxy::start(origin()).unwrap();
    proxy.misbehave(On::Everything, &[Fault::OtherDigest]);
    assert!(get(&proxy, MANIFEST).unwrap().header("docker-content-digest").unwrap().ends_with("deadbeef"));
    proxy.misbehave(On::Everything, &[Fault::HeadOf("0".into())]);
    let head = Connection::new(proxy.address()).send(&Request::new("HEAD", MANIFEST)).unwrap();
    assert_eq!(head.header("x-asked"), Some("HEAD /v2/a/manifests/0 HTTP/1.1"));
    assert_eq!(get(&proxy, MANIFEST).unwrap().header("x-asked"), Some("GET /v2/a/manifests/1 HTTP/1.1"));
}

#[test]
fn refusals_need_no_upstream() {
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = Proxy::start(nowhere).unwrap();
    proxy.misbehave(On::Everything, &[Fault::TooMany(17), Fault::Failing(503), Fault::Page]);
    let many = get(&proxy, MANIFEST).unwrap();
    assert_eq!((many.status, many.header("retry-after")), (429, Some("17")));
    assert_eq!(get(&proxy, MANIFEST).unwrap().status, 503);
    assert!(get(&proxy, BLOB).unwrap().body.starts_with(b"<!doctype html>"));
    proxy.behave();
    get(&proxy, MANIFEST).unwrap_err();
}

#[test]
fn the_rate_holds_for_all_connections_together() {
    let proxy = Proxy::start(origin()).unwrap();
    proxy.set_rate(Some(1_000_000));
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(get(&proxy, BLOB).unwrap().body, body()));
        }
    });
    let taken = started.elapsed();
    assert!(taken > Duration::from_millis(350), "400 KB at 1 MB/s took {taken:?}");
}

#[test]
fn what_is_slow_or_silent_goes_on_when_the_proxy_behaves() {
    let proxy = Proxy::start(origin()).unwrap();
    for fault in [Fault::Slow(1000), Fault::Stall, Fault::Late(Duration::from_secs(1000))] {
        proxy.misbehave(On::Everything, &[fault]);
        let mark = proxy.mark();
        thread::scope(|scope| {
            let reader = scope.spawn(|| get(&proxy, BLOB).unwrap());
            while proxy.since(mark).is_empty() {
                thread::sleep(Duration::from_millis(1));
            }
            assert!(!proxy.since(mark)[0].whole);
            proxy.behave();
            assert_eq!(reader.join().unwrap().body, body());
        });
        assert!(!proxy.since(mark)[0].spoiled);
    }
}

#[test]
fn a_body_without_end_ends_with_the_misbehaviour() {
    let proxy = Proxy::start(origin()).unwrap();
    for fault in [Fault::Endless, Fault::Huge] {
        proxy.misbehave(On::Everything, &[fault]);
        // The client gives up before the end of either.
        get(&proxy, BLOB).unwrap_err();
        proxy.behave();
    }
}

#[test]
fn who_is_away_refuses_and_comes_back_where_he_was() {
    let proxy = Proxy::start(origin()).unwrap();
    let mut kept = Connection::new(proxy.address());
    kept.send(&Request::new("GET", "/v2/")).unwrap();
    proxy.go_away();
    kept.send(&Request::new("GET", "/v2/")).unwrap_err();
    let refused = get(&proxy, BLOB).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    proxy.come_back().unwrap();
    assert_eq!(get(&proxy, BLOB).unwrap().body, body());
}
