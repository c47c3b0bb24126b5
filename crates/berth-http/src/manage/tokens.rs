//! `/api/v1/tokens`.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_auth::{Action, NewToken, Pattern, TokenId, TokenView};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Created, Found, Gone, Json, Operation};
use super::parameter::{AFTER_NUMBER, Kind, LIMIT, Parameter};
use super::problem::Problem;
use super::wire::{When, page};

static ACCOUNT: Parameter =
    Parameter::new("account", Kind::Text, "Only those of this account, which the caller may change.");

/// An access token: what it may at most. What its account may not, it may not either.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken", example = new_example())]
struct New {
    /// What it is for.
    #[schemars(length(min = 1))]
    name: String,
    /// Whose it is; the caller's own if nothing is said.
    account: Option<String>,
    /// What may be done with it: `pull`, `push`, `delete`, `admin`, or `*` for all.
    #[schemars(length(min = 1))]
    actions: Vec<String>,
    /// The repositories; all if nothing is said.
    #[serde(default)]
    patterns: Vec<String>,
    /// Seconds until it ends; it does not end if nothing is said.
    expires_in: Option<u32>,
    /// Addresses and networks that it may be used from; all if nothing is said.
    #[serde(default)]
    sources: Vec<String>,
}

fn new_example() -> serde_json::Value {
    serde_json::json!({
        "name": "ci",
        "account": "acme.ci",
        "actions": ["pull", "push"],
        "patterns": ["acme/**"],
        "expires_in": 7_776_000,
        "sources": ["10.0.0.0/8"],
    })
}

/// An access token, without its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
struct View {
    /// Its number.
    id: i64,
    /// Whose it is.
    account: String,
    /// What it is for.
    name: String,
    /// `login` tokens were given to clients that asked to remember a login.
    #[schemars(extend("enum" = ["access", "login"]))]
    kind: &'static str,
    /// What may be done with it.
    actions: Vec<&'static str>,
    /// The repositories; empty for all.
    patterns: Vec<String>,
    /// Networks that it may be used from; empty for all.
    sources: Vec<String>,
    /// When it was made.
    created_at: When,
    /// When it ends.
    expires_at: Option<When>,
    /// When it was used last, within some minutes.
    last_used_at: Option<When>,
    /// The address that it was used from last.
    last_used_from: Option<String>,
}

/// A new access token, with its secret.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AddedToken")]
struct Added {
    #[serde(flatten)]
    token: View,
    /// What is sent as a password. It is not shown again.
    secret: String,
}

/// Tokens in the order of their numbers.
#[derive(Serialize, JsonSchema)]
struct Tokens {
    /// The tokens of this page.
    tokens: Vec<View>,
    /// Where the next page begins, if there is one.
    next: Option<i64>,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/tokens", list)
            .named("listTokens", "List access tokens")
            .about("Those of the caller, and of accounts that he may change.")
            .with(&[&ACCOUNT, &LIMIT, &AFTER_NUMBER]),
        Operation::post("/tokens", add)
            .named("addToken", "Make an access token")
            .about("The answer is the only one that holds the secret."),
        Operation::delete("/tokens/{id}", revoke).named("revokeToken", "Revoke an access token, at once"),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Tokens>, Problem> {
    let account = call.get(&ACCOUNT).map(|name| parse(&name)).transpose()?;
    let tokens = call.accounts.tokens(account.as_ref(), call.caller).await?;
    let (tokens, next) = page(tokens, Some(&call.after_number()?), call.limit()?, |token| token.id.0);
    Ok(Found(Tokens { tokens: tokens.iter().map(view).collect(), next }))
}

async fn add(call: Call<'_>, Json(new): Json<New>) -> Result<Created<Added>, Problem> {
    let (token, secret) = call.accounts.add_token(meant(new)?, call.caller).await?;
    Ok(Created(Added { token: view(&token), secret: secret.reveal().to_owned() }))
}

async fn revoke(call: Call<'_>) -> Result<Gone, Problem> {
    call.accounts.revoke_token(TokenId(call.id()?), call.caller).await?;
    Ok(Gone)
}

fn meant(new: New) -> Result<NewToken, Problem> {
    let expires_at = new.expires_in.map(|seconds| now().saturating_add(i64::from(seconds) * 1_000_000));
    let source = |text: &String| {
        // One address is a network of one.
        let network = text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(ipnet::IpNet::from));
        network.map_err(|_| {
            Problem::new(
                StatusCode::BAD_REQUEST,
                format!("{text:?} is no network such as 10.0.0.0/8, and no address"),
            )
        })
    };
    Ok(NewToken {
        account: new.account.as_deref().map(parse).transpose()?,
        name: new.name,
        actions: parse(&new.actions.join(","))?,
        patterns: new.patterns.iter().map(|pattern| parse(pattern)).collect::<Result<_, _>>()?,
        expires_at,
        sources: new.sources.iter().map(source).collect::<Result<_, _>>()?,
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn view(token: &TokenView) -> View {
    View {
        id: token.id.0,
        account: token.account.as_str().to_owned(),
        name: token.name.clone(),
        kind: if token.is_login { "login" } else { "access" },
        actions: token.actions.iter().map(Action::as_str).collect(),
        patterns: token.patterns.iter().map(Pattern::as_str).map(str::to_owned).collect(),
        sources: token.sources.iter().map(ToString::to_string).collect(),
        created_at: When(token.created_at),
        expires_at: token.expires_at.map(When),
        last_used_at: token.last_used_at.map(When),
        last_used_from: token.last_used_from.map(|address| address.to_string()),
    }
}
