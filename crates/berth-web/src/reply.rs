//! Answers, with the headers that keep hostile text harmless.

use askama::Template;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{Response, StatusCode};

use crate::error::PageError;

/// An answer to a visit.
pub(crate) type Reply = Response<Bytes>;
/// An answer, or what there is to say instead.
pub(crate) type Done = Result<Reply, PageError>;

/// Scripts and styles come from here, in files of their own; nothing else is loaded, nobody frames us, and forms go
/// nowhere else.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// A page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Done {
    Ok(described(status, HeaderValue::from_static("text/html; charset=utf-8"), page.render()?.into()))
}

/// A page that was found.
pub(crate) fn page(page: &impl Template) -> Done {
    html(StatusCode::OK, page)
}

/// A file to be saved.
pub(crate) fn download(name: &str, media_type: &'static str, content: Bytes) -> Reply {
    let mut reply = described(StatusCode::OK, HeaderValue::from_static(media_type), content);
    let disposition = HeaderValue::try_from(format!("attachment; filename=\"{name}\""));
    let disposition = disposition.unwrap_or_else(|_| HeaderValue::from_static("attachment"));
    reply.headers_mut().insert(http::header::CONTENT_DISPOSITION, disposition);
    reply
}

/// Goes on to another page, which is asked for with GET.
pub(crate) fn see(location: &str) -> Done {
    let mut reply = described(StatusCode::SEE_OTHER, HeaderValue::from_static("text/plain"), Bytes::new());
    let location = HeaderValue::try_from(location).map_err(|_| PageError::NotFound)?;
    reply.headers_mut().insert(LOCATION, location);
    Ok(reply)
}

/// Adds a header field.
pub(crate) fn with(mut reply: Reply, name: HeaderName, value: HeaderValue) -> Reply {
    reply.headers_mut().append(name, value);
    reply
}

fn described(status: StatusCode, media_type: HeaderValue, content: Bytes) -> Reply {
    let mut reply = Response::new(content);
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // What somebody may see is not kept for the next one at the same browser.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Cookie, Accept-Language"));
    reply
}
