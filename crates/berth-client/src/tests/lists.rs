//! Lists of any length, as each registry marks its pages.

use super::fake::{Asked, Fake, Reply};
use super::{client, seen};
use crate::ClientError;

fn page(entries: &str, link: Option<&str>) -> Reply {
    let body = format!("{{\"tags\":[{entries}],\"repositories\":[{entries}]}}");
    match link {
        Some(link) => Reply::new(200, &[("link", link)], body),
        None => Reply::new(200, &[], body),
    }
}

#[tokio::test]
async fn pages_are_followed_by_the_registrys_own_marks() {
    for (link, second) in [
        ("</v2/a/b/tags/list?last=y&n=2>; rel=\"next\"", "GET /v2/a/b/tags/list?last=y&n=2"),
        // quay.io's, which says nothing of the last entry.
        ("</v2/a/b/tags/list?n=2&next_page=gAAA>; rel=\"next\"", "GET /v2/a/b/tags/list?n=2&next_page=gAAA"),
        // That of a registry that does not know by which name it is reached.
        ("<http://internal:5000/v2/a/b/tags/list?last=y>; rel=\"next\"", "GET /v2/a/b/tags/list?last=y"),
    ] {
        let fake = Fake::start(move |asked: &Asked| match asked.target.as_str() {
            "/v2/a/b/tags/list?n=1000" => page("\"x\",\"y\"", Some(link)),
            _ => page("\"z\"", None),
        })
        .await;
        assert_eq!(client(&fake).all_tags("a/b").unwrap().all().await.unwrap(), ["x", "y", "z"]);
        assert_eq!(seen(&fake), ["GET /v2/a/b/tags/list?n=1000", second]);
    }
}

#[tokio::test]
async fn entries_come_before_the_next_page_is_asked_for() {
    let fake = Fake::start(|asked: &Asked| match asked.target.as_str() {
        "/v2/_catalog?n=1000" => page("\"a\"", Some("</v2/_catalog?last=a>")),
        _ => Reply::new(404, &[], ""),
    })
    .await;
    let mut pages = client(&fake).all_repositories().unwrap();
    assert_eq!(pages.next().await.unwrap(), Some(vec!["a".to_owned()]));
    assert_eq!(seen(&fake).len(), 1);
    assert!(matches!(pages.next().await, Err(ClientError::NotFound)));
}

#[tokio::test]
async fn a_page_that_is_its_own_next_one_is_the_last() {
    let fake = Fake::start(|_| page("\"a\"", Some("</v2/_catalog?n=1000>"))).await;
    assert_eq!(client(&fake).all_repositories().unwrap().all().await.unwrap(), ["a"]);
    let fake = Fake::start(|_| Reply::new(200, &[], "<html>")).await;
    let error = client(&fake).all_repositories().unwrap().all().await.unwrap_err();
    assert!(matches!(error, ClientError::Useless { .. }), "{error:?}");
}
