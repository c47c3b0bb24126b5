//! The API with accounts from outside: who is asked what, who may what, and what nobody learns.

#[path = "accounts/conformance.rs"]
mod conformance;
#[path = "accounts/town.rs"]
mod town;
#[path = "accounts/upstream.rs"]
mod upstream;

#[path = "accounts/challenges.rs"]
mod challenges;
#[path = "accounts/conditions.rs"]
mod conditions;
#[path = "accounts/immutable.rs"]
mod immutable;
#[path = "accounts/life.rs"]
mod life;
#[path = "accounts/management.rs"]
mod management;
#[path = "accounts/matrix.rs"]
mod matrix;
#[path = "accounts/mirrors.rs"]
mod mirrors;
#[path = "accounts/openapi.rs"]
mod openapi;
#[path = "accounts/outline.rs"]
mod outline;
#[path = "accounts/pages.rs"]
mod pages;
#[path = "accounts/problems.rs"]
mod problems;
#[path = "accounts/strangers.rs"]
mod strangers;
#[path = "accounts/tokens.rs"]
mod tokens;
#[path = "accounts/tour.rs"]
mod tour;
