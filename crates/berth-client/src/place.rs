//! The place of one scope's token: one asks for it, the others wait for what comes, be it a refusal.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use tokio::sync::Mutex;

use crate::ClientError;
use crate::credentials::sensitive;
use crate::token::Token;

#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Failures so far: who came before the last of them shares it.
    failures: AtomicU64,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Token>,
    failure: Option<ClientError>,
}

impl Place {
    /// The field `authorization` with the token at hand, unless that is the one that was `refused`; else with the one
    /// that `fetch` brings.
    ///
    /// A wrong password that twenty ask with is sent once: accounts are locked for less.
    pub(crate) async fn header(
        &self,
        refused: Option<&HeaderValue>,
        fetch: impl Future<Output = Result<Token, ClientError>>,
    ) -> Result<HeaderValue, ClientError> {
        let came = self.failures.load(Ordering::Relaxed);
        let mut held = self.held.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| token.is_good()) {
            let header = sensitive(format!("Bearer {}", token.text.reveal()))?;
            if Some(&header) != refused {
                return Ok(header);
            }
        }
        if let Some(failure) = &held.failure
            && self.failures.load(Ordering::Relaxed) > came
        {
            return Err(failure.again());
        }
        match fetch.await {
            Ok(token) => {
                let header = sensitive(format!("Bearer {}", token.text.reveal()))?;
                *held = Held { token: Some(token), failure: None };
                Ok(header)
            }
            Err(error) => {
                held.failure = Some(error.again());
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }
}
