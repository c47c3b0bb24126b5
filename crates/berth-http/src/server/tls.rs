//! TLS: a certificate that can be exchanged while the server runs.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// Where certificate and key are, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsConfig {
    /// The certificate chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// The private key of the first certificate.
    pub key: PathBuf,
    /// How often to look whether the files changed. 3 s.
    pub reload_interval: Duration,
}

impl TlsConfig {
    /// Certificate and key in these files, looked at every three seconds.
    pub fn new(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> TlsConfig {
        TlsConfig {
            certificate: certificate.into(),
            key: key.into(),
            reload_interval: Duration::from_secs(3),
        }
    }
}

/// Why a certificate and its key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or holds no PEM of the expected kind.
    #[error("cannot read {path} as PEM")]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("{path} holds no certificate")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The key is of an unknown kind, or does not belong to the certificate.
    #[error("the key in {path} cannot be used with the certificate")]
    Key {
        /// The file with the key.
        path: PathBuf,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The TLS library refuses the configuration.
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
}

/// The TLS side of a server.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    certificates: Arc<Certificates>,
    config: TlsConfig,
    /// The files as they were just before they were read, so that no change can slip in between.
    read_at: Fingerprints,
}

/// The pair that new handshakes use.
#[derive(Debug)]
struct Certificates(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Tls {
    /// Reads the pair and prepares handshakes for HTTP/2 and HTTP/1.1.
    pub(crate) fn load(config: TlsConfig) -> Result<Tls, TlsError> {
        let read_at = fingerprints(&config);
        let certificates = Arc::new(Certificates(RwLock::new(Arc::new(read_pair(&config)?))));
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Certificates>::clone(&certificates);
        // The provider is named here, so that no other crate's choice of a process-wide one matters.
        let mut server = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        server.ticketer = aws_lc_rs::Ticketer::new()?;
        Ok(Tls { acceptor: TlsAcceptor::from(Arc::new(server)), certificates, config, read_at })
    }

    /// Exchanges the pair whenever its files change, until it is dropped. A pair that cannot be used changes nothing.
    pub(crate) async fn follow_files(&self) {
        let mut seen = self.read_at;
        let mut ticks = tokio::time::interval(self.config.reload_interval);
        loop {
            ticks.tick().await;
            let config = self.config.clone();
            let look = move || {
                let now = fingerprints(&config);
                (now, (now != seen).then(|| read_pair(&config)))
            };
            let read = match tokio::task::spawn_blocking(look).await {
                Ok((now, read)) => {
                    seen = now;
                    read
                }
                Err(error) => {
                    tracing::error!(%error, "looking at the TLS certificate failed");
                    None
                }
            };
            match read {
                Some(Ok(pair)) => {
                    *self.certificates.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(pair);
                    tracing::info!(certificate = %self.config.certificate.display(), "new TLS certificate in use");
                }
                Some(Err(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::error!(
                        error,
                        "the changed TLS certificate or key is unusable; the old pair stays in use"
                    );
                }
                None => {}
            }
        }
    }
}

/// What tells whether the two files changed: inode, size, and time of the last change.
type Fingerprints = [Option<(u64, u64, i64, i64)>; 2];

fn fingerprints(config: &TlsConfig) -> Fingerprints {
    [&config.certificate, &config.key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    })
}

fn read_pair(config: &TlsConfig) -> Result<CertifiedKey, TlsError> {
    let path = &config.certificate;
    let pem = |path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::Pem { path, source }
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(pem(path))?
        .collect::<Result<_, _>>()
        .map_err(pem(path))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate { path: path.clone() });
    }
    let key = PrivateKeyDer::from_pem_file(&config.key).map_err(pem(&config.key))?;
    // This compares the public keys too.
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .map_err(|source| TlsError::Key { path: config.key.clone(), source })
}
