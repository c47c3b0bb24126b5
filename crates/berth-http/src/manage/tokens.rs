//! `/api/v1/tokens`.

use std::time::{SystemTime, UNIX_EPOCH};

use berth_auth::{NewToken, TokenId, TokenView};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, created, gone, ok, parse, read};
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    account: Option<String>,
    actions: Vec<String>,
    #[serde(default)]
    patterns: Vec<String>,
    /// Seconds from now.
    expires_in: Option<u32>,
    #[serde(default)]
    sources: Vec<String>,
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str], body: Payload) -> Done {
    match (rest, call.method()) {
        ([], "GET") => {
            let account = call.query().get("account").map(|name| parse(&name)).transpose()?;
            let tokens = call.accounts.tokens(account.as_ref(), call.caller).await?;
            ok(&json!({ "tokens": tokens.iter().map(view).collect::<Vec<_>>() }))
        }
        ([], "POST") => {
            let (token, secret) = call.accounts.add_token(new(read(body).await?)?, call.caller).await?;
            let mut document = view(&token);
            document["secret"] = json!(secret.reveal());
            created(&document)
        }
        ([id], "DELETE") => {
            let id = id
                .parse()
                .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "tokens are named by their number"))?;
            call.accounts.revoke_token(TokenId(id), call.caller).await?;
            gone()
        }
        ([] | [_], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

fn new(new: New) -> Result<NewToken, Problem> {
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

fn view(token: &TokenView) -> Value {
    json!({
        "id": token.id.0,
        "account": token.account.as_str(),
        "name": token.name,
        "kind": if token.is_login { "login" } else { "access" },
        "actions": token.actions.iter().map(berth_auth::Action::as_str).collect::<Vec<_>>(),
        "patterns": token.patterns.iter().map(berth_auth::Pattern::as_str).collect::<Vec<_>>(),
        "sources": token.sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created_at": rfc3339::from_micros(token.created_at),
        "expires_at": token.expires_at.map(rfc3339::from_micros),
        "last_used_at": token.last_used_at.map(rfc3339::from_micros),
        "last_used_from": token.last_used_from.map(|address| address.to_string()),
    })
}
