//! `berth history IMAGE`.

use clap::{ArgAction, Args};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::listing::{Column, Listing};
use crate::output::line;
use crate::{progress, trouble, units};

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
            units::since(&step.created),
            step.created.clone(),
            if args.no_trunc { by } else { shortened(&by) },
            if args.human { units::size(step.size) } else { step.size.to_string() },
            step.comment,
        ]);
    }
    listing.print(args.format.as_deref())
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN - 1).chain(['…']).collect()
}
