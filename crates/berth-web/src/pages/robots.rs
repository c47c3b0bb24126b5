//! Robots: accounts of programs, with their tokens and what was granted to them.

use askama::Template;
use berth_auth::{AccountName, Action, Actions, GrantId, GrantView, NewGrant, Subject, TokenView};

use super::{Call, tokens};
use crate::error::PageError;
use crate::layout::Layout;
use crate::reply::{self, Done};

#[derive(Template)]
#[template(path = "robots.html")]
struct Robots {
    l: Layout,
    robots: Vec<AccountName>,
}

#[derive(Template)]
#[template(path = "robot.html")]
struct Robot {
    l: Layout,
    name: AccountName,
    grants: Vec<GrantView>,
    tokens: Vec<TokenView>,
}

pub(super) async fn answer(call: Call<'_>, rest: &[&str]) -> Done {
    call.require_user()?;
    match (rest, call.is_post()) {
        ([], false) => {
            let robots = call.web.accounts.robots(call.caller).await?;
            reply::page(&Robots { l: call.layout(), robots })
        }
        ([], true) => {
            let robot = name(call.visit.form().get("name"))?;
            call.web.accounts.add_robot(robot.clone(), call.caller).await?;
            call.see(&format!("/robots/{robot}"))
        }
        ([robot], false) => show(call, name(robot)?).await,
        ([robot], true) => change(call, &name(robot)?).await,
        _ => Err(PageError::NotFound),
    }
}

async fn show(call: Call<'_>, name: AccountName) -> Done {
    let tokens = tokens::of(call, &name).await?;
    let mut grants = call.web.accounts.grants(call.caller).await?;
    grants.retain(|grant| grant.subject.to_string() == name.as_str());
    reply::page(&Robot { l: call.layout(), name, grants, tokens })
}

async fn change(call: Call<'_>, robot: &AccountName) -> Done {
    let (accounts, form) = (&call.web.accounts, call.visit.form());
    let back = format!("/robots/{robot}");
    match form.get("action") {
        "token" => return tokens::add(call, robot, &back).await,
        "revoke" => return tokens::revoke(call, &back).await,
        "grant" => {
            let actions = form.all("actions").map(|word| word.parse::<Action>().map_err(PageError::invalid));
            let actions: Actions = actions.collect::<Result<Vec<_>, _>>()?.into_iter().collect();
            let pattern = form.get("pattern").parse().map_err(PageError::invalid)?;
            let grant = NewGrant { subject: Subject::Account(robot.clone()), pattern, actions, wide: false };
            accounts.add_grant(grant, call.caller).await?;
        }
        "remove-grant" => {
            let id = form.get("id").parse().map_err(|_| PageError::NotFound)?;
            accounts.remove_grant(GrantId(id), call.caller).await?;
        }
        "remove" => {
            accounts.remove_robot(robot, call.caller).await?;
            return call.see("/robots?done=removed");
        }
        _ => return Err(PageError::NotFound),
    }
    call.see(&format!("{back}?done=saved"))
}

fn name(text: &str) -> Result<AccountName, PageError> {
    text.parse().map_err(PageError::invalid)
}
