//! A preview is never a removal.

use super::fake::{Asked, Fake, Reply};
use super::{authorization, challenge, client, client_of_alice, manifest, seen};
use crate::{ClientError, Patience, Reference, Removal};

const TAG: &str = "GET /api/v1/repositories/a/b/-/why-kept/1.9";
const DRY: &str = "DELETE /api/v1/repositories/a/b/-/tags/1.9?dry_run=true";

fn at() -> Reference {
    "1.9".parse().unwrap()
}

#[tokio::test]
async fn berth_tells_what_would_go() {
    let fake = Fake::start(|asked: &Asked| match asked.method.as_str() {
        "GET" => Reply::new(200, &[], r#"{"digest":"sha256:0","reasons":["the tag 1.9 names it"]}"#),
        _ => Reply::new(200, &[], r#"{"tags":["1.9"],"tag_count":1,"manifest_count":1,"freed_bytes":7}"#),
    })
    .await;
    let removal = client(&fake).preview_delete("a/b", &at()).await.unwrap().expect("it is Berth");
    let expected = Removal {
        tags: vec!["1.9".to_owned()],
        tag_count: 1,
        manifest_count: 1,
        freed_bytes: 7,
        ..Removal::default()
    };
    assert_eq!(removal, expected);
    assert_eq!(seen(&fake), [TAG, DRY]);
}

#[tokio::test]
async fn nobody_else_is_asked_to_delete_anything() {
    for (status, body) in [(404, ""), (200, "<html>"), (200, "{}"), (401, ""), (500, ""), (405, "")] {
        let fake = Fake::start(move |_| Reply::new(status, &[], body)).await;
        assert_eq!(client(&fake).preview_delete("a/b", &at()).await.unwrap(), None, "{status}");
        let asked = seen(&fake);
        assert!(asked.iter().all(|line| line.starts_with("GET ")), "{asked:?}");
    }
}

#[tokio::test]
async fn why_it_would_be_refused_is_told() {
    let fake = Fake::start(|asked: &Asked| match asked.method.as_str() {
        "GET" => Reply::new(200, &[], r#"{"reasons":[]}"#),
        _ => Reply::new(409, &[], r#"{"status":409,"detail":"rule 1 makes 1.9 immutable"}"#),
    })
    .await;
    let error = client(&fake).preview_delete("a/b", &at()).await.unwrap_err();
    let told = matches!(&error, ClientError::Refused { message: Some(why), .. } if why.contains("rule 1"));
    assert!(told, "{error:?}");
}

/// A token with the right to delete alone was refused the first look, and so nothing was told.
#[tokio::test]
async fn a_token_has_the_right_to_look_as_well() {
    let fake = Fake::start(|asked: &Asked| match (authorization(asked), asked.target.split('?').next()) {
        (_, Some("/token")) => Reply::new(200, &[], "{\"token\":\"t\"}"),
        ("Bearer t", Some("/v2/a/b/manifests/1.9")) => manifest(asked),
        ("Bearer t", _) => Reply::new(200, &[], r#"{"reasons":[],"tag_count":1}"#),
        _ => challenge("Bearer realm=\"/token\",service=\"s\""),
    })
    .await;
    let client = client_of_alice(&fake);
    client.head_manifest("a/b", &at(), Patience::Long).await.unwrap();
    fake.take();
    assert_eq!(client.preview_delete("a/b", &at()).await.unwrap().expect("it is Berth").tag_count, 1);
    let token = "GET /token?scope=repository%3Aa%2Fb%3Apull%2Cdelete&service=s&account=alice";
    assert_eq!(fake.lines(), [token, TAG, DRY]);
}
