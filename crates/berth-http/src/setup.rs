//! `/setup/SECRET`: the page behind a one-time link, where a password is chosen.
//!
//! A page of a few lines without scripts. Its path is a secret: it is not logged, not kept, and not told to other sites.

use berth_auth::{Accounts, AuthError, Invited, Secret};
use berth_registry::Body;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::answer::{Answer, Describe, full};
use crate::body;
use crate::error::ApiError;
use crate::headers::NO_STORE;
use crate::origin::Origin;
use crate::query::Form;
use crate::server::RouteKind;

/// The longest form, in bytes.
const LONGEST: usize = 16 * 1024;
const STYLE_PATH: &str = "/setup/style.css";
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);
const STYLE: &str = "\
:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}
body{display:grid;min-height:90vh;place-items:center;margin:1rem}
main{width:min(24rem,100%)}
h1{font-size:1.4rem;margin:0 0 .5rem}
label{display:block;margin:1rem 0 .25rem}
input{box-sizing:border-box;width:100%;padding:.5rem;font:inherit;border:1px solid GrayText;border-radius:.3rem}
button{margin-top:1.5rem;padding:.5rem 1.2rem;font:inherit;border:0;border-radius:.3rem;background:#0b57d0;color:#fff}
.error{padding:.5rem .75rem;border-radius:.3rem;background:#b3261e;color:#fff}
code{overflow-wrap:anywhere}
";

/// Answers a request below `/setup/`.
pub(crate) async fn answer(accounts: &Accounts, origin: &Origin, head: &Parts, body: impl Body) -> Answer {
    let path = head.uri.path();
    let done = if path == STYLE_PATH {
        Ok(full(StatusCode::OK, STYLE)
            .with(CONTENT_TYPE, HeaderValue::from_static("text/css; charset=utf-8")))
    } else {
        let secret = Secret::new(path.strip_prefix("/setup/").unwrap_or_default());
        match head.method {
            Method::GET | Method::HEAD => show(accounts, &secret).await,
            Method::POST => take(accounts, origin, &secret, body).await,
            _ => Err(ApiError::method_not_allowed(&head.method, "GET, HEAD, POST")),
        }
    };
    let mut answer = done.unwrap_or_else(ApiError::into_answer).with(CACHE_CONTROL, NO_STORE);
    answer.extensions_mut().insert(RouteKind("setup"));
    answer
        .with(CONTENT_SECURITY_POLICY, POLICY)
        .with(REFERRER_POLICY, HeaderValue::from_static("no-referrer"))
}

async fn show(accounts: &Accounts, secret: &Secret) -> Result<Answer, ApiError> {
    match accounts.invited(secret).await {
        Ok(invited) => Ok(form(StatusCode::OK, &invited, None)),
        Err(error) => ended(error),
    }
}

async fn take(
    accounts: &Accounts,
    origin: &Origin,
    secret: &Secret,
    body: impl Body,
) -> Result<Answer, ApiError> {
    let text = body::text(body, LONGEST).await?;
    let fields = Form::new(&text);
    let invited = match accounts.invited(secret).await {
        Ok(invited) => invited,
        Err(error) => return ended(error),
    };
    let again = |message: &str| Ok(form(StatusCode::BAD_REQUEST, &invited, Some(message)));
    let password = fields.get("password").unwrap_or_default();
    if fields.get("again").unwrap_or_default() != password {
        return again("the two passwords are not the same");
    }
    let name = match fields.get("name").filter(|_| invited == Invited::FirstAdministrator) {
        Some(name) => match name.parse() {
            Ok(name) => Some(name),
            Err(error) => return again(&format!("{error}")),
        },
        None => None,
    };
    match accounts.accept(secret, name, &Secret::new(password), origin.client).await {
        Ok(name) => Ok(done(name.as_str(), origin)),
        Err(
            error @ (AuthError::WeakPassword
            | AuthError::Exists { .. }
            | AuthError::Invalid(_)
            | AuthError::Busy),
        ) => again(&error.to_string()),
        Err(error) => ended(error),
    }
}

fn ended(error: AuthError) -> Result<Answer, ApiError> {
    match error {
        AuthError::UnknownInvitation => Ok(page(
            StatusCode::NOT_FOUND,
            "This link has ended",
            "<p>It was used already, or its time is over. Ask for a new one.</p>",
        )),
        other => Err(ApiError::internal(other)),
    }
}

fn form(status: StatusCode, invited: &Invited, error: Option<&str>) -> Answer {
    let error = error
        .map(|text| format!("<p class=\"error\" role=\"alert\">{}</p>", escaped(text)))
        .unwrap_or_default();
    let (title, name) = match invited {
        Invited::FirstAdministrator => (
            "Make the first administrator".to_owned(),
            "<label for=\"name\">Name</label>\
             <input id=\"name\" name=\"name\" autocomplete=\"username\" required autofocus>",
        ),
        Invited::Password(name) => (format!("Choose a password for {}", escaped(name.as_str())), ""),
    };
    let fields = format!(
        "{error}<form method=\"post\">{name}\
         <label for=\"password\">Password, at least 8 characters</label>\
         <input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"new-password\" minlength=\"8\" required>\
         <label for=\"again\">The same again</label>\
         <input id=\"again\" name=\"again\" type=\"password\" autocomplete=\"new-password\" minlength=\"8\" required>\
         <button>Save</button></form>"
    );
    page(status, &title, &fields)
}

fn done(name: &str, origin: &Origin) -> Answer {
    let host = origin.base.split_once("://").map_or(origin.base.as_str(), |(_, host)| host);
    let text =
        format!("<p>Sign in as {} now:</p><p><code>docker login {}</code></p>", escaped(name), escaped(host));
    page(StatusCode::OK, "The password is saved", &text)
}

/// `title` and `content` are HTML.
fn page(status: StatusCode, title: &str, content: &str) -> Answer {
    let html = format!(
        // Relative to the path of the link, wherever a proxy serves it.
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title} – Berth</title>\
         <link rel=\"stylesheet\" href=\"style.css\"><main><h1>{title}</h1>{content}</main></html>"
    );
    full(status, html).with(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn text_is_no_html() {
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }
}
