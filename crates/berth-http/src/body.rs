//! Small request bodies that are read as a whole.

use berth_oci::ErrorCode;
use berth_registry::{Body, BodyError, RegistryError};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::json;

use crate::error::ApiError;

/// Reads a body of at most `most` bytes.
pub(crate) async fn bytes(mut body: impl Body, most: usize) -> Result<Bytes, ApiError> {
    let cut = |error: BodyError| ApiError::from(RegistryError::BodyCut(error));
    let mut whole = BytesMut::new();
    while let Some(piece) = body.next().await.transpose().map_err(cut)? {
        if whole.len() + piece.len() > most {
            let detail = json!({ "reason": "the body is too large", "limit": most });
            return Err(ApiError::new(ErrorCode::TooLarge, detail));
        }
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The same as text.
pub(crate) async fn text(body: impl Body, most: usize) -> Result<String, ApiError> {
    let bytes = bytes(body, most).await?;
    String::from_utf8(bytes.into())
        .map_err(|_| ApiError::because(ErrorCode::Unsupported, "the body is not UTF-8"))
}
