//! The error codes of the protocol, each with its name, status and standard message in one place.

use std::fmt;

/// A code of the error body (distribution-spec, "Error Codes"), with those that clients learnt from `distribution`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The blob is not in this repository.
    BlobUnknown,
    /// The upload request makes no sense in the session's state.
    BlobUploadInvalid,
    /// There is no such upload session (any more).
    BlobUploadUnknown,
    /// The digest is malformed, or is not that of the content.
    DigestInvalid,
    /// The manifest names content that is not in this repository.
    ManifestBlobUnknown,
    /// The manifest breaks a rule; clients may convert it and try again.
    ManifestInvalid,
    /// The manifest is not in this repository.
    ManifestUnknown,
    /// The repository name is outside the grammar.
    NameInvalid,
    /// There is no such repository, or none that the caller may know of.
    NameUnknown,
    /// The length is not that of the content.
    SizeInvalid,
    /// The content is larger than the server takes; sent as `SIZE_INVALID` with its own status.
    TooLarge,
    /// The tag is outside the grammar.
    TagInvalid,
    /// No credentials, or credentials that are not right.
    Unauthorized,
    /// The caller is known and may not.
    Denied,
    /// The operation does not exist or is switched off.
    Unsupported,
    /// A rate limit is reached.
    TooManyRequests,
    /// A chunk does not begin where the upload stands.
    RangeInvalid,
    /// The page size is not a number.
    PaginationNumberInvalid,
    /// The path means nothing here.
    NotFound,
    /// A condition of the request (`If-Match`) does not hold.
    PreconditionFailed,
    /// Our own failure.
    InternalError,
    /// A part that we depend on does not answer; trying again later makes sense.
    Unavailable,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [ErrorCode; 22] = [
        ErrorCode::BlobUnknown,
        ErrorCode::BlobUploadInvalid,
        ErrorCode::BlobUploadUnknown,
        ErrorCode::DigestInvalid,
        ErrorCode::ManifestBlobUnknown,
        ErrorCode::ManifestInvalid,
        ErrorCode::ManifestUnknown,
        ErrorCode::NameInvalid,
        ErrorCode::NameUnknown,
        ErrorCode::SizeInvalid,
        ErrorCode::TooLarge,
        ErrorCode::TagInvalid,
        ErrorCode::Unauthorized,
        ErrorCode::Denied,
        ErrorCode::Unsupported,
        ErrorCode::TooManyRequests,
        ErrorCode::RangeInvalid,
        ErrorCode::PaginationNumberInvalid,
        ErrorCode::NotFound,
        ErrorCode::PreconditionFailed,
        ErrorCode::InternalError,
        ErrorCode::Unavailable,
    ];

    /// The `code` of the error body.
    pub fn code(self) -> &'static str {
        self.row().0
    }

    /// The usual HTTP status.
    pub fn status(self) -> u16 {
        self.row().1
    }

    /// The `message` of the error body, word for word as clients know it; particulars belong into `detail`.
    pub fn message(self) -> &'static str {
        self.row().2
    }

    /// Messages are those of `distribution`, because docker compares them with its built-in defaults.
    fn row(self) -> (&'static str, u16, &'static str) {
        match self {
            ErrorCode::BlobUnknown => ("BLOB_UNKNOWN", 404, "blob unknown to registry"),
            ErrorCode::BlobUploadInvalid => ("BLOB_UPLOAD_INVALID", 400, "blob upload invalid"),
            ErrorCode::BlobUploadUnknown => ("BLOB_UPLOAD_UNKNOWN", 404, "blob upload unknown to registry"),
            ErrorCode::DigestInvalid => {
                ("DIGEST_INVALID", 400, "provided digest did not match uploaded content")
            }
            ErrorCode::ManifestBlobUnknown => ("MANIFEST_BLOB_UNKNOWN", 400, "blob unknown to registry"),
            ErrorCode::ManifestInvalid => ("MANIFEST_INVALID", 400, "manifest invalid"),
            ErrorCode::ManifestUnknown => ("MANIFEST_UNKNOWN", 404, "manifest unknown"),
            ErrorCode::NameInvalid => ("NAME_INVALID", 400, "invalid repository name"),
            ErrorCode::NameUnknown => ("NAME_UNKNOWN", 404, "repository name not known to registry"),
            ErrorCode::SizeInvalid => ("SIZE_INVALID", 400, "provided length did not match content length"),
            ErrorCode::TooLarge => ("SIZE_INVALID", 413, "provided length did not match content length"),
            ErrorCode::TagInvalid => ("TAG_INVALID", 400, "manifest tag did not match URI"),
            ErrorCode::Unauthorized => ("UNAUTHORIZED", 401, "authentication required"),
            ErrorCode::Denied => ("DENIED", 403, "requested access to the resource is denied"),
            ErrorCode::Unsupported => ("UNSUPPORTED", 405, "The operation is unsupported."),
            ErrorCode::TooManyRequests => ("TOOMANYREQUESTS", 429, "too many requests"),
            ErrorCode::RangeInvalid => ("RANGE_INVALID", 416, "invalid content range"),
            ErrorCode::PaginationNumberInvalid => {
                ("PAGINATION_NUMBER_INVALID", 400, "invalid number of results requested")
            }
            ErrorCode::NotFound => ("NOT_FOUND", 404, "not found"),
            ErrorCode::PreconditionFailed => ("PRECONDITION_FAILED", 412, "precondition failed"),
            ErrorCode::InternalError => ("UNKNOWN", 500, "unknown error"),
            ErrorCode::Unavailable => ("UNAVAILABLE", 503, "service unavailable"),
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ErrorCode;

    /// The table of the distribution specification 1.1.
    const SPECIFIED: [&str; 14] = [
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
    ];

    /// Codes that clients know from `distribution`, and three of ours for answers outside its API.
    const BEYOND: [&str; 7] = [
        "TAG_INVALID",
        "RANGE_INVALID",
        "PAGINATION_NUMBER_INVALID",
        "UNKNOWN",
        "UNAVAILABLE",
        "NOT_FOUND",
        "PRECONDITION_FAILED",
    ];

    #[test]
    fn the_table_of_the_specification_is_complete() {
        let ours: BTreeSet<&str> = ErrorCode::ALL.into_iter().map(ErrorCode::code).collect();
        let known: BTreeSet<&str> = SPECIFIED.into_iter().chain(BEYOND).collect();
        assert_eq!(ours, known);
    }

    #[test]
    fn no_code_is_listed_twice() {
        for (at, code) in ErrorCode::ALL.iter().enumerate() {
            assert!(!ErrorCode::ALL[..at].contains(code), "{code}");
        }
    }

    #[test]
    fn codes_are_upper_case_and_statuses_are_errors() {
        for code in ErrorCode::ALL {
            assert!(code.code().bytes().all(|b| b.is_ascii_uppercase() || b == b'_'), "{code}");
            assert!((400..600).contains(&code.status()), "{code}");
        }
    }

    #[test]
    fn refusals_keep_the_words_that_users_read() {
        assert_eq!(ErrorCode::Denied.message(), "requested access to the resource is denied");
        assert_eq!(ErrorCode::Unauthorized.message(), "authentication required");
        assert_eq!(ErrorCode::Unsupported.message(), "The operation is unsupported.");
    }
}
