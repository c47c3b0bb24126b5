//! Tokens by the newer form, identity tokens, and what `docker login` asks.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use percent_encoding::percent_decode_str;

use super::fake::{Asked, Fake, Reply};
use super::{ALICE, authorization, challenge, client, client_of_alice, head, manifest, options, seen};
use crate::{Client, ClientError, ClientOptions, Credentials, Secret, SignIn};

const REALM: &str = "Bearer realm=\"/token\",service=\"s\"";

/// The fields of a form.
fn form(asked: &Asked) -> HashMap<String, String> {
    let text = String::from_utf8(asked.body.clone()).unwrap();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().unwrap().into_owned();
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn client_with(fake: &Fake, token: &str) -> Client {
    let credentials = Some(Credentials::IdentityToken(Secret::new(token)));
    Client::new(ClientOptions { credentials, ..options(fake) }).unwrap()
}

/// Each of those who had waited for the first asked with the wrong password once more.
#[tokio::test]
async fn twenty_with_a_wrong_password_send_it_once() {
    let fake = Fake::start(|asked| match asked.target.starts_with("/token") {
        true => Reply::new(401, &[], r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#),
        false => challenge(REALM),
    })
    .await;
    let client = client_of_alice(&fake);
    for asked in join_all((0..20).map(|_| head(&client))).await {
        let error = asked.unwrap_err();
        assert!(
            matches!(&error, ClientError::Unauthorized { message: Some(why), is_wrong: true } if why == "wrong password")
        );
    }
    let sent = seen(&fake).into_iter().filter(|line| line.contains("/token")).count();
    assert_eq!(sent, 1);
    // Who comes later asks for himself: the password may be right by now.
    assert!(matches!(head(&client).await, Err(ClientError::Unauthorized { .. })));
    assert_eq!(seen(&fake).into_iter().filter(|line| line.contains("/token")).count(), 1);
}

#[tokio::test]
async fn a_password_goes_as_a_form_to_who_knows_no_other_way() {
    for status in [404, 405] {
        let fake = Fake::start(move |asked| match (asked.method.as_str(), asked.target.as_str()) {
            ("GET", target) if target.starts_with("/token") => Reply::new(status, &[], ""),
            ("POST", "/token") => {
                let form = form(asked);
                let expected = [
                    ("grant_type", "password"),
                    ("username", "alice"),
                    ("password", "secret"),
                    ("service", "s"),
                    ("client_id", "berth"),
                    ("scope", "repository:a/b:pull"),
                ];
                assert_eq!(form, expected.map(|(name, value)| (name.into(), value.into())).into());
                assert_eq!(asked.headers["content-type"], "application/x-www-form-urlencoded");
                Reply::new(200, &[], "{\"access_token\":\"t\",\"expires_in\":300}")
            }
            _ if authorization(asked) == "Bearer t" => manifest(asked),
            _ => challenge(REALM),
        })
        .await;
        head(&client_of_alice(&fake)).await.unwrap();
    }
}

#[tokio::test]
async fn an_identity_token_stands_for_the_password_and_may_change() {
    let fake = Fake::start(|asked| match (asked.method.as_str(), asked.target.as_str()) {
        ("POST", "/token") => {
            let form = form(asked);
            assert_eq!((form["grant_type"].as_str(), authorization(asked)), ("refresh_token", ""));
            let number = form["refresh_token"].strip_prefix("identity").unwrap().parse::<u32>().unwrap();
            let next = number + 1;
            let granted = format!("{{\"access_token\":\"t{number}\",\"refresh_token\":\"identity{next}\"}}");
            Reply::new(200, &[], granted)
        }
        _ if authorization(asked).starts_with("Bearer t") => manifest(asked),
        _ => challenge(REALM),
    })
    .await;
    let client = client_with(&fake, "identity1");
    head(&client).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(60)).await;
    head(&client).await.unwrap();
    assert!(seen(&fake).last().unwrap().ends_with("Bearer t2"));
}

#[tokio::test]
async fn an_identity_token_is_no_password_of_basic() {
    let fake = Fake::start(|_| challenge("Basic realm=\"x\"")).await;
    assert!(matches!(head(&client_with(&fake, "identity")).await, Err(ClientError::Unauthorized { .. })));
    assert_eq!(seen(&fake).len(), 1);
}

/// A registry that names in its challenge what it really wants.
#[tokio::test]
async fn a_scope_that_is_named_is_asked_for_if_it_is_about_the_same() {
    for (named, asked_for, good) in [
        ("repository:a/b:pull,special", "repository%3Aa%2Fb%3Apull%2Cspecial", true),
        ("repository:c:pull,push", "", false),
        ("registry:catalog:*", "", false),
    ] {
        let text = format!("{REALM},scope=\"{named}\",error=\"insufficient_scope\"");
        let fake = Fake::start(move |asked| match authorization(asked) {
            ALICE if good && asked.target.contains(asked_for) => Reply::new(200, &[], "{\"token\":\"wide\"}"),
            ALICE => {
                assert!(!asked.target.contains("catalog") && !asked.target.contains("%3Ac%3A"));
                Reply::new(200, &[], "{\"token\":\"narrow\"}")
            }
            "Bearer wide" => manifest(asked),
            _ => challenge(&text),
        })
        .await;
        let client = client_of_alice(&fake);
        let asked = head(&client).await;
        assert_eq!(asked.is_ok(), good, "{named}: {asked:?}");
        seen(&fake);
        assert_eq!(head(&client).await.is_ok(), good);
        assert_eq!(seen(&fake).len(), if good { 1 } else { 2 });
    }
}

/// A registry where alice can sign in, and everybody else is told so.
async fn door(refresh: Option<&'static str>, basic: bool) -> Fake {
    Fake::start(move |asked| {
        let wrong =
            Reply::new(401, &[], r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#);
        match (asked.target.as_str(), authorization(asked)) {
            ("/v2/", "Bearer t") => Reply::new(200, &[], "{}"),
            ("/v2/", ALICE) if basic => Reply::new(200, &[], "{}"),
            ("/v2/", "") if basic => challenge("Basic realm=\"x\""),
            ("/v2/", "") => challenge(REALM),
            ("/v2/", _) => wrong,
            (_, ALICE) => {
                let refresh = refresh.map_or_else(String::new, |it| format!(",\"refresh_token\":\"{it}\""));
                Reply::new(200, &[], format!("{{\"token\":\"t\"{refresh}}}"))
            }
            _ => wrong,
        }
    })
    .await
}

#[tokio::test]
async fn signing_in_knocks_gets_a_token_and_knocks_again() {
    let fake = door(None, false).await;
    let verified = SignIn { verified: true, identity_token: None };
    assert_eq!(client_of_alice(&fake).sign_in().await.unwrap(), verified);
    let token = "GET /token?service=s&account=alice&client_id=berth&offline_token=true";
    let expected = ["GET /v2/".to_owned(), format!("{token} {ALICE}"), "GET /v2/ Bearer t".to_owned()];
    assert_eq!(seen(&fake), expected);
    let fake = door(Some("identity"), false).await;
    let signed_in = client_of_alice(&fake).sign_in().await.unwrap();
    assert_eq!(signed_in.identity_token.unwrap().reveal(), "identity");
    let fake = door(None, true).await;
    assert_eq!(client_of_alice(&fake).sign_in().await.unwrap(), verified);
    assert_eq!(seen(&fake), ["GET /v2/".to_owned(), format!("GET /v2/ {ALICE}")]);
}

#[tokio::test]
async fn a_wrong_password_is_told_and_an_open_door_verifies_nothing() {
    for basic in [false, true] {
        let fake = door(None, basic).await;
        let credentials = Some(Credentials::password("alice", Secret::new("wrong")));
        let client = Client::new(ClientOptions { credentials, ..options(&fake) }).unwrap();
        let error = client.sign_in().await.unwrap_err();
        assert!(error.to_string().contains("wrong password"), "{error}");
        assert!(matches!(error, ClientError::Unauthorized { .. }), "{error:?}");
    }
    let fake = Fake::start(|_| Reply::new(200, &[], "{}")).await;
    let open = SignIn { verified: false, identity_token: None };
    assert_eq!(client_of_alice(&fake).sign_in().await.unwrap(), open);
    let fake = Fake::start(|_| Reply::new(404, &[], "<html>")).await;
    let error = client(&fake).sign_in().await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { .. }), "{error:?}");
    let fake = Fake::start(|_| challenge("Negotiate")).await;
    assert!(matches!(client_of_alice(&fake).sign_in().await, Err(ClientError::Unauthorized { .. })));
}

/// A token that ends while layers are under way.
#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_of_a_push_is_fetched_anew() {
    let times = Arc::new(AtomicUsize::new(0));
    let fake = Fake::start(move |asked| match (asked.method.as_str(), authorization(asked)) {
        (_, ALICE) => {
            let nth = times.fetch_add(1, Ordering::Relaxed);
            Reply::new(200, &[], format!("{{\"token\":\"t{nth}\"}}"))
        }
        (_, "") => challenge(REALM),
        ("HEAD", _) => Reply::new(404, &[], ""),
        ("POST", _) => Reply::new(202, &[("location", "/v2/a/b/blobs/uploads/1")], ""),
        ("PUT", "Bearer t0") => challenge(REALM),
        _ => {
            assert_eq!(asked.body, b"blob");
            Reply::new(201, &[], "")
        }
    })
    .await;
    let (client, digest) = (client_of_alice(&fake), super::digest("blob"));
    client.upload("a/b", &digest).send(&bytes::Bytes::from_static(b"blob")).await.unwrap();
    assert!(seen(&fake).last().unwrap().ends_with("Bearer t1"));
}

#[tokio::test]
async fn an_identity_token_that_is_over_is_told_as_such() {
    let body = r#"{"error":"invalid_grant","error_description":"the token has been revoked"}"#;
    let fake = Fake::start(move |asked| match asked.method.as_str() {
        "POST" => Reply::new(400, &[], body),
        _ => challenge(REALM),
    })
    .await;
    let error = head(&client_with(&fake, "identity")).await.unwrap_err();
    assert!(matches!(error, ClientError::Unauthorized { .. }) && !error.is_away(), "{error:?}");
    assert!(error.to_string().contains("the token has been revoked"), "{error}");
}

#[tokio::test]
async fn own_headers_go_to_the_registry_alone_and_replace_nothing() {
    let storage = Fake::start(|_| Reply::new(200, &[], "blob")).await;
    let to = format!("http://{}/blob", storage.address);
    let fake = Fake::start(move |_| Reply::new(307, &[("location", &to)], "")).await;
    let headers = [("x-meta", "team"), ("accept-encoding", "gzip")];
    let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
    let options = ClientOptions { headers: headers.into_iter().collect(), ..options(&fake) };
    Client::new(options).unwrap().get_blob("a/b", &super::digest("blob")).await.unwrap();
    let asked = fake.take().remove(0);
    assert_eq!(
        (asked.headers["x-meta"].as_str(), asked.headers["accept-encoding"].as_str()),
        ("team", "identity")
    );
    assert!(!storage.take().remove(0).headers.contains_key("x-meta"));
}
