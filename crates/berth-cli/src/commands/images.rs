//! `berth images [REPOSITORY[:TAG]]`.

use berth_images::{Listed, Store};
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::line;
use crate::{names, trouble, units};

mod filter;

use filter::Filter;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth images
  berth images localhost:5000/app        the tags of one repository
  berth images -q --filter dangling=true
  berth images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
  berth images --format json";

const COLUMNS: &[Column] = &[
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("ID", "IMAGE ID"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("VirtualSize", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

/// `berth images`
#[derive(Args)]
pub struct ImagesArgs {
    /// Only images of this repository, or with this name
    #[arg(value_name = "REPOSITORY[:TAG]")]
    name: Option<String>,
    /// Nothing: images of builds in between are not kept here
    #[arg(long, short, hide = true)]
    all: bool,
    /// Print ids alone
    #[arg(long, short)]
    quiet: bool,
    /// Show the digests by which registries know the images
    #[arg(long)]
    digests: bool,
    /// Do not shorten ids
    #[arg(long)]
    no_trunc: bool,
    /// Only some: dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<String>,
    /// A Go template for each image, 'table …' with one, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Lists the images, the newest first.
pub(crate) fn run(args: &ImagesArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    let mut images = store.list().map_err(trouble::of_store)?;
    let filter = Filter::read(&args.filter, &images)?;
    let of_name = args.name.as_deref().map(wanted).transpose()?;
    images.retain(|listed| of_name.as_ref().is_none_or(|wanted| wanted(listed)));
    keep(&mut images, &filter, &store);
    // The order among those of one moment is that in which they came, the last first.
    images.reverse();
    images.sort_by_key(|listed| std::cmp::Reverse(units::seconds(&listed.image.created)));
    match args.quiet {
        true => ids(&images, args.no_trunc),
        false => table(&images, args),
    }
}

fn keep(images: &mut Vec<Listed>, filter: &Filter, store: &Store) {
    images.retain(|listed| filter.takes(listed, store));
}

/// Which images have the name: all of its repository, or those with its tag.
fn wanted(text: &str) -> Result<impl Fn(&Listed) -> bool, Failure> {
    let name = names::image(text)?;
    Ok(move |listed: &Listed| {
        listed.name.as_ref().is_some_and(|own| {
            let is_there = own.registry() == name.registry() && own.repository() == name.repository();
            is_there && name.tag().is_none_or(|tag| own.tag() == Some(tag))
        })
    })
}

fn ids(images: &[Listed], is_long: bool) -> Result<(), Failure> {
    let mut told = Vec::new();
    for Listed { image, .. } in images {
        if !told.contains(&&image.id) {
            told.push(&image.id);
            line(&if is_long { image.id.to_string() } else { image.short_id() })?;
        }
    }
    Ok(())
}

fn table(images: &[Listed], args: &ImagesArgs) -> Result<(), Failure> {
    let shown = match args.digests {
        true => vec!["Repository", "Tag", "Digest", "ID", "CreatedSince", "Size"],
        false => vec!["Repository", "Tag", "ID", "CreatedSince", "Size"],
    };
    let mut listing = Listing::new(COLUMNS, shown);
    for listed in images {
        let image = &listed.image;
        let none = || "<none>".to_owned();
        let size = units::size(image.size);
        listing.row([
            listed.repository().unwrap_or_else(none),
            listed.name.as_ref().and_then(|name| name.tag()).map_or_else(none, ToString::to_string),
            listed.name.as_ref().map_or_else(none, |_| image.descriptor.digest.to_string()),
            if args.no_trunc { image.id.to_string() } else { image.short_id() },
            units::since(&image.created),
            units::printed(&image.created),
            size.clone(),
            size,
            "N/A".to_owned(),
            "N/A".to_owned(),
            "N/A".to_owned(),
        ]);
    }
    listing.print(args.format.as_deref())
}
