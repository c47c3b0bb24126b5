//! `/v2/_catalog`: the repositories that the caller may read.

use http::StatusCode;
use http::header::LINK;
use serde::Serialize;

use super::Call;
use crate::answer::{Answer, Describe, json};
use crate::error::ApiError;
use crate::paging::{Wanted, next_link};

/// Repositories on a page, if the client does not ask for fewer.
const MOST: usize = 1000;

#[derive(Serialize)]
struct Catalog<'a> {
    repositories: &'a [String],
}

/// The list that `distribution` has beside the specification, in byte order.
pub(super) async fn get(call: Call<'_>) -> Result<Answer, ApiError> {
    let wanted = Wanted::read(call.query, MOST)?;
    let access = call.registry.authorizer().catalog(call.caller)?;
    let page = call.registry.list_repositories(&access, wanted.after.as_deref(), wanted.limit).await?;
    let answer = json(StatusCode::OK, &Catalog { repositories: &page.items });
    let last = page.items.last().filter(|_| page.more);
    let link =
        last.map(|last| next_link("/v2/_catalog", &[("n", &wanted.limit.to_string()), ("last", last)]));
    Ok(answer.with_some(LINK, link))
}
