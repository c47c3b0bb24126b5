//! `berth tags NAME`.

use clap::Args;
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;

/// `berth tags`
#[derive(Args)]
pub struct TagsArgs {
    /// The repository: [REGISTRY/]NAME
    name: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Lists the tags of a repository at a registry, one a line.
pub(crate) fn run(args: &TagsArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let mut all = Vec::new();
    environment.wait_for(async {
        let remote = Remote::named(&args.name, &registries).await?;
        if remote.image.tag().is_some() || remote.image.digest().is_some() {
            let name = names::repository(&remote.image);
            return Err(Failure::other(format!("{} is one image of {name}", remote.image.familiar()))
                .hint(format!("'berth tags {name}' lists all tags of the repository")));
        }
        remote
            .each_tag(|tags| match args.json {
                true => {
                    all.extend(tags.into_iter().map(Value::from));
                    Ok(())
                }
                false => tags.iter().try_for_each(|tag| line(&output::plain(tag))),
            })
            .await
    })?;
    if args.json { output::json(&Value::Array(all)) } else { Ok(()) }
}
