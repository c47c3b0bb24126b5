//! Blobs: look, and read as a stream that goes on after a cut.

use berth_egress::{EgressError, Incoming};
use berth_oci::Digest;
use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::client::length;
use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, Patience};

/// Cuts in a row, without a byte in between, after which a download is given up.
const CUTS: u32 = 4;

/// A blob on its way. Its bytes are as they come: whoever reads them checks the digest.
///
/// After a cut the rest is asked for (`Range`), from where it stopped.
pub struct Download {
    client: Client,
    repository: String,
    digest: Digest,
    body: Option<Incoming>,
    /// The whole length, if the registry told it.
    size: Option<u64>,
    /// Bytes that were given, or lie before.
    at: u64,
    /// Bytes of the body that were given before.
    skip: u64,
    cuts: u32,
}

impl Client {
    /// Looks whether the registry has a blob; tells its length if the registry does.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub async fn head_blob(
        &self,
        repository: &str,
        digest: &Digest,
        patience: Patience,
    ) -> Result<Option<u64>, ClientError> {
        let response = self.blob(Method::HEAD, repository, digest, 0, patience).await?;
        Ok(length(response.headers()))
    }

    /// Begins to read a blob.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub async fn get_blob(&self, repository: &str, digest: &Digest) -> Result<Download, ClientError> {
        let response = self.blob(Method::GET, repository, digest, 0, Patience::Long).await?;
        let mut download = self.download(repository, digest, 0);
        download.size = length(response.headers());
        download.body = Some(response.into_body());
        Ok(download)
    }

    /// Begins to read a blob from byte `from` on: the rest of what came before.
    ///
    /// # Errors
    /// [`ClientError::NotFound`].
    pub async fn get_blob_from(
        &self,
        repository: &str,
        digest: &Digest,
        from: u64,
    ) -> Result<Download, ClientError> {
        if from == 0 {
            return self.get_blob(repository, digest).await;
        }
        let mut download = self.download(repository, digest, from);
        download.go_on().await?;
        Ok(download)
    }

    fn download(&self, repository: &str, digest: &Digest, at: u64) -> Download {
        let (client, repository, digest) = (self.clone(), repository.to_owned(), digest.clone());
        Download { client, repository, digest, body: None, size: None, at, skip: 0, cuts: 0 }
    }

    async fn blob(
        &self,
        method: Method,
        repository: &str,
        digest: &Digest,
        from: u64,
        patience: Patience,
    ) -> Result<Response<Incoming>, ClientError> {
        let path = format!("{repository}/blobs/{digest}");
        let mut question = self.question(method, &path, Scope::pull(repository), Asked::Blob)?;
        if from > 0 {
            let range = HeaderValue::try_from(format!("bytes={from}-")).map_err(http::Error::from)?;
            question.headers.insert(RANGE, range);
        }
        self.ask(&question, patience).await
    }
}

impl Download {
    /// The whole length in bytes, if the registry told it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// [`ClientError`] when the rest cannot be had; then the download is over.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ClientError> {
        loop {
            let Some(body) = &mut self.body else {
                if self.size == Some(self.at) {
                    return Ok(None);
                }
                self.go_on().await?;
                continue;
            };
            match body.next().await {
                Some(Ok(mut bytes)) => {
                    let passed = self.skip.min(bytes.len() as u64);
                    self.skip -= passed;
                    bytes.advance(usize::try_from(passed).unwrap_or(bytes.len()));
                    if bytes.is_empty() {
                        continue;
                    }
                    self.at += bytes.len() as u64;
                    if self.size.is_some_and(|size| self.at > size) {
                        return Err(ClientError::Useless {
                            what: "the blob is longer than it was said to be",
                        });
                    }
                    self.cuts = 0;
                    return Ok(Some(bytes));
                }
                // The rest that was asked for may be less than the rest that there is.
                None if self.size.is_some_and(|size| self.at < size) => {
                    self.cut(EgressError::Broken("the body ended before its length".into()))?;
                }
                None => return Ok(None),
                Some(Err(error)) => self.cut(error)?,
            }
        }
    }

    fn cut(&mut self, error: EgressError) -> Result<(), ClientError> {
        self.body = None;
        self.cuts += 1;
        let error = ClientError::from(error);
        if self.cuts >= CUTS || !error.is_passing() {
            return Err(error);
        }
        tracing::info!(
            registry = %self.client.origin(), digest = %self.digest, at = self.at,
            error = &error as &dyn std::error::Error, "a download was cut, and goes on"
        );
        Ok(())
    }

    /// Asks for the rest.
    async fn go_on(&mut self) -> Result<(), ClientError> {
        let (client, digest) = (self.client.clone(), self.digest.clone());
        let asked = client.blob(Method::GET, &self.repository, &digest, self.at, Patience::Long).await;
        let response = match asked {
            // Nothing is behind what came: only the end of it was cut off.
            Err(ClientError::Unexpected { status: StatusCode::RANGE_NOT_SATISFIABLE })
                if self.size.is_none() =>
            {
                self.size = Some(self.at);
                return Ok(());
            }
            asked => asked?,
        };
        let starts_at = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_start(response.headers()),
            _ => Some(0),
        };
        // Who knows no ranges begins anew; what came already is passed over.
        self.skip = match starts_at {
            Some(start) if start == self.at => 0,
            Some(0) => self.at,
            _ => {
                return Err(ClientError::Useless { what: "it answers with another part than was asked for" });
            }
        };
        let total = match response.status() {
            StatusCode::PARTIAL_CONTENT => range_total(response.headers()),
            _ => length(response.headers()),
        };
        self.size = self.size.or(total);
        self.body = Some(response.into_body());
        Ok(())
    }
}

/// `Content-Range: bytes 7-9/10` says how much there is.
fn range_total(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_RANGE)?.to_str().ok()?.rsplit_once('/')?.1.trim().parse().ok()
}

/// `Content-Range: bytes 7-9/10`.
fn range_start(headers: &HeaderMap) -> Option<u64> {
    let text = headers.get(CONTENT_RANGE)?.to_str().ok()?;
    text.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
