//! Lines for every client, for servers of several kinds.

use super::place::Server;
use super::{ClientKind, Upstream, lines};
use crate::config::{Config, Value as _};
use clap::ValueEnum;

fn config(listen: &str, entrance: &str, external: &str, cert: &str) -> Config {
    let mut config = Config::default();
    config.listen.read(listen).unwrap();
    config.mirror_listen.read(entrance).unwrap();
    config.external_url.read(external).unwrap();
    config.tls.cert = (!cert.is_empty()).then(|| cert.into());
    config
}

fn upstream(name: &str, url: &str) -> Upstream {
    let mirror = serde_json::json!({ "name": name, "url": url, "visibility": "public" });
    Upstream::read(&mirror).unwrap()
}

fn upstreams() -> Vec<Upstream> {
    vec![
        upstream("docker.io", "https://registry-1.docker.io"),
        upstream("quay.io", "https://quay.io"),
        Upstream { is_private: true, ..upstream("corp.example", "https://registry.corp.example:5000") },
        upstream("hub.harbor.example", "https://harbor.example/hub"),
    ]
}

/// Everything that is printed for each client.
fn everything(server: &Server) -> String {
    let mut text = String::new();
    for client in ClientKind::value_variants() {
        let lines = lines(*client, server, &upstreams()).unwrap();
        let remarks: Vec<_> = lines.remarks.iter().map(|remark| format!("# {remark}\n")).collect();
        text.push_str(&format!("==> {client:?}\n{}{}\n\n", remarks.concat(), lines.content.trim_end()));
    }
    text
}

#[test]
fn a_server_on_this_machine_needs_no_word_about_safety_but_podman() {
    let server = Server::of(&config("127.0.0.1:5000", "127.0.0.1:5001", "", ""), None).unwrap();
    insta::assert_snapshot!("on_this_machine", everything(&server));
}

#[test]
fn a_server_with_tls_is_asked_by_https_on_both_addresses() {
    let config = config("0.0.0.0:443", "0.0.0.0:5001", "https://registry.example.com", "server.crt");
    insta::assert_snapshot!("with_tls", everything(&Server::of(&config, None).unwrap()));
}

#[test]
fn the_listener_for_bare_names_has_no_proxy_before_it() {
    let config = config("0.0.0.0:5000", "0.0.0.0:5001", "https://registry.example.com", "");
    let server = Server::of(&config, None).unwrap();
    assert_eq!(server.main.url(), "https://registry.example.com");
    assert_eq!(server.entrance.as_ref().unwrap().url(), "http://registry.example.com:5001");
    let docker = lines(ClientKind::Docker, &server, &upstreams()).unwrap().content;
    assert!(
        docker.contains("\"insecure-registries\": [\n    \"registry.example.com:5001\"\n  ]"),
        "{docker}"
    );
}

#[test]
fn whoever_asks_knows_the_name_best() {
    let config = config("0.0.0.0:5000", "[::]:5001", "https://registry.example.com", "");
    for (given, main, entrance) in [
        ("10.0.0.7:5000", "http://10.0.0.7:5000", "http://10.0.0.7:5001"),
        ("https://r.lan", "https://r.lan", "http://r.lan:5001"),
        ("[fd00::7]:5000", "http://[fd00::7]:5000", "http://[fd00::7]:5001"),
    ] {
        let server = Server::of(&config, Some(given)).unwrap();
        assert_eq!((server.main.url().as_str(), server.entrance.unwrap().url().as_str()), (main, entrance));
    }
    for given in ["", "https://", "a b", "r.lan/path", "ftp://r.lan"] {
        assert!(Server::of(&config, Some(given)).is_err(), "{given}");
    }
}

#[test]
fn docker_needs_an_address_for_bare_names_and_docker_hub() {
    let without = Server::of(&config("127.0.0.1:5000", "", "", ""), None).unwrap();
    assert!(lines(ClientKind::Docker, &without, &upstreams()).is_err());
    let with = Server::of(&config("127.0.0.1:5000", "127.0.0.1:5001", "", ""), None).unwrap();
    assert!(lines(ClientKind::Docker, &with, &upstreams()[1..]).is_err());
    assert!(lines(ClientKind::Containerd, &without, &upstreams()).is_ok());
}

/// A file with a slip in it would make every pull of that machine fail.
#[test]
fn what_is_printed_is_what_the_clients_read() {
    let server = Server::of(&config("0.0.0.0:5000", "0.0.0.0:5001", "", ""), None).unwrap();
    let content = |client| lines(client, &server, &upstreams()).unwrap().content;
    serde_json::from_str::<serde_json::Value>(&content(ClientKind::Docker)).unwrap();
    for client in [ClientKind::Podman, ClientKind::Buildkit] {
        content(client).parse::<toml::Table>().unwrap();
    }
    for file in content(ClientKind::Containerd).split("\n# /etc/").skip(1) {
        let (_, file) = file.split_once('\n').unwrap();
        file.parse::<toml::Table>().unwrap();
    }
}
