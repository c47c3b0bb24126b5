//! `berth ls REGISTRY[/PREFIX]`.

use berth_client::ClientError;
use clap::Args;
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs};
use crate::trouble;

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
    let place = names::without_scheme(&args.place);
    let (host, prefix) = place.split_once('/').unwrap_or((place, ""));
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
    let unlisted = |error| match error {
        ClientError::NotFound => Failure::other(format!("{host} gives no list of its repositories"))
            .hint("'berth tags NAME' works where a name is known"),
        error => trouble::of_registry(host, error),
    };
    let mut pages = client.all_repositories().map_err(unlisted)?;
    while let Some(page) = pages.next().await.map_err(unlisted)? {
        told(page)?;
    }
    Ok(())
}
