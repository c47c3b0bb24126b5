//! `berth ls REGISTRY[/PREFIX]`.

use clap::Args;
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs};
use crate::trouble;

/// Repositories in one answer.
const PAGE: usize = 1000;

/// `berth ls`
#[derive(Args)]
pub struct LsArgs {
    /// The registry, HOST[:PORT], and perhaps the beginning of names: localhost:5000/team
    #[arg(value_name = "REGISTRY[/PREFIX]")]
    place: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Lists the repositories of a registry, one a line, as far as one may see them.
pub(crate) fn run(args: &LsArgs, environment: &Environment) -> Result<(), Failure> {
    let (host, prefix) = args.place.split_once('/').unwrap_or((&args.place, ""));
    let registries = Registries::of(environment, &args.registry)?;
    let mut all = Vec::new();
    environment.wait_for(each(&registries, host, |names| {
        let mut names = names.into_iter().filter(|name| name.starts_with(prefix));
        match args.json {
            true => {
                all.extend(names.map(Value::from));
                Ok(())
            }
            false => names.try_for_each(|name| line(&output::plain(&name))),
        }
    }))?;
    if args.json { output::json(&Value::Array(all)) } else { Ok(()) }
}

/// Tells all repositories of a registry, page by page as they come.
pub(crate) async fn each(
    registries: &Registries,
    host: &str,
    mut told: impl FnMut(Vec<String>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let client = registries.registry(host).await?;
    let mut last = String::new();
    loop {
        let page = client.catalog(PAGE, &last).await.map_err(|error| match error {
            berth_client::ClientError::NotFound => {
                Failure::other(format!("{host} gives no list of its repositories"))
                    .hint("'berth tags NAME' works where a name is known")
            }
            error => trouble::of_registry(host, error),
        })?;
        // One that gives the same page again would do so for ever.
        let next = page.repositories.last().filter(|name| page.more && **name != last).cloned();
        told(page.repositories)?;
        match next {
            Some(name) => last = name,
            None => return Ok(()),
        }
    }
}
