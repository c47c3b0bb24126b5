//! One option, and its names.

use super::model::Config;
use super::value::{Shape, Value};

/// What the environment variables of the options begin with.
pub(crate) const VARIABLE_PREFIX: &str = "BERTH_";

/// The variable that names the configuration file; it is no option, because it is read before the file.
pub(crate) const FILE_VARIABLE: &str = "BERTH_CONFIG";

/// One option: its name everywhere, its default, its documentation, and its place in [`Config`].
pub(crate) struct Setting {
    /// Its TOML key with its section: `limits.idle_timeout`.
    pub(crate) key: &'static str,
    /// The value when nobody says anything, as a flag would spell it.
    pub(crate) default: &'static str,
    /// Another sensible value, as a flag would spell it.
    pub(crate) example: &'static str,
    /// One sentence.
    pub(crate) summary: &'static str,
    /// What else there is to know; may be empty.
    pub(crate) details: &'static str,
    /// Whether `berth serve -h` names it; `berth serve --help` names all.
    pub(crate) common: bool,
    /// Its typed place.
    pub(crate) slot: fn(&mut Config) -> &mut dyn Value,
}

impl Setting {
    /// The environment variable: `BERTH_LIMITS_IDLE_TIMEOUT`.
    pub(crate) fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.key.replace('.', "_").to_uppercase())
    }

    /// The flag without its dashes: `limits-idle-timeout`.
    pub(crate) fn flag(&self) -> String {
        self.key.replace(['.', '_'], "-")
    }

    /// The TOML section, empty for the options above the first section.
    pub(crate) fn section(&self) -> &'static str {
        self.key.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// The name inside its section.
    pub(crate) fn name(&self) -> &'static str {
        self.key.rsplit_once('.').map_or(self.key, |(_, name)| name)
    }

    /// A text that this option can read, as TOML writes it.
    pub(crate) fn literal(&self, text: &str) -> String {
        match (self.slot)(&mut Config::default()).shape() {
            Shape::Switch | Shape::Number => text.to_owned(),
            Shape::Text | Shape::TextOrNumber => toml::Value::from(text).to_string(),
            Shape::List => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                toml::Value::from(items.collect::<Vec<_>>()).to_string()
            }
        }
    }

    /// Whether it is on or off.
    pub(crate) fn is_switch(&self) -> bool {
        (self.slot)(&mut Config::default()).shape() == Shape::Switch
    }

    /// The place holder of its value in the help.
    pub(crate) fn placeholder(&self) -> &'static str {
        (self.slot)(&mut Config::default()).placeholder()
    }
}
