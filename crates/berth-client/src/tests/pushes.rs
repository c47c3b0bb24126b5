//! Manifests that are put and deleted, lists, and search.

use berth_oci::Reference;
use bytes::Bytes;

use super::fake::{Asked, Fake, Reply};
use super::{ALICE, MANIFEST, OCI, authorization, challenge, client, client_of_alice, digest, latest, seen};
use crate::{Client, ClientError, Found, PushedManifest};

async fn put(client: &Client, at: &Reference) -> Result<PushedManifest, ClientError> {
    client.put_manifest("a/b", at, OCI, Bytes::from_static(MANIFEST.as_bytes())).await
}

/// Takes a manifest with this status and header, and has it afterwards if it is said so.
async fn taking(status: u16, header: Option<(&'static str, String)>, has: bool) -> Fake {
    Fake::start(move |asked| match asked.method.as_str() {
        "HEAD" if has => super::manifest(asked),
        "HEAD" => Reply::new(404, &[], ""),
        _ => {
            let headers: Vec<_> = header.iter().map(|(name, value)| (*name, value.as_str())).collect();
            Reply::new(status, &headers, "")
        }
    })
    .await
}

#[tokio::test]
async fn a_manifest_goes_byte_for_byte_under_a_tag_or_its_digest() {
    let fake = taking(201, Some(("docker-content-digest", digest(MANIFEST).to_string())), true).await;
    for at in [latest(), Reference::Digest(digest(MANIFEST))] {
        assert_eq!(put(&client(&fake), &at).await.unwrap().digest, digest(MANIFEST));
        let asked = fake.take().remove(0);
        assert_eq!((asked.method.as_str(), asked.body.as_slice()), ("PUT", MANIFEST.as_bytes()));
        assert_eq!(asked.target, format!("/v2/a/b/manifests/{at}"));
        assert_eq!(asked.headers["content-type"], OCI);
    }
    let other = Reference::Digest(digest("other"));
    assert!(matches!(put(&client(&fake), &other).await, Err(ClientError::Digest { .. })));
    assert!(fake.take().is_empty());
}

#[tokio::test]
async fn only_201_is_a_promise_and_anything_else_is_looked_at() {
    for (status, has, good) in [
        (201, false, true),
        (200, true, true),
        (202, true, true),
        (204, true, true),
        (200, false, false),
        (202, false, false),
        (400, true, false),
        (302, true, false),
    ] {
        let fake = taking(status, None, has).await;
        assert_eq!(put(&client(&fake), &latest()).await.is_ok(), good, "{status} {has}");
    }
    let lies = taking(201, Some(("docker-content-digest", digest("other").to_string())), true).await;
    assert!(matches!(put(&client(&lies), &latest()).await, Err(ClientError::Useless { .. })));
}

#[tokio::test]
async fn the_subject_is_told_by_who_keeps_lists_of_it() {
    let fake = taking(201, Some(("oci-subject", digest("subject").to_string())), true).await;
    assert_eq!(put(&client(&fake), &latest()).await.unwrap().subject, Some(digest("subject")));
    let fake = taking(201, None, true).await;
    assert_eq!(put(&client(&fake), &latest()).await.unwrap().subject, None);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code_and_words() {
    let body =
        r#"{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":{}}]}"#;
    let fake = Fake::start(move |_| Reply::new(404, &[], body)).await;
    let error = put(&client(&fake), &latest()).await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Refused { code, .. } if code == "MANIFEST_BLOB_UNKNOWN"),
        "{error:?}"
    );
    assert!(error.to_string().contains("blob unknown to registry") && !error.is_away(), "{error}");
    let fake = Fake::start(|_| Reply::new(413, &[], "<html>")).await;
    let error = put(&client(&fake), &latest()).await.unwrap_err();
    assert!(matches!(error, ClientError::TooLarge { sent: 19 }), "{error:?}");
}

#[tokio::test]
async fn what_is_to_go_goes() {
    let fake = Fake::start(|asked| match asked.target.rsplit('/').next().unwrap() {
        "latest" => Reply::new(202, &[], ""),
        "gone" => Reply::new(404, &[], ""),
        _ => Reply::new(405, &[], r#"{"errors":[{"code":"UNSUPPORTED","message":"no deleting"}]}"#),
    })
    .await;
    let client = client(&fake);
    client.delete("a/b", &latest()).await.unwrap();
    let gone = client.delete("a/b", &"gone".parse().unwrap()).await;
    assert!(matches!(gone, Err(ClientError::NotFound)), "{gone:?}");
    let kept = client.delete("a/b", &Reference::Digest(digest("x"))).await.unwrap_err();
    assert!(matches!(&kept, ClientError::Refused { code, .. } if code == "UNSUPPORTED"), "{kept:?}");
    assert_eq!(seen(&fake)[0], "DELETE /v2/a/b/manifests/latest");
}

#[tokio::test]
async fn repositories_are_listed_page_by_page() {
    let fake = Fake::start(|asked: &Asked| match asked.target.as_str() {
        "/v2/_catalog?n=2" => {
            let link = [("link", "</v2/_catalog?n=2&last=a%2Fb>; rel=\"next\"")];
            Reply::new(200, &link, r#"{"repositories":["a","a/b"]}"#)
        }
        "/v2/_catalog?n=2&last=a%2Fb" => Reply::new(200, &[], r#"{"repositories":null}"#),
        _ => Reply::new(200, &[], "[]"),
    })
    .await;
    let client = client(&fake);
    let page = client.catalog(2, "").await.unwrap();
    assert_eq!((page.repositories.len(), page.more), (2, true));
    let page = client.catalog(2, "a/b").await.unwrap();
    assert_eq!((page.repositories.len(), page.more), (0, false));
    assert!(matches!(client.catalog(3, "").await, Err(ClientError::Useless { .. })));
}

#[tokio::test]
async fn a_search_finds_what_docker_search_finds() {
    let body = r#"{"num_results":2,"query":"al pine","results":[
        {"name":"alpine","description":"small","star_count":9,"is_official":true,"is_automated":false,"x":1},
        {"name":"me/alpine","description":null}]}"#;
    let fake = Fake::start(move |_| Reply::new(200, &[], body)).await;
    let found = client(&fake).search("al pine", 25).await.unwrap();
    let one = |name: &str, description: &str, stars, official| Found {
        name: name.into(),
        description: description.into(),
        stars,
        official,
    };
    assert_eq!(found, [one("alpine", "small", 9, true), one("me/alpine", "", 0, false)]);
    let asked = fake.take().remove(0);
    assert_eq!(asked.target, "/v1/search?q=al%20pine&n=25");
    assert_eq!(asked.headers["x-docker-token"], "true");
    assert_eq!(client(&fake).search("alpine", 1).await.unwrap().len(), 1);
}

/// A search that anybody may do asks nobody who he is, so whoever signed in did not find his private repositories.
#[tokio::test]
async fn who_signed_in_searches_as_himself() {
    let fake = Fake::start(|asked| match (authorization(asked), asked.target.split('?').next()) {
        (ALICE, Some("/token")) => Reply::new(200, &[], "{\"token\":\"t\"}"),
        ("Bearer t", Some("/v1/search")) => Reply::new(200, &[], r#"{"results":[{"name":"mine"}]}"#),
        (_, Some("/v1/search")) => Reply::new(200, &[], r#"{"results":[]}"#),
        ("Bearer t", _) => Reply::new(200, &[], ""),
        (_, Some("/token")) => Reply::new(401, &[], ""),
        _ => challenge("Bearer realm=\"/token\",service=\"s\""),
    })
    .await;
    assert_eq!(client_of_alice(&fake).search("m", 9).await.unwrap()[0].name, "mine");
    fake.take();
    assert_eq!(client(&fake).search("m", 9).await.unwrap(), []);
    assert_eq!(fake.lines().len(), 1, "nobody has nothing to find out");
    let credentials = Some(crate::Credentials::password("alice", crate::Secret::new("wrong")));
    let wrong = Client::new(crate::ClientOptions { credentials, ..super::options(&fake) }).unwrap();
    let refused = wrong.search("m", 9).await.unwrap_err();
    assert!(matches!(refused, ClientError::Unauthorized { is_wrong: true, .. }), "{refused:?}");
}

#[tokio::test]
async fn each_deed_asks_for_its_own_right() {
    let fake = Fake::start(|asked| match authorization(asked) {
        ALICE => Reply::new(200, &[], "{\"token\":\"t\"}"),
        "" => challenge("Bearer realm=\"/token\",service=\"s\""),
        _ if asked.target.contains("search") => Reply::new(200, &[], r#"{"results":[]}"#),
        _ if asked.target.contains("_catalog") => Reply::new(200, &[], r#"{"repositories":[]}"#),
        _ => Reply::new(201, &[], ""),
    })
    .await;
    let client = client_of_alice(&fake);
    put(&client, &latest()).await.unwrap();
    client.delete("a/b", &latest()).await.unwrap();
    client.catalog(1, "").await.unwrap();
    client.search("x", 1).await.unwrap();
    let scope = |line: String| {
        let scope = line.split_once("scope=")?.1.split('&').next()?.to_owned();
        Some(scope.replace("%3A", ":").replace("%2C", ",").replace("%2F", "/").replace("%2A", "*"))
    };
    let scopes: Vec<_> = seen(&fake).into_iter().filter_map(scope).collect();
    let expected = [
        "repository:a/b:pull,push",
        "repository:a/b:delete",
        "registry:catalog:*",
        "registry:catalog:search",
    ];
    assert_eq!(scopes, expected);
}
