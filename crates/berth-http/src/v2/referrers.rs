//! `/v2/<name>/referrers/<digest>`: what says something about a manifest.

use berth_oci::media_type::OCI_INDEX;
use berth_oci::{Descriptor, Digest, IndexBuilder, RepositoryName};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue, LINK};

use super::Call;
use crate::answer::{Answer, Describe, full};
use crate::error::ApiError;
use crate::headers::OCI_FILTERS_APPLIED;
use crate::paging::{Wanted, next_link};

/// Entries on a page, if the client does not ask for fewer.
const MOST: usize = 1000;
/// Bytes of annotations on a page; one entry is sent whatever it has. Clients read no index above 4 MiB.
const MOST_ANNOTATIONS: usize = 2 << 20;

/// "Listing Referrers": 200 for any digest, also of a manifest that does not exist, or clients fall back to tags.
pub(super) async fn get(call: Call<'_>, name: &RepositoryName, digest: &Digest) -> Result<Answer, ApiError> {
    let wanted = Wanted::read(call.query, MOST)?;
    let artifact_type = call.query.get("artifactType");
    let place = call.place(name).await?;
    if let Some(index) = place.referrers(call, digest).await? {
        let answer = full(StatusCode::OK, index).with(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX));
        return Ok(place.tell(answer, None));
    }
    let listed = call.registry.list_referrers(
        place.access(),
        digest,
        artifact_type.as_deref(),
        wanted.after.as_deref(),
        wanted.limit,
    );
    let mut page = listed.await?;
    let fitting = fitting(&page.items);
    page.more |= fitting < page.items.len();
    page.items.truncate(fitting);

    let link = page.items.last().filter(|_| page.more).map(|last| {
        let (n, last) = (wanted.limit.to_string(), last.digest.to_string());
        let mut parameters = vec![("n", n.as_str()), ("last", last.as_str())];
        parameters.extend(artifact_type.as_deref().map(|wanted| ("artifactType", wanted)));
        next_link(&format!("/v2/{name}/referrers/{digest}"), &parameters)
    });
    let index: IndexBuilder = page.items.into_iter().collect();
    let filter = artifact_type.map(|_| HeaderValue::from_static("artifactType"));
    let answer = full(StatusCode::OK, index.finish())
        .with(CONTENT_TYPE, HeaderValue::from_static(OCI_INDEX))
        .with_some(OCI_FILTERS_APPLIED, filter)
        .with_some(LINK, link);
    Ok(place.tell(answer, None))
}

/// How many of the entries fit on a page, one at least if there is one.
fn fitting(entries: &[Descriptor]) -> usize {
    let mut total = 0;
    let over = |entry: &Descriptor| {
        total += entry.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
        total > MOST_ANNOTATIONS
    };
    entries.iter().position(over).map_or(entries.len(), |first_over| first_over.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(annotation: usize) -> Descriptor {
        let mut descriptor = Descriptor::new(OCI_INDEX, Digest::sha256(b""), 0);
        descriptor.annotations.insert(String::new(), "a".repeat(annotation));
        descriptor
    }

    #[test]
    fn a_page_ends_where_annotations_get_too_long_but_never_before_its_first_entry() {
        assert_eq!(fitting(&[]), 0);
        assert_eq!(fitting(&[entry(10), entry(10)]), 2);
        assert_eq!(fitting(&[entry(10), entry(MOST_ANNOTATIONS), entry(10)]), 1);
        assert_eq!(fitting(&[entry(MOST_ANNOTATIONS + 1), entry(1)]), 1);
        assert_eq!(fitting(&[entry(MOST_ANNOTATIONS / 2), entry(MOST_ANNOTATIONS / 2), entry(1)]), 2);
    }
}
