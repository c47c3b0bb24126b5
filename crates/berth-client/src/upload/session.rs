//! One upload session, from its first byte to its digest.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use berth_egress::{EgressError, Incoming, Link, Outgoing, stream};
use futures_util::{FutureExt, StreamExt};
use http::header::{CONTENT_RANGE, CONTENT_TYPE, RANGE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::{Ended, Progress, Upload, location, minimum, room};
use crate::client::{Payload, QUICK, Question, within};
use crate::content::{self, Content, Pieces};
use crate::health::Asked;
use crate::{Client, ClientError, fault, retry};

/// Failures in a row, without a byte in between, after which an upload is given up.
const TRIES: u32 = 5;
/// The longest that a registry may ask to be left alone: bytes that are out already are worth some patience.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Bytes that a registry is granted a second for when it closes an upload: some read or copy it then.
const PER_SECOND: u64 = 32 << 20;

pub(super) struct Session<'a> {
    upload: &'a Upload<'a>,
    content: &'a dyn Content,
    at: Link,
    /// Bytes that the registry has.
    offset: u64,
    /// The smallest piece it takes but for the last, and the largest that came through to it, in bytes.
    minimum: u64,
    limit: u64,
    failures: u32,
    /// Whether nothing was sent yet: then everything may go in one request.
    fresh: bool,
    /// Whether `0-0` was found to be one byte and not none.
    one_is_there: bool,
    /// What went wrong last.
    trouble: Option<ClientError>,
}

/// What one request led to.
enum Step {
    Moved,
    /// It is somewhere else than we were.
    Corrected,
    Ended(Ended),
}

impl<'a> Session<'a> {
    pub(super) fn new(
        upload: &'a Upload<'a>,
        content: &'a dyn Content,
        at: Link,
        minimum: u64,
    ) -> Session<'a> {
        Session {
            upload,
            content,
            at,
            offset: 0,
            minimum,
            limit: u64::MAX,
            failures: 0,
            fresh: true,
            one_is_there: false,
            trouble: None,
        }
    }

    /// Sends everything, and closes the upload.
    pub(super) async fn run(&mut self) -> Result<Ended, ClientError> {
        loop {
            let before = self.offset;
            let limit = self.limit.min(self.client().0.room.limit());
            let left = self.content.size().saturating_sub(self.offset);
            let whole = std::mem::take(&mut self.fresh) && self.content.size() <= limit;
            let step = match whole || left == 0 {
                true => self.close(left).await,
                false => self.piece(left.min(limit.max(self.minimum))).await,
            };
            match step {
                Ok(Step::Ended(ended)) => return Ok(ended),
                Ok(Step::Moved) if self.offset > before => self.failures = 0,
                Ok(_) => {
                    let error = ClientError::Useless { what: "it does not keep what is sent" };
                    self.again(error, true).await?;
                }
                Err(ClientError::TooLarge { sent }) => self.cut_down(sent)?,
                Err(error) => {
                    let worth = is_passing(&error);
                    self.again(error, worth).await?;
                    if let Some(ended) = self.look().await? {
                        return Ok(ended);
                    }
                    if self.offset > before {
                        self.failures = 0;
                    }
                }
            }
        }
    }

    /// Tells the registry to forget the upload. Nobody waits long for that.
    pub(super) async fn give_up(&self) {
        if let Ok(question) = self.question(Method::DELETE, self.at.clone()) {
            let _ = within(QUICK, self.client().once(&question)).await;
        }
    }

    /// What went wrong last, if anything did.
    pub(super) fn trouble(&mut self) -> Option<ClientError> {
        self.trouble.take()
    }

    fn client(&self) -> &'a Client {
        self.upload.client
    }

    fn question<'q>(&self, method: Method, link: Link) -> Result<Question<'q>, ClientError> {
        let mut question = self.client().question(method, "", self.upload.scope(), Asked::Blob)?;
        question.link = link;
        Ok(question)
    }

    /// Waits before the next try, if there is one and it is `worth` it.
    async fn again(&mut self, error: ClientError, worth: bool) -> Result<(), ClientError> {
        self.failures += 1;
        self.trouble = Some(error.again());
        let asked = match &error {
            ClientError::Resting { left } => Some(*left),
            error => error.retry_after(),
        };
        // A body that breaks again and again without an answer may be one that somebody on the way does not like.
        if self.failures > 1 && matches!(error, ClientError::Egress(EgressError::Broken(_))) {
            let largest = self.limit.min(self.content.size() - self.offset);
            self.limit = room::smaller(largest).unwrap_or(self.limit);
        }
        let wait = retry::wait_at_most(LONGEST_WAIT, self.failures, asked);
        let Some(wait) = wait.filter(|_| worth && self.failures < TRIES) else { return Err(error) };
        tracing::info!(
            registry = %self.client().origin(), digest = %self.upload.digest, at = self.offset,
            error = &error as &dyn std::error::Error, "an upload was cut, and goes on"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Goes on in smaller pieces.
    fn cut_down(&mut self, sent: u64) -> Result<(), ClientError> {
        let room = &self.client().0.room;
        if !room.refused(sent) || room.limit() < self.minimum {
            return Err(ClientError::TooLarge { sent });
        }
        tracing::debug!(registry = %self.client().origin(), sent, limit = room.limit(), "going on in smaller pieces");
        Ok(())
    }

    /// Asks how far it is.
    async fn look(&mut self) -> Result<Option<Ended>, ClientError> {
        loop {
            let question = self.question(Method::GET, self.at.clone())?;
            let error = match self.client().once(&question).await {
                Ok(response) if response.status().is_success() => {
                    self.corrected(response.headers())?;
                    return Ok(None);
                }
                Ok(response) => match fault::of_question(&question, response).await {
                    error if error.is_passing() => error,
                    ClientError::NotFound | ClientError::Unexpected { .. } => return Ok(Some(Ended::Lost)),
                    error => return Err(error),
                },
                Err(error) => error,
            };
            let worth = is_passing(&error);
            self.again(error, worth).await?;
        }
    }

    /// Sends the next piece.
    async fn piece(&mut self, length: u64) -> Result<Step, ClientError> {
        let from = self.offset;
        let mut headers = HeaderMap::new();
        let range = format!("{from}-{}", from + length - 1);
        headers.insert(CONTENT_RANGE, HeaderValue::try_from(range).map_err(http::Error::from)?);
        let response = self.send(Method::PATCH, self.at.clone(), headers, length).await?;
        match response.status() {
            status if status.is_success() => {
                self.moved(response.headers())?;
                self.offset = match self.range(response.headers())? {
                    Some(0) if from + length == 1 => 1,
                    Some(offset) => offset,
                    None => from + length,
                };
                Ok(Step::Moved)
            }
            status => self.failed(status, response, Method::PATCH, length).await,
        }
    }

    /// Closes the upload, with the last `length` bytes.
    async fn close(&mut self, length: u64) -> Result<Step, ClientError> {
        let closing = location::closing(&self.at, self.upload.digest)?;
        let response = self.send(Method::PUT, closing, HeaderMap::new(), length).await?;
        let status = response.status();
        if status == StatusCode::CREATED {
            let said = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
            return match said.and_then(|said| said.parse::<berth_oci::Digest>().ok()) {
                Some(said) if said != *self.upload.digest => {
                    Err(ClientError::Useless { what: "it stored the blob under another digest" })
                }
                _ => Ok(Step::Ended(Ended::Stored)),
            };
        }
        if status.is_success() {
            // What it says is no promise; that it has the blob is.
            return match self.upload.is_there().await? {
                true => Ok(Step::Ended(Ended::Stored)),
                false => Err(ClientError::Unexpected { status }),
            };
        }
        self.failed(status, response, Method::PUT, length).await
    }

    /// What to make of an answer that is none of success.
    async fn failed(
        &mut self,
        status: StatusCode,
        response: Response<Incoming>,
        method: Method,
        length: u64,
    ) -> Result<Step, ClientError> {
        if status == StatusCode::RANGE_NOT_SATISFIABLE {
            let before = self.offset;
            if self.range(response.headers())?.is_some() {
                self.corrected(response.headers())?;
                if before == 0 && self.offset == 0 {
                    // `0-0` means no byte or one, and it was not the former.
                    (self.offset, self.one_is_there) = (1, true);
                }
                return Ok(Step::Corrected);
            }
            return Ok(match self.look().await? {
                Some(ended) => Step::Ended(ended),
                None => Step::Corrected,
            });
        }
        match fault::of_change(&method, length, response).await {
            ClientError::Refused { status: StatusCode::NOT_FOUND, .. } => Ok(Step::Ended(Ended::Lost)),
            // After a cut it may have other bytes than it said. What is sent in one piece is what it is.
            ClientError::Refused { code, .. }
                if code == "DIGEST_INVALID" && self.trouble.is_some() && length == 0 =>
            {
                Ok(Step::Ended(Ended::Lost))
            }
            error => Err(error),
        }
    }

    /// Sends `length` bytes from where the registry is.
    async fn send(
        &self,
        method: Method,
        link: Link,
        headers: HeaderMap,
        length: u64,
    ) -> Result<Response<Incoming>, ClientError> {
        let unread = Arc::new(Mutex::new(None));
        let open = || {
            let (unread, progress) = (Arc::clone(&unread), self.upload.progress.clone());
            async move {
                let pieces = self.content.read_from(self.offset).await.map_err(ClientError::Content)?;
                Ok(body(content::first(pieces, length), length, self.offset, progress, unread))
            }
            .boxed()
        };
        let mut question = self.question(method.clone(), link)?;
        question.headers = headers;
        question.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        if length > 0 {
            question.body = Payload::Stream { length, open: &open };
        }
        if method == Method::PUT {
            question.longer = Duration::from_secs(self.content.size() / PER_SECOND);
        }
        let answer = self.client().once(&question).await;
        let unread = unread.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (answer, unread) {
            (Err(_), Some(unread)) => Err(ClientError::Content(unread)),
            (answer, _) => answer,
        }
    }

    /// Takes over where the upload goes on, and how large its pieces have to be.
    fn moved(&mut self, headers: &HeaderMap) -> Result<(), ClientError> {
        if let Some(at) = location::read(headers, &self.at, self.client().origin())? {
            self.at = at;
        }
        self.minimum = self.minimum.max(minimum(headers));
        Ok(())
    }

    /// Takes over how far the registry says that it is.
    fn corrected(&mut self, headers: &HeaderMap) -> Result<(), ClientError> {
        self.moved(headers)?;
        self.offset = self.range(headers)?.unwrap_or_default();
        Ok(())
    }

    /// Bytes that it has by `Range: 0-N`, if it says so. `0-0` is what it says of no byte, and of one.
    fn range(&self, headers: &HeaderMap) -> Result<Option<u64>, ClientError> {
        let Some(text) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
        let text = text.trim().trim_start_matches("bytes=").trim_start_matches("bytes ");
        let last = text.strip_prefix("0-").and_then(|last| last.parse::<u64>().ok());
        match last {
            None => Err(ClientError::Useless { what: "it does not say how much of the blob it has" }),
            Some(0) => Ok(Some(u64::from(self.one_is_there))),
            Some(last) if last < self.content.size() => Ok(Some(last + 1)),
            Some(_) => {
                Err(ClientError::Useless { what: "it says that it has more of the blob than there is" })
            }
        }
    }
}

/// Whether the same may work in a moment.
fn is_passing(error: &ClientError) -> bool {
    matches!(error, ClientError::Resting { .. }) || error.is_passing()
}

/// A body that tells how far it is, and remembers why it could not be read.
fn body(
    pieces: Pieces,
    length: u64,
    offset: u64,
    progress: Option<Progress>,
    unread: Arc<Mutex<Option<io::Error>>>,
) -> Outgoing {
    let mut at = offset;
    let pieces = pieces.map(move |piece| match piece {
        Ok(piece) => {
            at += piece.len() as u64;
            if let Some(progress) = &progress {
                progress(at);
            }
            Ok(piece)
        }
        Err(error) => {
            let told = error.to_string();
            *unread.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(told)
        }
    });
    stream(pieces, length)
}
