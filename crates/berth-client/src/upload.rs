//! Blobs on their way out: look, mount, or send; in one piece or many, and on after a cut.

use std::fmt;
use std::sync::Arc;

use berth_egress::{Incoming, Link};
use berth_oci::Digest;
use http::header::LOCATION;
use http::{HeaderMap, Method, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::content::Content;
use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

mod location;
mod room;
mod session;

pub(crate) use room::Room;
use session::Session;

/// How often an upload is begun when the registry knows nothing of it any more, or of its bytes: distribution 2.8 forgets
/// each one whose connection was cut.
const BEGINNINGS: u32 = 5;

/// Told how many bytes of the blob are out. The number goes back when bytes have to be sent again.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// How a blob came to be in the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uploaded {
    /// It was there.
    Existed,
    /// The registry took it from another of its repositories.
    Mounted,
    /// It was sent.
    Sent,
}

/// A blob to be sent: `client.upload("acme/app", &digest).mounted_from("acme/base").send(&content)`.
///
/// It goes in one request if it can. What is cut goes on where it stopped, and what is too large for a proxy on the way
/// (413) goes in pieces that fit. When nothing helps, the registry is told to forget what it got.
pub struct Upload<'a> {
    client: &'a Client,
    repository: &'a str,
    digest: &'a Digest,
    mount: Option<&'a str>,
    progress: Option<Progress>,
}

impl fmt::Debug for Upload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("repository", &self.repository).field("digest", &self.digest).finish()
    }
}

/// Where an upload stands.
enum Begun {
    Done(Uploaded),
    At { location: Link, minimum: u64 },
}

/// How a session ended that did not fail.
pub(crate) enum Ended {
    Stored,
    /// The registry knows nothing of it any more, or other bytes than were sent.
    Lost,
}

impl Client {
    /// An upload of a blob to a repository. Nothing is asked yet.
    pub fn upload<'a>(&'a self, repository: &'a str, digest: &'a Digest) -> Upload<'a> {
        Upload { client: self, repository, digest, mount: None, progress: None }
    }
}

impl<'a> Upload<'a> {
    /// Lets the registry take the blob from another of its repositories, if it has it there and lets us read it.
    #[must_use]
    pub fn mounted_from(self, repository: &'a str) -> Upload<'a> {
        Upload { mount: Some(repository).filter(|from| *from != self.repository), ..self }
    }

    /// Tells how far it is.
    #[must_use]
    pub fn watched(self, progress: Progress) -> Upload<'a> {
        Upload { progress: Some(progress), ..self }
    }

    /// Sends the blob, unless the repository has it.
    ///
    /// # Errors
    /// [`ClientError::Content`] if the content cannot be read, [`ClientError::TooLarge`] if no piece is small enough,
    /// [`ClientError::Refused`] if the registry does not take it.
    pub async fn send(self, content: &dyn Content) -> Result<Uploaded, ClientError> {
        if self.is_there().await? {
            return Ok(Uploaded::Existed);
        }
        let mut begun = self.begin().await?;
        for beginning in 1.. {
            let (location, minimum) = match begun {
                Begun::Done(how) => return Ok(how),
                Begun::At { location, minimum } => (location, minimum),
            };
            let mut session = Session::new(&self, content, location, minimum);
            match session.run().await {
                Ok(Ended::Stored) => return Ok(Uploaded::Sent),
                Ok(Ended::Lost) if self.is_there().await? => return Ok(Uploaded::Sent),
                Ok(Ended::Lost) if beginning < BEGINNINGS => begun = self.open().await?,
                Ok(Ended::Lost) => {
                    let forgets = ClientError::Useless { what: "it forgets uploads that are under way" };
                    return Err(session.trouble().unwrap_or(forgets));
                }
                Err(error) => {
                    session.give_up().await;
                    return Err(error);
                }
            }
        }
        unreachable!("the last beginning returns")
    }

    /// Whether the repository has the blob.
    async fn is_there(&self) -> Result<bool, ClientError> {
        let path = format!("{}/blobs/{}", self.repository, self.digest);
        let question = self.client.question(Method::HEAD, &path, self.scope(), Asked::Blob)?;
        match self.client.ask(&question, Patience::Long).await {
            Ok(_) => Ok(true),
            Err(ClientError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Mounts the blob if it can be, or opens an upload.
    async fn begin(&self) -> Result<Begun, ClientError> {
        let Some(from) = self.mount else { return self.open().await };
        let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let query = format!("?mount={}&from={}", encoded(&self.digest.to_string()), encoded(from));
        let scope = self.scope().and(Scope::pull(from).as_str());
        match self.post(&query, scope).await {
            Ok(response) if response.status() == StatusCode::CREATED => Ok(Begun::Done(Uploaded::Mounted)),
            Ok(response) => self.begun(&response),
            // Some refuse what they cannot mount, or a token for both. The bytes are at hand.
            Err(
                ClientError::Refused { .. }
                | ClientError::Denied { .. }
                | ClientError::Unauthorized { .. }
                | ClientError::Unexpected { .. },
            ) => self.open().await,
            Err(error) => Err(error),
        }
    }

    async fn open(&self) -> Result<Begun, ClientError> {
        let response = self.post("", self.scope()).await?;
        self.begun(&response)
    }

    async fn post(&self, query: &str, scope: Scope) -> Result<Response<Incoming>, ClientError> {
        let path = format!("{}/blobs/uploads/{query}", self.repository);
        let question = self.client.question(Method::POST, &path, scope, Asked::Blob)?;
        self.client.ask(&question, Patience::Long).await
    }

    fn begun(&self, response: &Response<Incoming>) -> Result<Begun, ClientError> {
        let path = format!("/v2/{}/blobs/uploads/", self.repository);
        let asked = Link::new(self.client.origin().clone(), &path)?;
        let location = location::read(response.headers(), &asked, self.client.origin())?;
        let location =
            location.ok_or(ClientError::Useless { what: "it opens an upload and does not say where" })?;
        Ok(Begun::At { location, minimum: minimum(response.headers()) })
    }

    fn scope(&self) -> Scope {
        Scope::push(self.repository)
    }
}

/// The smallest piece that a registry takes, in bytes, except for the last one.
fn minimum(headers: &HeaderMap) -> u64 {
    let text = headers.get("oci-chunk-min-length").and_then(|value| value.to_str().ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or_default()
}

/// The field `location`, if there is one that can be read.
fn located(headers: &HeaderMap) -> Option<&str> {
    headers.get(LOCATION)?.to_str().ok().filter(|text| !text.is_empty())
}
