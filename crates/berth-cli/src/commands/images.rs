//! `berth images [REPOSITORY[:TAG]]`.

use std::cmp::Reverse;

use berth_images::Listed;
use berth_oci::ImageReference;
use clap::Args;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::filter::{Condition, Filter, OF_IMAGES};
use crate::listing::{Column, Listing};
use crate::output::line;
use crate::{trouble, units};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth images
  berth images localhost:5000/app        the tags of one repository
  berth images -q --filter dangling=true
  berth images --format '{{.Repository}}:{{.Tag}} {{.Size}}'
  berth images --format json

SIZE is what the image takes here: its layers as registries send them, packed. What images share is
there once, and counted for each.";

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
    /// Only images of this repository, or with this name; '*' and '?' stand for anything but a slash
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
    /// Only some: dangling=true, reference=PATTERN, label=KEY[=VALUE], before=IMAGE, since=IMAGE, until=TIME
    #[arg(long, short, value_name = "FILTER")]
    filter: Vec<Condition>,
    /// A Go template for each image, 'table …' with one, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Lists the images, the newest first.
pub(crate) fn run(args: &ImagesArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    let mut filter = Filter::read(&args.filter, OF_IMAGES, &store)?;
    if let Some(name) = &args.name {
        filter.reference(name)?;
    }
    let mut images = store.list().map_err(trouble::of_store)?;
    images.retain(|listed| filter.takes(listed, &store));
    images.sort_by_cached_key(|Listed { name, image }| {
        let created = units::seconds(&image.created).unwrap_or(i64::MIN);
        (Reverse(created), image.id.clone(), name.as_ref().map(ImageReference::familiar))
    });
    match args.format.as_deref() {
        None | Some("" | "table") if args.quiet => {
            images.iter().try_for_each(|listed| line(&id(listed, args.no_trunc)))
        }
        format => table(&images, args).print(format),
    }
}

fn id(listed: &Listed, is_long: bool) -> String {
    if is_long { listed.image.id.to_string() } else { listed.image.short_id() }
}

fn table(images: &[Listed], args: &ImagesArgs) -> Listing {
    let mut shown = vec!["Repository", "Tag", "ID", "CreatedSince", "Size"];
    if args.digests {
        shown.insert(2, "Digest");
    }
    let mut listing = Listing::new(COLUMNS, shown);
    for listed in images {
        let image = &listed.image;
        let none = || "<none>".to_owned();
        let size = units::size(image.size);
        listing.row([
            listed.repository().unwrap_or_else(none),
            listed.name.as_ref().and_then(|name| name.tag()).map_or_else(none, ToString::to_string),
            listed.name.as_ref().map_or_else(none, |_| image.descriptor.digest.to_string()),
            id(listed, args.no_trunc),
            units::since(&image.created),
            units::printed(&image.created),
            size.clone(),
            size,
            "N/A".to_owned(),
            "N/A".to_owned(),
            "N/A".to_owned(),
        ]);
    }
    listing
}
