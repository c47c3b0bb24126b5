//! Servers behind TLS: whose certificate is believed, and what is told when it is not.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use super::fake::{Fake, Reply};
use super::{get, private};
use crate::{Egress, EgressError, EgressOptions, RootsError, TlsTrouble};

/// An authority, and its certificate in a file.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Authority { issuer: Issuer::new(params, key), folder }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server with a certificate for `name`.
    pub(super) async fn server(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Fake {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        secured(certificate.der().clone(), &key).await
    }
}

/// A server that has this certificate.
async fn secured(certificate: CertificateDer<'static>, key: &KeyPair) -> Fake {
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    Fake::at("127.0.0.1:0", Some(config), |_| Reply::new(200, &[], "good")).await
}

async fn ask(host: &str, server: &Fake, options: &EgressOptions) -> Result<(), EgressError> {
    let url = format!("https://{host}:{}/", server.address.port());
    get(&Egress::new(options).unwrap(), &url).await.map(drop)
}

fn here() -> EgressOptions {
    private(&["localhost", "127.0.0.1"])
}

#[tokio::test]
async fn an_own_authority_is_believed_by_its_file() {
    let authority = Authority::new();
    let options = EgressOptions { ca_file: Some(authority.file()), ..here() };
    for host in ["localhost", "127.0.0.1"] {
        let server = authority.server(host, |_| ()).await;
        ask(host, &server, &options).await.unwrap();
        assert_eq!(server.lines(), ["GET /"]);
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_believed_says_why() {
    let (authority, other) = (Authority::new(), Authority::new());
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2099, 1, 1);
    let good = authority.server("localhost", |_| ()).await;
    let plain = Fake::start(|_| Reply::new(400, &[], "plain")).await;
    let stranger = "nobody who is trusted here signed its certificate";
    let own = || Some(authority.file());
    for (server, ca, kind, why) in [
        (&good, None, TlsTrouble::Authority, stranger),
        (&good, Some(other.file()), TlsTrouble::Authority, stranger),
        (&authority.server("other.example", |_| ()).await, own(), TlsTrouble::OtherName, "for another name"),
        (&authority.server("localhost", past).await, own(), TlsTrouble::Expired, "has expired"),
        (&authority.server("localhost", future).await, own(), TlsTrouble::NotYetValid, "not valid yet"),
        (&plain, own(), TlsTrouble::None, "it answers without TLS"),
    ] {
        let error = ask("localhost", server, &EgressOptions { ca_file: ca, ..here() }).await.unwrap_err();
        let told = error.to_string();
        assert!(told.contains("localhost") && told.contains(why), "{told}");
        assert!(matches!(error, EgressError::Tls { trouble, .. } if trouble == kind), "{error:?}");
        assert!(!error.is_passing(), "{error:?}");
        assert_eq!(error.is_without_tls(), why.contains("without TLS"));
        assert_eq!(server.lines(), [""; 0]);
    }
}

/// `openssl req -x509` makes such certificates, and Docker believes them by the same file.
#[tokio::test]
async fn a_certificate_that_is_in_the_file_itself_is_believed_for_its_name_alone() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.pem");
    std::fs::write(&file, certificate.pem()).unwrap();
    let server = secured(certificate.der().clone(), &key).await;
    let options = EgressOptions { ca_file: Some(file), ..here() };
    ask("localhost", &server, &options).await.unwrap();
    let elsewhere = ask("127.0.0.1", &server, &options).await;
    assert!(matches!(elsewhere, Err(EgressError::Tls { .. })), "{elsewhere:?}");
    let stranger =
        ask("localhost", &server, &EgressOptions { ca_file: Some(Authority::new().file()), ..here() }).await;
    let is_unknown = matches!(&stranger, Err(EgressError::Tls { trouble: TlsTrouble::Authority, .. }));
    assert!(is_unknown, "{stranger:?}");
}

#[tokio::test]
async fn whose_certificate_is_not_judged_only_has_to_have_one() {
    let authority = Authority::new();
    let options = EgressOptions { unverified: true, ..here() };
    let past = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    ask("localhost", &authority.server("other.example", past).await, &options).await.unwrap();
    let plain = Fake::start(|_| Reply::new(400, &[], "plain")).await;
    let error = ask("localhost", &plain, &options).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_is_cut_may_pass_and_one_that_stops_is_given_up() {
    let cut = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let egress = Egress::new(&here()).unwrap();
    let url = format!("https://{}/", cut.local_addr().unwrap());
    let (error, ()) = tokio::join!(async { get(&egress, &url).await.err().unwrap() }, async {
        drop(cut.accept().await.unwrap());
    });
    assert!(matches!(&error, EgressError::Tls { source, .. } if source.kind() != ErrorKind::InvalidData));
    assert!(error.is_passing(), "{error:?}");
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let error = get(&egress, &url).await.err().unwrap();
    assert!(matches!(error, EgressError::TooSlow(_)) && error.is_passing(), "{error:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn a_file_without_certificates_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let new = || Egress::new(&EgressOptions { ca_file: Some(file.clone()), ..here() }).err().unwrap();
    assert!(matches!(new(), RootsError::File { .. }));
    for text in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        std::fs::write(&file, text).unwrap();
        let error = new();
        assert!(matches!(error, RootsError::Damaged { .. }), "{text}: {error:?}");
        assert!(error.to_string().contains("ca.pem"));
    }
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_gets_ours() {
    let authority = Authority::new();
    let (folder, key) = (&authority.folder, KeyPair::generate().unwrap());
    let own = CertificateParams::new(Vec::new()).unwrap().signed_by(&key, &authority.issuer).unwrap();
    let files = (folder.path().join("client.cert"), folder.path().join("client.key"));
    std::fs::write(&files.0, own.pem()).unwrap();
    std::fs::write(&files.1, key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let provider = Arc::new(default_provider());
    let judge = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build().unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(judge)
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let server = Fake::at("127.0.0.1:0", Some(config), |_| Reply::new(200, &[], "good")).await;
    let stranger = EgressOptions { more_ca_files: vec![authority.file()], ..here() };
    assert!(ask("localhost", &server, &stranger).await.is_err());
    let known = EgressOptions { identity: Some(files.clone()), ..stranger.clone() };
    ask("localhost", &server, &known).await.unwrap();
    // A key of another certificate, and no key at all.
    let other = folder.path().join("other.key");
    std::fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let with = |key| EgressOptions { identity: Some((files.0.clone(), key)), ..stranger.clone() };
    assert!(matches!(Egress::new(&with(other)), Err(RootsError::Pair { .. })));
    assert!(matches!(Egress::new(&with(files.0.clone())), Err(RootsError::Identity { .. })));
}
