//! The way out against servers on this machine, over real connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Method, Response};

use crate::connect::LookUp;
use crate::{Egress, EgressError, EgressOptions, Incoming, Reach, empty};

mod bodies;
pub(crate) mod fake;
mod forbidden;
mod proxies;
mod tls;
mod uploads;

/// Options that let these hosts be on this machine.
fn private(hosts: &[&str]) -> EgressOptions {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    EgressOptions { reach: Reach::Private, hosts, ..EgressOptions::default() }
}

async fn get(egress: &Egress, url: &str) -> Result<Response<Incoming>, EgressError> {
    egress.send(Method::GET, &url.parse()?, HeaderMap::new(), empty()).await
}

/// Look-ups that are answered in order, the last for ever; and how many there were.
fn answers(of: &[&[&str]]) -> (LookUp, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let all: Vec<Vec<String>> = of.iter().map(|one| one.iter().map(|&ip| ip.to_owned()).collect()).collect();
    let look_up: LookUp = Arc::new(move |_, port| {
        let nth = count.fetch_add(1, Ordering::Relaxed).min(all.len() - 1);
        let found = all[nth].iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect();
        Box::pin(std::future::ready(Ok(found)))
    });
    (look_up, asked)
}

#[tokio::test]
async fn a_request_says_where_it_goes_and_nothing_else() {
    let server = fake::Fake::start(|_| fake::Reply::new(200, &[], "")).await;
    let egress = Egress::new(&private(&["127.0.0.1"])).unwrap();
    let link = format!("http://{}/a?b=c", server.address).parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("host", "elsewhere.example".parse().unwrap());
    headers.insert("accept", "text/plain".parse().unwrap());
    egress.send(Method::GET, &link, headers, empty()).await.unwrap();
    let asked = server.take().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/a?b=c"));
    let expected = [
        ("host", server.address.to_string()),
        ("accept", "text/plain".into()),
        ("user-agent", "berth".into()),
    ];
    assert_eq!(asked.headers, expected.map(|(name, value)| (name.to_owned(), value)).into());
}
