//! The API with accounts from outside: who is asked what, who may what, and what nobody learns.

#[path = "accounts/town.rs"]
mod town;

#[path = "accounts/challenges.rs"]
mod challenges;
#[path = "accounts/immutable.rs"]
mod immutable;
#[path = "accounts/life.rs"]
mod life;
#[path = "accounts/management.rs"]
mod management;
#[path = "accounts/matrix.rs"]
mod matrix;
#[path = "accounts/strangers.rs"]
mod strangers;
#[path = "accounts/tokens.rs"]
mod tokens;
