//! `/api/v1/teams` and `/api/v1/robots`.

use berth_auth::{AccountName, MemberView, Role, TeamView, Visibility};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, parse};
use super::operation::{Created, Found, Gone, Json, Operation};
use super::parameter::{KEEP, PAGES};
use super::problem::Problem;
use super::users;
use super::wire::page;

/// A new team.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewTeam {
    /// Of a-z and 0-9, with single `-` or `_` between them; also the namespace of its repositories.
    #[schemars(length(min = 2, max = 64))]
    name: String,
}

/// What is to be changed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TeamChange {
    /// Who sees its new repositories.
    #[schemars(extend("enum" = ["public", "private"]))]
    default_visibility: String,
}

/// What somebody is in a team.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Membership {
    /// What he may do in its namespace: pull; push as well; everything.
    #[schemars(extend("enum" = ["read", "write", "admin"]))]
    role: String,
}

/// A new robot.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewRobot {
    /// Its owner, a user or a team, then a dot, then its own name.
    #[schemars(example = "acme.ci")]
    name: String,
}

/// A team.
#[derive(Serialize, JsonSchema)]
struct Team {
    /// Its name.
    name: String,
    /// Who sees its new repositories.
    #[schemars(extend("enum" = ["public", "private"]))]
    default_visibility: &'static str,
    /// Its members.
    members: Vec<Member>,
}

/// Somebody in a team.
#[derive(Serialize, JsonSchema)]
struct Member {
    /// Who.
    user: String,
    /// What he may do in its namespace.
    #[schemars(extend("enum" = ["read", "write", "admin"]))]
    role: &'static str,
}

/// Teams in the order of their names.
#[derive(Serialize, JsonSchema)]
struct Teams {
    /// The teams of this page.
    teams: Vec<Team>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// Robots in the order of their names.
#[derive(Serialize, JsonSchema)]
struct Robots {
    /// The names of this page.
    robots: Vec<String>,
    /// Where the next page begins, if there is one.
    next: Option<String>,
}

/// A robot.
#[derive(Serialize, JsonSchema)]
struct Robot {
    /// Its name.
    name: String,
}

pub(super) fn team_operations() -> Vec<Operation> {
    vec![
        Operation::get("/teams", list_teams)
            .named("listTeams", "List teams")
            .about("All for administrators, one's own for others.")
            .with(&PAGES),
        Operation::post("/teams", add_team)
            .named("addTeam", "Make a team")
            .about("For administrators.")
            .conflicts("the name is taken"),
        Operation::get("/teams/{team}", team)
            .named("getTeam", "Show a team")
            .about("For administrators and members."),
        Operation::patch("/teams/{team}", change_team)
            .named("changeTeam", "Change a team")
            .about("For administrators, and those of the team."),
        Operation::delete("/teams/{team}", remove_team)
            .named("removeTeam", "Remove a team, with its robots, tokens and grants")
            .about("For administrators.")
            .with(&[&KEEP])
            .conflicts("it has repositories"),
        Operation::put("/teams/{team}/members/{user}", set_member)
            .named("setMember", "Take somebody into a team, or change his role")
            .about("For administrators, and those of the team."),
        Operation::delete("/teams/{team}/members/{user}", remove_member)
            .named("removeMember", "Remove somebody from a team")
            .about("For administrators, those of the team, and himself."),
    ]
}

pub(super) fn robot_operations() -> Vec<Operation> {
    vec![
        Operation::get("/robots", list_robots)
            .named("listRobots", "List robots")
            .about("Those that the caller may change.")
            .with(&PAGES),
        Operation::post("/robots", add_robot)
            .named("addRobot", "Make a robot")
            .about("It may nothing until there is a grant to it.")
            .conflicts("the name is taken"),
        Operation::delete("/robots/{robot}", remove_robot)
            .named("removeRobot", "Remove a robot, with its tokens and grants"),
    ]
}

async fn list_teams(call: Call<'_>) -> Result<Found<Teams>, Problem> {
    let teams = call.accounts.teams(call.caller).await?;
    let (teams, next) = page(teams, Some(&call.after()), call.limit()?, |team| team.name.as_str().to_owned());
    Ok(Found(Teams { teams: teams.iter().map(view).collect(), next }))
}

async fn add_team(call: Call<'_>, Json(new): Json<NewTeam>) -> Result<Created<Team>, Problem> {
    Ok(Created(view(&call.accounts.add_team(parse(&new.name)?, call.caller).await?)))
}

async fn team(call: Call<'_>) -> Result<Found<Team>, Problem> {
    Ok(Found(view(&call.accounts.team(&call.part("team")?, call.caller).await?)))
}

async fn change_team(call: Call<'_>, Json(change): Json<TeamChange>) -> Result<Found<Team>, Problem> {
    let visibility: Visibility = parse(&change.default_visibility)?;
    Ok(Found(view(&call.accounts.change_team(&call.part("team")?, visibility, call.caller).await?)))
}

async fn remove_team(call: Call<'_>) -> Result<Gone, Problem> {
    let name: AccountName = call.part("team")?;
    call.accounts.team(&name, call.caller).await?;
    let left = users::namespace(call, &name).await?;
    if !left.is_empty() && !call.keeps()? {
        let detail = format!(
            "{name} still has repositories, for example {}; delete them, or keep them for administrators (?keep=true)",
            left[0]
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    call.accounts.remove_team(&name, call.caller).await?;
    Ok(Gone)
}

async fn set_member(call: Call<'_>, Json(member): Json<Membership>) -> Result<Found<Team>, Problem> {
    let role: Role = parse(&member.role)?;
    let (team, user) = (call.part("team")?, call.part("user")?);
    Ok(Found(view(&call.accounts.set_member(&team, &user, role, call.caller).await?)))
}

async fn remove_member(call: Call<'_>) -> Result<Found<Team>, Problem> {
    let (team, user) = (call.part("team")?, call.part("user")?);
    Ok(Found(view(&call.accounts.remove_member(&team, &user, call.caller).await?)))
}

async fn list_robots(call: Call<'_>) -> Result<Found<Robots>, Problem> {
    let robots = call.accounts.robots(call.caller).await?;
    let robots = robots.iter().map(|name| name.as_str().to_owned()).collect();
    let (robots, next) = page(robots, Some(&call.after()), call.limit()?, String::clone);
    Ok(Found(Robots { robots, next }))
}

async fn add_robot(call: Call<'_>, Json(new): Json<NewRobot>) -> Result<Created<Robot>, Problem> {
    let name: AccountName = parse(&new.name)?;
    call.accounts.add_robot(name.clone(), call.caller).await?;
    Ok(Created(Robot { name: name.as_str().to_owned() }))
}

async fn remove_robot(call: Call<'_>) -> Result<Gone, Problem> {
    call.accounts.remove_robot(&call.part("robot")?, call.caller).await?;
    Ok(Gone)
}

fn view(team: &TeamView) -> Team {
    let member =
        |member: &MemberView| Member { user: member.user.as_str().to_owned(), role: member.role.as_str() };
    Team {
        name: team.name.as_str().to_owned(),
        default_visibility: team.default_visibility.as_str(),
        members: team.members.iter().map(member).collect(),
    }
}
