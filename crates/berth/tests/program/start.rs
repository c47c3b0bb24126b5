//! Starting: what is said, and what is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::server::{Server, berth, said};

#[test]
fn three_lines_say_address_folder_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let server = Server::start(folder.path());
    let data = fs::canonicalize(folder.path().join("berth-data")).expect("it was made");
    let port = server.address.port();
    assert_ne!(port, 0);
    assert_eq!(
        server.greeting,
        [
            format!("Berth {} serves http://127.0.0.1:{port}", env!("CARGO_PKG_VERSION")),
            format!("Data is kept in {}", data.display()),
            format!("Push an image: docker push localhost:{port}/my-app"),
        ]
    );
    assert_eq!(fs::metadata(&data).expect("it was made").permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_second_server_on_the_same_folder_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Server::start(folder.path());
    let second = said(&mut berth(folder.path(), &["serve", "--listen", "127.0.0.1:0"]));
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains("is in use by another berth (process "), "{}", second.err);
    assert!(second.err.contains("--data OTHER-FOLDER"), "{}", second.err);
    assert_eq!(first.get("/healthz").status, 200);
}

#[test]
fn a_port_in_use_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let first = Server::start(folder.path());
    let address = first.address.to_string();
    let second = said(&mut berth(folder.path(), &["serve", "--listen", &address, "--data", "other"]));
    assert_eq!(second.code, Some(1));
    assert!(second.err.contains(&format!("cannot listen on {address}")), "{}", second.err);
    assert!(second.err.contains("hint: another program listens there"), "{}", second.err);
}

#[test]
fn the_network_is_not_let_in_by_accident() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let closed = Server::start_with(berth(folder.path(), &["serve", "--listen", "0.0.0.0:0"]));
    assert!(closed.greeting[2].contains("berth user add NAME --admin"), "{:?}", closed.greeting);
    for path in ["/v2/", "/v2/_catalog", "/v2/a/tags/list", "/v1/search?q=a"] {
        let refused = closed.get(path);
        assert_eq!(refused.status, 503, "{path}");
        assert!(refused.text().contains("no account yet"), "{path}: {}", refused.text());
    }
    let upload = closed.ask(&crate::client::Request::new("POST", "/v2/a/blobs/uploads/"));
    assert_eq!(upload.status, 503);
    assert_eq!(closed.get("/healthz").status, 200);
    closed.kill();

    let open =
        Server::start_with(berth(folder.path(), &["serve", "--listen", "0.0.0.0:0", "--open-to-network"]));
    let port = open.address.port();
    assert_eq!(open.greeting[2], format!("Push an image: docker push localhost:{port}/my-app"));
}

#[test]
fn a_certificate_that_is_none_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("a.pem"), "no PEM").expect("a file");
    let flags = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "a.pem", "--tls-key", "a.pem"];
    let refused = said(&mut berth(folder.path(), &flags));
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("a.pem"), "{}", refused.err);
    assert!(refused.err.contains("hint: tls.cert and tls.key name PEM files"), "{}", refused.err);
}

#[test]
fn systemd_is_told_when_the_server_is_ready() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let socket = folder.path().join("notify");
    let systemd = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    let mut command = berth(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", &socket);
    let mut server = Server::start_with(command);
    let mut buffer = [0; 64];
    let n_read = systemd.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..n_read], b"READY=1");
    server.signal(rustix::process::Signal::TERM);
    let n_read = systemd.recv(&mut buffer).expect("a message");
    assert_eq!(&buffer[..n_read], b"STOPPING=1");
    assert_eq!(server.wait(), Some(0));
}
