//! `/v2/<name>/tags/list`.

use berth_oci::RepositoryName;
use http::StatusCode;
use http::header::LINK;
use serde::Serialize;

use super::Call;
use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;
use crate::paging::{Wanted, next_link};

/// Tags on a page, if the client does not ask for fewer.
const MOST: usize = 1000;

#[derive(Serialize)]
struct Tags<'a> {
    name: &'a str,
    tags: &'a [String],
}

/// "Listing Tags", in byte order.
pub(super) async fn get(call: Call<'_>, name: &RepositoryName) -> Result<Answer, ApiError> {
    let wanted = Wanted::read(call.query, MOST)?;
    let place = call.place(name).await?;
    let page = place.tags(call, wanted.after.as_deref(), wanted.limit).await?;
    let answer = json(StatusCode::OK, &Tags { name: name.as_str(), tags: &page.items });
    let last = page.items.last().filter(|_| page.more);
    let link = last.map(|last| {
        let path = format!("/v2/{name}/tags/list");
        let n = wanted.limit.to_string();
        let mut parameters = vec![("n", n.as_str()), ("last", last)];
        parameters.extend(place.ns().map(|ns| ("ns", ns)));
        next_link(&path, &parameters)
    });
    Ok(place.tell(answer.with_some(LINK, link), None))
}
