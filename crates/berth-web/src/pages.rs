//! From a path to a page: who visits, what he may change, and one file for each noun.

mod account;
mod admin;
mod compare;
mod explorer;
mod files;
mod history;
mod home;
mod image;
mod mirrors;
mod removal;
mod repository;
mod robots;
mod search;
mod settings;
pub(crate) mod sign_in;
mod teams;
pub(crate) mod tokens;
mod trash;
mod users;

use askama::Template;
use berth_oci::RepositoryName;
use berth_registry::{Caller, Refusal, RegistryError};
use http::header::SET_COOKIE;
use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done, Reply};
use crate::session;
use crate::texts::Language;
use crate::visit::{LANGUAGE, THEME, Theme, Visit};
use crate::{Web, assets, links};

/// A visit, and who makes it.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) web: &'a Web,
    pub(crate) visit: &'a Visit,
    pub(crate) caller: &'a Caller,
}

/// Answers a visit.
pub(crate) async fn answer(web: &Web, visit: Visit) -> Reply {
    if let Some(asset) = visit.path(&web.options.root).strip_prefix("/assets/").and_then(assets::answer) {
        return asset;
    }
    let caller = match identify(web, &visit).await {
        Ok(caller) => caller,
        Err(error) => {
            return told(Call { web, visit: &visit, caller: &Caller::anonymous(visit.client) }, &error);
        }
    };
    let call = Call { web, visit: &visit, caller: &caller };
    let done = match call.admitted() {
        Ok(()) => dispatch(call).await,
        Err(error) => Err(error),
    };
    done.unwrap_or_else(|error| told(call, &error))
}

/// Who visits: the user of his session, else nobody in particular. Other credentials count for the API alone.
async fn identify(web: &Web, visit: &Visit) -> Result<Caller, PageError> {
    let anonymous = Caller::anonymous(visit.client);
    let Some(secret) = visit.session() else { return Ok(anonymous) };
    let found = web.accounts.session(&secret, visit.client).await?;
    Ok(found.map_or(anonymous, |(caller, _)| caller))
}

async fn dispatch(call: Call<'_>) -> Done {
    let path = call.visit.path(&call.web.options.root).to_owned();
    if let Some(rest) = path.strip_prefix("/r/") {
        return in_repository(call, rest).await;
    }
    let segments: Vec<_> = path.split('/').skip(1).map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] | [""] => home::home(call).await,
        ["r"] => home::all(call).await,
        ["search"] => search::answer(call).await,
        ["api"] => explorer::answer(call),
        ["preferences"] => preferences(call),
        ["sign-in", ..] | ["sign-out"] => sign_in::answer(call, &segments).await,
        ["account", rest @ ..] => account::answer(call, rest).await,
        ["teams", rest @ ..] => teams::answer(call, rest).await,
        ["robots", rest @ ..] => robots::answer(call, rest).await,
        ["admin", rest @ ..] => admin::answer(call, rest).await,
        _ => Err(PageError::NotFound),
    }
}

async fn in_repository(call: Call<'_>, path: &str) -> Done {
    let (name, rest) = path.split_once("/-/").unwrap_or((path, ""));
    let name: RepositoryName = name.trim_end_matches('/').parse().map_err(|_| PageError::NotFound)?;
    let segments: Vec<_> = rest.split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [""] => repository::answer(call, &name).await,
        ["history"] => history::answer(call, &name).await,
        ["image", at] => image::answer(call, &name, at).await,
        ["image", at, "files"] => files::answer(call, &name, at).await,
        ["compare"] => compare::answer(call, &name).await,
        ["delete"] => removal::answer(call, &name).await,
        ["trash"] => trash::answer(call, &name).await,
        ["settings"] => settings::answer(call, &name).await,
        _ => Err(PageError::NotFound),
    }
}

impl Call<'_> {
    /// Whether this visit is one of a reader of our pages, and a change one of our pages' forms.
    fn admitted(self) -> Result<(), PageError> {
        // Where nobody has to sign in, the name that a browser calls us by is all that keeps other sites' pages out.
        if !self.web.accounts.any() && self.visit.is_called_by_a_stranger() {
            return Err(PageError::Stranger);
        }
        match self.visit.head.method {
            Method::GET | Method::HEAD => Ok(()),
            Method::POST if self.visit.is_from_here() => Ok(()),
            Method::POST => Err(PageError::Foreign),
            _ => Err(PageError::NotFound),
        }
    }

    pub(crate) fn layout(self) -> Layout {
        Layout::of(self.web, self.visit, self.caller)
    }

    pub(crate) fn is_post(self) -> bool {
        !self.visit.is_reading()
    }

    /// Goes on to a page below the root.
    pub(crate) fn see(self, path: &str) -> Done {
        reply::see(&format!("{}{path}", self.web.options.root))
    }

    /// Refuses who did not sign in, where one can.
    pub(crate) fn require_user(self) -> Result<(), PageError> {
        if self.caller.is_anonymous() { Err(PageError::SignIn) } else { Ok(()) }
    }
}

/// What somebody is told instead of a page. Who could see more after signing in is sent there.
fn told(call: Call<'_>, error: &PageError) -> Reply {
    let is_refused = matches!(
        error,
        PageError::SignIn
            | PageError::Registry(RegistryError::Denied(_) | RegistryError::RepositoryUnknown)
            | PageError::Auth(berth_auth::AuthError::Forbidden { .. })
    );
    if is_refused && call.web.accounts.any() && call.caller.is_anonymous() && call.visit.is_reading() {
        let to = links::encoded(&call.layout().here);
        if let Ok(reply) = call.see(&format!("/sign-in?to={to}")) {
            return reply;
        }
    }
    // Who may not see a repository is told what he would be told if it were not there.
    let hidden = matches!(
        error,
        PageError::Registry(
            RegistryError::Denied(Refusal::Repository { .. }) | RegistryError::RepositoryUnknown
        )
    ) && call.visit.is_reading()
        && !call.web.registry.authorizer().waits_for_setup();
    let status = if hidden { StatusCode::NOT_FOUND } else { error.status() };
    if status.is_server_error() {
        tracing::error!(error = error as &dyn std::error::Error, "a page failed");
    }
    let l = call.layout();
    let (title, sentence) = match status {
        StatusCode::NOT_FOUND => (l.t.not_found, l.t.not_found_or_hidden.to_owned()),
        StatusCode::FORBIDDEN => (l.t.refused, error.sentence()),
        _ => (l.t.failed, error.sentence()),
    };
    let page = ErrorPage { title, sentence, l };
    reply::html(status, &page).unwrap_or_else(|_| {
        let mut reply = Reply::new(bytes::Bytes::from_static(b"internal error"));
        *reply.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        reply
    })
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    l: Layout,
    title: &'static str,
    sentence: String,
}

/// Keeps a choice of language or colours, and goes back.
fn preferences(call: Call<'_>) -> Done {
    if !call.is_post() {
        return call.see("/");
    }
    let form = call.visit.form();
    let mut done = reply::see(&links::local(&call.web.options.root, form.get("to")))?;
    if let Some(language) = Language::by_code(form.get("language")) {
        done = reply::with(done, SET_COOKIE, session::choice(call.visit, LANGUAGE, language.code()));
    }
    if form.has("theme") {
        let theme = Theme::named(form.get("theme"));
        done = reply::with(done, SET_COOKIE, session::choice(call.visit, THEME, theme.as_str()));
    }
    Ok(done)
}

fn decoded(segment: &str) -> String {
    percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
