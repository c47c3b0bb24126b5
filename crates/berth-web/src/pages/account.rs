//! One's own account: tokens, sessions, password.

use askama::Template;
use berth_auth::{
    AccountKind, AccountName, IdentityView, Secret, SessionId, SessionView, TokenView, UserChange,
    Visibility, Who,
};
use http::header::SET_COOKIE;

use super::{Call, sign_in, tokens};
use crate::error::PageError;
use crate::format;
use crate::layout::Layout;
use crate::openid::{self, Aim};
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "account.html")]
struct Account {
    l: Layout,
    name: AccountName,
    tokens: Vec<TokenView>,
    sessions: Vec<SessionView>,
    present: Option<SessionId>,
    is_public: bool,
    identities: Vec<IdentityView>,
    openid: Option<String>,
}

impl Account {
    fn browser(&self, agent: &str) -> String {
        format::browser(agent)
    }

    fn is_present(&self, id: &SessionId) -> bool {
        self.present.as_ref() == Some(id)
    }
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str]) -> Done {
    if !rest.is_empty() {
        return Err(PageError::NotFound);
    }
    let Who::Account { kind: AccountKind::User, name, .. } = call.caller.who().clone() else {
        return Err(PageError::SignIn);
    };
    if call.is_post() {
        return change(call, &name).await;
    }
    let present = match call.visit.session() {
        Some(secret) => call.web.accounts.session(&secret, call.visit.client).await?.map(|(_, id)| id),
        None => None,
    };
    let user = call.web.accounts.user(&name, call.caller).await?;
    reply::page(&Account {
        l: call.layout(),
        tokens: tokens::of(call, &name).await?,
        sessions: call.web.accounts.sessions(call.caller).await?,
        identities: call.web.accounts.identities(call.caller).await?,
        openid: call.web.options.openid.as_ref().map(|openid| openid.name.clone()),
        present,
        is_public: user.default_visibility == Visibility::Public,
        name,
    })
}

async fn change(call: Call<'_>, name: &AccountName) -> Done {
    let form = call.visit.form();
    match form.get("action") {
        "token" => tokens::add(call, name, "/account").await,
        "revoke" => tokens::revoke(call, "/account").await,
        "end-session" => {
            let id = form.get("id").parse().map_err(|_| PageError::NotFound)?;
            call.web.accounts.end_session(SessionId(id), call.caller).await?;
            call.see("/account?done=session-ended")
        }
        "visibility" => {
            let visibility =
                if form.get("visibility") == "public" { Visibility::Public } else { Visibility::Private };
            let change = UserChange { default_visibility: Some(visibility), ..UserChange::default() };
            call.web.accounts.change_user(name, change, call.caller).await?;
            call.see("/account?done=saved")
        }
        "link" => openid::begin(call, Aim::Link, "/account").await,
        "unlink" => {
            call.web.accounts.unlink_identity(form.get("issuer"), form.get("subject"), call.caller).await?;
            call.see("/account?done=saved")
        }
        "password" => change_password(call, name).await,
        _ => Err(PageError::NotFound),
    }
}

/// All sessions end with the old password; this one goes on as a new one.
async fn change_password(call: Call<'_>, name: &AccountName) -> Done {
    let form = call.visit.form();
    if form.raw("password") != form.raw("again") {
        return Err(PageError::Invalid(call.layout().t.not_the_same.to_owned()));
    }
    let change = UserChange {
        password: Some(Secret::new(form.raw("password"))),
        present_password: Some(Secret::new(form.raw("present"))),
        ..UserChange::default()
    };
    call.web.accounts.change_user(name, change, call.caller).await?;
    let cookie = sign_in::begin(call, call.caller).await?;
    Ok(reply::with(call.see("/account?done=password")?, SET_COOKIE, cookie))
}
