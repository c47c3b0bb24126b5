//! Users, for administrators.

use askama::Template;
use berth_auth::{AccountName, NewUser, UserChange, UserView};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "users.html")]
struct Users {
    l: Layout,
    users: Vec<UserView>,
    /// A link with which somebody chooses his password, just made.
    link: Option<(AccountName, String)>,
}

pub(super) async fn answer(call: Call<'_>) -> Done {
    if call.is_post() {
        return change(call).await;
    }
    let users = call.web.accounts.users(call.caller).await?;
    reply::page(&Users { l: call.layout(), users, link: None })
}

async fn change(call: Call<'_>) -> Done {
    let (accounts, form) = (&call.web.accounts, call.visit.form());
    let name: AccountName = form.get("name").parse().map_err(PageError::invalid)?;
    let set = |change: UserChange| accounts.change_user(&name, change, call.caller);
    let yes = |word: &str| Some(word == form.get("action"));
    match form.get("action") {
        "add" => {
            let user = NewUser { name: name.clone(), admin: form.has("admin"), password: None };
            accounts.add_user(user, call.caller).await?;
            return invite(call, name).await;
        }
        "invite" => return invite(call, name).await,
        "disable" | "enable" => {
            set(UserChange { disabled: yes("disable"), ..UserChange::default() }).await?;
        }
        "promote" | "demote" => {
            set(UserChange { admin: yes("promote"), ..UserChange::default() }).await?;
        }
        "remove" => accounts.remove_user(&name, call.caller).await?,
        _ => return Err(PageError::NotFound),
    }
    call.see("/admin/users?done=saved")
}

/// Shows the link behind which a user chooses a password, once.
async fn invite(call: Call<'_>, name: AccountName) -> Done {
    let invitation = call.web.accounts.invite_password(&name, call.caller).await?;
    let link = format!("{}/setup/{}", call.visit.base, invitation.secret.reveal());
    let users = call.web.accounts.users(call.caller).await?;
    reply::page(&Users { l: call.layout(), users, link: Some((name, link)) })
}
