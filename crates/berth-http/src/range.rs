//! Parts of a blob (RFC 9110, sections 14 and 15.3.7): which are wanted, and how they are sent.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use berth_oci::ErrorCode;
use berth_oci::range::{Selection, select};
use berth_registry::BlobBody;
use http::StatusCode;
use http::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderValue, RANGE};

use serde_json::json;

use crate::answer::{Answer, Describe, full};
use crate::error::ApiError;
use crate::headers;
use crate::identity::Identity;
use crate::server::{Part, ResponseBody};

/// What is said of the parts, and of the whole.
pub(crate) const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// The part of the content that a GET asks for.
pub(crate) fn wanted(headers: &HeaderMap, identity: &Identity, size: u64) -> Selection {
    match headers.get(RANGE) {
        Some(range) if identity.allows_range(headers) => select(range.to_str().ok(), size),
        _ => Selection::Whole,
    }
}

/// The answer to a GET: 200 with all of it, or 206 with parts.
///
/// # Errors
/// 416 if nothing of what is wanted exists.
pub(crate) fn send(content: &BlobBody, size: u64, selection: Selection) -> Result<Answer, ApiError> {
    match selection {
        Selection::Whole => Ok(full(StatusCode::OK, part(content, 0..size)).with(CONTENT_TYPE, OCTETS)),
        Selection::Parts(parts) => Ok(match <[_; 1]>::try_from(parts) {
            Ok([range]) => full(StatusCode::PARTIAL_CONTENT, part(content, range.clone()))
                .with(CONTENT_TYPE, OCTETS)
                .with(CONTENT_RANGE, headers::value(content_range(&range, size))),
            Err(parts) => multipart(content, size, parts),
        }),
        Selection::Unsatisfiable => {
            let detail = json!({ "reason": "the range lies behind the end of the blob", "size": size });
            let refusal = ApiError::new(ErrorCode::RangeInvalid, detail);
            Err(refusal.with(CONTENT_RANGE, headers::value(format!("bytes */{size}"))))
        }
    }
}

fn content_range(range: &Range<u64>, size: u64) -> String {
    format!("bytes {}-{}/{size}", range.start, range.end - 1)
}

/// Ranges of one blob, each with a header of its own (section 14.6).
fn multipart(content: &BlobBody, size: u64, ranges: Vec<Range<u64>>) -> Answer {
    let boundary = boundary();
    let mut parts = Vec::with_capacity(2 * ranges.len() + 1);
    let mut before = "";
    for range in ranges {
        let place = content_range(&range, size);
        let head = format!(
            "{before}--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: {place}\r\n\r\n"
        );
        parts.push(Part::Bytes(head.into()));
        parts.push(part(content, range));
        before = "\r\n";
    }
    parts.push(Part::Bytes(format!("\r\n--{boundary}--\r\n").into()));
    let kind = headers::value(format!("multipart/byteranges; boundary={boundary}"));
    full(StatusCode::PARTIAL_CONTENT, ResponseBody::Parts(parts)).with(CONTENT_TYPE, kind)
}

/// A line that the content does not hold: nobody can know it beforehand, and by chance it takes 2¹²⁸ tries.
fn boundary() -> String {
    let random = |word: &str| RandomState::new().hash_one(word);
    format!("{:016x}{:016x}", random("first half"), random("second half"))
}

fn part(content: &BlobBody, range: Range<u64>) -> Part {
    match content {
        BlobBody::Inline(bytes) => {
            let at = |position| usize::try_from(position).expect("content in memory is addressable");
            Part::Bytes(bytes.slice(at(range.start)..at(range.end)))
        }
        BlobBody::File(file) => {
            Part::File { file: file.file().clone(), offset: range.start, len: range.end - range.start }
        }
    }
}

impl From<Part> for ResponseBody {
    fn from(part: Part) -> ResponseBody {
        match part {
            Part::Bytes(bytes) => bytes.into(),
            Part::File { file, offset, len } => ResponseBody::File { file, offset, len },
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(answer: &Answer) -> String {
        let bytes: Vec<u8> = match answer.body() {
            ResponseBody::Empty => Vec::new(),
            ResponseBody::Full(bytes) => bytes.to_vec(),
            ResponseBody::Parts(parts) => parts
                .iter()
                .flat_map(|part| match part {
                    Part::Bytes(bytes) => bytes.to_vec(),
                    Part::File { .. } => panic!("no file here"),
                })
                .collect(),
            other => panic!("{other:?}"),
        };
        String::from_utf8(bytes).unwrap()
    }

    fn send(range: Option<&str>) -> Result<Answer, ApiError> {
        let content = BlobBody::Inline(Bytes::from_static(b"0123456789"));
        super::send(&content, 10, select(range, 10))
    }

    #[test]
    fn one_part_is_bare() {
        let answer = send(Some("bytes=2-4")).unwrap();
        assert_eq!(answer.status(), StatusCode::PARTIAL_CONTENT);
        assert_eq!(answer.headers()[CONTENT_RANGE], "bytes 2-4/10");
        assert_eq!(text(&answer), "234");
    }

    #[test]
    fn several_parts_are_framed() {
        let answer = send(Some("bytes=0-1,-1")).unwrap();
        let kind = answer.headers()[CONTENT_TYPE].to_str().unwrap();
        let boundary = kind.strip_prefix("multipart/byteranges; boundary=").expect("a boundary");
        let head = "Content-Type: application/octet-stream\r\nContent-Range: bytes";
        let expected = format!(
            "--{boundary}\r\n{head} 0-1/10\r\n\r\n01\r\n--{boundary}\r\n{head} 9-9/10\r\n\r\n9\r\n--{boundary}--\r\n"
        );
        assert_eq!(text(&answer), expected);
        assert_eq!(answer.body().len(), Some(expected.len() as u64));
        assert!(!answer.headers().contains_key(CONTENT_RANGE));
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(boundary(), boundary());
    }

    #[test]
    fn nothing_of_it_and_all_of_it() {
        let answer = send(Some("bytes=10-")).unwrap_err().into_answer();
        assert_eq!(answer.status(), StatusCode::RANGE_NOT_SATISFIABLE);
        assert_eq!(answer.headers()[CONTENT_RANGE], "bytes */10");
        assert_eq!(text(&send(None).unwrap()), "0123456789");
    }
}
