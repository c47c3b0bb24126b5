//! `berth prune`.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use berth_images::{Listed, Removal, Removed};
use clap::Args;

use crate::commands::rmi;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::filter::{Condition, Filter, OF_PRUNE};
use crate::output::line;
use crate::{trouble, units};

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth prune                            images that lost their tag, and what kills have left
  berth prune --filter until=240h        of those only what is older than ten days
  berth prune -a --filter label=ci       also images with a tag, if they have this label
  berth prune -f                         without a question, in scripts";

/// `berth prune`
#[derive(Args)]
pub struct PruneArgs {
    /// Also images that have a tag
    #[arg(long, short)]
    all: bool,
    /// Only some: until=TIME (24h, 2026-01-31), label=KEY[=VALUE], label!=KEY[=VALUE]
    #[arg(long, value_name = "FILTER")]
    filter: Vec<Condition>,
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

/// Removes images, and what interrupted transfers have left.
pub(crate) fn run(args: &PruneArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    let mut filter = Filter::read(&args.filter, OF_PRUNE, &store)?;
    // As docker has it, `dangling=false` is another way to write `--all`.
    let is_dangling = filter.dangling.take().unwrap_or(!args.all);
    if !args.force && !is_wanted(is_dangling, &args.filter)? {
        return Ok(());
    }
    let is_meant = |names: &[&Listed]| {
        (!is_dangling || names.iter().all(|listed| listed.is_dangling()))
            && names.iter().any(|listed| filter.takes(listed, &store))
    };
    let Removed { steps, freed } = store.remove_where(is_meant).map_err(trouble::of_store)?;
    // Whoever is at work holds what he needs, so nothing has to be old to be useless.
    let left = store.prune(Duration::ZERO).map_err(trouble::of_store)?;
    if !steps.is_empty() {
        line("Deleted Images:")?;
        steps.iter().try_for_each(|step| line(&told(step)))?;
        line("")?;
    }
    line(&format!("Total reclaimed space: {}", units::freed(freed + left.bytes)))
}

fn told(step: &Removal) -> String {
    let mut text = rmi::told(step);
    // Here docker writes these words small.
    text[..1].make_ascii_lowercase();
    text
}

fn is_wanted(is_dangling: bool, conditions: &[Condition]) -> Result<bool, Failure> {
    let which = if is_dangling { "all dangling images" } else { "all images" };
    let only = if conditions.is_empty() { "" } else { " that fit the filters" };
    let mut out = io::stdout().lock();
    write!(
        out,
        "WARNING! This will remove {which}{only}, and what interrupted transfers have left.\n\
         Are you sure you want to continue? [y/N] "
    )?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
