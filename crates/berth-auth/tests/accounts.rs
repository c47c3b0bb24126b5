//! Accounts as a whole, run on each database engine at hand.

#[path = "accounts/town.rs"]
mod town;

#[path = "accounts/changes.rs"]
mod changes;
#[path = "accounts/deciding.rs"]
mod deciding;
#[path = "accounts/sessions.rs"]
mod sessions;
#[path = "accounts/signing_in.rs"]
mod signing_in;
#[path = "accounts/tokens.rs"]
mod tokens;
