//! Lists that come in pages, which are followed as the registry marks them: by no name and no number of our own.

use berth_egress::Link;
use http::header::LINK;
use http::{HeaderMap, Method};

use crate::client::Question;
use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience, catalog, tags};

/// Bytes of one page.
pub(crate) const LONGEST: usize = 8 << 20;
/// Entries of one page, as far as they can be wished for: what most registries give at most.
const ENTRIES: usize = 1000;
/// Pages of one list that are read.
const MOST: usize = 10_000;

/// A list on its way.
pub struct Pages {
    client: Client,
    /// The next page; `None` behind the last.
    question: Option<Question<'static>>,
    read: fn(&[u8]) -> Result<Vec<String>, ClientError>,
    count: usize,
}

impl Client {
    /// All tags of a repository, in the registry's own order.
    ///
    /// # Errors
    /// [`ClientError`] for a name that cannot be asked for.
    pub fn all_tags(&self, repository: &str) -> Result<Pages, ClientError> {
        let path = format!("{repository}/tags/list?n={ENTRIES}");
        self.pages(&path, Scope::pull(repository), tags::read)
    }

    /// All repositories of the registry, as far as one may see them.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn all_repositories(&self) -> Result<Pages, ClientError> {
        self.pages(&format!("_catalog?n={ENTRIES}"), Scope::catalog(), catalog::read)
    }

    fn pages(
        &self,
        path: &str,
        scope: Scope,
        read: fn(&[u8]) -> Result<Vec<String>, ClientError>,
    ) -> Result<Pages, ClientError> {
        let question = self.question(Method::GET, path, scope, Asked::Manifest)?;
        Ok(Pages { client: self.clone(), question: Some(question), read, count: 0 })
    }
}

impl Pages {
    /// The entries of the next page; `None` behind the last. A page may be empty.
    ///
    /// # Errors
    /// [`ClientError`]; some registries have no such list.
    pub async fn next(&mut self) -> Result<Option<Vec<String>>, ClientError> {
        let Some(question) = &mut self.question else { return Ok(None) };
        if self.count >= MOST {
            return Err(ClientError::Useless { what: "its list has no end" });
        }
        let page = self.client.ask_whole(question, Patience::Long, LONGEST).await?;
        self.count += 1;
        match next(page.headers(), &question.link) {
            Some(link) => question.link = link,
            None => self.question = None,
        }
        (self.read)(page.body()).map(Some)
    }

    /// Everything that is left.
    ///
    /// # Errors
    /// As for [`Pages::next`].
    pub async fn all(mut self) -> Result<Vec<String>, ClientError> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

/// The next page of a list (RFC 8288). It is asked for at the same registry, whatever a registry behind a proxy believes
/// that it is called.
pub(crate) fn next(headers: &HeaderMap, from: &Link) -> Option<Link> {
    let text = headers.get(LINK)?.to_str().ok()?;
    let (target, _) = text.trim().strip_prefix('<')?.split_once('>')?;
    let next = from.follow(target).ok()?;
    let next = Link::new(from.origin().clone(), next.target()).ok()?;
    (next != *from).then_some(next)
}
