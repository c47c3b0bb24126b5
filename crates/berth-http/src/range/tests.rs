//! Parts and their frames, and blobs that are sent while they arrive.

use super::*;

mod growing;

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
