//! Access tokens and bearer tokens.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use berth_auth::{Action, Caller, LoginError, Missing, ScopeGrant, Secret, Verdict};
use berth_db::testing::{on_each, sqlite};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::town::{PASSWORD, Town, account, here, repository, token};

fn grant(name: &str, actions: &str) -> ScopeGrant {
    ScopeGrant { repository: Some(repository(name)), actions: actions.parse().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrowed_token_is_bound_by_itself_and_by_its_account() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let (view, secret) = town.token("alice", "pull,push", &["alice/app", "bob/**"]).await;
        for caller in [town.login("x", secret.reveal()).await.unwrap(), town.bearer(&secret).await.unwrap()] {
            assert_eq!(town.actions(&caller, "alice/app"), "pull,push", "{}", town.test.engine);
            assert_eq!(town.actions(&caller, "alice/other"), "");
            assert_eq!(town.actions(&caller, "bob/app"), "", "it cannot do more than alice");
            let verdict = town.verdict(&caller, Action::Delete, "alice/app");
            assert_eq!(verdict, Verdict::Refused(Missing::TokenNarrowed { action: Action::Delete }));
            assert!(
                town.accounts.add_token(token("pull", &[]), &caller).await.is_err(),
                "a token makes no tokens"
            );
            assert!(town.accounts.user(&account("alice"), &caller).await.is_err(), "and changes no account");
            let exchanged = town.accounts.issue(&caller, vec![grant("alice/app", "*")]).unwrap();
            let exchanged = town.bearer(&exchanged.token).await.unwrap();
            assert!(town.verdict(&exchanged, Action::Pull, "alice/app").is_allowed());
            assert!(
                !town.verdict(&exchanged, Action::Delete, "alice/app").is_allowed(),
                "narrow in every form"
            );
        }
        let root = town.person("root-of-all").await;
        let issued = town.bearer(&secret).await.unwrap();
        let issued = town.accounts.issue(&issued, vec![grant("alice/app", "*")]).unwrap();
        assert_eq!(town.accounts.tokens(Some(&account("alice")), &root).await.unwrap()[0].name, view.name);
        town.accounts.revoke_token(view.id, &root).await.unwrap();
        assert!(matches!(town.bearer(&secret).await, Err(LoginError::Invalid)));
        assert!(
            matches!(town.bearer(&issued.token).await, Err(LoginError::Invalid)),
            "with what it was exchanged for"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_end_and_are_bound_to_networks_and_tell_their_last_use() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let soon =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros() as i64;
        let mut short = token("pull", &[]);
        short.expires_at = Some(soon + 300_000);
        let (_, secret) = town.accounts.add_token(short.clone(), &alice).await.unwrap();
        assert!(town.bearer(&secret).await.is_ok());
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        assert!(town.bearer(&secret).await.is_err(), "{}", town.test.engine);
        assert!(town.accounts.add_token(short, &alice).await.is_err(), "one that has ended is not made");
        let mut bound = token("pull", &[]);
        bound.sources = vec!["192.168.0.0/16".parse().unwrap()];
        let (_, secret) = town.accounts.add_token(bound, &alice).await.unwrap();
        let refused = town.bearer(&secret).await;
        assert!(matches!(refused, Err(LoginError::Source { .. })), "{refused:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_carries_its_scope_and_nothing_beyond() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let issued =
            town.accounts.issue(&alice, vec![grant("alice/app", "pull"), grant("bob/app", "pull")]).unwrap();
        assert!(issued.expires_in >= 60);
        for _ in 0..2 {
            let caller = town.bearer(&issued.token).await.unwrap();
            assert_eq!((caller.name(), caller.principal()), ("alice", alice.principal()));
            assert!(town.verdict(&caller, Action::Pull, "alice/app").is_allowed(), "{}", town.test.engine);
            assert_eq!(
                town.verdict(&caller, Action::Push, "alice/app"),
                Verdict::Refused(Missing::OtherScope)
            );
            assert_eq!(
                town.verdict(&caller, Action::Pull, "alice/other"),
                Verdict::Refused(Missing::OtherScope)
            );
            assert!(!town.verdict(&caller, Action::Pull, "bob/app").is_allowed(), "a scope is no right");
            assert!(!caller.may_list_catalog());
            assert_eq!(
                town.actions(&caller, "alice/app"),
                "pull,push,delete,admin",
                "another scope can be asked for"
            );
        }
        let catalog = ScopeGrant { repository: None, actions: "pull".parse().unwrap() };
        let issued = town.accounts.issue(&Caller::anonymous(here()), vec![catalog]).unwrap();
        let nobody = town.bearer(&issued.token).await.unwrap();
        assert!(nobody.is_anonymous() && nobody.may_list_catalog());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_of_a_user_are_bounded() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let first = town.accounts.remember(&alice, "docker").await.unwrap().unwrap();
        for _ in 0..100 {
            town.accounts.remember(&alice, "docker").await.unwrap().unwrap();
        }
        let root = town.person("root-of-all").await;
        let tokens = town.accounts.tokens(Some(&account("alice")), &root).await.unwrap();
        assert_eq!(tokens.len(), 100, "{}", town.test.engine);
        assert!(town.accounts.refresh(&first, here()).is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_logs_nobody_out() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let issued = town.accounts.issue(&town.person("alice").await, Vec::new()).unwrap();
        let again = berth_auth::Accounts::open(town.test.db.clone()).await.unwrap();
        let caller = again.identify(&berth_auth::Credentials::Bearer(issued.token), here()).await.unwrap();
        assert_eq!(caller.name(), "alice", "{}", town.test.engine);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_replaced_is_believed_until_its_tokens_have_ended() {
    on_each(|test| async move {
        let town = Town::new(test).await;
        let alice = town.person("alice").await;
        let old = town.accounts.issue(&alice, Vec::new()).unwrap().token;
        age_keys(&town, 31).await;
        // Opening renews, as the upkeep does every minute.
        let other = berth_auth::Accounts::open(town.test.db.clone()).await.unwrap();
        let new = other.issue(&alice, Vec::new()).unwrap().token;
        assert_ne!(old.reveal().split('.').next(), new.reveal().split('.').next(), "{}", town.test.engine);
        for token in [&old, &new] {
            let identified = other.identify(&berth_auth::Credentials::Bearer(token.clone()), here()).await;
            assert_eq!(identified.unwrap().name(), "alice");
        }
        // A process that has not seen the new key looks for it.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        assert_eq!(town.bearer(&new).await.unwrap().name(), "alice");
        age_keys(&town, 62).await;
        let late = berth_auth::Accounts::open(town.test.db.clone()).await.unwrap();
        assert!(late.identify(&berth_auth::Credentials::Bearer(old), here()).await.is_err());
    })
    .await;
}

/// Makes all keys older.
async fn age_keys(town: &Town, days: i64) {
    let aged = town.test.db.write(move |mut tx| {
        Box::pin(async move {
            let micros = days * 24 * 60 * 60 * 1_000_000;
            tx.execute("UPDATE signing_keys SET created_at = created_at - ?1", berth_db::params![micros])
                .await
        })
    });
    let aged: Result<u64, berth_db::DbError> = aged.await;
    assert!(aged.unwrap() > 0);
}

/// The key of the town, to make tokens that only somebody with the key could make.
async fn key(town: &Town) -> (String, hmac::Key) {
    let row = town.test.db.read(|mut tx| {
        Box::pin(async move { tx.query_one("SELECT id, secret FROM signing_keys", &[]).await })
    });
    let row = row.await.unwrap_or_else(|error: berth_db::DbError| panic!("{error}"));
    let secret: Bytes = row.get(1).unwrap();
    (row.get(0).unwrap(), hmac::Key::new(hmac::HMAC_SHA256, &secret))
}

fn signed(key: &hmac::Key, header: &str, body: &str) -> String {
    let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(body));
    let signature = BASE64.encode(hmac::sign(key, message.as_bytes()));
    format!("{message}.{signature}")
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_and_malformed_tokens_are_refused() {
    let town = Town::new(sqlite().await).await;
    let alice = town.person("alice").await;
    let good = town.accounts.issue(&alice, vec![grant("alice/app", "pull")]).unwrap().token;
    let parts: Vec<&str> = good.reveal().split('.').collect();
    let claims: Value = serde_json::from_slice(&BASE64.decode(parts[1]).unwrap()).unwrap();
    let (kid, key) = key(&town).await;
    let header = format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#);
    let now = claims["iat"].as_u64().unwrap();
    assert!(
        town.bearer(&Secret::new(signed(&key, &header, &claims.to_string()))).await.is_ok(),
        "the forge works"
    );

    let mut bad: Vec<String> = Vec::new();
    // Headers: another algorithm, another key, a key of one's own, anything that is not letter for letter ours.
    for header in [
        r#"{"alg":"none"}"#.to_owned(),
        r#"{"alg":"None","typ":"JWT"}"#.to_owned(),
        format!(r#"{{"alg":"none","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS384","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS512","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"RS256","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT"}}"#),
        r#"{"alg":"HS256","kid":"other","typ":"JWT"}"#.to_owned(),
        r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
        format!(r#"{{"kid":"{kid}","alg":"HS256","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS256","alg":"none","kid":"{kid}","typ":"JWT"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","jwk":{{"kty":"oct","k":"AA"}}}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","jku":"http://127.0.0.1/keys"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","x5u":"http://127.0.0.1/c"}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","x5c":["AA"]}}"#),
        format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT","crit":["exp"],"exp":1}}"#),
        String::new(),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        bad.push(signed(&key, &header, &claims.to_string()));
        bad.push(format!("{}.{}.", BASE64.encode(&header), parts[1]));
    }
    // Claims: each one missing, of another type, or wrong.
    for name in ["iss", "aud", "sub", "epoch", "iat", "nbf", "exp", "jti", "access"] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        bad.push(signed(&key, &header, &without.to_string()));
        let mut other = claims.clone();
        other[name] = json!({ "a": 1 });
        bad.push(signed(&key, &header, &other.to_string()));
    }
    for (name, value) in [
        ("iss", json!("other")),
        ("aud", json!("registry.docker.io")),
        ("sub", json!("user:99999")),
        ("sub", json!("owner")),
        ("sub", json!("user:")),
        ("sub", json!("")),
        ("epoch", json!(7)),
        ("tok", json!(99_999)),
        ("nbf", json!(now + 3600)),
        ("iat", json!(now + 3600)),
        ("exp", json!(now - 61)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("admin", json!(true)),
    ] {
        let mut other = claims.clone();
        other[name] = value;
        bad.push(signed(&key, &header, &other.to_string()));
    }
    let twice = claims.to_string().replacen('{', r#"{"sub":"user:1","#, 1);
    bad.push(signed(&key, &header, &twice));
    bad.push(signed(&key, &header, "[]"));
    bad.push(signed(&key, &header, "not json"));
    // Signatures and forms.
    let stranger = hmac::Key::new(hmac::HMAC_SHA256, b"a key of a stranger");
    bad.push(signed(&stranger, &header, &claims.to_string()));
    let cut = &good.reveal()[..good.reveal().len() - 1];
    let changed = format!("{}.{}x.{}", parts[0], parts[1], parts[2]);
    let (alone, twice) = (format!("{}.{}", parts[0], parts[1]), format!("{0}.{0}", good.reveal()));
    let dots = ".".repeat(100_000);
    let (large, long) = ("A".repeat(1 << 20), format!("{}.{}", good.reveal(), "A".repeat(9000)));
    let standard = format!("{}=", good.reveal());
    for text in [
        "", ".", "..", "...", "berth_", "\u{0}", "é.é.é", cut, &changed, &alone, &twice, &dots, &large,
        &long, &standard,
    ] {
        bad.push(text.to_owned());
    }
    assert!(bad.len() >= 60, "{}", bad.len());
    for token in &bad {
        let refused = town.bearer(&Secret::new(token.clone())).await;
        let shown: String = token.chars().take(120).collect();
        assert!(matches!(refused, Err(LoginError::Invalid | LoginError::Expired)), "{shown}: {refused:?}");
    }
    assert!(town.bearer(&good).await.is_ok(), "and the good one is good");
    assert!(town.login("alice", PASSWORD).await.is_ok());
}
