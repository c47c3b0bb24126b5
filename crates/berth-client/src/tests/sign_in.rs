//! How to sign in is found out, tokens are kept, and what a token server may answer is borne.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::fake::{Fake, Reply, Then};
use super::{ALICE, authorization, challenge, client, client_of_alice, head, latest, manifest, seen};
use crate::{ClientError, EgressError, Patience};

const ASK: &str = "HEAD /v2/a/b/manifests/latest";
const FETCH: &str = "GET /token?scope=repository%3Aa%2Fb%3Apull&service=s&account=alice";
const REALM: &str = "Bearer realm=\"/token\",service=\"s\",scope=\"repository:a/b:pull\"";

/// A registry with a token server. The latter gives `t1`, `t2` and so on to alice, the former takes the tokens from
/// number `from` on.
async fn registry(from: &Arc<AtomicUsize>, expires_in: u64) -> Fake {
    let (from, given) = (Arc::clone(from), AtomicUsize::new(0));
    Fake::start(move |asked| {
        let sent = authorization(asked);
        if asked.target.starts_with("/token") {
            if sent != ALICE {
                return Reply::new(401, &[], "");
            }
            let number = given.fetch_add(1, Ordering::Relaxed) + 1;
            let granted = format!("{{\"token\":\"t{number}\",\"expires_in\":{expires_in}}}");
            return Reply::new(200, &[], granted);
        }
        let number = sent.strip_prefix("Bearer t").and_then(|number| number.parse::<usize>().ok());
        match number {
            Some(number) if number >= from.load(Ordering::Relaxed) => manifest(asked),
            _ => challenge(REALM),
        }
    })
    .await
}

fn from(number: usize) -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(number))
}

#[tokio::test]
async fn who_is_not_asked_says_nothing() {
    let fake = Fake::start(manifest).await;
    head(&client_of_alice(&fake)).await.unwrap();
    assert_eq!(seen(&fake), [ASK]);
}

#[tokio::test]
async fn a_password_is_sent_to_who_asks_for_it_and_from_then_on_at_once() {
    let fake = Fake::start(|asked| match authorization(asked) {
        ALICE => manifest(asked),
        _ => challenge("Basic realm=\"x\", charset=\"UTF-8\""),
    })
    .await;
    let client = client_of_alice(&fake);
    for _ in 0..2 {
        head(&client).await.unwrap();
    }
    let with = format!("{ASK} {ALICE}");
    assert_eq!(seen(&fake), [ASK, &with, &with]);
}

#[tokio::test]
async fn of_several_ways_a_token_is_the_first() {
    let texts = [
        format!("Basic realm=\"x\", {REALM}"),
        format!("{REALM}, Basic realm=\"x\""),
        format!(
            "Negotiate, Digest nonce=\"a,b\", {}",
            REALM.replace("Bearer", "BEARER").replace("realm", "REALM")
        ),
        REALM.replace("/token", "http://HOST/token"),
    ];
    for text in texts {
        let fake = Fake::start(move |asked| match authorization(asked) {
            ALICE if asked.target.starts_with("/token") => Reply::new(200, &[], "{\"access_token\":\"t\"}"),
            "Bearer t" => manifest(asked),
            _ => challenge(&text.replace("HOST", &asked.headers["host"])),
        })
        .await;
        head(&client_of_alice(&fake)).await.unwrap();
        assert_eq!(seen(&fake), [ASK, &format!("{FETCH} {ALICE}"), &format!("{ASK} Bearer t")]);
    }
}

#[tokio::test]
async fn one_token_serves_all_questions_of_its_scope() {
    let fake = registry(&from(1), 300).await;
    let client = client_of_alice(&fake);
    join_all((0..20).map(|_| head(&client))).await.into_iter().for_each(|it| drop(it.unwrap()));
    let fetched = seen(&fake).into_iter().filter(|line| line.contains("/token")).count();
    assert_eq!(fetched, 1);
    client.head_manifest("c", &latest(), Patience::Long).await.unwrap();
    let fetched = "GET /token?scope=repository%3Ac%3Apull&service=s&account=alice";
    assert_eq!(seen(&fake)[0], format!("{fetched} {ALICE}"));
}

#[tokio::test]
async fn a_token_that_is_refused_is_fetched_anew_once_for_all() {
    let valid = from(1);
    let fake = registry(&valid, 300).await;
    let client = client_of_alice(&fake);
    head(&client).await.unwrap();
    seen(&fake);
    valid.store(2, Ordering::Relaxed);
    join_all((0..20).map(|_| head(&client))).await.into_iter().for_each(|it| drop(it.unwrap()));
    let lines = seen(&fake);
    assert_eq!(lines.iter().filter(|line| line.contains("/token")).count(), 1);
    assert_eq!(lines.iter().filter(|line| line.ends_with("Bearer t2")).count(), 20);
}

#[tokio::test]
async fn a_token_that_ends_is_fetched_anew_before_it_is_refused() {
    // The specification's minimum counts, whatever less is said.
    for (expires_in, good, over) in [(300, 289, 2), (0, 49, 2)] {
        let fake = registry(&from(1), expires_in).await;
        let client = client_of_alice(&fake);
        head(&client).await.unwrap();
        tokio::time::pause();
        seen(&fake);
        tokio::time::advance(Duration::from_secs(good)).await;
        head(&client).await.unwrap();
        assert_eq!(seen(&fake), [format!("{ASK} Bearer t1")]);
        tokio::time::advance(Duration::from_secs(over)).await;
        head(&client).await.unwrap();
        assert_eq!(seen(&fake), [format!("{FETCH} {ALICE}"), format!("{ASK} Bearer t2")]);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn who_refuses_for_ever_is_asked_once_more() {
    let fake = registry(&from(1000), 300).await;
    let alices = client_of_alice(&fake);
    assert!(matches!(head(&alices).await, Err(ClientError::Unauthorized { .. })));
    assert_eq!(seen(&fake), [ASK, &format!("{FETCH} {ALICE}"), &format!("{ASK} Bearer t1")]);
    assert!(matches!(head(&alices).await, Err(ClientError::Unauthorized { .. })));
    assert_eq!(seen(&fake).len(), 3);
    for text in ["Basic realm=\"x\"", "Negotiate", ""] {
        let fake = Fake::start(move |_| challenge(text)).await;
        assert!(matches!(head(&client_of_alice(&fake)).await, Err(ClientError::Unauthorized { .. })));
        assert!(seen(&fake).len() <= 2);
        assert!(matches!(head(&client(&fake)).await, Err(ClientError::Unauthorized { .. })));
        assert_eq!(seen(&fake), [ASK]);
    }
}

#[tokio::test]
async fn a_wrong_password_is_told_in_the_words_of_the_registry() {
    for (status, body, told) in [
        (401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"wrong password"}]}"#, "wrong password"),
        (403, r#"{"errors":[{"code":"DENIED","message":""}]}"#, "DENIED"),
        // Docker Hub's.
        (401, r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
        (401, "{\"errors\":[{\"message\":\"a\\u001b[31m\\u202e\\r\\nb\\u0000\\u200b\"}]}", "a[31mb"),
        (401, r#"{"errors":[]}"#, ""),
        (401, "<html>wrong</html>", ""),
    ] {
        let fake = Fake::start(move |asked| match asked.target.starts_with("/token") {
            true => Reply::new(status, &[], body),
            false => challenge(REALM),
        })
        .await;
        let client = client_of_alice(&fake);
        let error = head(&client).await.unwrap_err();
        let is_right = matches!(error, ClientError::Unauthorized { .. } | ClientError::Denied { .. });
        let text = error.to_string();
        assert!(is_right && !error.is_away(), "{error:?}");
        assert_eq!(text.split_once("(it says: ").map_or("", |(_, said)| &said[..said.len() - 1]), told);
        assert_eq!((seen(&fake).len(), client.health().failures), (2, 0), "no second guess");
    }
}

#[tokio::test]
async fn a_message_is_cut() {
    let body = format!("{{\"errors\":[{{\"message\":\"{}\"}}]}}", "x".repeat(10_000));
    let fake = Fake::start(move |_| Reply::new(403, &[], &body)).await;
    assert!(head(&client(&fake)).await.unwrap_err().to_string().len() < 300);
}

#[tokio::test]
async fn what_is_no_token_is_told_as_a_fault_of_the_token_server() {
    let useless: fn(&ClientError) -> bool = |error| matches!(error, ClientError::Useless { .. });
    let json = |text: &str| Reply::new(200, &[], text);
    for (reply, is_right) in [
        (json("{}"), useless),
        (json("[]"), useless),
        (json(""), useless),
        (json(r#"{"token":""}"#), useless),
        (json(r#"{"token":7}"#), useless),
        (json(r#"{"token":"a\nb"}"#), useless),
        (json("<html>Sign in</html>"), useless),
        (json(&format!("{{\"token\":\"{}\"}}", "x".repeat(70_000))), useless),
        // It is not the image that was not found.
        (Reply::new(404, &[], ""), useless),
        (Reply::new(400, &[], ""), useless),
        (Reply::new(302, &[("location", "/elsewhere")], ""), useless),
        (Reply::new(503, &[], ""), |error| matches!(error, ClientError::Server { .. })),
        (Reply::new(429, &[("retry-after", "3600")], ""), |error| {
            matches!(error, ClientError::TooMany { .. })
        }),
        (json("{\"token\"").cut(5), |error| matches!(error, ClientError::Egress(EgressError::Broken(_)))),
    ] {
        let shown = format!("{:.200}", String::from_utf8_lossy(&reply.bytes));
        let fake = Fake::start(move |asked| match asked.target.starts_with("/token") {
            true => reply.clone(),
            false => challenge(REALM),
        })
        .await;
        let client = client_of_alice(&fake);
        let error = client.head_manifest("a/b", &latest(), Patience::Short).await.unwrap_err();
        assert!(is_right(&error) && error.is_away(), "{shown}: {error:?}");
        assert!(seen(&fake).iter().all(|line| !line.contains("elsewhere")));
    }
}

#[tokio::test]
async fn a_token_server_that_is_slow_keeps_nobody_longer_than_its_limit() {
    let drops = Reply::new(200, &[("content-length", "1000")], "");
    for reply in [
        Reply::raw("", Then::Hang),
        drops.clone().then(Then::Hang),
        drops.then(Then::Again(b" ".to_vec(), Duration::from_secs(9))),
    ] {
        let fake = Fake::start(move |asked| match asked.target.starts_with("/token") {
            true => reply.clone(),
            false => challenge(REALM),
        })
        .await;
        let client = client_of_alice(&fake);
        tokio::time::pause();
        let began = Instant::now();
        let latest = latest();
        for asked in join_all((0..20).map(|_| client.head_manifest("a/b", &latest, Patience::Long))).await {
            let error = asked.unwrap_err();
            assert!(matches!(error, ClientError::Egress(EgressError::TooSlow(_))), "{error:?}");
        }
        assert_eq!(began.elapsed().as_secs(), 30, "not one after the other");
        tokio::time::resume();
    }
}

/// The way to sign in was kept whatever came of it, and a registry that was mended was never asked again.
#[tokio::test]
async fn a_way_that_fails_is_found_out_anew() {
    let moved = Arc::new(AtomicUsize::new(0));
    let at = Arc::clone(&moved);
    let fake = Fake::start(move |asked| {
        let moves = at.load(Ordering::Relaxed);
        let path = if moves == 0 { "/token" } else { "/moved" };
        match authorization(asked) {
            "Bearer t" if asked.target.starts_with("/v2/") => manifest(asked),
            ALICE if asked.target.starts_with(path) => Reply::new(200, &[], "{\"token\":\"t\"}"),
            _ if !asked.target.starts_with("/v2/") => Reply::new(404, &[], ""),
            _ if moves == 2 => challenge("Bearer realm=\"http://127.0.0.9/token\""),
            _ => challenge(&format!("Bearer realm=\"{path}\"")),
        }
    })
    .await;
    let client = client_of_alice(&fake);
    head(&client).await.unwrap();
    moved.store(1, Ordering::Relaxed);
    let other = |tag| {
        let client = client.clone();
        async move { client.head_manifest(tag, &latest(), Patience::Short).await }
    };
    assert!(matches!(other("c").await, Err(ClientError::Useless { .. })));
    other("c").await.unwrap();
    // A realm that is refused is not kept at all.
    moved.store(2, Ordering::Relaxed);
    let second = client_of_alice(&fake);
    assert!(matches!(head(&second).await, Err(ClientError::ForeignRealm { .. })));
    moved.store(1, Ordering::Relaxed);
    head(&second).await.unwrap();
}

/// Whoever is told that his password is wrong signs in anew; whoever only lacks a right would do so for nothing.
#[tokio::test]
async fn wrong_credentials_are_told_from_a_right_that_is_missing() {
    let is_wrong = |error: ClientError| match error {
        ClientError::Unauthorized { is_wrong, .. } => is_wrong,
        error => panic!("{error:?}"),
    };
    let bearer = Fake::start(|asked| match (asked.target.starts_with("/token"), authorization(asked)) {
        (true, ALICE) => Reply::new(401, &[], ""),
        (true, _) => Reply::new(200, &[], "{\"token\":\"t\"}"),
        (false, _) => challenge(REALM),
    })
    .await;
    assert!(is_wrong(head(&client_of_alice(&bearer)).await.unwrap_err()));
    assert!(!is_wrong(head(&client(&bearer)).await.unwrap_err()), "nobody was not believed");
    let insufficient = registry(&from(1000), 300).await;
    assert!(!is_wrong(head(&client_of_alice(&insufficient)).await.unwrap_err()), "the token was given");
    let basic = Fake::start(|_| challenge("Basic realm=\"x\"")).await;
    assert!(is_wrong(head(&client_of_alice(&basic)).await.unwrap_err()));
    assert!(!is_wrong(head(&client(&basic)).await.unwrap_err()));
}
