//! Providers that are away, broken, or answer what they must not.

use berth_oidc::{EgressError, Fault, HttpError, IdTokenError, OidcError, Provider};
use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::scene::{BACK, NOW, Scene, at, options};

/// What is said at the token endpoint, and what it is told by.
type Case = (&'static str, Reply, fn(&OidcError) -> bool);

macro_rules! ask {
    ($kind:pat) => {
        |error| matches!(error, OidcError::Ask { source: $kind, .. })
    };
}

#[tokio::test]
async fn token_endpoints_that_give_no_token() {
    let html = "<html>Sign in</html>".to_owned();
    let refusal = json!({"error": "invalid_grant", "error_description": "used already"});
    let cases: [Case; 11] = [
        ("500", Reply::Text(500, html.clone()), ask!(HttpError::Status(_))),
        ("500 with a token", Reply::Json(500, json!({"id_token": "a.b.c"})), ask!(HttpError::Status(_))),
        ("HTML", Reply::Text(200, html.clone()), ask!(HttpError::NotJson(_))),
        ("400 with HTML", Reply::Text(400, html), ask!(HttpError::Status(_))),
        ("nothing", Reply::Text(200, String::new()), ask!(HttpError::NotJson(_))),
        (
            "a huge body",
            Reply::Text(200, " ".repeat(300_000)),
            ask!(HttpError::Egress(EgressError::TooLong { .. })),
        ),
        ("a redirect", Reply::Redirect("/elsewhere".to_owned()), ask!(HttpError::Redirect(_))),
        ("a refusal", Reply::Json(400, refusal), |error| matches!(error, OidcError::TokenRefused { .. })),
        ("no ID token", Reply::Json(200, json!({"access_token": "a", "token_type": "Bearer"})), |error| {
            matches!(error, OidcError::IdToken(IdTokenError::Missing))
        }),
        (
            "an ID token twice",
            Reply::Text(200, r#"{"id_token":"a.b.c","id_token":"d.e.f"}"#.to_owned()),
            ask!(HttpError::NotJson(_)),
        ),
        ("another type", Reply::Json(200, json!({"id_token": "a.b.c", "token_type": "DPoP"})), |error| {
            matches!(error, OidcError::IdToken(IdTokenError::Missing))
        }),
    ];
    for (name, reply, is_right) in cases {
        let mut scene = Scene::new().await;
        scene.token = Some(reply);
        let error = scene.finish().await.unwrap_err();
        assert!(is_right(&error), "{name}: {error:?}");
        assert_eq!(scene.fake.count("/elsewhere"), 0);
    }
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_the_provider() {
    let mut scene = Scene::new().await;
    let refusal = json!({"error": "invalid_client", "error_description": "no such\r\nclient"});
    scene.token = Some(Reply::Json(401, refusal));
    let error = scene.finish().await.unwrap_err();
    let told = "the provider gives no token for this sign-in (invalid_client): no suchclient";
    assert_eq!((error.to_string().as_str(), error.fault()), (told, Fault::Operator));
}

#[tokio::test]
async fn a_provider_that_never_answers_is_given_ten_seconds() {
    let mut scene = Scene::new().await;
    scene.token = Some(Reply::Never);
    // The clock now jumps to whatever is waited for.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = scene.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::Ask { source: HttpError::TooSlow, .. }), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_provider_that_failed_is_left_alone_for_a_moment() {
    let fake = Fake::start().await;
    fake.script().instead = Some(Reply::Text(503, String::new()));
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let error = provider.begin(BACK, at(NOW)).await.unwrap_err();
    assert!(matches!(error, OidcError::Ask { source: HttpError::Status(_), .. }), "{error:?}");
    fake.script().instead = None;
    let error = provider.begin(BACK, at(NOW + 4)).await.unwrap_err();
    assert!(matches!(error, OidcError::Resting), "{error:?}");
    assert_eq!(fake.script().asked.len(), 1);
    provider.begin(BACK, at(NOW + 10)).await.unwrap();
}

#[tokio::test]
async fn a_provider_that_is_away_hinders_nothing_but_signing_in() {
    let (listener, fake) = Fake::listen("http", "127.0.0.1").await;
    drop(listener);
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let error = provider.begin(BACK, at(NOW)).await.unwrap_err();
    assert!(
        matches!(error, OidcError::Ask { source: HttpError::Egress(EgressError::Connect { .. }), .. }),
        "{error:?}"
    );
    assert_eq!(error.fault(), Fault::Provider);
}

#[tokio::test]
async fn what_a_provider_says_of_itself_must_be_usable() {
    type Case = (&'static str, Value, fn(&OidcError) -> bool);
    let cases: [Case; 14] = [
        ("issuer", json!("https://evil.example"), |it| matches!(it, OidcError::OtherIssuer { .. })),
        ("issuer", Value::Null, ask!(HttpError::NotJson(_))),
        ("authorization_endpoint", json!("http://id.example/"), |it| matches!(it, OidcError::Address { .. })),
        ("authorization_endpoint", json!("javascript:alert(1)"), |it| {
            matches!(it, OidcError::Address { .. })
        }),
        ("token_endpoint", json!("http://id.example/token"), |it| matches!(it, OidcError::Address { .. })),
        ("token_endpoint", json!("http://169.254.169.254/token"), |it| {
            matches!(it, OidcError::Address { .. })
        }),
        ("token_endpoint", json!("file:///etc/passwd"), |it| matches!(it, OidcError::Address { .. })),
        ("token_endpoint", json!("https://a:b@id.example/"), |it| matches!(it, OidcError::Address { .. })),
        ("jwks_uri", json!("http://id.example/keys"), |it| matches!(it, OidcError::Address { .. })),
        ("jwks_uri", Value::Null, ask!(HttpError::NotJson(_))),
        ("userinfo_endpoint", json!("http://id.example/"), |it| matches!(it, OidcError::Address { .. })),
        ("id_token_signing_alg_values_supported", json!(["none"]), |it| {
            matches!(it, OidcError::Unsupported(_))
        }),
        ("token_endpoint_auth_methods_supported", json!(["tls_client_auth"]), |it| {
            matches!(it, OidcError::Unsupported(_))
        }),
        ("code_challenge_methods_supported", json!(["plain"]), |it| matches!(it, OidcError::Unsupported(_))),
    ];
    for (field, value, is_right) in cases {
        let fake = Fake::start().await;
        fake.script().discovery[field] = value.clone();
        let provider = Provider::new(options(&fake.issuer)).unwrap();
        let error = provider.begin(BACK, at(NOW)).await.unwrap_err();
        assert!(is_right(&error), "{field} {value}: {error:?}");
    }
}

#[tokio::test]
async fn a_provider_on_this_machine_may_call_it_by_its_other_names() {
    let fake = Fake::start().await;
    let token = fake.issuer.replace("127.0.0.1", "localhost");
    fake.script().discovery["token_endpoint"] = json!(format!("{token}/token"));
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    Scene::at(fake, provider).await.finish().await.unwrap();
}

#[tokio::test]
async fn an_issuer_is_compared_letter_for_letter() {
    let fake = Fake::start().await;
    let provider = Provider::new(options(&format!("{}/", fake.issuer))).unwrap();
    let error = provider.begin(BACK, at(NOW)).await.unwrap_err();
    assert!(matches!(error, OidcError::OtherIssuer { .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Operator);
}

#[tokio::test]
async fn a_browser_is_sent_back_only_to_an_address() {
    let fake = Fake::start().await;
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    for back in ["", "/back", "javascript:alert(1)", "https://registry.example/#back"] {
        assert!(provider.begin(back, at(NOW)).await.is_err(), "{back}");
    }
    provider.begin("http://registry.internal/back", at(NOW)).await.unwrap();
}

#[tokio::test]
async fn no_secret_is_shown() {
    let scene = Scene::new().await;
    scene.finish().await.unwrap();
    let shown = format!("{:?} {:?} {:?}", scene.provider, scene.pending, scene.callback);
    let state = scene.pending.state().to_owned();
    for secret in
        ["s3cret/%", &state, scene.callback.code.as_ref().unwrap(), scene.claims["nonce"].as_str().unwrap()]
    {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}
