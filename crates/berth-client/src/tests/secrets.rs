//! No password and no token is in a log or in what is shown for debugging.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};

use berth_egress::{Egress, EgressOptions};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::fake::{Asked, Fake, Reply};
use super::{ALICE, alice, authorization, challenge, digest, latest, manifest, options};
use crate::auth::Authenticator;
use crate::scope::Scope;
use crate::{Client, ClientOptions, Link, Origin, Patience, Reach};

/// Keeps everything that anybody logs, whatever its level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = writeln!(self.0, "{field}: {value:?}");
    }
}

impl Subscriber for Log {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A registry with everything that is secret: a password, a token, a signature; and it fails now and then.
async fn registry() -> Fake {
    let times = Mutex::new(0);
    Fake::start(move |asked: &Asked| {
        let mut times = times.lock().unwrap();
        *times += 1;
        match authorization(asked) {
            _ if asked.target.starts_with("/storage") && asked.headers.contains_key("range") => {
                Reply::new(206, &[("content-range", "bytes 4-9/10")], "456789")
            }
            _ if asked.target.starts_with("/storage") => Reply::new(200, &[], "0123456789").cut(4),
            ALICE => Reply::new(200, &[], "{\"token\":\"t0ken\"}"),
            "Bearer t0ken" if *times == 3 => Reply::new(503, &[], ""),
            "Bearer t0ken" if asked.target.contains("/blobs/") => {
                Reply::new(307, &[("location", "/storage?signature=s1gned")], "")
            }
            "Bearer t0ken" => manifest(asked),
            _ => challenge("Bearer realm=\"/token\",service=\"s\""),
        }
    })
    .await
}

/// What is shown of somebody who signed in.
async fn signed_in(fake: &Fake) -> String {
    let origin: Origin = format!("http://{}", fake.address).parse().unwrap();
    let hosts = vec![origin.host().to_owned()];
    let egress = EgressOptions { reach: Reach::Private, hosts, ..EgressOptions::default() };
    let auth = Authenticator::new(origin.clone(), Some(alice()), &[], crate::Realms::Named);
    let link = Link::new(origin, "/v2/").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"/token\",service=\"s\""));
    let egress = Egress::new(&egress).unwrap();
    let header = auth.challenged(&egress, &Scope::pull("a/b"), &link, &headers, None).await.unwrap();
    format!("{auth:?} {header:?}")
}

#[tokio::test]
async fn neither_password_nor_token_is_logged_or_shown() {
    // If there were one listener alone, a place that another test reaches first would be silent here as well.
    let _other = Dispatch::new(Log::default());
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let fake = registry().await;
    let options = ClientOptions { credentials: Some(alice()), ..options(&fake) };
    let shown = format!("{options:?} {options:#?} {:?}", options.credentials.as_ref().unwrap());
    let client = Client::new(options).unwrap();
    client.head_manifest("a/b", &latest(), Patience::Long).await.unwrap();
    let mut blob = client.get_blob("a/b", &digest("0123456789")).await.unwrap();
    while blob.next().await.unwrap().is_some() {}
    let auth = signed_in(&fake).await;
    let wrong = Fake::start(|_| challenge("Bearer realm=\"http://127.0.0.9/token\"")).await;
    let refused =
        Client::new(ClientOptions { credentials: Some(alice()), ..super::options(&wrong) }).unwrap();
    let error = super::head(&refused).await.unwrap_err();
    let logged = log.0.lock().unwrap().clone();
    for needle in ["asking again", "a download was cut", "/storage"] {
        assert!(logged.contains(needle), "the log is not the right one: {logged}");
    }
    assert!(auth.contains("Secret"), "{auth}");
    let all = format!("{logged} {shown} {auth} {error} {error:?}");
    for secret in ["secret", "t0ken", "s1gned", &ALICE["Basic ".len()..]] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}
