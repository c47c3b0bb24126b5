//! Providers behind TLS, with a certificate of an own authority.

use std::sync::Arc;

use berth_oidc::{EgressError, HttpError, OidcError, Provider, RootsError};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio_rustls::TlsAcceptor;

use crate::fake::Fake;
use crate::scene::{BACK, NOW, Scene, at, options};

/// A provider, and its certificate in PEM.
async fn start() -> (Fake, String) {
    let (listener, fake) = Fake::listen("https", "localhost").await;
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let served = fake.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, served) = (acceptor.clone(), served.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    served.serve(stream).await;
                }
            });
        }
    });
    (fake, pair.cert.pem())
}

#[tokio::test]
async fn a_certificate_of_an_own_authority_is_believed_by_its_file() {
    let (fake, pem) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&fake.issuer);
    options.ca_file = Some(folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    let scene = Scene::at(fake, Provider::new(options).unwrap()).await;
    scene.finish().await.unwrap();
}

#[tokio::test]
async fn a_certificate_of_nobody_is_not_believed() {
    let (fake, _) = start().await;
    let (_, other) = start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&fake.issuer);
    options.ca_file = Some(folder.path().join("ca.pem"));
    std::fs::write(folder.path().join("ca.pem"), other).unwrap();
    let error = Provider::new(options).unwrap().begin(BACK, at(NOW)).await.unwrap_err();
    assert!(
        matches!(error, OidcError::Ask { source: HttpError::Egress(EgressError::Tls { .. }), .. }),
        "{error:?}"
    );
    assert_eq!(fake.script().asked.len(), 0);
}

#[tokio::test]
async fn a_provider_behind_tls_cannot_point_to_what_has_none() {
    let (fake, pem) = start().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
    let mut options = options(&fake.issuer);
    options.ca_file = Some(folder.path().join("ca.pem"));
    fake.script().discovery["token_endpoint"] = json!("http://127.0.0.1:9/token");
    let error = Provider::new(options).unwrap().begin(BACK, at(NOW)).await.unwrap_err();
    assert!(matches!(error, OidcError::Address { what: "token_endpoint", .. }), "{error:?}");
}

#[tokio::test]
async fn a_provider_cannot_point_to_a_private_network_but_to_its_own_host() {
    for (field, count) in [("token_endpoint", 0), ("jwks_uri", 1)] {
        let (fake, pem) = start().await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), pem).unwrap();
        let port = fake.issuer.rsplit(':').next().unwrap();
        for host in ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254"] {
            fake.script().discovery[field] = json!(format!("https://{host}:{port}/"));
            let mut options = options(&fake.issuer);
            options.ca_file = Some(folder.path().join("ca.pem"));
            let scene = Scene::at(fake.clone(), Provider::new(options).unwrap()).await;
            fake.script().asked.clear();
            let error = scene.finish().await.unwrap_err();
            assert!(matches!(error, OidcError::Ask { source: HttpError::Forbidden { .. }, .. }), "{error:?}");
            assert_eq!(fake.script().asked.len(), count, "{field} at {host}");
        }
    }
}

#[test]
fn a_file_without_certificates_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let new = || {
        let mut options = options("https://id.example");
        options.ca_file = Some(file.clone());
        Provider::new(options).unwrap_err()
    };
    assert!(matches!(new(), OidcError::Roots(RootsError::File { .. })));
    std::fs::write(&file, "no certificate").unwrap();
    assert!(matches!(new(), OidcError::Roots(RootsError::Damaged { .. })));
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&file, damaged).unwrap();
    assert!(matches!(new(), OidcError::Roots(RootsError::Damaged { .. })));
}
