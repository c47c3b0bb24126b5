//! Realms and redirects that lead astray: nobody else gets the credentials, and the error says who wanted them.

use super::fake::{Asked, Fake, Reply};
use super::{
    ALICE, MANIFEST, alice, authorization, challenge, client, client_of_alice, digest, head, latest,
    manifest, options, secure, seen,
};
use crate::{Client, ClientError, ClientOptions, EgressError, OriginError, Patience, Reach, Realms};

/// What the error has to be.
type Is = fn(&ClientError) -> bool;

fn is_foreign(error: &ClientError) -> bool {
    matches!(error, ClientError::ForeignRealm { .. }) && error.to_string().contains("host for tokens")
}

fn is_pointer(error: &ClientError) -> bool {
    matches!(error, ClientError::Pointer(_))
}

/// A registry that wants a token from a realm. `OWN` and `SINK` are the ports of the registry and of somebody else.
async fn registry(realm: &str, sink: &Fake) -> Fake {
    let realm = realm.replace("SINK", &sink.address.port().to_string());
    Fake::start(move |asked| {
        let own = asked.headers["host"].rsplit(':').next().unwrap().to_owned();
        challenge(&format!("Bearer realm=\"{}\",service=\"s\"", realm.replace("OWN", &own)))
    })
    .await
}

/// GitLab has its tokens on another host, also where all of it is on a private network; skopeo and docker sign in there.
#[tokio::test]
async fn a_registry_that_is_believed_says_where_its_tokens_are() {
    let grant = |_: &Asked| Reply::new(200, &[("content-type", "application/json")], r#"{"token":"t"}"#);
    let tokens = Fake::at("127.0.0.2:0", None, grant).await;
    let fake = registry("http://127.0.0.2:SINK/jwt/auth", &tokens).await;
    let believing = ClientOptions {
        credentials: Some(alice()),
        reach: Reach::Everywhere,
        realms: Realms::OfRegistry,
        ..options(&fake)
    };
    let refused = head(&Client::new(believing).unwrap()).await;
    // This one gives nothing for its own tokens.
    assert!(matches!(refused, Err(ClientError::Unauthorized { .. })), "{refused:?}");
    let asked = tokens.take();
    assert_eq!(asked.len(), 1);
    assert_eq!(authorization(&asked[0]), ALICE);
}

#[tokio::test]
async fn a_password_goes_to_no_other_realm() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let second = Fake::sink(&format!("127.0.0.2:{}", sink.address.port())).await;
    let cases: &[(&str, Is)] = &[
        ("http://127.0.0.1:SINK/token", is_foreign),
        ("http://127.0.0.2:SINK/token", is_foreign),
        ("https://127.0.0.1:SINK/token", is_foreign),
        ("https://127.0.0.1:OWN/token", is_foreign),
        ("http://localhost:SINK/token", is_foreign),
        ("http://localhost:OWN/token", is_foreign),
        ("http://[::1]:SINK/token", is_foreign),
        ("http://[::ffff:127.0.0.1]:SINK/token", is_foreign),
        ("http://127.0.0.1.evil.example:SINK/token", is_foreign),
        ("https://evil.example/127.0.0.1:OWN", is_foreign),
        ("https://evil.example/?127.0.0.1:OWN", is_foreign),
        ("https://auth.docker.io:8443/token", is_foreign),
        ("https://auth.docker.io.evil.example/token", is_foreign),
        ("https://auth.xn--dcker-jye.io/token", is_foreign),
        ("http://169.254.169.254/latest/meta-data/iam", is_foreign),
        ("http://2130706433:SINK/token", is_pointer),
        ("http://user@127.0.0.1:SINK/token", is_pointer),
        ("http://alice:secret@127.0.0.1:SINK/token", is_pointer),
        ("http://127.0.0.1:OWN@127.0.0.1:SINK/token", is_pointer),
        ("http://127.0.0.1:OWN\\\\@127.0.0.1:SINK/token", is_pointer),
        ("http://127.0.0.1:SINK#127.0.0.1:OWN", is_pointer),
        ("http://127.0.0.1:SINK/token#good", is_pointer),
        ("//127.0.0.1:SINK/token", is_pointer),
        ("127.0.0.1:SINK/token", is_pointer),
        ("gopher://127.0.0.1:SINK/token", is_pointer),
        ("file:///etc/passwd", is_pointer),
        // What is not ASCII is no challenge at all.
        ("https://auth.d\u{3bf}cker.io/token", |error| matches!(error, ClientError::Unauthorized { .. })),
    ];
    for (realm, is_right) in cases {
        let fake = registry(realm, &sink).await;
        let options = ClientOptions {
            credentials: Some(alice()),
            auth_hosts: vec!["auth.docker.io".into(), "[::1]:1".into()],
            ..options(&fake)
        };
        let client = Client::new(options).unwrap();
        for _ in 0..2 {
            let error = head(&client).await.unwrap_err();
            assert!(is_right(&error), "{realm}: {error:?}");
            assert_eq!(seen(&fake), ["HEAD /v2/a/b/manifests/latest"], "{realm}");
        }
    }
    assert_eq!((sink.connections(), second.connections()), (0, 0));
}

#[tokio::test]
async fn a_registry_behind_tls_gets_no_password_without_it() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let realm = format!("http://{}/token", sink.address);
    for credentials in [None, Some(alice())] {
        let text = format!("Bearer realm=\"{realm}\"");
        let (_fake, options, _folder) = secure(move |_| challenge(&text)).await;
        let auth_hosts = vec![sink.address.to_string()];
        let client = Client::new(ClientOptions { credentials, auth_hosts, ..options }).unwrap();
        let error = head(&client).await.unwrap_err();
        assert!(matches!(error, ClientError::Downgrade { .. }), "{error:?}");
        assert!(error.to_string().contains(&sink.address.to_string()));
    }
    assert_eq!(sink.connections(), 0);
}

/// A token server on another host, which gives `t` to alice.
async fn token_server() -> Fake {
    Fake::at("127.0.0.2:0", None, |asked| match authorization(asked) {
        ALICE => Reply::new(200, &[], "{\"token\":\"t\"}"),
        "" => Reply::new(200, &[], "{\"token\":\"anonymous\"}"),
        _ => Reply::new(401, &[], ""),
    })
    .await
}

/// As Docker Hub is: a token server on another host, blobs on a third one.
async fn hub(tokens: &Fake, storage: &Fake) -> Fake {
    let challenged = format!("Bearer realm=\"http://{}/token\",service=\"hub\"", tokens.address);
    let location = format!("http://{}/blob?signature=1", storage.address);
    Fake::start(move |asked| match authorization(asked) {
        "" => challenge(&challenged),
        _ if asked.target.contains("/blobs/") => Reply::new(307, &[("location", &location)], ""),
        _ => manifest(asked),
    })
    .await
}

#[tokio::test]
async fn a_host_that_was_named_is_asked_for_tokens() {
    let (tokens, storage) = (token_server().await, Fake::start(|_| Reply::new(200, &[], "blob")).await);
    let fake = hub(&tokens, &storage).await;
    for (credentials, sent, token) in [(Some(alice()), ALICE, "t"), (None, "", "anonymous")] {
        let auth_hosts = vec![tokens.address.to_string()];
        let client = Client::new(ClientOptions { credentials, auth_hosts, ..options(&fake) }).unwrap();
        head(&client).await.unwrap();
        let mut blob = client.get_blob("a/b", &digest("blob")).await.unwrap();
        assert_eq!(blob.next().await.unwrap().unwrap(), "blob");
        let account = if sent.is_empty() { "" } else { "&account=alice" };
        let asked = format!("GET /token?scope=repository%3Aa%2Fb%3Apull&service=hub{account} {sent}");
        assert_eq!(seen(&tokens), [asked.trim_end()]);
        let path = "HEAD /v2/a/b/manifests/latest";
        let blob = format!("GET /v2/a/b/blobs/{} Bearer {token}", digest("blob"));
        assert_eq!(seen(&fake), [path.to_owned(), format!("{path} Bearer {token}"), blob]);
        assert_eq!(seen(&storage), ["GET /blob?signature=1"]);
    }
}

#[tokio::test]
async fn a_host_for_tokens_that_nobody_named_is_not_on_the_private_network() {
    let (tokens, storage) = (token_server().await, Fake::sink("127.0.0.1:0").await);
    let fake = hub(&tokens, &storage).await;
    let error = head(&client(&fake)).await.unwrap_err();
    assert!(matches!(error, ClientError::Egress(EgressError::Address { .. })), "{error:?}");
    assert_eq!(tokens.connections(), 0);
}

#[tokio::test]
async fn a_redirect_takes_no_credentials_along_and_leads_to_nothing_forbidden() {
    let storage = Fake::start(|_| Reply::new(200, &[], "blob")).await;
    let sink = Fake::sink(&format!("127.0.0.2:{}", storage.address.port())).await;
    let address: Is = |error| matches!(error, ClientError::Egress(EgressError::Address { .. }));
    let cases: &[(&str, Option<Is>)] = &[
        ("http://127.0.0.1:PORT/blob", None),
        ("/storage/blob", None),
        ("http://127.0.0.2:PORT/", Some(address)),
        ("http://localhost:PORT/", Some(address)),
        ("http://[::1]:PORT/", Some(address)),
        ("http://[::ffff:127.0.0.1]:PORT/", Some(address)),
        ("http://0.0.0.0:PORT/", Some(address)),
        ("http://10.0.0.1:PORT/", Some(address)),
        ("http://169.254.169.254/latest/meta-data/", Some(address)),
        ("https://169.254.169.254/latest/meta-data/", Some(address)),
        ("http://[fd00:ec2::254]/latest/", Some(address)),
        ("http://168.63.129.16/machine", Some(address)),
        ("http://2130706433:PORT/", Some(is_pointer)),
        ("http://0x7f.1:PORT/", Some(is_pointer)),
        ("http://localhost.:PORT/", Some(is_pointer)),
        ("http://user@127.0.0.1:PORT/", Some(is_pointer)),
        ("http://alice:secret@127.0.0.1:PORT/", Some(is_pointer)),
        ("http://127.0.0.1:PORT/#good", Some(is_pointer)),
        ("//127.0.0.1:PORT/", Some(is_pointer)),
        ("file:///etc/passwd", Some(is_pointer)),
        ("gopher://127.0.0.1:PORT/", Some(is_pointer)),
        ("", Some(is_pointer)),
    ];
    for (to, is_right) in cases {
        let to = to.replace("PORT", &storage.address.port().to_string());
        let fake = Fake::start(move |asked| match authorization(asked) {
            _ if asked.target == "/storage/blob" => Reply::new(200, &[], "blob"),
            "" => challenge("Basic realm=\"x\""),
            _ => Reply::new(307, &[("location", &to)], ""),
        })
        .await;
        let blob = client_of_alice(&fake).get_blob("a/b", &digest("blob")).await;
        match (is_right, blob) {
            (None, Ok(mut blob)) => assert_eq!(blob.next().await.unwrap().unwrap(), "blob"),
            (Some(is_right), Err(error)) => assert!(is_right(&error), "{error:?}"),
            (_, blob) => panic!("{:?}", blob.err()),
        }
        let with = seen(&fake).into_iter().filter(|line| line.contains("storage")).collect::<Vec<_>>();
        assert!(with.is_empty() || with == ["GET /storage/blob"], "{with:?}");
    }
    assert_eq!(seen(&storage), ["GET /blob"]);
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn a_redirect_leads_from_tls_only_to_tls() {
    let sink = Fake::sink("127.0.0.1:0").await;
    let to = format!("http://{}/blob", sink.address);
    let (_fake, options, _folder) = secure(move |_| Reply::new(307, &[("location", &to)], "")).await;
    let error = Client::new(options).unwrap().get_blob("a/b", &digest("blob")).await.err().unwrap();
    assert!(matches!(error, ClientError::Downgrade { .. }), "{error:?}");
    assert_eq!(sink.connections(), 0);
}

#[tokio::test]
async fn redirects_end() {
    let fake = Fake::start(|asked| match asked.target.as_str() {
        "/3" => Reply::new(200, &[], MANIFEST),
        "/2" => Reply::new(302, &[("location", "/3")], ""),
        "/1" => Reply::new(308, &[("location", "/2")], ""),
        target if target.contains("good") => Reply::new(301, &[("location", "/1")], ""),
        target if target.contains("nowhere") => Reply::new(307, &[], ""),
        _ => Reply::new(307, &[("location", "/again")], ""),
    })
    .await;
    let get = |tag: &str| {
        let (client, tag) = (client(&fake), tag.parse().unwrap());
        async move { client.get_manifest("a/b", &tag, Patience::Short).await }
    };
    assert_eq!(get("good").await.unwrap().content, MANIFEST);
    assert!(matches!(get("nowhere").await, Err(ClientError::Useless { .. })));
    seen(&fake);
    assert!(matches!(get("loop").await, Err(ClientError::Redirects)));
    assert_eq!(seen(&fake).len(), 4);
}

/// A signature that had ended looked like an image that one may not read.
#[tokio::test]
async fn what_storage_refuses_is_no_refusal_of_the_registry() {
    for status in [401, 403] {
        let fake = Fake::start(move |asked: &Asked| match asked.target.as_str() {
            "/storage" => Reply::new(status, &[("www-authenticate", "Basic realm=\"x\"")], "<Error/>"),
            _ => Reply::new(307, &[("location", "/storage")], ""),
        })
        .await;
        let error = client_of_alice(&fake).get_blob("a/b", &digest("blob")).await.err().unwrap();
        assert!(matches!(error, ClientError::Unexpected { .. }) && error.is_away(), "{error:?}");
        assert!(seen(&fake).iter().all(|line| !line.contains("Basic")));
    }
}

#[tokio::test]
async fn a_pointer_that_is_none_says_why() {
    let fake = registry("http://alice:secret@127.0.0.1/", &Fake::sink("127.0.0.1:0").await).await;
    let error = client_of_alice(&fake).get_manifest("a/b", &latest(), Patience::Long).await.unwrap_err();
    assert!(matches!(error, ClientError::Pointer(OriginError::Credentials)));
    assert!(!error.to_string().contains("secret"));
}
