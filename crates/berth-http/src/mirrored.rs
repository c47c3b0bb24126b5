//! Paths of clients that put the upstream before `/v2`: `/quay.io/v2/org/app/…` is `/v2/quay.io/org/app/…`.

use berth_mirror::Mirror;
use http::Uri;
use http::uri::PathAndQuery;

/// The usual form of such a path, if it begins with an upstream.
pub(crate) fn without_prefix(mirror: &Mirror, uri: &Uri) -> Option<Uri> {
    let (first, rest) = uri.path().strip_prefix('/')?.split_once('/')?;
    let rest = rest.strip_prefix("v2").filter(|rest| rest.is_empty() || rest.starts_with('/'))?;
    if !mirror.has(first) {
        return None;
    }
    let rest = rest.trim_start_matches('/');
    // The base of the API is the same for all.
    let path = if rest.is_empty() { "/v2/".to_owned() } else { format!("/v2/{first}/{rest}") };
    let target = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}
