//! The configuration file: TOML, read with the place of every key and value.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::model::Config;
use super::options::{SETTINGS, find};
use super::report::{Mistake, Place};
use super::setting::Setting;
use super::suggest::nearest;
use super::value::Shape;

/// One value of the file, still as text.
pub(crate) struct Entry {
    pub(crate) setting: &'static Setting,
    pub(crate) text: String,
    pub(crate) place: Place,
}

/// Reads the whole file: what is right in it, and every mistake in its form.
pub(crate) fn read(path: &Path, input: &str) -> (Vec<Entry>, Vec<Mistake>) {
    let (table, errors) = DeTable::parse_recoverable(input);
    let mut reader = Reader { path, input, entries: Vec::new(), mistakes: Vec::new() };
    for error in errors {
        let place = Place::in_file(path, input, error.span().unwrap_or(0..0));
        reader.mistakes.push(Mistake {
            place,
            message: format!("this is not TOML: {}", error.message()),
            hint: None,
        });
    }
    // A file that is not TOML has keys in unexpected places: what follows from that would only confuse.
    if reader.mistakes.is_empty() {
        reader.table("", table.get_ref());
    }
    // The table is sorted by key; people read from the top.
    reader.entries.sort_by_key(|entry| entry.place.position());
    reader.mistakes.sort_by_key(|mistake| mistake.place.position());
    (reader.entries, reader.mistakes)
}

struct Reader<'a> {
    path: &'a Path,
    input: &'a str,
    entries: Vec<Entry>,
    mistakes: Vec<Mistake>,
}

impl Reader<'_> {
    fn table(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = if section.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{section}.{}", name.get_ref())
            };
            match (find(&key), value.get_ref()) {
                (Some(setting), _) => self.value(setting, value),
                (None, DeValue::Table(inner)) if is_section(&key) => self.table(&key, inner),
                (None, found) => self.unknown(&key, name, found),
            }
        }
    }

    fn value(&mut self, setting: &'static Setting, value: &Spanned<DeValue<'_>>) {
        let place = Place::in_file(self.path, self.input, value.span());
        let mut scratch = Config::default();
        let slot = (setting.slot)(&mut scratch);
        let text = match (value.get_ref(), slot.shape()) {
            (DeValue::String(text), Shape::Text | Shape::TextOrNumber) => Some(text.to_string()),
            (DeValue::Boolean(switch), Shape::Switch) => Some(switch.to_string()),
            (DeValue::Integer(number), Shape::Number | Shape::TextOrNumber) if number.radix() == 10 => {
                Some(number.as_str().to_owned())
            }
            (DeValue::String(text), Shape::List) => Some(text.to_string()),
            (DeValue::Array(items), Shape::List) => {
                let texts = items.iter().map(|item| match item.get_ref() {
                    DeValue::String(text) => Some(text.as_ref()),
                    _ => None,
                });
                texts.collect::<Option<Vec<_>>>().map(|texts| texts.join(", "))
            }
            _ => None,
        };
        match text {
            Some(text) => self.entries.push(Entry { setting, text, place }),
            None => {
                let found = found(value.get_ref());
                let message = format!("`{}` is {found}; expected {}", setting.key, slot.expected());
                self.mistakes.push(Mistake { place, message, hint: None });
            }
        }
    }

    fn unknown(&mut self, key: &str, name: &Spanned<std::borrow::Cow<'_, str>>, value: &DeValue<'_>) {
        let place = Place::in_file(self.path, self.input, name.span());
        let (message, hint) = if is_section(key) {
            (format!("`{key}` is a section, not an option"), Some(format!("write [{key}] above its options")))
        } else if matches!(value, DeValue::Table(_)) {
            let near = nearest(key, sections());
            (format!("there is no section `{key}`"), near.map(|near| format!("did you mean `{near}`?")))
        } else {
            (format!("there is no option `{key}`"), did_you_mean(key))
        };
        self.mistakes.push(Mistake { place, message, hint });
    }
}

/// The option that an unknown key may have meant: nearly the same key, or the same name in another section.
pub(crate) fn did_you_mean(key: &str) -> Option<String> {
    let name = key.rsplit_once('.').map_or(key, |(_, name)| name);
    let elsewhere = || SETTINGS.iter().find(|setting| setting.name() == name).map(|setting| setting.key);
    nearest(key, SETTINGS.iter().map(|setting| setting.key))
        .or_else(elsewhere)
        .map(|near| format!("did you mean `{near}`?"))
}

fn sections() -> impl Iterator<Item = &'static str> {
    SETTINGS.iter().map(Setting::section).filter(|section| !section.is_empty())
}

fn is_section(key: &str) -> bool {
    sections().any(|section| section == key)
}

/// What a value of the wrong type is, in words.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("the string \"{text}\""),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(switch) => switch.to_string(),
        DeValue::Datetime(date) => format!("the date {date}"),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a section".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(input: &str) -> String {
        let (_, mistakes) = read(Path::new("berth.toml"), input);
        mistakes.iter().map(Mistake::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn unknown_keys_are_mistakes_with_a_suggestion() {
        insta::assert_snapshot!(mistakes("lisen = \"127.0.0.1:5000\"\n\n[limits]\nidel_timeout = \"75s\"\n"), @r#"
        berth.toml:1:1: there is no option `lisen`; did you mean `listen`?
            1 | lisen = "127.0.0.1:5000"
              | ^^^^^
        berth.toml:4:1: there is no option `limits.idel_timeout`; did you mean `limits.idle_timeout`?
            4 | idel_timeout = "75s"
              | ^^^^^^^^^^^^
        "#);
        assert!(mistakes("cert = \"x\"").contains("did you mean `tls.cert`?"));
        assert!(mistakes("[limit]\nx = 1").contains("there is no section `limit`; did you mean `limits`?"));
        assert!(mistakes("tls = true").contains("`tls` is a section"));
    }

    #[test]
    fn wrong_types_are_told_with_what_is_expected() {
        insta::assert_snapshot!(mistakes("open_to_network = \"yes\"\nlisten = 5000\n[limits]\n\tidle_timeout = 75\n"), @r#"
        berth.toml:1:19: `open_to_network` is the string "yes"; expected true or false
            1 | open_to_network = "yes"
              |                   ^^^^^
        berth.toml:2:10: `listen` is the number 5000; expected an address and a port such as "127.0.0.1:5000"
            2 | listen = 5000
              |          ^^^^
        berth.toml:4:17: `limits.idle_timeout` is the number 75; expected a duration such as "500ms", "60s", "10m", "24h" or "7d"
            4 | 	idle_timeout = 75
              | 	               ^^
        "#);
    }

    #[test]
    fn broken_toml_has_a_place() {
        assert!(mistakes("data = \"a\"\nlisten = \n").starts_with("berth.toml:2:10: this is not TOML: "));
        assert!(
            mistakes("data = \"a\"\ndata = \"b\"\n")
                .contains("berth.toml:2:1: this is not TOML: duplicate key")
        );
    }

    #[test]
    fn what_is_right_is_read() {
        let (entries, mistakes) = read(
            Path::new("berth.toml"),
            "data = 'x'\ndelete.enabled = false\n[limits]\nconnections = 7\nheader_size = 1000\n",
        );
        assert!(mistakes.is_empty());
        let mut read: Vec<_> = entries.iter().map(|entry| (entry.setting.key, entry.text.as_str())).collect();
        read.sort_unstable();
        assert_eq!(
            read,
            [
                ("data", "x"),
                ("delete.enabled", "false"),
                ("limits.connections", "7"),
                ("limits.header_size", "1000")
            ]
        );
    }
}
