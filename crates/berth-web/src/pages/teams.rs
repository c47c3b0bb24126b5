//! Teams: who is in them, and what they may.

use askama::Template;
use berth_auth::{AccountName, Role, TeamView, Visibility};

use super::Call;
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "teams.html")]
struct Teams {
    l: Layout,
    teams: Vec<TeamView>,
}

impl Teams {
    fn members(&self, team: &TeamView) -> String {
        self.l.count(&(team.members.len() as u64), self.l.t.one_member, self.l.t.n_members)
    }
}

#[derive(Template)]
#[template(path = "team.html")]
struct Team {
    l: Layout,
    team: TeamView,
    is_public: bool,
    may_change: bool,
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str]) -> Done {
    call.require_user()?;
    match (rest, call.is_post()) {
        ([], false) => {
            let teams = call.web.accounts.teams(call.caller).await?;
            reply::page(&Teams { l: call.layout(), teams })
        }
        ([], true) => {
            let name: AccountName = name(call.visit.form().get("name"))?;
            let team = call.web.accounts.add_team(name, call.caller).await?;
            call.see(&format!("/teams/{}", team.name))
        }
        ([team], false) => show(call, &name(team)?).await,
        ([team], true) => change(call, &name(team)?).await,
        _ => Err(PageError::NotFound),
    }
}

async fn show(call: Call<'_>, name: &AccountName) -> Done {
    let team = call.web.accounts.team(name, call.caller).await?;
    let own = call.caller.name();
    let l = call.layout();
    let leads = team.members.iter().any(|member| member.user.as_str() == own && member.role == Role::Admin);
    reply::page(&Team {
        is_public: team.default_visibility == Visibility::Public,
        may_change: l.is_admin || leads,
        team,
        l,
    })
}

async fn change(call: Call<'_>, team: &AccountName) -> Done {
    let (accounts, form) = (&call.web.accounts, call.visit.form());
    match form.get("action") {
        "member" => {
            let role: Role = form.get("role").parse().map_err(|_| PageError::NotFound)?;
            accounts.set_member(team, &name(form.get("user"))?, role, call.caller).await?;
        }
        "remove-member" => {
            accounts.remove_member(team, &name(form.get("user"))?, call.caller).await?;
        }
        "visibility" => {
            let public = form.get("visibility") == "public";
            let visibility = if public { Visibility::Public } else { Visibility::Private };
            accounts.change_team(team, visibility, call.caller).await?;
        }
        "remove" => {
            accounts.remove_team(team, call.caller).await?;
            return call.see("/teams?done=removed");
        }
        _ => return Err(PageError::NotFound),
    }
    call.see(&format!("/teams/{team}?done=saved"))
}

fn name(text: &str) -> Result<AccountName, PageError> {
    text.parse().map_err(PageError::invalid)
}
