//! Values that are words: names, and secrets that nobody is shown.

use std::fmt;

use berth_client::KNOWN;

use super::value::{Hint, Shape, Value, quoted};

impl Value for String {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        text.clone_into(self);
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(self)
    }

    fn expected(&self) -> String {
        "a text".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "TEXT"
    }
}

/// Names of known registries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Registries(pub(crate) Vec<String>);

impl Value for Registries {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let known = |name: &str| {
            let unknown = || {
                Some(format!("`{name}` is not known by name; add it with `berth mirror add {name} --url …`"))
            };
            KNOWN.iter().any(|known| known.name == name).then(|| name.to_owned()).ok_or_else(unknown)
        };
        self.0 = names.map(known).collect::<Result<_, Hint>>()?;
        Ok(())
    }

    fn literal(&self) -> String {
        toml::Value::from(self.0.clone()).to_string()
    }

    fn shape(&self) -> Shape {
        Shape::List
    }

    fn expected(&self) -> String {
        "names of known registries such as [\"docker.io\", \"quay.io\"], or nothing".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "NAMES"
    }
}

/// A secret. Shown as a word that says so, also by `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Hidden(String);

impl Hidden {
    /// The secret itself.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "" } else { "hidden" })
    }
}

impl Value for Hidden {
    fn read(&mut self, text: &str) -> Result<(), Hint> {
        text.clone_into(&mut self.0);
        Ok(())
    }

    fn literal(&self) -> String {
        quoted(&format!("{self:?}"))
    }

    fn expected(&self) -> String {
        "a secret".to_owned()
    }

    fn placeholder(&self) -> &'static str {
        "SECRET"
    }
}

#[cfg(test)]
mod tests {
    use super::{Hidden, Registries, Value};

    #[test]
    fn registries_are_known_ones() {
        let mut names = Registries::default();
        names.read("docker.io,quay.io").unwrap();
        assert_eq!(names.literal(), "[\"docker.io\", \"quay.io\"]");
        names.read("").unwrap();
        assert_eq!(names.literal(), "[]");
        assert!(names.read("docker.io, corp.example").unwrap_err().unwrap().contains("`corp.example`"));
    }

    #[test]
    fn a_secret_is_shown_nowhere() {
        let mut secret = Hidden::default();
        assert_eq!(secret.literal(), "\"\"");
        secret.read("swordfish").unwrap();
        assert_eq!(secret.reveal(), "swordfish");
        assert_eq!((secret.literal().as_str(), format!("{secret:?}").as_str()), ("\"hidden\"", "hidden"));
    }
}
