//! An engine that says what a test wants, at a socket.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::thread::JoinHandle;

use super::*;

/// Listens at a socket, and answers one request. Gives the request.
fn engine(answer: Vec<u8>) -> (tempfile::TempDir, Engine, JoinHandle<Vec<u8>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let served = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        let mut piece = [0; 4096];
        // A body ends with an empty chunk; a GET has none here.
        let is_whole = |asked: &[u8]| match asked.starts_with(b"POST") {
            true => asked.ends_with(b"\r\n0\r\n\r\n"),
            false => asked.windows(4).any(|end| end == b"\r\n\r\n"),
        };
        while !is_whole(&asked) {
            match stream.read(&mut piece).unwrap() {
                0 => break,
                read => asked.extend_from_slice(&piece[..read]),
            }
        }
        stream.write_all(&answer).unwrap();
        asked
    });
    (folder, at(path), served)
}

fn at(path: PathBuf) -> Engine {
    Engine { address: Address::Unix(path) }
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

async fn archive() -> (tempfile::TempDir, tokio::fs::File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    (folder, tokio::fs::File::open(path).await.unwrap())
}

#[tokio::test]
async fn an_image_is_asked_for_by_its_whole_name() {
    let (_folder, engine, served) = engine(answer("200 OK", "an archive"));
    let mut read = engine.save("localhost:5000/team/app:1").await.unwrap();
    let text = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        read.read_to_string(&mut text).map(|_| text)
    });
    assert_eq!(text.await.unwrap().unwrap(), "an archive");
    let asked = String::from_utf8(served.join().unwrap()).unwrap();
    assert!(asked.starts_with("GET /images/get?names=localhost:5000/team/app:1 HTTP/1.1\r\n"), "{asked}");
}

#[tokio::test]
async fn an_archive_that_is_cut_is_not_a_short_one() {
    let cut = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n".to_vec();
    let (_folder, engine, _served) = engine(cut);
    let mut read = engine.save("app").await.unwrap();
    let read = tokio::task::spawn_blocking(move || read.read_to_end(&mut Vec::new()));
    assert!(read.await.unwrap().is_err());
}

#[tokio::test]
async fn what_the_engine_complains_of_is_told() {
    for (answer, expected) in [
        (answer("404 Not Found", r#"{"message":"reference does not exist"}"#), "No such image: app"),
        (
            answer("500 Oh", r#"{"message":"no space left"}"#),
            "answers with status 500 Internal Server Error: no space left",
        ),
        (answer("302 Found", "<html>"), "answers with status 302 Found"),
        (b"hello".to_vec(), "broke off"),
        (Vec::new(), "broke off"),
    ] {
        let (_folder, engine, _served) = engine(answer);
        let failure = engine.save("app").await.err().expect("it is told").to_string();
        assert!(failure.contains(expected), "{failure}");
    }
}

#[tokio::test]
async fn an_archive_is_given_whole() {
    let (_folder, engine, served) =
        engine(answer("200 OK", "{\"stream\":\"an \\\"error\\\" is a word\"}\r\n"));
    engine.load(archive().await.1).await.unwrap();
    let asked = served.join().unwrap();
    assert!(asked.starts_with(b"POST /images/load?quiet=1 HTTP/1.1\r\n"));
    assert_eq!(asked.iter().filter(|byte| **byte == 7).count(), 1 << 20);
}

/// The answer is a success before anything was read, and tells of what went wrong in the end.
#[tokio::test]
async fn an_archive_that_is_not_taken_is_told() {
    let long = "x".repeat(3 * LINE);
    let body = format!(
        "{{\"stream\":\"{long}\"}}\n{{\"errorDetail\":{{}},\"error\":\"unexpected EOF\\u001b[2J\"}}\n{{\"error\":\"more\"}}"
    );
    let (_folder, engine, _served) = engine(answer("200 OK", &body));
    let failure = engine.load(archive().await.1).await.unwrap_err().to_string();
    assert_eq!(failure, "the engine does not take the image: unexpected EOF\u{fffd}[2J");
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_told_in_dockers_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("docker.sock");
    let gone = format!(
        "Cannot connect to the Docker daemon at unix://{}. Is the docker daemon running?",
        path.display()
    );
    let failure = at(path.clone()).save("app").await.err().unwrap();
    assert_eq!(failure.to_string(), gone);
    // One that died leaves its socket.
    drop(UnixListener::bind(&path).unwrap());
    let failure = at(path.clone()).save("app").await.err().unwrap();
    assert_eq!(failure.to_string(), gone);
    assert!(failure.text(false).contains("hint: DOCKER_HOST names another one"));
    let denied = at(path).unreached(&ErrorKind::PermissionDenied.into());
    assert!(denied.to_string().starts_with("permission denied while trying to connect to the Docker daemon"));
}
