//! Answers that somebody forged, swapped or kept. Each ends in an error of its kind, and never in an identity.

use berth_oidc::{CallbackError, Fault, IdTokenError, OidcError, Provider};
use serde_json::json;

use crate::fake::{Fake, Reply};
use crate::scene::{NOW, Scene, options};
use crate::signer::{Signer, encoded, foreign_key, public_keys, rsa_key_bytes};

/// What is forged, how, and what it is told by.
type Case = (&'static str, fn(&mut Scene), fn(&OidcError) -> bool);

macro_rules! id_token {
    ($kind:pat) => {
        |error| matches!(error, OidcError::IdToken($kind))
    };
}

macro_rules! callback {
    ($kind:pat) => {
        |error| matches!(error, OidcError::Callback($kind))
    };
}

async fn check(cases: &[Case]) {
    for (name, forge, is_right) in cases {
        let mut scene = Scene::new().await;
        forge(&mut scene);
        match scene.finish().await {
            Ok(identity) => panic!("{name}: {identity:?}"),
            Err(error) => assert!(is_right(&error), "{name}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn claims_that_do_not_hold() {
    check(&[
        (
            "another issuer",
            |it| it.claims["iss"] = json!("https://evil.example"),
            id_token!(IdTokenError::Issuer),
        ),
        (
            "an issuer with a slash",
            |it| it.claims["iss"] = json!(format!("{}/", it.fake.issuer)),
            id_token!(IdTokenError::Issuer),
        ),
        (
            "several issuers",
            |it| it.claims["iss"] = json!([it.fake.issuer]),
            id_token!(IdTokenError::Unreadable(_)),
        ),
        ("another audience", |it| it.claims["aud"] = json!("other"), id_token!(IdTokenError::Audience)),
        ("no audience", |it| it.omit("aud"), id_token!(IdTokenError::Unreadable(_))),
        (
            "several audiences without a party",
            |it| it.claims["aud"] = json!(["berth:1", "other"]),
            id_token!(IdTokenError::Party),
        ),
        ("another party", |it| it.claims["azp"] = json!("other"), id_token!(IdTokenError::Party)),
        ("another nonce", |it| it.claims["nonce"] = json!("n".repeat(43)), id_token!(IdTokenError::Nonce)),
        ("no nonce", |it| it.omit("nonce"), id_token!(IdTokenError::Nonce)),
        ("an end in the past", |it| it.claims["exp"] = json!(NOW - 60), id_token!(IdTokenError::Expired)),
        ("no end", |it| it.omit("exp"), id_token!(IdTokenError::Unreadable(_))),
        (
            "a beginning in the future",
            |it| it.claims["nbf"] = json!(NOW + 66),
            id_token!(IdTokenError::NotYet),
        ),
        ("made in the future", |it| it.claims["iat"] = json!(NOW + 66), id_token!(IdTokenError::NotYet)),
        ("made at no time", |it| it.omit("iat"), id_token!(IdTokenError::Unreadable(_))),
        ("an empty subject", |it| it.claims["sub"] = json!(""), id_token!(IdTokenError::Subject)),
        ("a long subject", |it| it.claims["sub"] = json!("x".repeat(256)), id_token!(IdTokenError::Subject)),
        (
            "a subject that is a number",
            |it| it.claims["sub"] = json!(7),
            id_token!(IdTokenError::Unreadable(_)),
        ),
        ("no subject", |it| it.omit("sub"), id_token!(IdTokenError::Unreadable(_))),
        (
            "the hash of another access token",
            |it| it.claims["at_hash"] = json!(encoded([7; 16])),
            id_token!(IdTokenError::AccessToken),
        ),
        ("an empty hash", |it| it.claims["at_hash"] = json!(""), id_token!(IdTokenError::AccessToken)),
    ])
    .await;
}

#[tokio::test]
async fn signatures_that_prove_nothing() {
    check(&[
        ("none", |it| it.sign(Signer::Nobody, "none", "rsa"), id_token!(IdTokenError::Unreadable(_))),
        ("None", |it| it.sign(Signer::Nobody, "nOnE", "rsa"), id_token!(IdTokenError::Unreadable(_))),
        ("an empty signature", |it| it.signer = Signer::Nobody, id_token!(IdTokenError::Signature)),
        (
            "HS256 with the public key",
            |it| it.sign(Signer::Hs256(rsa_key_bytes()), "HS256", "rsa"),
            id_token!(IdTokenError::Algorithm),
        ),
        (
            "HS256 with the client secret",
            |it| it.sign(Signer::Hs256(b"s3cret/%".to_vec()), "HS256", "rsa"),
            id_token!(IdTokenError::Algorithm),
        ),
        (
            "HS256 with a key that the provider shows",
            |it| {
                it.fake.script().keys.push(json!({"kid": "oct", "kty": "oct", "k": encoded("secret")}));
                it.sign(Signer::Hs256(b"secret".to_vec()), "HS256", "oct");
            },
            id_token!(IdTokenError::Algorithm),
        ),
        ("PS512", |it| it.sign(Signer::Ps256, "PS512", "rsa"), id_token!(IdTokenError::Algorithm)),
        ("a foreign key", |it| it.signer = Signer::Foreign, id_token!(IdTokenError::Signature)),
        ("an unknown key", |it| it.header["kid"] = json!("other"), id_token!(IdTokenError::UnknownKey)),
        (
            "a foreign key without an id",
            |it| {
                it.signer = Signer::Foreign;
                it.header.as_object_mut().unwrap().remove("kid");
            },
            id_token!(IdTokenError::Signature),
        ),
    ])
    .await;
}

#[tokio::test]
async fn keys_that_do_not_fit() {
    check(&[
        (
            "a key of another type",
            |it| it.sign(Signer::Es256, "ES256", "rsa"),
            id_token!(IdTokenError::UnknownKey),
        ),
        (
            "a key of another curve",
            |it| it.sign(Signer::Es384, "ES256", "p384"),
            id_token!(IdTokenError::UnknownKey),
        ),
        ("another padding", |it| it.sign(Signer::Rs256, "PS256", "rsa"), id_token!(IdTokenError::Signature)),
        (
            "a key for encryption",
            |it| it.fake.script().keys[0]["use"] = json!("enc"),
            id_token!(IdTokenError::UnknownKey),
        ),
        (
            "a key for another algorithm",
            |it| it.fake.script().keys[0]["alg"] = json!("RS512"),
            id_token!(IdTokenError::UnknownKey),
        ),
        (
            "a key for other operations",
            |it| it.fake.script().keys[0]["key_ops"] = json!(["encrypt"]),
            id_token!(IdTokenError::UnknownKey),
        ),
    ])
    .await;
}

#[tokio::test]
async fn tokens_that_were_tampered_with() {
    fn other_claims(token: &str) -> String {
        let parts: Vec<_> = token.split('.').collect();
        format!("{}.{}.{}", parts[0], encoded(r#"{"sub":"root"}"#), parts[2])
    }
    check(&[
        ("other claims", |it| it.spoil = other_claims, id_token!(IdTokenError::Signature)),
        (
            "a bit of the signature",
            |it| it.spoil = |token| token.replace(&token[token.len() - 9..], "AAAAAAAAA"),
            id_token!(IdTokenError::Signature),
        ),
        (
            "a part too many",
            |it| it.spoil = |token| format!("{token}.AAAA"),
            id_token!(IdTokenError::Unreadable(_)),
        ),
        (
            "a part too few",
            |it| it.spoil = |token| token.rsplit_once('.').unwrap().0.to_owned(),
            id_token!(IdTokenError::Unreadable(_)),
        ),
        ("dots", |it| it.spoil = |_| ".".repeat(10_000), id_token!(IdTokenError::Unreadable(_))),
        ("nothing", |it| it.spoil = |_| String::new(), id_token!(IdTokenError::Unreadable(_))),
        ("much", |it| it.claims["filler"] = json!("x".repeat(70_000)), id_token!(IdTokenError::TooLong)),
        (
            "a key in the header",
            |it| {
                it.signer = Signer::Foreign;
                it.header["jwk"] = foreign_key("rsa");
            },
            id_token!(IdTokenError::Header),
        ),
        (
            "the address of a key",
            |it| it.header["jku"] = json!("https://evil.example/keys"),
            id_token!(IdTokenError::Header),
        ),
        (
            "something that must be understood",
            |it| it.header["crit"] = json!(["b64"]),
            id_token!(IdTokenError::Header),
        ),
        ("an access token", |it| it.header["typ"] = json!("at+jwt"), id_token!(IdTokenError::Kind)),
    ])
    .await;
}

#[tokio::test]
async fn callbacks_that_belong_elsewhere() {
    check(&[
        ("another state", |it| it.callback.state = Some("s".repeat(43)), callback!(CallbackError::State)),
        (
            "a part of the state",
            |it| it.callback.state.as_mut().unwrap().truncate(42),
            callback!(CallbackError::State),
        ),
        ("no state", |it| it.callback.state = None, callback!(CallbackError::State)),
        ("the same after ten minutes", |it| it.now = NOW + 600, callback!(CallbackError::Expired)),
        ("the same before it began", |it| it.now = NOW - 61, callback!(CallbackError::Expired)),
        (
            "another issuer",
            |it| it.callback.iss = Some("https://evil.example".to_owned()),
            callback!(CallbackError::Issuer),
        ),
        (
            "a refusal by another issuer",
            |it| {
                it.callback.iss = Some("https://evil.example".to_owned());
                it.callback.error = Some("access_denied".to_owned());
            },
            callback!(CallbackError::Issuer),
        ),
        (
            "a refusal",
            |it| it.callback.error = Some("access_denied".to_owned()),
            callback!(CallbackError::Refused { .. }),
        ),
        ("no code", |it| it.callback.code = None, callback!(CallbackError::NoCode)),
        ("an empty code", |it| it.callback.code = Some(String::new()), callback!(CallbackError::NoCode)),
    ])
    .await;
}

#[tokio::test]
async fn nothing_is_exchanged_for_a_callback_that_belongs_elsewhere() {
    let mut scene = Scene::new().await;
    scene.callback.state = Some("s".repeat(43));
    let error = scene.finish().await.unwrap_err();
    assert_eq!((error.fault(), scene.fake.count("/token")), (Fault::Visitor, 0));
}

#[tokio::test]
async fn an_issuer_that_is_announced_must_be_there() {
    let fake = Fake::start().await;
    fake.script().discovery["authorization_response_iss_parameter_supported"] = json!(true);
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let error = Scene::at(fake, provider).await.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::Callback(CallbackError::Issuer)), "{error:?}");
}

#[tokio::test]
async fn two_providers_are_not_mixed_up() {
    // The attacker's provider gets the callback of the honest one, and the other way round.
    let (honest, evil) = (Scene::new().await, Scene::new().await);
    let mixed = Scene { provider: evil.provider.clone(), ..honest };
    let error = mixed.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::Callback(CallbackError::OtherProvider)), "{error:?}");
    assert_eq!(evil.fake.count("/token"), 0);
    // It answers with a token of the honest one, which a victim gave it: the nonce would even be right.
    let mut swapped = Scene::new().await;
    swapped.claims["iss"] = json!(mixed.fake.issuer);
    let error = swapped.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::IdToken(IdTokenError::Issuer)), "{error:?}");
    // And with one that the honest one signed, when their keys differ.
    evil.fake.script().keys = vec![foreign_key("rsa")];
    let error = evil.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::IdToken(IdTokenError::Signature)), "{error:?}");
}

#[tokio::test]
async fn an_algorithm_that_is_not_announced_is_not_believed() {
    let fake = Fake::start().await;
    fake.script().discovery["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    let provider = Provider::new(options(&fake.issuer)).unwrap();
    let mut scene = Scene::at(fake, provider).await;
    let error = scene.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::IdToken(IdTokenError::Algorithm)), "{error:?}");
    scene.sign(Signer::Es256, "ES256", "p256");
    scene.finish().await.unwrap();
}

#[tokio::test]
async fn a_token_of_another_sign_in_is_not_believed() {
    let first = Scene::new().await;
    let mut second = Scene::at(first.fake.clone(), first.provider.clone()).await;
    second.claims["nonce"] = first.claims["nonce"].clone();
    let error = second.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::IdToken(IdTokenError::Nonce)), "{error:?}");
}

#[tokio::test]
async fn the_userinfo_of_somebody_else_is_not_believed() {
    for (info, is_right) in [
        (json!({"sub": "1", "preferred_username": "root"}), true),
        (json!({"sub": "248289761001 ", "preferred_username": "root"}), true),
        (json!({"preferred_username": "root"}), false),
    ] {
        let mut scene = Scene::new().await;
        scene.fake.script().user_info = Reply::Json(200, info);
        scene.omit("preferred_username");
        let error = scene.finish().await.unwrap_err();
        assert_eq!(matches!(error, OidcError::OtherSubject), is_right, "{error:?}");
    }
}

#[tokio::test]
async fn a_weak_key_proves_nothing() {
    let scene = Scene::new().await;
    let mut weak = public_keys().swap_remove(0);
    weak["n"] = json!(encoded([0xff; 64]));
    scene.fake.script().keys = vec![weak];
    let error = scene.finish().await.unwrap_err();
    assert!(matches!(error, OidcError::IdToken(IdTokenError::Signature)), "{error:?}");
}
