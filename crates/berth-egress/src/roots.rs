//! The certificates by which servers are judged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WantsClientCert, WebPkiServerVerifier, verify_server_name};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

/// Why there are no certificates to judge a server by.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootsError {
    /// The file cannot be read.
    #[error(
        "the ca file {path} cannot be read; it holds certificates in PEM, for who runs this program to read"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// It holds no certificate, or one that cannot be read.
    #[error("the ca file {path} has to hold certificates in PEM, and nothing that is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// Our own certificate or its key cannot be read.
    #[error("{path} cannot be read; it holds our own certificate or its key, in PEM")]
    Identity {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// They do not belong together.
    #[error("the key {path} cannot be used with our own certificate; they have to belong together")]
    Pair {
        /// The file of the key.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The TLS library refuses its settings.
    #[error("TLS cannot be set up; this is a fault of the program, please report it")]
    Setup(#[from] rustls::Error),
}

/// Adds the certificates of a file.
fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<Vec<CertificateDer<'static>>, RootsError> {
    let unread = |source| RootsError::File { path: path.to_owned(), source };
    let damaged = || RootsError::Damaged { path: path.to_owned() };
    let own = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let own: Vec<_> = own.collect::<Result<_, _>>().map_err(unread)?;
    if own.is_empty() {
        return Err(damaged());
    }
    own.iter().try_for_each(|certificate| roots.add(certificate.clone()).map_err(|_| damaged()))?;
    Ok(own)
}

/// Our own certificate with its chain, and its key.
fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), RootsError> {
    let unread = |path: &Path| {
        let path = path.to_owned();
        move |source| RootsError::Identity { path, source }
    };
    let chain = CertificateDer::pem_file_iter(certificate).map_err(unread(certificate))?;
    let chain = chain.collect::<Result<_, _>>().map_err(unread(certificate))?;
    Ok((chain, PrivateKeyDer::from_pem_file(key).map_err(unread(key))?))
}

/// How TLS is spoken: with the certificates of the system and of `ca_files`, or without judging at all; and with our own
/// certificate, for a server that asks for it.
pub(crate) fn config(
    ca_files: &[&Path],
    own: Option<(&Path, &Path)>,
    unverified: bool,
) -> Result<ClientConfig, RootsError> {
    let judging = judging(ca_files, unverified)?;
    let mut config = match own {
        None => judging.with_no_client_auth(),
        Some((certificate, key)) => {
            let (chain, key_of_it) = identity(certificate, key)?;
            judging
                .with_client_auth_cert(chain, key_of_it)
                .map_err(|source| RootsError::Pair { path: key.to_owned(), source })?
        }
    };
    // Several connections carry more than the one window that HTTP/2 shares among its streams.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Who judges the servers.
fn judging(
    ca_files: &[&Path],
    unverified: bool,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, RootsError> {
    let mut roots = RootCertStore::empty();
    // A certificate of the system that cannot be read is one that is not believed; the others are of use. None at all
    // shows when somebody connects, which is better than a server that does not start.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let mut own = Vec::new();
    for path in ca_files {
        own.extend(add_file(&mut roots, path)?);
    }
    let provider = Arc::new(default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let builder =
        ClientConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let judged_by = |trust| Arc::new(Judge { trust, algorithms });
    Ok(if unverified {
        builder.dangerous().with_custom_certificate_verifier(judged_by(Trust::Anybody))
    } else if own.is_empty() {
        builder.with_root_certificates(roots)
    } else {
        let roots = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build();
        // It fails for an empty store alone, and there is one certificate at least.
        let roots = roots.map_err(|error| rustls::Error::General(error.to_string()))?;
        builder.dangerous().with_custom_certificate_verifier(judged_by(Trust::Named { roots, own }))
    })
}

/// Whose certificate is believed, where the library's own judgement is not what is wanted. That a server has the key of
/// its certificate is always checked.
#[derive(Debug)]
struct Judge {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Trust {
    /// What an operator asks for who names a server with a certificate that nobody signed.
    Anybody,
    /// What the roots vouch for, and each certificate of the file itself: many servers have one that nobody else signed
    /// and that says to be an authority, since the usual tools make it so. For such a one the library has no judgement
    /// (it is neither expired nor for another name, but of no use to it), so only the name is looked at.
    Named { roots: Arc<WebPkiServerVerifier>, own: Vec<CertificateDer<'static>> },
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Trust::Named { roots, own } = &self.trust else { return Ok(ServerCertVerified::assertion()) };
        match roots.verify_server_cert(certificate, between, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(CertificateError::Other(_)))
                if own.contains(certificate) =>
            {
                verify_server_name(&ParsedCertificate::try_from(certificate)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
