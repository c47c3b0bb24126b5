//! Pages as a browser asks for them, in process.

#[path = "../../../berth-oidc/tests/sign_in/fake.rs"]
#[allow(dead_code, reason = "the provider is told more by its own tests")]
mod fake;
#[path = "../../../berth-oidc/tests/sign_in/signer.rs"]
#[allow(dead_code, reason = "the provider is told more by its own tests")]
mod signer;

mod openid;
mod seeing;
mod sessions;
mod town;
