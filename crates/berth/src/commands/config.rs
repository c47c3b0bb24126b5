//! `berth config …`: check, show, and the files that the table of options writes.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use crate::cli::{CheckArgs, ConfigArgs};
use crate::config::{self, Effective, Mistakes, Sources};
use berth_cli::failure::Failure;

/// Reads the configuration, or tells every mistake in it.
pub(crate) fn read(sources: &Sources) -> Result<Effective, Failure> {
    config::load(sources).map_err(mistaken)
}

fn mistaken(mistakes: Mistakes) -> Failure {
    Failure::usage(mistakes).hint("'berth config default' prints every option with its documentation")
}

/// `berth config check [FILE]`
pub(crate) fn check(args: &CheckArgs) -> Result<(), Failure> {
    let effective = match &args.file {
        Some(file) => config::check_file(file).map_err(mistaken)?,
        None => read(&Sources::of_process(None, Vec::new()))?,
    };
    for warning in &effective.warnings {
        writeln!(io::stderr(), "warning: {warning}")?;
    }
    let what = match &effective.file {
        Some(file) => file.display().to_string(),
        None => "no configuration file here; the defaults and the environment".to_owned(),
    };
    Ok(writeln!(io::stdout(), "{what}: no mistakes")?)
}

/// `berth config show`
pub(crate) fn show(args: &ConfigArgs) -> Result<(), Failure> {
    let effective = read(&args.sources())?;
    for warning in &effective.warnings {
        writeln!(io::stderr(), "warning: {warning}")?;
    }
    Ok(io::stdout().lock().write_all(table(&effective).as_bytes())?)
}

/// One line for each option, itself TOML.
fn table(effective: &Effective) -> String {
    let rows = effective.literals();
    let wide = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let key_width = wide(&mut rows.iter().map(|(setting, _)| setting.key.len()));
    let value_width = wide(&mut rows.iter().map(|(_, literal)| literal.chars().count()));
    let mut table =
        String::from("# value in effect, and where it comes from: defaults < file < environment < flags\n");
    for (setting, literal) in rows {
        let origin = effective.origin(setting.key);
        let _ = writeln!(table, "{:key_width$} = {literal:value_width$}  # {origin}", setting.key);
    }
    table
}

/// `berth config default`
pub(crate) fn default() -> Result<(), Failure> {
    Ok(io::stdout().lock().write_all(config::example_file().as_bytes())?)
}

/// `berth config reference`
pub(crate) fn reference() -> Result<(), Failure> {
    Ok(io::stdout().lock().write_all(config::page().as_bytes())?)
}
