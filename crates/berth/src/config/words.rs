//! Values that are words: names, and secrets that nobody is shown.

use std::fmt;

use super::value::{Hint, Value, quoted};

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
    use super::{Hidden, Value};

    #[test]
    fn a_secret_is_shown_nowhere() {
        let mut secret = Hidden::default();
        assert_eq!(secret.literal(), "\"\"");
        secret.read("swordfish").unwrap();
        assert_eq!(secret.reveal(), "swordfish");
        assert_eq!((secret.literal().as_str(), format!("{secret:?}").as_str()), ("\"hidden\"", "hidden"));
    }
}
