//! From a path of the distribution API to what it means: a pure function, read from the right.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use crate::digest::{Digest, DigestError, shorten};
use crate::error_code::ErrorCode;
use crate::name::{NameError, RepositoryName};
use crate::reference::{Reference, ReferenceError};
use crate::tag::TagError;

/// A resource of the API (distribution-spec, "Endpoints"). The method is the handler's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `/v2/`
    Base,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/manifests/<reference>`
    Manifest {
        /// The repository.
        name: RepositoryName,
        /// Tag or digest.
        reference: Reference,
    },
    /// `/v2/<name>/blobs/<digest>`
    Blob {
        /// The repository.
        name: RepositoryName,
        /// The blob.
        digest: Digest,
    },
    /// `/v2/<name>/blobs/uploads/`
    Uploads {
        /// The repository.
        name: RepositoryName,
    },
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload {
        /// The repository.
        name: RepositoryName,
        /// The session, [`UPLOAD_ID_LEN`] lower-case hexadecimal characters.
        id: String,
    },
    /// `/v2/<name>/referrers/<digest>`
    Referrers {
        /// The repository.
        name: RepositoryName,
        /// The subject.
        digest: Digest,
    },
}

/// Length of an upload id in characters: 128 random bits in hexadecimal.
pub const UPLOAD_ID_LEN: usize = 32;

impl Route {
    /// Reads the path of a request, still percent-encoded and without its query.
    ///
    /// Names may hold any of the words that structure a path (`a/blobs/uploads/b`, `tags/list/x`), so only the end
    /// decides. The path is split before it is decoded: an encoded slash never makes a component.
    pub fn parse(path: &str) -> Result<Route, RouteError> {
        let rest = match path.strip_prefix("/v2") {
            Some("" | "/") => return Ok(Route::Base),
            Some(rest) => rest.strip_prefix('/').ok_or(RouteError::NotFound)?,
            None => return Err(RouteError::NotFound),
        };
        let segments = rest.split('/').map(decode).collect::<Result<Vec<_>, _>>()?;
        let segments: Vec<&str> = segments.iter().map(Cow::as_ref).collect();
        match segments.as_slice() {
            ["_catalog"] => Ok(Route::Catalog),
            [name @ .., "blobs", "uploads"] | [name @ .., "blobs", "uploads", ""] => {
                Ok(Route::Uploads { name: join(name)? })
            }
            // Only here may a path end in a slash.
            [.., ""] => Err(RouteError::Name(NameError::EmptyComponent)),
            [name @ .., "tags", "list"] => Ok(Route::Tags { name: join(name)? }),
            [name @ .., "manifests", reference] => {
                Ok(Route::Manifest { name: join(name)?, reference: reference.parse()? })
            }
            [name @ .., "referrers", digest] => {
                Ok(Route::Referrers { name: join(name)?, digest: digest.parse()? })
            }
            [name @ .., "blobs", "uploads", id] => {
                Ok(Route::Upload { name: join(name)?, id: upload_id(id)? })
            }
            [name @ .., "blobs", digest] => Ok(Route::Blob { name: join(name)?, digest: digest.parse()? }),
            // Nothing of ours, but if it is not even made of names, say that: it helps whoever mistyped.
            other => Err(join(other).err().unwrap_or(RouteError::NotFound)),
        }
    }

    /// The repository that the route is about, if it is about one.
    pub fn name(&self) -> Option<&RepositoryName> {
        match self {
            Route::Base | Route::Catalog => None,
            Route::Tags { name }
            | Route::Manifest { name, .. }
            | Route::Blob { name, .. }
            | Route::Uploads { name }
            | Route::Upload { name, .. }
            | Route::Referrers { name, .. } => Some(name),
        }
    }
}

/// Why a path is not a [`Route`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// The path has no meaning in the API.
    #[error("no such path; paths of the API begin with /v2/ and a repository name")]
    NotFound,
    /// The repository name is malformed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A tag is malformed. No manifest can have it, so whoever only reads may be told "unknown".
    #[error(transparent)]
    Tag(#[from] TagError),
    /// A digest is malformed.
    #[error(transparent)]
    Digest(#[from] DigestError),
    /// The upload id is not one that this server gives out.
    #[error("no upload session {found:?}; start one with POST …/blobs/uploads/")]
    Upload {
        /// The beginning of the id.
        found: String,
    },
}

impl RouteError {
    /// The code to answer with.
    pub fn code(&self) -> ErrorCode {
        match self {
            RouteError::NotFound => ErrorCode::NotFound,
            RouteError::Name(_) => ErrorCode::NameInvalid,
            RouteError::Tag(_) => ErrorCode::TagInvalid,
            RouteError::Digest(_) => ErrorCode::DigestInvalid,
            RouteError::Upload { .. } => ErrorCode::BlobUploadUnknown,
        }
    }
}

impl From<ReferenceError> for RouteError {
    fn from(error: ReferenceError) -> Self {
        match error {
            ReferenceError::Tag(error) => RouteError::Tag(error),
            ReferenceError::Digest(error) => RouteError::Digest(error),
        }
    }
}

fn decode(segment: &str) -> Result<Cow<'_, str>, RouteError> {
    let text = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| NameError::Character { found: char::REPLACEMENT_CHARACTER })?;
    if text.contains('/') {
        return Err(NameError::Character { found: '/' }.into());
    }
    Ok(text)
}

fn join(segments: &[&str]) -> Result<RepositoryName, RouteError> {
    Ok(segments.join("/").parse()?)
}

fn upload_id(text: &str) -> Result<String, RouteError> {
    let well_formed =
        text.len() == UPLOAD_ID_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if well_formed { Ok(text.to_owned()) } else { Err(RouteError::Upload { found: shorten(text) }) }
}

#[cfg(test)]
mod tests;
