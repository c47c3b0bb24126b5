//! Proxies: what is asked of them, what they see, and what goes past them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::fake::{Fake, Reply};
use super::tls::Authority;
use super::{get, private};
use crate::{Egress, EgressError, EgressOptions, Proxies, whole};

/// A proxy that leads every tunnel to one server, and tells what it was asked.
struct Tunnels {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnels {
    async fn start(to: SocketAddr, answer: &'static str) -> Tunnels {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, heads) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push(String::from_utf8(head).unwrap());
                stream.write_all(answer.as_bytes()).await.unwrap();
                if answer.contains("200") {
                    let mut server = TcpStream::connect(to).await.unwrap();
                    tokio::spawn(async move { copy_bidirectional(&mut stream, &mut server).await });
                }
            }
        });
        Tunnels { address, heads }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.heads.lock().unwrap())
    }
}

fn proxies(address: SocketAddr) -> Proxies {
    let proxy = format!("http://me:secret@{address}");
    let get = |name: &str| match name {
        "HTTPS_PROXY" | "HTTP_PROXY" => Some(proxy.clone()),
        "NO_PROXY" => Some("straight.example".to_owned()),
        _ => None,
    };
    Proxies::from_variables(get).unwrap()
}

#[tokio::test]
async fn a_tunnel_leads_to_the_server_whose_certificate_is_judged() {
    let authority = Authority::new();
    let server = authority.server("registry.example", |_| ()).await;
    let tunnels = Tunnels::start(server.address, "HTTP/1.1 200 Connection established\r\n\r\n").await;
    let options = EgressOptions {
        ca_file: Some(authority.file()),
        proxies: proxies(tunnels.address),
        ..EgressOptions::default()
    };
    let egress = Egress::new(&options).unwrap();
    let response = get(&egress, "https://registry.example/v2/").await.unwrap();
    assert_eq!(whole(response.into_body(), 100).await.unwrap(), "good");
    let head = "CONNECT registry.example:443 HTTP/1.1\r\nhost: registry.example:443\r\n\
                proxy-authorization: Basic bWU6c2VjcmV0\r\n\r\n";
    assert_eq!(tunnels.take(), [head]);
    // The server sees nothing of what is between us and the proxy.
    assert!(!server.take().remove(0).headers.contains_key("proxy-authorization"));
    let error = get(&egress, "https://other.example/").await.err().unwrap();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_as_such() {
    let server = Fake::sink("127.0.0.1:0").await;
    for (answer, why) in [
        ("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "407"),
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "status 403"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "something else than HTTP"),
    ] {
        let tunnels = Tunnels::start(server.address, answer).await;
        let options = EgressOptions { proxies: proxies(tunnels.address), ..EgressOptions::default() };
        let error = get(&Egress::new(&options).unwrap(), "https://registry.example/").await.err().unwrap();
        assert!(matches!(error, EgressError::Proxy { .. }) && error.to_string().contains(why), "{error}");
        assert!(!format!("{error:?} {options:?}").contains("secret"));
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn without_tls_the_proxy_is_told_the_whole_address() {
    let proxy = Fake::start(|_| Reply::new(200, &[], "good")).await;
    let options = EgressOptions { proxies: proxies(proxy.address), ..private(&["127.0.0.1"]) };
    let egress = Egress::new(&options).unwrap();
    get(&egress, "http://registry.example:5000/v2/?a=b").await.unwrap();
    let asked = proxy.take().remove(0);
    assert_eq!(asked.target, "http://registry.example:5000/v2/?a=b");
    assert_eq!(asked.headers["proxy-authorization"], "Basic bWU6c2VjcmV0");
    assert_eq!(asked.headers["host"], "registry.example:5000");
    // This machine is reached straight, and hears no password of the proxy.
    let server = Fake::start(|_| Reply::new(200, &[], "")).await;
    get(&egress, &format!("http://{}/", server.address)).await.unwrap();
    let asked = server.take().remove(0);
    assert!(asked.target == "/" && !asked.headers.contains_key("proxy-authorization"));
    assert!(proxy.take().is_empty());
}

#[tokio::test]
async fn a_forbidden_address_is_no_better_behind_a_proxy() {
    let proxy = Fake::sink("127.0.0.1:0").await;
    let options = EgressOptions { proxies: proxies(proxy.address), ..EgressOptions::default() };
    let egress = Egress::new(&options).unwrap();
    for url in
        ["http://169.254.169.254/", "https://169.254.169.254/", "http://10.0.0.1/", "https://[fd00::1]/"]
    {
        let error = get(&egress, url).await.err().unwrap();
        assert!(matches!(error, EgressError::Address { .. }), "{url}: {error:?}");
    }
    assert_eq!(proxy.connections(), 0);
}
