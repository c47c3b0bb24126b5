//! How a registry is spoken to that was named without a scheme: with TLS, or without where that was allowed.

use berth_egress::Origin;
use http::Method;

use crate::health::Asked;
use crate::scope::Scope;
use crate::{Client, ClientError, ClientOptions, RootsError};

/// What is asked of the connection to a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS, with a certificate that is believed.
    Tls,
    /// TLS with any certificate, and if there is none no TLS at all: for this machine, and for registries that somebody
    /// named as such.
    Insecure,
}

/// Why a registry cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FindError {
    /// The certificates cannot be used.
    #[error(transparent)]
    Roots(#[from] RootsError),
    /// Nobody speaks there, or not as it was asked for.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// It speaks, and without TLS.
    #[error(
        "{host} answers without TLS; if nobody can listen on the way to it, name it as insecure (--insecure)"
    )]
    Plain {
        /// The registry.
        host: String,
    },
}

impl Client {
    /// A client of the registry at `host[:port]`, which is found out to speak TLS or not; `options` say the rest, whatever
    /// origin they have. It is asked once or twice, without credentials.
    ///
    /// # Errors
    /// [`FindError::Plain`] for a registry without TLS that has to have it.
    pub async fn find(host: &str, security: Security, options: ClientOptions) -> Result<Client, FindError> {
        let at = |scheme: &str| -> Result<Origin, ClientError> { Ok(format!("{scheme}://{host}").parse()?) };
        let unverified = options.unverified || security == Security::Insecure;
        let secure = ClientOptions { origin: at("https")?, unverified, ..options.clone() };
        let secure = Client::new(secure)?;
        let error = match secure.knock().await {
            Ok(()) => return Ok(secure),
            Err(ClientError::Egress(error)) => error,
            Err(error) => return Err(error.into()),
        };
        match security {
            Security::Insecure => {
                let plain = Client::new(ClientOptions { origin: at("http")?, ..options })?;
                // That it speaks neither is told of the one that it should.
                plain.knock().await.map_err(|_| ClientError::Egress(error))?;
                Ok(plain)
            }
            Security::Tls if error.is_without_tls() => Err(FindError::Plain { host: host.to_owned() }),
            Security::Tls => Err(ClientError::Egress(error).into()),
        }
    }

    /// Whether anybody answers, whatever he says.
    async fn knock(&self) -> Result<(), ClientError> {
        let question = self.question(Method::GET, "", Scope::none(), Asked::Manifest)?;
        self.send(&question, &question.link, None).await.map(drop)
    }
}
