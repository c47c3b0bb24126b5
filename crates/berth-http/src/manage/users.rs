//! `/api/v1/users`.

use berth_auth::{AccountName, Invitation, NewUser, Secret, UserChange, UserView, Visibility};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Created, Found, Gone, Json, Operation, Text};
use super::parameter::{KEEP, PAGES};
use super::problem::Problem;
use super::wire::{When, page};

/// A new user.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewUser", example = new_example())]
struct New {
    /// Of a-z and 0-9, with single `-` or `_` between them; also the namespace of his repositories.
    #[schemars(length(min = 2, max = 64))]
    name: String,
    /// Whether he administers everything.
    #[serde(default)]
    admin: bool,
    /// His password, at least 8 characters. Without one the answer holds a link by which he chooses it.
    password: Option<String>,
}

fn new_example() -> serde_json::Value {
    serde_json::json!({ "name": "alice", "admin": false })
}

/// What is to be changed; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "UserChange")]
struct Change {
    /// Whether he administers everything. Only administrators change it.
    admin: Option<bool>,
    /// Whether he is kept out. Only administrators change it.
    disabled: Option<bool>,
    /// Who sees his new repositories.
    #[schemars(extend("enum" = ["public", "private"]))]
    default_visibility: Option<String>,
    /// A new password, at least 8 characters.
    password: Option<String>,
    /// The password until now, which who changes his own has to know.
    present_password: Option<String>,
}

/// A user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
struct View {
    /// His name.
    name: String,
    /// Whether he administers everything.
    admin: bool,
    /// Whether he is kept out.
    disabled: bool,
    /// Whether he has chosen a password.
    has_password: bool,
    /// Who sees his new repositories.
    #[schemars(extend("enum" = ["public", "private"]))]
    default_visibility: &'static str,
    /// When he was made.
    created_at: When,
}

/// A new user.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AddedUser")]
struct Added {
    #[serde(flatten)]
    user: View,
    /// Some repositories that were in his namespace already: they are his now.
    repositories: Vec<String>,
    /// How he chooses his password, if none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<Link>,
}

/// A link by which somebody chooses a password, once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PasswordLink")]
struct Link {
    /// Its path on this server.
    path: String,
    /// The whole of it, by the address that the request was sent to.
    #[schemars(extend("format" = "uri"))]
    url: String,
    /// When it ends.
    expires_at: When,
}

/// Users in the order of their names.
#[derive(Serialize, JsonSchema)]
struct Users {
    /// The users of this page.
    users: Vec<View>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// What became of an htpasswd file.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ImportedUsers")]
struct Imported {
    /// Names of new users.
    added: Vec<String>,
    /// Lines that were not taken.
    refused: Vec<RefusedLine>,
}

/// A line that was not taken.
#[derive(Serialize, JsonSchema)]
struct RefusedLine {
    /// Its number, from 1.
    line: usize,
    /// Why.
    reason: String,
}

pub(super) fn operations() -> Vec<Operation> {
    vec![
        Operation::get("/users", list)
            .named("listUsers", "List users")
            .about("For administrators.")
            .with(&PAGES),
        Operation::post("/users", add)
            .named("addUser", "Make a user")
            .about("For administrators.")
            .conflicts("the name is taken"),
        Operation::post("/users/import-htpasswd", import)
            .named("importUsers", "Make users from an htpasswd file")
            .about("For administrators. Who is there already stays as he is."),
        Operation::get("/users/{user}", get)
            .named("getUser", "Show a user")
            .about("For administrators, and for himself."),
        Operation::patch("/users/{user}", change)
            .named("changeUser", "Change a user")
            .about("For administrators; password and default visibility also for himself.")
            .conflicts("he is the last administrator"),
        Operation::delete("/users/{user}", remove)
            .named("removeUser", "Remove a user, with his robots, tokens and grants")
            .about("For administrators.")
            .with(&[&KEEP])
            .conflicts("he has repositories, or is the last administrator"),
        Operation::run("/users/{user}/link", invite)
            .named("invitePassword", "Make a link by which a user chooses a new password")
            .about("For administrators. A link that he had before ends."),
    ]
}

async fn list(call: Call<'_>) -> Result<Found<Users>, Problem> {
    let users = call.accounts.users(call.caller).await?;
    let (users, next) = page(users, Some(&call.after()), call.limit()?, |user| user.name.as_str().to_owned());
    Ok(Found(Users { users: users.iter().map(view).collect(), next }))
}

async fn get(call: Call<'_>) -> Result<Found<View>, Problem> {
    Ok(Found(view(&call.accounts.user(&call.part("user")?, call.caller).await?)))
}

async fn add(call: Call<'_>, Json(new): Json<New>) -> Result<Created<Added>, Problem> {
    let name: AccountName = parse(&new.name)?;
    let invites = new.password.is_none();
    let user = NewUser { name: name.clone(), admin: new.admin, password: new.password.map(Secret::new) };
    let user = view(&call.accounts.add_user(user, call.caller).await?);
    let repositories = namespace(call, &name).await?;
    let link = if invites {
        Some(link(call, &call.accounts.invite_password(&name, call.caller).await?))
    } else {
        None
    };
    Ok(Created(Added { user, repositories, link }))
}

async fn change(call: Call<'_>, Json(change): Json<Change>) -> Result<Found<View>, Problem> {
    let change = UserChange {
        admin: change.admin,
        disabled: change.disabled,
        default_visibility: change.default_visibility.as_deref().map(parse::<Visibility>).transpose()?,
        password: change.password.map(Secret::new),
        present_password: change.present_password.map(Secret::new),
    };
    Ok(Found(view(&call.accounts.change_user(&call.part("user")?, change, call.caller).await?)))
}

/// What a user leaves behind would belong to the next of that name: so he leaves nothing, or it is said on purpose.
async fn remove(call: Call<'_>) -> Result<Gone, Problem> {
    let name: AccountName = call.part("user")?;
    call.accounts.user(&name, call.caller).await?;
    let left = namespace(call, &name).await?;
    if !left.is_empty() && !call.keeps()? {
        let detail = format!(
            "{name} still has repositories, for example {}; delete them, or disable the user, or keep them for \
             administrators (?keep=true)",
            left[0]
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    call.accounts.remove_user(&name, call.caller).await?;
    Ok(Gone)
}

async fn import(call: Call<'_>, Text(text): Text) -> Result<Found<Imported>, Problem> {
    let imported = call.accounts.import_htpasswd(&text, call.caller).await?;
    let refused = imported.refused.into_iter().map(|(line, reason)| RefusedLine { line, reason }).collect();
    Ok(Found(Imported { added: imported.added, refused }))
}

async fn invite(call: Call<'_>) -> Result<Created<Link>, Problem> {
    let invitation = call.accounts.invite_password(&call.part("user")?, call.caller).await?;
    Ok(Created(link(call, &invitation)))
}

/// Some repositories in the namespace of a name.
pub(super) async fn namespace(call: Call<'_>, name: &AccountName) -> Result<Vec<String>, Problem> {
    let access = call.registry.authorizer().search(call.caller)?;
    Ok(call.registry.list_namespace(&access, name.as_str(), 10).await?)
}

fn link(call: Call<'_>, invitation: &Invitation) -> Link {
    Link {
        path: format!("/setup/{}", invitation.secret.reveal()),
        url: format!("{}/setup/{}", call.origin.base, invitation.secret.reveal()),
        expires_at: When(invitation.expires_at),
    }
}

fn view(user: &UserView) -> View {
    View {
        name: user.name.as_str().to_owned(),
        admin: user.admin,
        disabled: user.disabled,
        has_password: user.has_password,
        default_visibility: user.default_visibility.as_str(),
        created_at: When(user.created_at),
    }
}
