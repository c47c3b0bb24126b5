//! Style, script and icon: in the binary, named by their content, kept by browsers for ever.

use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Response, StatusCode};
use sha2::{Digest, Sha256};

use crate::reply::Reply;

struct Asset {
    /// `HASH.NAME`.
    name: String,
    media_type: &'static str,
    content: &'static [u8],
}

static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("berth.css", "text/css; charset=utf-8", include_bytes!("../assets/berth.css"))
});
static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("berth.js", "text/javascript; charset=utf-8", include_bytes!("../assets/berth.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("berth.svg", "image/svg+xml", include_bytes!("../assets/berth.svg")));

impl Asset {
    fn new(name: &str, media_type: &'static str, content: &'static [u8]) -> Asset {
        let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Asset { name: format!("{hash}.{name}"), media_type, content }
    }
}

/// The file name of the style sheet.
pub(crate) fn style() -> &'static str {
    &STYLE.name
}

/// The file name of the script.
pub(crate) fn script() -> &'static str {
    &SCRIPT.name
}

/// The file name of the icon.
pub(crate) fn icon() -> &'static str {
    &ICON.name
}

/// The asset of that file name. It never changes, since its name would.
pub(crate) fn answer(name: &str) -> Option<Reply> {
    let asset = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name)?;
    let mut reply = Response::new(Bytes::from_static(asset.content));
    *reply.status_mut() = StatusCode::OK;
    let headers = reply.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Some(reply)
}
