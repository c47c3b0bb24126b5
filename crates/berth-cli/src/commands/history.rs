//! `berth history IMAGE`.

use clap::{ArgAction, Args};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::line;
use crate::{progress, trouble, units};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth history app:1.9
  berth history --no-trunc app:1.9       instructions in full
  berth history --format '{{.Size}}: {{.CreatedBy}}' app:1.9
  berth history --format json app:1.9

'berth layers' shows the layers of an image at a registry.";

const COLUMNS: &[Column] = &[
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];
/// Characters of an instruction that are shown.
const SHOWN: usize = 45;
const MISSING: &str = "<missing>";

/// `berth history`
#[derive(Args)]
pub struct HistoryArgs {
    /// The image: NAME[:TAG], or the beginning of its id
    image: String,
    /// Print sizes and dates for people
    #[arg(long, short = 'H', default_value_t = true, action = ArgAction::Set, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    human: bool,
    /// Print ids alone
    #[arg(long, short)]
    quiet: bool,
    /// Do not shorten ids and instructions
    #[arg(long)]
    no_trunc: bool,
    /// A Go template for each line, 'table …' with one, or json
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints how the image was built, the last step first.
pub(crate) fn run(args: &HistoryArgs, environment: &Environment) -> Result<(), Failure> {
    let steps = environment.store()?.history(&args.image).map_err(trouble::of_store)?;
    let id = |id: &Option<berth_oci::Digest>| match id {
        Some(id) if args.no_trunc => id.to_string(),
        Some(id) => progress::short(id),
        None => MISSING.to_owned(),
    };
    if args.quiet {
        return steps.iter().try_for_each(|step| line(&id(&step.id)));
    }
    let created = if args.human { "CreatedSince" } else { "CreatedAt" };
    let mut listing = Listing::new(COLUMNS, vec!["ID", created, "CreatedBy", "Size", "Comment"]);
    for step in steps {
        let by = step.created_by.replace('\t', " ");
        listing.row([
            id(&step.id),
            since(&step.created),
            units::to_the_second(&step.created),
            if args.no_trunc { by } else { shortened(&by) },
            if args.human { units::size(step.size) } else { step.size.to_string() },
            step.comment,
        ]);
    }
    listing.print(args.format.as_deref())
}

/// Builds that can be repeated say 1970 of every step, which docker does not tell.
fn since(created: &str) -> String {
    match units::seconds(created) {
        Some(1..) => units::since(created),
        _ => "N/A".to_owned(),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
