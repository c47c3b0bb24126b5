//! The client against a registry of a few lines, over real connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::{Client, ClientError, ClientOptions, Credentials, Patience, Reach, Secret};

type Answer = Response<Full<Bytes>>;

/// A server that answers by a function and remembers what it was asked: method, path with query, authorization.
struct Fake {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start(answer: impl Fn(&str, Option<&str>) -> Answer + Send + Sync + 'static) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let line = format!("{} {}", request.method(), request.uri());
                        let told =
                            request.headers().get("authorization").map(|v| v.to_str().unwrap().to_owned());
                        log.lock().unwrap().push(format!("{line} {}", told.as_deref().unwrap_or("-")));
                        let answer = answer(&line, told.as_deref());
                        async move { Ok::<_, std::convert::Infallible>(answer) }
                    });
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Fake { address, seen }
    }

    fn options(&self) -> ClientOptions {
        let origin = format!("http://{}", self.address).parse().unwrap();
        ClientOptions { reach: Reach::Private, ..ClientOptions::new(origin) }
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn say(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let builder = headers.iter().fold(Response::builder().status(status), |b, (n, v)| b.header(*n, *v));
    builder.body(Full::from(body.to_owned())).unwrap()
}

fn alice() -> Option<Credentials> {
    Some(Credentials { user: "alice".into(), password: Secret::new("secret") })
}

#[tokio::test]
async fn a_password_goes_to_no_other_realm() {
    let sink = Fake::start(|_, _| say(200, &[], "{\"token\":\"t\"}")).await;
    let realm = format!("Bearer realm=\"http://{}/token\",service=\"s\"", sink.address);
    let fake = Fake::start(move |_, _| say(401, &[("www-authenticate", &realm)], "")).await;
    let client = Client::new(ClientOptions { credentials: alice(), ..fake.options() }).unwrap();
    let asked = client.head_manifest("a/b", &"latest".parse().unwrap(), Patience::Long).await;
    assert!(matches!(asked, Err(ClientError::ForeignRealm { .. })), "{asked:?}");
    assert_eq!(sink.take(), Vec::<String>::new());
}
