//! Sessions: begun by a password, ended by their user, worth nothing afterwards.

use crate::town::{PASSWORD, Town};

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_before_is_worth_nothing_after_signing_in_or_out() {
    let town = Town::new().await;
    let first = town.sign_in("alice").await;
    let form = format!("name=alice&password={}", PASSWORD.replace(' ', "+"));
    let second = town.visit("/sign-in", &first, Some(&form)).await.cookies();
    assert_ne!(first, second);
    assert_eq!(town.visit("/account", &first, None).await.status, 303, "the old secret is refused");
    assert_eq!(town.visit("/account", &second, None).await.status, 200);
    let out = town.visit("/sign-out", &second, Some("")).await;
    assert!(out.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    assert_eq!(town.visit("/account", &second, None).await.status, 303, "a copied cookie is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_password_ends_all_sessions_but_this() {
    let town = Town::new().await;
    let (phone, desk) = (town.sign_in("alice").await, town.sign_in("alice").await);
    let old = PASSWORD.replace(' ', "+");
    let wrong = town
        .visit("/account", &desk, Some("action=password&present=x&password=longer+one&again=longer+one"))
        .await;
    assert_eq!(wrong.status, 403);
    let form = format!("action=password&present={old}&password=longer+one&again=longer+one");
    let done = town.visit("/account", &desk, Some(&form)).await;
    assert_eq!(done.status, 303, "{}", done.text);
    assert_eq!(town.visit("/account", &phone, None).await.status, 303);
    assert_eq!(town.visit("/account", &desk, None).await.status, 303);
    assert_eq!(town.visit("/account", &done.cookies(), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_no_session() {
    let town = Town::new().await;
    let alice = town.sign_in("alice").await;
    let made = town
        .visit(
            "/account",
            &alice,
            Some("action=token&token=x&actions=pull&actions=push&actions=delete&actions=admin"),
        )
        .await;
    let secret = made.text.split("id=\"secret\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
    let done = town.visit("/sign-in", "", Some(&format!("name=alice&password={secret}"))).await;
    assert_eq!((done.status, done.cookies().as_str()), (401, ""));
}
