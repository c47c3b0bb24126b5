//! Keys of a provider, and tokens made by hand: no library that refuses to make a bad one stands between.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING as P256, ECDSA_P384_SHA384_FIXED_SIGNING as P384,
};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaEncoding};
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Keys that all tests share: making them takes time.
struct Keys {
    rsa: RsaKeyPair,
    foreign: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        foreign: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
        p256: EcdsaKeyPair::generate(&P256).unwrap(),
        p384: EcdsaKeyPair::generate(&P384).unwrap(),
        ed25519: Ed25519KeyPair::generate().unwrap(),
    })
}

/// Who signs, and how.
#[derive(Clone)]
pub(crate) enum Signer {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    /// RS256 with a key that no provider has.
    Foreign,
    Es256,
    Es384,
    EdDsa,
    /// HS256 with that secret.
    Hs256(Vec<u8>),
    /// No signature.
    Nobody,
}

impl Signer {
    /// A token with that header and those claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let signature = self.sign(message.as_bytes());
        format!("{message}.{}", encoded(signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let keys = keys();
        let rsa = |key: &RsaKeyPair, encoding: &'static dyn RsaEncoding| {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
            signature
        };
        let ecdsa = |key: &EcdsaKeyPair| key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        match self {
            Signer::Rs256 => rsa(&keys.rsa, &RSA_PKCS1_SHA256),
            Signer::Rs384 => rsa(&keys.rsa, &RSA_PKCS1_SHA384),
            Signer::Rs512 => rsa(&keys.rsa, &RSA_PKCS1_SHA512),
            Signer::Ps256 => rsa(&keys.rsa, &RSA_PSS_SHA256),
            Signer::Foreign => rsa(&keys.foreign, &RSA_PKCS1_SHA256),
            Signer::Es256 => ecdsa(&keys.p256),
            Signer::Es384 => ecdsa(&keys.p384),
            Signer::EdDsa => keys.ed25519.sign(message).as_ref().to_vec(),
            Signer::Hs256(secret) => {
                hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec()
            }
            Signer::Nobody => Vec::new(),
        }
    }
}

/// The keys that a provider shows, with the ids `rsa`, `p256`, `p384` and `ed25519`.
pub(crate) fn public_keys() -> Vec<Value> {
    let keys = keys();
    vec![
        rsa_key("rsa", &keys.rsa),
        point("p256", "P-256", keys.p256.public_key().as_ref()),
        point("p384", "P-384", keys.p384.public_key().as_ref()),
        json!({
            "kid": "ed25519", "kty": "OKP", "crv": "Ed25519", "use": "sig",
            "x": encoded(keys.ed25519.public_key().as_ref()),
        }),
    ]
}

/// The foreign key, under that id.
pub(crate) fn foreign_key(id: &str) -> Value {
    rsa_key(id, &keys().foreign)
}

/// The bytes of the RSA key that a careless verifier takes for a shared secret.
pub(crate) fn rsa_key_bytes() -> Vec<u8> {
    keys().rsa.public_key().as_ref().to_vec()
}

fn rsa_key(id: &str, key: &RsaKeyPair) -> Value {
    let key = key.public_key();
    let (n, e) = (key.modulus(), key.exponent());
    json!({
        "kid": id, "kty": "RSA", "use": "sig",
        "n": encoded(n.big_endian_without_leading_zero()), "e": encoded(e.big_endian_without_leading_zero()),
    })
}

/// A key of an uncompressed point: a byte, and both coordinates.
fn point(id: &str, curve: &str, point: &[u8]) -> Value {
    let (x, y) = point[1..].split_at(point.len() / 2);
    json!({"kid": id, "kty": "EC", "crv": curve, "use": "sig", "x": encoded(x), "y": encoded(y)})
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A text that nobody can guess.
pub(crate) fn chance() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).unwrap();
    encoded(bytes)
}
