//! `berth prune`.

use std::io::{self, BufRead, Write};
use std::time::Duration;

use clap::Args;

use crate::commands::rmi;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::{trouble, units};

/// `berth prune`
#[derive(Args)]
pub struct PruneArgs {
    /// Do not ask
    #[arg(long, short)]
    force: bool,
}

/// Removes images without a tag, and what interrupted transfers have left.
pub(crate) fn run(args: &PruneArgs, environment: &Environment) -> Result<(), Failure> {
    let store = environment.store()?;
    if !args.force && !is_wanted()? {
        return Ok(());
    }
    let removed = store.remove_dangling().map_err(trouble::of_store)?;
    // Whoever is at work holds what he needs, so nothing has to be old to be useless.
    let left = store.prune(Duration::ZERO).map_err(trouble::of_store)?;
    if !removed.steps.is_empty() {
        line("Deleted Images:")?;
        rmi::print(&removed, "untagged", "deleted")?;
        line("")?;
    }
    line(&format!("Total reclaimed space: {}", units::size(removed.freed + left.bytes)))
}

fn is_wanted() -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    write!(
        out,
        "WARNING! This will remove all dangling images, and what interrupted transfers have left.\n\
         Are you sure you want to continue? [y/N] "
    )?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
