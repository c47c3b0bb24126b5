//! `/api/v1/users` and `/api/v1/me`.

use berth_auth::{
    AccountKind, AccountName, Invitation, NewUser, Secret, UserChange, UserView, Visibility, Who,
};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::problem::Problem;
use super::{Call, Done, LONGEST, Payload, created, gone, ok, parse, read};
use crate::body;
use crate::rfc3339;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct New {
    name: String,
    #[serde(default)]
    admin: bool,
    password: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    admin: Option<bool>,
    disabled: Option<bool>,
    default_visibility: Option<String>,
    password: Option<String>,
    present_password: Option<String>,
}

/// Who the caller is.
pub(super) fn me(call: Call<'_>) -> Done {
    if call.caller.is_anonymous() {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "sign in with name and password, or a token"));
    }
    let kind = match call.caller.who() {
        Who::Account { kind: AccountKind::Robot, .. } => "robot",
        Who::Account { .. } => "user",
        Who::FolderOwner | Who::Anonymous => "owner",
    };
    ok(&json!({ "name": call.caller.name(), "kind": kind }))
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str], body: Payload) -> Done {
    match (rest, call.method()) {
        ([], "GET") => list(call).await,
        ([], "POST") => add(call, body).await,
        (["import-htpasswd"], "POST") => import(call, body).await,
        ([name], "GET") => ok(&view(&call.accounts.user(&parse(name)?, call.caller).await?)),
        ([name], "PATCH") => change(call, &parse(name)?, body).await,
        ([name], "DELETE") => remove(call, &parse(name)?).await,
        ([name, "link"], "POST") => {
            created(&link(call, &call.accounts.invite_password(&parse(name)?, call.caller).await?))
        }
        ([] | [_] | [_, "link"], _) => Err(Problem::method_not_allowed()),
        _ => Err(Problem::not_found()),
    }
}

async fn list(call: Call<'_>) -> Done {
    let users = call.accounts.users(call.caller).await?;
    ok(&json!({ "users": users.iter().map(view).collect::<Vec<_>>() }))
}

/// Without a password the answer holds a link by which the user chooses one.
async fn add(call: Call<'_>, body: Payload) -> Done {
    let new: New = read(body).await?;
    let name: AccountName = parse(&new.name)?;
    let invites = new.password.is_none();
    let user = NewUser { name: name.clone(), admin: new.admin, password: new.password.map(Secret::new) };
    let mut document = view(&call.accounts.add_user(user, call.caller).await?);
    document["repositories"] = json!(namespace(call, &name).await?);
    if invites {
        let invitation = call.accounts.invite_password(&name, call.caller).await?;
        document["link"] = link(call, &invitation);
    }
    created(&document)
}

async fn change(call: Call<'_>, name: &AccountName, body: Payload) -> Done {
    let change: Change = read(body).await?;
    let change = UserChange {
        admin: change.admin,
        disabled: change.disabled,
        default_visibility: change.default_visibility.as_deref().map(parse::<Visibility>).transpose()?,
        password: change.password.map(Secret::new),
        present_password: change.present_password.map(Secret::new),
    };
    ok(&view(&call.accounts.change_user(name, change, call.caller).await?))
}

/// What a user leaves behind would belong to the next of that name: so he leaves nothing, or it is said on purpose.
async fn remove(call: Call<'_>, name: &AccountName) -> Done {
    call.accounts.user(name, call.caller).await?;
    let left = namespace(call, name).await?;
    let keep = call.query().get("keep").is_some_and(|keep| keep == "true");
    if !left.is_empty() && !keep {
        let detail = format!(
            "{name} still has repositories, for example {}; delete them, or disable the user, or keep them for \
             administrators (?keep=true)",
            left[0]
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    call.accounts.remove_user(name, call.caller).await?;
    gone()
}

async fn import(call: Call<'_>, body: Payload) -> Done {
    let text = body::text(body, LONGEST).await?;
    let imported = call.accounts.import_htpasswd(&text, call.caller).await?;
    let refused: Vec<_> =
        imported.refused.iter().map(|(line, reason)| json!({ "line": line, "reason": reason })).collect();
    ok(&json!({ "added": imported.added, "refused": refused }))
}

/// Some repositories in the namespace of a name.
pub(super) async fn namespace(call: Call<'_>, name: &AccountName) -> Result<Vec<String>, Problem> {
    let access = call.registry.authorizer().search(call.caller)?;
    Ok(call.registry.list_namespace(&access, name.as_str(), 10).await?)
}

fn link(call: Call<'_>, invitation: &Invitation) -> Value {
    json!({
        "path": format!("/setup/{}", invitation.secret.reveal()),
        "url": format!("{}/setup/{}", call.origin.base, invitation.secret.reveal()),
        "expires_at": rfc3339::from_micros(invitation.expires_at),
    })
}

fn view(user: &UserView) -> Value {
    json!({
        "name": user.name.as_str(),
        "admin": user.admin,
        "disabled": user.disabled,
        "has_password": user.has_password,
        "default_visibility": user.default_visibility.as_str(),
        "created_at": rfc3339::from_micros(user.created_at),
    })
}
