//! Which signatures are believed: algorithms that are allowed, and keys that fit them (RFC 8725, sections 3.1 to 3.3).

use aws_lc_rs::digest;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::de::DeserializeOwned;

use crate::IdTokenError;
use crate::keys::KeySet;

/// What may sign an ID token. Neither `none` nor anything with a shared secret is among them.
const ALLOWED: [Algorithm; 7] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Longest ID token, in bytes.
const LONGEST: usize = 64 * 1024;

/// The algorithm of that name, if it is allowed.
pub(crate) fn allowed(name: &str) -> Option<Algorithm> {
    name.parse().ok().filter(|algorithm| ALLOWED.contains(algorithm))
}

/// Whether a key of a provider can be one for that algorithm. `use`, `key_ops` and `alg` of the key are believed
/// (RFC 7517, sections 4.2 to 4.4).
pub(crate) fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let of_type = match (&key.algorithm, algorithm) {
        (
            AlgorithmParameters::RSA(_),
            Algorithm::RS256 | Algorithm::RS384 | Algorithm::RS512 | Algorithm::PS256,
        ) => true,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(key), Algorithm::EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    let common = &key.common;
    of_type
        && common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify))
        && common.key_algorithm.is_none_or(|only| only == KeyAlgorithm::from(algorithm))
}

/// A token whose signature was checked, and nothing else.
pub(crate) struct Signed<T> {
    pub(crate) algorithm: Algorithm,
    pub(crate) claims: T,
}

/// Reads a token if one of the provider's keys signed it.
pub(crate) fn verify<T: DeserializeOwned + Clone>(
    token: &str,
    keys: &KeySet,
    algorithms: &[Algorithm],
) -> Result<Signed<T>, IdTokenError> {
    if token.len() > LONGEST {
        return Err(IdTokenError::TooLong);
    }
    let header = jsonwebtoken::decode_header(token)?;
    let algorithm = header.alg;
    if !algorithms.contains(&algorithm) {
        return Err(IdTokenError::Algorithm);
    }
    // A header that brings its own key, or that must be understood and is not (RFC 7515, section 4.1.11).
    let brings_key =
        header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some();
    if brings_key || header.crit.is_some() || header.extras.inner().contains_key("b64") {
        return Err(IdTokenError::Header);
    }
    // A token of another kind that the same keys sign (RFC 8725, section 3.11).
    if header.typ.is_some_and(|kind| !kind.eq_ignore_ascii_case("JWT")) {
        return Err(IdTokenError::Kind);
    }
    let mut candidates = keys.of(header.kid.as_deref(), algorithm).peekable();
    if candidates.peek().is_none() {
        return Err(IdTokenError::UnknownKey);
    }
    candidates.find_map(|key| read(token, key, algorithm)).unwrap_or(Err(IdTokenError::Signature))
}

/// `None` if it was not this key.
fn read<T: DeserializeOwned + Clone>(
    token: &str,
    key: &Jwk,
    algorithm: Algorithm,
) -> Option<Result<Signed<T>, IdTokenError>> {
    let key = DecodingKey::from_jwk(key).ok()?;
    // The claims are looked at afterwards: the library would take the clock of the system, and lists of issuers.
    let mut only_signature = Validation::new(algorithm);
    only_signature.required_spec_claims.clear();
    only_signature.validate_exp = false;
    only_signature.validate_aud = false;
    match jsonwebtoken::decode::<T>(token, &key, &only_signature) {
        Ok(token) => Some(Ok(Signed { algorithm, claims: token.claims })),
        Err(error)
            if matches!(error.kind(), ErrorKind::Json(_) | ErrorKind::Utf8(_) | ErrorKind::Base64(_)) =>
        {
            Some(Err(error.into()))
        }
        Err(_) => None,
    }
}

/// The left half of the digest that belongs to an algorithm (OpenID Connect Core 1.0, section 3.1.3.6). Ed25519 has
/// SHA-512 inside.
pub(crate) fn half_digest(algorithm: Algorithm, text: &str) -> Vec<u8> {
    let kind = match algorithm {
        Algorithm::RS384 | Algorithm::ES384 => &digest::SHA384,
        Algorithm::RS512 | Algorithm::EdDSA => &digest::SHA512,
        _ => &digest::SHA256,
    };
    let whole = digest::digest(kind, text.as_bytes());
    whole.as_ref()[..whole.as_ref().len() / 2].to_vec()
}
