//! The example file and the reference page, written from the table of options.

use std::fmt::Write;

use super::model::Config;
use super::options::SETTINGS;
use super::setting::Setting;

const WIDTH: usize = 96;

/// A configuration file with every option, its documentation and its default, all commented out.
pub(crate) fn example_file() -> String {
    let mut file = String::from(
        "# Configuration of berth. Every option is here with its default; remove the # to change one.\n\
         # Order: defaults < this file < environment (BERTH_…) < flags. Check it with: berth config check FILE\n",
    );
    let mut section = "";
    for setting in SETTINGS {
        if setting.section() != section {
            section = setting.section();
            let _ = write!(file, "\n[{section}]\n");
        }
        let text = format!("{} {}", setting.summary, setting.details);
        let _ = writeln!(file, "\n{}", wrapped(text.trim(), "# "));
        let _ = writeln!(file, "# Example: {} = {}", setting.name(), setting.literal(setting.example));
        let _ = writeln!(file, "#{} = {}", setting.name(), setting.literal(setting.default));
    }
    file
}

/// The page `docs/configuration.md`.
pub(crate) fn page() -> String {
    let mut page = String::from(INTRODUCTION);
    let mut section = None;
    for setting in SETTINGS {
        if section != Some(setting.section()) {
            section = Some(setting.section());
            let title = if setting.section().is_empty() { "General" } else { setting.section() };
            let _ = write!(page, "\n## {title}\n");
        }
        page.push_str(&entry(setting));
    }
    let _ = write!(
        page,
        "\n## Example file\n\n`berth config default` prints it.\n\n```toml\n{}```\n",
        example_file()
    );
    page
}

fn entry(setting: &Setting) -> String {
    let mut scratch = Config::default();
    let expected = (setting.slot)(&mut scratch).expected();
    let mut entry = format!("\n### `{}`\n\n{}", setting.key, setting.summary);
    if !setting.details.is_empty() {
        let _ = write!(entry, " {}", setting.details);
    }
    let _ = write!(
        entry,
        "\n\n| default | example | environment | flag |\n|---|---|---|---|\n| `{}` | `{}` | `{}` | `--{}` |\n\n\
         Takes {expected}.\n",
        setting.literal(setting.default),
        setting.literal(setting.example),
        setting.variable(),
        setting.flag(),
    );
    entry
}

/// Words in lines of at most `WIDTH` characters, each begun with `mark`.
fn wrapped(text: &str, mark: &str) -> String {
    let mut lines = vec![mark.trim_end().to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always a line");
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines.push(format!("{mark}{word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n")
}

const INTRODUCTION: &str = "\
<!-- Written from crates/berth/src/config/options.rs; to write it anew: BERTH_BLESS=1 cargo test -p berth -->
# Configuration

Berth needs no configuration: `berth serve` listens on `127.0.0.1:5000` and keeps its data in `./berth-data`.
Everything below can be changed in three places.

**Order:** defaults < file < environment < flags. The later one wins, option by option.

- **File:** TOML. The one that `--config FILE` names, else the one that `BERTH_CONFIG` names, else `berth.toml` in the
  current folder if it is there. An unknown key is a mistake.
- **Environment:** the key in capitals after `BERTH_`, with `_` for `.`: `limits.idle_timeout` is
  `BERTH_LIMITS_IDLE_TIMEOUT`. A variable that begins with `BERTH_` and is no option is told in the log.
- **Flags** of `berth serve`: the key with dashes: `--limits-idle-timeout`.

Paths are relative to the folder in which `berth` is started, wherever they are written. Durations have a unit (`ms`,
`s`, `m`, `h`, `d`); sizes are in powers of 1024 (`KiB`, `MiB`, `GiB`, `TiB`), or bytes without a unit.

```sh
berth config default > berth.toml   # every option, with its documentation, commented out
berth config check                  # mistakes, with file, line, column and what is expected
berth config show                   # the values in effect, and where each one comes from
```
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, load};

    /// The committed page is what the table says today.
    #[test]
    fn the_page_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md");
        if std::env::var_os("BERTH_BLESS").is_some() {
            std::fs::write(path, page()).expect("docs/configuration.md can be written");
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == page(), "docs/configuration.md is stale: run BERTH_BLESS=1 cargo test -p berth");
    }

    #[test]
    fn the_example_file_says_the_defaults() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("berth.toml");
        let uncommented: String = example_file()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(code) if !code.starts_with(' ') => format!("{code}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        std::fs::write(&path, uncommented).expect("a file in it");
        let from_file =
            load(&Sources { file: Some(path), ..Sources::default() }).expect("the example is right");
        let defaults = load(&Sources::default()).expect("the defaults are right");
        for ((setting, value), (_, default)) in from_file.literals().into_iter().zip(defaults.literals()) {
            assert_eq!(value, default, "{}", setting.key);
            assert_ne!(
                *from_file.origin(setting.key),
                crate::config::load::Origin::Default,
                "{}",
                setting.key
            );
        }
    }

    #[test]
    fn the_example_file_is_not_wide() {
        assert!(example_file().lines().all(|line| line.chars().count() <= 110));
    }
}
