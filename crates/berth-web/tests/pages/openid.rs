//! Signing in at an OpenID provider, there and back.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_oidc::{Provider, ProviderOptions};
use berth_web::OpenId;
use serde_json::json;

use crate::fake::{Fake, Reply};
use crate::signer::Signer;
use crate::town::{Page, Town};

struct Scene {
    town: Town,
    fake: Fake,
}

impl Scene {
    async fn new(makes_users: bool) -> Scene {
        let fake = Fake::start().await;
        let provider = Provider::new(ProviderOptions::new(fake.issuer.as_str(), "berth")).unwrap();
        let town = Town::with("", Some(OpenId { provider, name: "Acme".to_owned(), makes_users })).await;
        Scene { town, fake }
    }

    /// Goes to the provider, which vouches for `subject`, and comes back.
    async fn there_and_back(&self, cookie: &str, page: &str, form: &str, subject: &str) -> Page {
        let begun = self.town.visit(page, cookie, Some(form)).await;
        assert_eq!(begun.status, 303, "{}", begun.text);
        let parameter = |name: &str| {
            let rest = begun.location().split(&format!("{name}=")).nth(1).unwrap();
            rest.split('&').next().unwrap().to_owned()
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "iss": self.fake.issuer, "sub": subject, "aud": "berth", "nonce": parameter("nonce"),
            "iat": now, "exp": now + 300, "preferred_username": subject,
        });
        let token = Signer::Rs256.token(&json!({ "alg": "RS256", "kid": "rsa" }), &claims);
        let tokens = json!({ "id_token": token, "access_token": "a", "token_type": "Bearer" });
        self.fake.script().token = Reply::Json(200, tokens);
        let cookies =
            if cookie.is_empty() { begun.cookies() } else { format!("{cookie}; {}", begun.cookies()) };
        let back = format!("/sign-in/openid/callback?code=c&state={}", parameter("state"));
        self.town.visit(&back, &cookies, None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_whom_the_provider_vouches_for_is_a_user_if_that_is_wanted() {
    let scene = Scene::new(true).await;
    assert!(scene.town.visit("/sign-in", "", None).await.text.contains("Sign in with Acme"));
    let done = scene.there_and_back("", "/sign-in/openid", "to=%2Fr", "dora").await;
    assert_eq!((done.status, done.location()), (303, "/r"), "{}", done.text);
    let account = scene.town.visit("/account", &done.cookies(), None).await;
    assert!(account.text.contains("<h1>dora</h1>") && account.text.contains(&scene.fake.issuer));
    let taken = scene.there_and_back("", "/sign-in/openid", "to=%2F", "alice").await;
    assert_eq!((taken.status, taken.cookies().as_str()), (400, ""), "nobody becomes alice by a name");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_is_linked_by_who_is_signed_in() {
    let scene = Scene::new(false).await;
    let stranger = scene.there_and_back("", "/sign-in/openid", "to=%2F", "subject-7").await;
    assert_eq!(stranger.status, 400);
    assert!(stranger.text.contains("sign in with a password and link it"), "{}", stranger.text);
    let alice = scene.town.sign_in("alice").await;
    let linked = scene.there_and_back(&alice, "/account", "action=link", "subject-7").await;
    assert_eq!((linked.status, linked.location()), (303, "/account?done=saved"), "{}", linked.text);
    let done = scene.there_and_back("", "/sign-in/openid", "to=%2F", "subject-7").await;
    assert!(scene.town.visit("/account", &done.cookies(), None).await.text.contains("<h1>alice</h1>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_must_have_gone_there_from_this_browser() {
    let scene = Scene::new(true).await;
    let begun = scene.town.visit("/sign-in/openid", "", Some("to=%2F")).await;
    let state =
        begun.location().split("state=").nth(1).and_then(|rest| rest.split('&').next()).unwrap().to_owned();
    for (target, cookie) in [
        (format!("/sign-in/openid/callback?code=c&state={state}"), ""),
        ("/sign-in/openid/callback?code=c&state=other".to_owned(), begun.cookies().as_str()),
        (format!("/sign-in/openid/callback?error=access_denied&state={state}"), begun.cookies().as_str()),
        ("/sign-in/openid/callback".to_owned(), "berth_openid=sign-in|%2F|nonsense"),
    ] {
        let done = scene.town.visit(&target, cookie, None).await;
        assert_eq!((done.status, done.cookies().as_str()), (400, ""), "{target}");
    }
    assert_eq!(scene.fake.count("/token"), 0, "no code of a stranger is sent on");
    let none = Town::new().await;
    assert_eq!(none.visit("/sign-in/openid", "", Some("to=%2F")).await.status, 404);
}
