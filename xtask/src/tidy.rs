//! Rules of this workspace that no compiler checks; `cargo test -p xtask` runs each as a test.

mod arrows;
mod sources;

/// One rule: what must hold, and a check that lists each place where it does not.
type Rule = (&'static str, fn() -> anyhow::Result<Vec<String>>);

const RULES: [Rule; 6] = [
    ("dependencies point down only", arrows::upward),
    ("docs/ARCHITECTURE.md has the table of crates", arrows::not_documented),
    ("ring is not in the tree: one cryptography library is enough", arrows::second_cryptography),
    ("every module begins with its purpose", sources::without_purpose),
    ("every source file belongs to a module", sources::forgotten),
    ("no path of one machine is written down", sources::machine_paths),
];

/// Options of `cargo xtask tidy`.
#[derive(clap::Args)]
pub(crate) struct Options {}

/// Checks every rule.
pub(crate) fn run(_options: &Options) -> anyhow::Result<()> {
    let mut broken = 0;
    for (name, check) in RULES {
        let places = check().unwrap_or_else(|error| vec![format!("{error:#}")]);
        println!("{}  {name}", if places.is_empty() { "ok   " } else { "FAIL " });
        places.iter().for_each(|place| println!("       {place}"));
        broken += usize::from(!places.is_empty());
    }
    anyhow::ensure!(broken == 0, "{broken} of {} rules are broken", RULES.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{arrows, sources};

    fn holds(check: fn() -> anyhow::Result<Vec<String>>) {
        assert_eq!(check().unwrap(), Vec::<String>::new());
    }

    #[test]
    fn dependencies_point_down_only() {
        holds(arrows::upward);
    }

    #[test]
    fn the_table_of_crates_is_documented() {
        holds(arrows::not_documented);
    }

    #[test]
    fn ring_is_not_in_the_tree() {
        holds(arrows::second_cryptography);
    }

    #[test]
    fn every_module_begins_with_its_purpose() {
        holds(sources::without_purpose);
    }

    #[test]
    fn every_source_file_belongs_to_a_module() {
        holds(sources::forgotten);
    }

    #[test]
    fn no_path_of_one_machine_is_written_down() {
        holds(sources::machine_paths);
    }
}
