//! Sign-ins at a provider that says what a test wants it to say: the good ones, and what must not become an identity.

mod broken;
mod fake;
mod forged;
mod good;
mod scene;
mod signer;
mod tls;
