//! Addresses that must not be connected to, in every spelling: they are refused when they are read, or before anything is
//! connected. The server that listens there sees nobody.

use std::sync::atomic::Ordering;

use super::fake::{Fake, Reply, Then};
use super::{answers, get, private};
use crate::{Egress, EgressError, EgressOptions, Forbidden, Link};

/// What no reader takes for an address. `PORT` is the port of somebody who listens.
const UNREADABLE: &[&str] = &[
    "http://2130706433:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f000001:PORT/",
    "http://0x7F000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://127.0.0.0x1:PORT/",
    "http://127.0.0.01:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://0:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://localhost.:PORT/",
    "http://.localhost:PORT/",
    "http://user@127.0.0.1:PORT/",
    "http://user:word@127.0.0.1:PORT/",
    "http://quay.io@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@quay.io/",
    "http://127.0.0.1:PORT#@quay.io/",
    "http://127.0.0.1:PORT\\@quay.io/",
    "http://127.0.0.1:PORT /",
    "http://127.0.0.1:+PORT/",
    "http://[127.0.0.1]:PORT/",
    "http://[::1%25lo]:PORT/",
    "http://[::1:PORT/",
    "http://[v1.127.0.0.1]:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://localhos%74:PORT/",
    "http://\u{2460}\u{2461}\u{2466}.0.0.1:PORT/",
    "http://127\u{3002}0\u{3002}0\u{3002}1:PORT/",
    "http://\u{24db}ocalhost:PORT/",
    "http:127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "//127.0.0.1:PORT/",
    "127.0.0.1:PORT",
    "localhost:PORT",
    "gopher://127.0.0.1:PORT/",
    "ftp://127.0.0.1:PORT/",
    "dict://127.0.0.1:PORT/",
    "ldap://127.0.0.1:PORT/",
    "ws://127.0.0.1:PORT/",
    "unix:///run/docker.sock",
    "file:///etc/passwd",
    "jar:http://127.0.0.1:PORT/",
    "javascript:alert(1)",
    "",
];

/// What is an address, and nothing that may be connected to.
const FORBIDDEN: &[(&str, Forbidden)] = &[
    ("127.0.0.1", Forbidden::Loopback),
    ("127.0.0.2", Forbidden::Loopback),
    ("127.255.255.254", Forbidden::Loopback),
    ("localhost", Forbidden::Loopback),
    ("LocalHost", Forbidden::Loopback),
    ("[::1]", Forbidden::Loopback),
    ("[0:0:0:0:0:0:0:1]", Forbidden::Loopback),
    ("[::ffff:127.0.0.1]", Forbidden::Loopback),
    ("[::FFFF:7F00:1]", Forbidden::Loopback),
    ("[0:0:0:0:0:ffff:7f00:0001]", Forbidden::Loopback),
    ("[64:ff9b::127.0.0.1]", Forbidden::Loopback),
    ("[64:ff9b:1::127.0.0.1]", Forbidden::Reserved),
    ("[::ffff:0:127.0.0.1]", Forbidden::Reserved),
    ("[::127.0.0.1]", Forbidden::Reserved),
    ("[2002:7f00:1::]", Forbidden::Reserved),
    ("[2001:0:7f00:1::]", Forbidden::Reserved),
    ("0.0.0.0", Forbidden::Reserved),
    ("0.0.0.1", Forbidden::Reserved),
    ("[::]", Forbidden::Reserved),
    ("[::ffff:0.0.0.0]", Forbidden::Reserved),
    ("10.0.0.1", Forbidden::Private),
    ("172.16.0.1", Forbidden::Private),
    ("192.168.0.1", Forbidden::Private),
    ("100.100.100.200", Forbidden::Private),
    ("198.18.0.1", Forbidden::Private),
    ("[fd00:ec2::254]", Forbidden::Private),
    ("[fec0::1]", Forbidden::Private),
    ("[::ffff:192.168.0.1]", Forbidden::Private),
    ("[64:ff9b::10.0.0.1]", Forbidden::Private),
    ("169.254.169.254", Forbidden::LinkLocal),
    ("[::ffff:169.254.169.254]", Forbidden::LinkLocal),
    ("[fe80::1]", Forbidden::LinkLocal),
    ("168.63.129.16", Forbidden::LinkLocal),
    ("192.0.0.192", Forbidden::Reserved),
    ("192.0.2.1", Forbidden::Reserved),
    ("224.0.0.1", Forbidden::Reserved),
    ("255.255.255.255", Forbidden::Reserved),
    ("[ff02::1]", Forbidden::Reserved),
    ("[2001:db8::1]", Forbidden::Reserved),
];

fn is_address(error: &EgressError, expected: Forbidden) -> bool {
    matches!(error, EgressError::Address { what, .. } if *what == expected)
}

#[tokio::test]
async fn what_is_no_address_is_refused_when_it_is_read() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let port = sink.address.port().to_string();
    let here: Link = "http://quay.io/v2/a".parse().unwrap();
    for text in UNREADABLE {
        let text = text.replace("PORT", &port);
        assert!(text.parse::<Link>().is_err(), "{text}");
        assert!(here.follow(&text).is_err(), "{text} in a redirect");
    }
}

#[tokio::test]
async fn what_is_no_public_address_is_never_connected_to() {
    // One of the two loopback addresses takes part in the other's port, if this machine has it at all.
    let sink = Fake::sink("127.0.0.1:0").await;
    let port = sink.address.port();
    let six = tokio::net::TcpListener::bind(("::1", port)).await;
    let egress = Egress::new(&EgressOptions::default()).unwrap();
    for (host, what) in FORBIDDEN {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{port}/");
            let error = get(&egress, &url).await.err().unwrap();
            assert!(is_address(&error, *what), "{url}: {error:?}");
            assert!(!error.is_passing(), "{url}");
        }
    }
    assert_eq!(sink.connections(), 0);
    if let Ok(six) = six {
        let visited = tokio::time::timeout(std::time::Duration::from_millis(10), six.accept()).await;
        assert!(visited.is_err());
    }
}

#[tokio::test]
async fn a_name_is_judged_by_all_of_its_addresses() {
    let sink = Fake::sink("127.0.0.1:0").await;
    for (addresses, what) in [
        (&["127.0.0.1"][..], Forbidden::Loopback),
        (&["::1"], Forbidden::Loopback),
        (&["::ffff:127.0.0.1"], Forbidden::Loopback),
        (&["93.184.216.34", "127.0.0.1"], Forbidden::Loopback),
        (&["127.0.0.1", "93.184.216.34"], Forbidden::Loopback),
        (&["2606:4700::1", "10.0.0.1"], Forbidden::Private),
        (&["169.254.169.254"], Forbidden::LinkLocal),
        (&["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4", "1.1.1.5", "1.1.1.6", "0.0.0.0"], Forbidden::Reserved),
    ] {
        let egress = Egress::with(&EgressOptions::default(), answers(&[addresses]).0).unwrap();
        let url = format!("http://images.example:{}/", sink.address.port());
        let error = get(&egress, &url).await.err().unwrap();
        assert!(is_address(&error, what), "{addresses:?}: {error:?}");
    }
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn the_address_that_is_judged_is_the_one_that_is_connected_to() {
    let server = Fake::start(|_| Reply::new(200, &[], "good")).await;
    let sink = Fake::sink(&format!("127.0.0.9:{}", server.address.port())).await;
    let (look_up, asked) = answers(&[&["127.0.0.1"], &["127.0.0.9"]]);
    let egress = Egress::with(&private(&["flips.example"]), look_up).unwrap();
    get(&egress, &format!("http://flips.example:{}/", server.address.port())).await.unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), server.connections(), sink.connections()), (1, 1, 0));
}

#[tokio::test]
async fn a_name_that_turns_bad_is_refused_at_the_next_connection() {
    let server = Fake::start(|_| Reply::new(200, &[("connection", "close")], "").then(Then::Cut)).await;
    let (look_up, asked) = answers(&[&["127.0.0.1"], &["169.254.169.254"], &["127.0.0.1"]]);
    let egress = Egress::with(&private(&["flips.example"]), look_up).unwrap();
    let url = format!("http://flips.example:{}/", server.address.port());
    get(&egress, &url).await.unwrap();
    let error = get(&egress, &url).await.err().unwrap();
    assert!(is_address(&error, Forbidden::LinkLocal), "{error:?}");
    get(&egress, &url).await.unwrap();
    assert_eq!((asked.load(Ordering::Relaxed), server.connections()), (3, 2));
}

#[tokio::test]
async fn a_private_network_is_for_the_hosts_that_were_named() {
    let server = Fake::start(|_| Reply::new(200, &[], "good")).await;
    let port = server.address.port();
    let egress = Egress::new(&private(&["127.0.0.1"])).unwrap();
    get(&egress, &format!("http://127.0.0.1:{port}/")).await.unwrap();
    for host in ["127.0.0.2", "localhost", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1", "[fd00::1]"] {
        let error = get(&egress, &format!("http://{host}:{port}/")).await.err().unwrap();
        assert!(matches!(error, EgressError::Address { .. }), "{host}: {error:?}");
    }
    assert_eq!(server.connections(), 1);
    for host in ["LOCALHOST", "[::FFFF:127.0.0.1]"] {
        let egress = Egress::new(&private(&[host])).unwrap();
        get(&egress, &format!("http://{host}:{port}/")).await.unwrap();
    }
}

#[tokio::test]
async fn no_name_makes_a_link_local_address_a_private_one() {
    for host in ["169.254.169.254", "0.0.0.0", "[fe80::1]", "[ff02::1]"] {
        let egress = Egress::new(&private(&[host])).unwrap();
        let error = get(&egress, &format!("http://{host}/")).await.err().unwrap();
        assert!(matches!(error, EgressError::Address { .. }), "{host}: {error:?}");
    }
}

#[tokio::test]
async fn localhost_is_this_machine_whatever_the_look_up_says() {
    for address in ["192.168.7.7", "93.184.216.34"] {
        let egress = Egress::with(&private(&["localhost"]), answers(&[&[address]]).0).unwrap();
        let error = get(&egress, "http://localhost:9/").await.err().unwrap();
        assert!(matches!(error, EgressError::Name { .. }), "{address}: {error:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let to = format!("http://{}/", sink.address);
    let server = Fake::start(move |_| Reply::new(307, &[("location", &to)], "")).await;
    let egress = Egress::new(&private(&["127.0.0.1"])).unwrap();
    let response = get(&egress, &format!("http://{}/", server.address)).await.unwrap();
    assert_eq!((response.status().as_u16(), sink.connections()), (307, 0));
}
