//! The memory of a copy does not grow with the image. This is a program of its own, so that nobody else's counts.

use berth_client::{Client, ClientOptions, CopyOptions, Reach, Reference, copy};
use berth_oci::media_type::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST};
use berth_oci::{Descriptor, Digest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Layers, and bytes of each: a gibibyte together.
const LAYERS: u8 = 8;
const LAYER: u64 = 128 << 20;
/// Bytes that the whole process may have, both registries included.
const ROOM: u64 = 64 << 20;

fn manifest() -> String {
    let layer = |nth: u8| Descriptor::new(OCI_LAYER_GZIP, Digest::sha256(&[nth]), LAYER);
    let layers: Vec<_> = (0..LAYERS).map(layer).collect();
    let config = Descriptor::new(OCI_CONFIG, Digest::sha256(b"{}"), 2);
    serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers}).to_string()
}

/// A registry that has the image and makes up its bytes, and takes any other and throws it away.
async fn registry() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream) {
    let zeros = vec![0; 64 * 1024];
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        let head = String::from_utf8(buffer.drain(..end + 4).collect()).unwrap().to_ascii_lowercase();
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.split("\r\n").next());
        let mut left =
            length.map_or(0, |length| length.parse::<usize>().unwrap()).saturating_sub(buffer.len());
        buffer.clear();
        while left > 0 {
            let read = stream.read_buf(&mut buffer).await.unwrap();
            left -= read;
            buffer.clear();
        }
        let (status, header, mut length, body) = answer(&head);
        let head = format!("HTTP/1.1 {status} x\r\n{header}content-length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).await.unwrap();
        length -= body.len() as u64;
        while length > 0 && status == 200 {
            let piece = length.min(zeros.len() as u64);
            stream.write_all(&zeros[..usize::try_from(piece).unwrap()]).await.unwrap();
            length -= piece;
        }
    }
}

/// Status, headers, length, and the part of the body that is no zeros.
fn answer(head: &str) -> (u16, String, u64, String) {
    let (method, rest) = head.split_once(' ').unwrap();
    let path = rest.split(' ').next().unwrap();
    let done = |status| (status, String::new(), 0, String::new());
    match method {
        "head" => done(404),
        "post" => (202, "location: /v2/b/blobs/uploads/1\r\n".into(), 0, String::new()),
        "get" if path.contains("/manifests/") => {
            (200, format!("content-type: {OCI_MANIFEST}\r\n"), manifest().len() as u64, manifest())
        }
        "get" if path.ends_with(&Digest::sha256(b"{}").hex()) => (200, String::new(), 2, "{}".into()),
        "get" => (200, String::new(), LAYER, String::new()),
        _ => done(201),
    }
}

/// The most memory that the process ever had, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

fn client(origin: &str) -> Client {
    let options = ClientOptions::new(origin.parse().unwrap());
    Client::new(ClientOptions { reach: Reach::Private, ..options }).unwrap()
}

#[tokio::test]
async fn a_gibibyte_is_copied_in_little_memory() {
    let (from, to) = (registry().await, registry().await);
    let (from, to) = (client(&from).repository("a"), client(&to).repository("b"));
    let latest: Reference = "latest".parse().unwrap();
    let options = CopyOptions { parallel: 4, ..CopyOptions::default() };
    let done = copy(&from, &latest, &to, &latest, &options).await.unwrap();
    assert_eq!(done.tally.sent_bytes, u64::from(LAYERS) * LAYER + 2);
    assert!(peak() < ROOM, "{} MiB", peak() >> 20);
}
