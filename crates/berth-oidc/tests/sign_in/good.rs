//! Sign-ins that end well, and what goes over the wire for them.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use berth_oidc::{IdTokenError, Identity, OidcError, Pending, Provider};
use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::scene::{BACK, NOW, Scene, at, options, query};
use crate::signer::{Signer, encoded, foreign_key, public_keys};

#[tokio::test]
async fn somebody_signs_in() {
    let scene = Scene::new().await;
    let identity = scene.finish().await.unwrap();
    assert_eq!(
        identity,
        Identity {
            issuer: scene.fake.issuer.clone(),
            subject: "248289761001".to_owned(),
            user_name: Some("ann".to_owned()),
            name: Some("Ann Example".to_owned()),
            email: Some("ann@example.org".to_owned()),
            email_verified: true,
            groups: Some(vec!["dev".to_owned(), "ops".to_owned()]),
        }
    );
    assert_eq!(scene.fake.count("/userinfo"), 0);
}

#[tokio::test]
async fn the_browser_is_sent_with_all_that_the_standard_asks_for() {
    let fake = Fake::start().await;
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let begun = provider.begin(BACK, at(NOW)).await.unwrap();
    assert!(begun.url.starts_with(&format!("{}/authorize?tenant=a&", fake.issuer)));
    let asked = query(&begun.url);
    let has = |name: &str, value: &str| assert_eq!(asked[name], value);
    has("response_type", "code");
    has("client_id", "berth:1");
    has("redirect_uri", BACK);
    has("scope", "openid profile email");
    has("state", begun.pending.state());
    has("code_challenge_method", "S256");
    assert_eq!((asked["nonce"].len(), asked["code_challenge"].len(), asked.len()), (43, 43, 9));
}

#[tokio::test]
async fn the_code_is_exchanged_with_verifier_and_secret() {
    let scene = Scene::new().await;
    scene.finish().await.unwrap();
    let script = scene.fake.script();
    let asked = script.asked.iter().find(|asked| asked.path == "/token").unwrap();
    assert_eq!(asked.accept.as_deref(), Some("application/json"));
    // base64 of "berth%3A1:s3cret%2F%25"
    assert_eq!(asked.authorization.as_deref(), Some("Basic YmVydGglM0ExOnMzY3JldCUyRiUyNQ=="));
    let form = query(&format!("?{}", asked.body));
    assert_eq!(form["grant_type"], "authorization_code");
    assert_eq!(Some(&form["code"]), scene.callback.code.as_ref());
    assert_eq!((form["redirect_uri"].as_str(), form["code_verifier"].len(), form.len()), (BACK, 43, 4));
}

#[tokio::test]
async fn the_secret_goes_in_the_form_where_it_must_and_a_public_client_has_none() {
    let fake = Fake::start().await;
    fake.script().discovery["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    Scene::at(fake.clone(), provider).await.finish().await.unwrap();
    let mut public = options(&fake.issuer);
    public.client_secret = None;
    Scene::at(fake.clone(), Provider::new(public).unwrap()).await.finish().await.unwrap();
    let script = fake.script();
    let mut asked = script.asked.iter().filter(|asked| asked.path == "/token");
    let (secret, public) = (asked.next().unwrap(), asked.next().unwrap());
    assert_eq!((&secret.authorization, &public.authorization), (&None, &None));
    assert!(secret.body.ends_with("&client_id=berth%3A1&client_secret=s3cret%2F%25"), "{}", secret.body);
    assert!(public.body.ends_with("&client_id=berth%3A1"), "{}", public.body);
}

#[tokio::test]
async fn each_algorithm_that_is_allowed_is_believed() {
    for (signer, algorithm, key) in [
        (Signer::Rs256, "RS256", "rsa"),
        (Signer::Rs384, "RS384", "rsa"),
        (Signer::Rs512, "RS512", "rsa"),
        (Signer::Ps256, "PS256", "rsa"),
        (Signer::Es256, "ES256", "p256"),
        (Signer::Es384, "ES384", "p384"),
        (Signer::EdDsa, "EdDSA", "ed25519"),
    ] {
        let mut scene = Scene::new().await;
        scene.sign(signer, algorithm, key);
        let identity = scene.finish().await;
        assert!(identity.is_ok(), "{algorithm}: {identity:?}");
    }
}

#[tokio::test]
async fn the_hash_of_the_access_token_is_checked_by_the_algorithm() {
    let mut scene = Scene::new().await;
    let hash = digest(&SHA256, scene.access.as_bytes());
    scene.claims["at_hash"] = json!(encoded(&hash.as_ref()[..16]));
    scene.finish().await.unwrap();
    scene.sign(Signer::EdDsa, "EdDSA", "ed25519");
    let hash = digest(&SHA512, scene.access.as_bytes());
    scene.claims["at_hash"] = json!(encoded(&hash.as_ref()[..32]));
    scene.finish().await.unwrap();
}

#[tokio::test]
async fn a_good_key_among_garbage_is_found_also_without_an_id() {
    let fake = Fake::start().await;
    let rsa = public_keys().swap_remove(0);
    fake.script().keys = vec![
        Value::Null,
        json!("key"),
        json!({}),
        json!({"kid": "rsa", "kty": "RSA"}),
        json!({"kid": "rsa", "kty": "RSA", "n": "!", "e": "AQAB"}),
        json!({"kid": "rsa", "kty": "post-quantum", "seed": 1}),
        json!({"kid": "rsa", "kty": "oct", "k": "c2VjcmV0"}),
        json!({"kid": 7, "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}),
        rsa,
    ];
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let mut scene = Scene::at(fake, provider).await;
    scene.finish().await.unwrap();
    scene.header.as_object_mut().unwrap().remove("kid");
    scene.finish().await.unwrap();
}

#[tokio::test]
async fn a_new_key_is_fetched_at_most_once_a_minute() {
    let mut scene = Scene::new().await;
    scene.finish().await.unwrap();
    scene.fake.script().keys = vec![foreign_key("next")];
    scene.sign(Signer::Foreign, "RS256", "next");
    scene.now = NOW + 64;
    let refused = scene.finish().await.unwrap_err();
    assert!(matches!(refused, OidcError::IdToken(IdTokenError::UnknownKey)), "{refused}");
    assert_eq!(scene.fake.count("/keys"), 1);
    scene.now = NOW + 65;
    scene.finish().await.unwrap();
    assert_eq!(scene.fake.count("/keys"), 2);
    // A key that the provider took away is not believed any more.
    scene.sign(Signer::Rs256, "RS256", "rsa");
    assert!(scene.finish().await.is_err());
    assert_eq!(scene.fake.count("/keys"), 2);
}

#[tokio::test]
async fn what_the_provider_says_is_kept_for_an_hour() {
    let fake = Fake::start().await;
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    assert_eq!(fake.script().asked.len(), 0);
    let begin = |seconds| {
        let provider = provider.clone();
        async move { provider.begin(BACK, at(NOW + seconds)).await.unwrap() }
    };
    let all = tokio::join!(begin(0), begin(0), begin(3599));
    assert_ne!(all.0.url, all.1.url);
    assert_eq!(fake.script().asked.len(), 1);
    begin(3600).await;
    assert_eq!(fake.script().asked.len(), 2);
}

#[tokio::test]
async fn the_userinfo_is_asked_for_what_the_id_token_lacks() {
    let mut scene = Scene::new().await;
    for claim in ["preferred_username", "email", "email_verified", "groups"] {
        scene.omit(claim);
    }
    scene.fake.script().user_info = Reply::Json(
        200,
        json!({
            "sub": "248289761001", "preferred_username": "ann", "name": "Another Name", "email": "a@example.org",
            "groups": ["dev"],
        }),
    );
    let identity = scene.finish().await.unwrap();
    assert_eq!(identity.user_name.as_deref(), Some("ann"));
    assert_eq!(identity.name.as_deref(), Some("Ann Example"));
    assert_eq!((identity.email.as_deref(), identity.email_verified), (Some("a@example.org"), false));
    assert_eq!(identity.groups.unwrap(), ["dev"]);
    let bearer = scene.fake.script().asked.last().unwrap().authorization.clone();
    assert_eq!(bearer, Some(format!("Bearer {}", scene.access)));
}

#[tokio::test]
async fn somebody_without_a_user_name_is_somebody() {
    let mut scene = Scene::new().await;
    scene.fake.script().user_info = Reply::Json(200, json!({"sub": "248289761001"}));
    scene.omit("preferred_username");
    scene.omit("groups");
    let identity = scene.finish().await.unwrap();
    assert_eq!((identity.user_name, identity.groups), (None, Some(Vec::new())));
}

#[tokio::test]
async fn a_provider_that_names_itself_is_believed_by_its_name() {
    let fake = Fake::start().await;
    fake.script().discovery["authorization_response_iss_parameter_supported"] = json!(true);
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let mut scene = Scene::at(fake, provider).await;
    scene.callback.iss = Some(scene.fake.issuer.clone());
    scene.finish().await.unwrap();
}

#[tokio::test]
async fn a_sign_in_survives_being_written_down() {
    let mut scene = Scene::new().await;
    scene.pending = Pending::decode(&scene.pending.encode()).unwrap();
    scene.now = NOW + 599;
    scene.claims["exp"] = json!(NOW + 600);
    scene.finish().await.unwrap();
}
