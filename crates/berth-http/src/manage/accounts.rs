//! `/api/v1/teams` and `/api/v1/robots`.

use berth_auth::{AccountName, Role, TeamView, Visibility};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, Payload, created, gone, ok, parse, read, users};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    default_visibility: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    role: String,
}

pub(super) async fn answer(call: Call<'_>, segments: &[&str], body: Payload) -> Done {
    match (segments, call.method()) {
        (["teams", rest @ ..], method) => teams(call, rest, method, body).await,
        (["robots"], "GET") => {
            let robots = call.accounts.robots(call.caller).await?;
            ok(&json!({ "robots": robots.iter().map(AccountName::as_str).collect::<Vec<_>>() }))
        }
        (["robots"], "POST") => {
            let new: New = read(body).await?;
            let name: AccountName = parse(&new.name)?;
            call.accounts.add_robot(name.clone(), call.caller).await?;
            created(&json!({ "name": name.as_str() }))
        }
        (["robots", name], "DELETE") => {
            call.accounts.remove_robot(&parse(name)?, call.caller).await?;
            gone()
        }
        (["robots"] | ["robots", _], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

async fn teams(call: Call<'_>, rest: &[&str], method: &str, body: Payload) -> Done {
    let (accounts, by) = (call.accounts, call.caller);
    match (rest, method) {
        ([], "GET") => {
            let teams = accounts.teams(by).await?;
            ok(&json!({ "teams": teams.iter().map(view).collect::<Vec<_>>() }))
        }
        ([], "POST") => {
            let new: New = read(body).await?;
            created(&view(&accounts.add_team(parse(&new.name)?, by).await?))
        }
        ([name], "GET") => ok(&view(&accounts.team(&parse(name)?, by).await?)),
        ([name], "PATCH") => {
            let change: Change = read(body).await?;
            let visibility: Visibility = parse(&change.default_visibility)?;
            ok(&view(&accounts.change_team(&parse(name)?, visibility, by).await?))
        }
        ([name], "DELETE") => remove_team(call, &parse(name)?).await,
        ([team, "members", user], "PUT") => {
            let member: Member = read(body).await?;
            let role: Role = parse(&member.role)?;
            ok(&view(&accounts.set_member(&parse(team)?, &parse(user)?, role, by).await?))
        }
        ([team, "members", user], "DELETE") => {
            ok(&view(&accounts.remove_member(&parse(team)?, &parse(user)?, by).await?))
        }
        ([] | [_] | [_, "members", _], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

async fn remove_team(call: Call<'_>, name: &AccountName) -> Done {
    call.accounts.team(name, call.caller).await?;
    let left = users::namespace(call, name).await?;
    let keep = call.query().get("keep").is_some_and(|keep| keep == "true");
    if !left.is_empty() && !keep {
        let detail = format!(
            "{name} still has repositories, for example {}; delete them, or keep them for administrators (?keep=true)",
            left[0]
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    call.accounts.remove_team(name, call.caller).await?;
    gone()
}

fn view(team: &TeamView) -> Value {
    let member = |member: &berth_auth::MemberView| json!({ "user": member.user.as_str(), "role": member.role.as_str() });
    json!({
        "name": team.name.as_str(),
        "default_visibility": team.default_visibility.as_str(),
        "members": team.members.iter().map(member).collect::<Vec<_>>(),
    })
}
