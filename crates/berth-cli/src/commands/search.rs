//! `berth search TERM`.

use berth_client::Found;
use clap::Args;

use crate::commands::ls;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output;
use crate::registries::{Registries, RegistryArgs};
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth search nginx                     at Docker Hub
  berth search localhost:5000/app        at another registry
  berth search --filter is-official=true --limit 5 nginx
  berth search --format '{{.Name}}' quay.io/prometheus";

/// Docker Hub's place for searches.
const HUB: &str = "index.docker.io";
/// Characters of a description that are shown.
const SHOWN: usize = 45;

const COLUMNS: &[Column] = &[
    ("Name", "NAME"),
    ("Description", "DESCRIPTION"),
    ("StarCount", "STARS"),
    ("IsOfficial", "OFFICIAL"),
    ("IsAutomated", "AUTOMATED"),
];

/// `berth search`
#[derive(Args)]
pub struct SearchArgs {
    /// A part of the name, perhaps with a registry before it: localhost:5000/app
    term: String,
    /// Results at most
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Do not shorten descriptions
    #[arg(long)]
    no_trunc: bool,
    /// Only some: stars=N, is-official=true|false
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template for each result, 'table …' with one, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Searches a registry.
pub(crate) fn run(args: &SearchArgs, environment: &Environment) -> Result<(), Failure> {
    let filters = args.filter.iter().map(|filter| read(filter)).collect::<Result<Vec<_>, _>>()?;
    let registries = Registries::of(environment, &args.registry)?;
    let (host, term) = match args.term.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
        _ => (HUB, args.term.strip_prefix("library/").unwrap_or(&args.term)),
    };
    let mut found = environment.wait_for(search(&registries, host, term, usize::from(args.limit)))?;
    found.retain(|found| filters.iter().all(|filter| filter.takes(found)));
    let mut listing = Listing::new(COLUMNS, vec!["Name", "Description", "StarCount", "IsOfficial"]);
    for found in found {
        let description = output::plain(&found.description.replace(['\n', '\r'], " "));
        let description = if args.no_trunc { description } else { shortened(&description) };
        let official = if found.official { "[OK]" } else { "" };
        let (name, stars) = (output::plain(&found.name), found.stars.to_string());
        listing.row([name, description, stars, official.to_owned(), String::new()]);
    }
    listing.print(args.format.as_deref())
}

async fn search(
    registries: &Registries,
    host: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    use berth_client::ClientError::{Denied, NotFound, Refused, Unauthorized, Unexpected, Useless};
    let client = match host {
        // It shows what is public, and no other host may see the password of docker.io.
        HUB => registries.client_as(HUB, None).await?,
        host => registries.registry(host).await?,
    };
    match client.search(term, limit).await {
        Ok(mut found) => {
            found.sort_by_key(|found| std::cmp::Reverse(found.stars));
            Ok(found)
        }
        // Most registries have no search, which each says in its own way, and a list.
        Err(NotFound | Refused { .. } | Unexpected { .. } | Useless { .. })
        | Err(Denied { .. } | Unauthorized { .. })
            if host != HUB =>
        {
            listed(registries, host, term, limit).await
        }
        Err(error) => Err(trouble::of_registry(host, error)),
    }
}

async fn listed(
    registries: &Registries,
    host: &str,
    term: &str,
    limit: usize,
) -> Result<Vec<Found>, Failure> {
    let mut all = Vec::new();
    ls::each(registries, host, |names| {
        let fits = names.into_iter().filter(|name| name.contains(term));
        all.extend(fits.map(|name| Found { name, description: String::new(), stars: 0, official: false }));
        Ok(())
    })
    .await?;
    all.truncate(limit);
    Ok(all)
}

enum Filter {
    Stars(i64),
    Official(bool),
}

impl Filter {
    fn takes(&self, found: &Found) -> bool {
        match self {
            Filter::Stars(least) => found.stars >= *least,
            Filter::Official(wanted) => found.official == *wanted,
        }
    }
}

fn read(filter: &str) -> Result<Filter, Failure> {
    let read = match filter.split_once('=') {
        Some(("stars", least)) => least.parse().ok().map(Filter::Stars),
        Some(("is-official", wanted)) => wanted.parse().ok().map(Filter::Official),
        _ => None,
    };
    read.ok_or_else(|| {
        Failure::other(format!("invalid filter {filter:?}"))
            .hint("there are stars=N and is-official=true|false")
    })
}

fn shortened(text: &str) -> String {
    match text.chars().count() > SHOWN {
        true => text.chars().take(SHOWN - 1).chain(['…']).collect(),
        false => text.to_owned(),
    }
}
