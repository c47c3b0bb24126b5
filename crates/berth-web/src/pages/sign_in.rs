//! Signing in and out.

use askama::Template;
use berth_auth::{Caller, Credentials, LoginError, Secret};
use http::StatusCode;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};
use crate::{links, session};

/// Makes a browser forget what it kept of this server's pages.
const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn {
    l: Layout,
    to: String,
    name: String,
    error: Option<String>,
}

pub(super) async fn answer(call: Call<'_>, segments: &[&str]) -> Done {
    match (segments, call.is_post()) {
        (["sign-in"], false) => form(call, call.visit.query().get("to"), "", None),
        (["sign-in"], true) => sign_in(call).await,
        (["sign-out"], true) => sign_out(call).await,
        _ => Err(PageError::NotFound),
    }
}

fn form(call: Call<'_>, to: &str, name: &str, error: Option<String>) -> Done {
    let status = if error.is_some() { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    let to = links::local(&call.web.options.root, to);
    reply::html(status, &SignIn { l: call.layout(), to, name: name.to_owned(), error })
}

async fn sign_in(call: Call<'_>) -> Done {
    let fields = call.visit.form();
    let (name, to) = (fields.get("name"), fields.get("to"));
    let secret = Secret::new(fields.raw("password"));
    let credentials = Credentials::Basic { user: name.to_owned(), secret };
    let caller = match call.web.accounts.identify(&credentials, call.visit.client).await {
        Ok(caller) if caller.is_anonymous() => return form(call, to, name, Some(incorrect(call))),
        Ok(caller) => caller,
        Err(LoginError::Internal(error)) => return Err(error.into()),
        Err(LoginError::Incorrect) => return form(call, to, name, Some(incorrect(call))),
        Err(error) => return form(call, to, name, Some(error.to_string())),
    };
    match begin(call, &caller).await {
        Ok(cookie) => {
            let done = reply::see(&links::local(&call.web.options.root, to))?;
            Ok(reply::with(done, SET_COOKIE, cookie))
        }
        // A token in place of the password, or a robot: those have no page.
        Err(PageError::Auth(berth_auth::AuthError::Forbidden { .. })) => {
            form(call, to, name, Some(call.layout().t.password_only.to_owned()))
        }
        Err(error) => Err(error),
    }
}

/// Begins a session; the one of before ends, so that no secret from before the sign-in is good after it.
pub(super) async fn begin(call: Call<'_>, caller: &Caller) -> Result<HeaderValue, PageError> {
    let secret = call.web.accounts.begin_session(caller, call.visit.agent()).await?;
    end_present(call).await?;
    Ok(session::set(call.visit, Some(&secret)))
}

async fn sign_out(call: Call<'_>) -> Done {
    end_present(call).await?;
    let done = call.see("/")?;
    let done = reply::with(done, SET_COOKIE, session::set(call.visit, None));
    Ok(reply::with(done, CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\"")))
}

async fn end_present(call: Call<'_>) -> Result<(), PageError> {
    let Some(secret) = call.visit.session() else { return Ok(()) };
    if let Some((caller, id)) = call.web.accounts.session(&secret, call.visit.client).await? {
        call.web.accounts.end_session(id, &caller).await?;
    }
    Ok(())
}

fn incorrect(call: Call<'_>) -> String {
    call.layout().t.incorrect.to_owned()
}
