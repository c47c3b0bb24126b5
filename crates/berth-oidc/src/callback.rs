//! What a browser brings back from the provider.

use std::fmt;

use crate::form;

/// The parameters that a browser brings back (RFC 6749, section 4.1.2; RFC 9207). Anybody can write them.
#[derive(Clone, Default)]
pub struct Callback {
    /// What the provider gives an ID token for.
    pub code: Option<String>,
    /// The state of the [`Pending`](crate::Pending) that it answers.
    pub state: Option<String>,
    /// Who sent the browser back.
    pub iss: Option<String>,
    /// A word for what went wrong, instead of a code.
    pub error: Option<String>,
    /// A sentence for what went wrong.
    pub error_description: Option<String>,
}

impl Callback {
    /// Reads the query of the address that the browser came back to, without the question mark. Other parameters are
    /// passed over.
    ///
    /// # Errors
    ///
    /// If a parameter is there twice (RFC 6749, section 3.1): two readers could each believe another one.
    pub fn parse(query: &str) -> Result<Callback, CallbackError> {
        let mut callback = Callback::default();
        for (name, value) in form::pairs(query) {
            let place = match name.as_str() {
                "code" => &mut callback.code,
                "state" => &mut callback.state,
                "iss" => &mut callback.iss,
                "error" => &mut callback.error,
                "error_description" => &mut callback.error_description,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(CallbackError::Twice);
            }
        }
        Ok(callback)
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback")
            .field("code", &self.code.as_ref().map(|_| "…"))
            .field("state", &self.state.as_ref().map(|_| "…"))
            .field("iss", &self.iss)
            .field("error", &self.error)
            .field("error_description", &self.error_description)
            .finish()
    }
}

/// Why what a browser brought back is not taken to the provider.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallbackError {
    /// A parameter is there twice.
    #[error("the answer of the provider has a parameter twice; sign in again")]
    Twice,
    /// More than ten minutes went by.
    #[error("this sign-in took longer than ten minutes; sign in again")]
    Expired,
    /// It was begun at another provider, or with another client id.
    #[error("this sign-in was begun at another provider; sign in again")]
    OtherProvider,
    /// The state is missing or another one.
    #[error("this answer does not belong to a sign-in that this browser began; sign in again")]
    State,
    /// Another provider answers (RFC 9207, section 2.4), or one that says who it is did not.
    #[error("the answer is not from the provider that was asked; sign in again, and tell the administrator")]
    Issuer,
    /// The provider said no.
    #[error("the provider refused the sign-in ({error}){description}")]
    Refused {
        /// The provider's word for it, at most 100 characters.
        error: String,
        /// Empty, or a colon and the provider's sentence, at most 300 characters.
        description: String,
    },
    /// There is neither a code nor an error.
    #[error("the answer of the provider has no code; sign in again")]
    NoCode,
}

/// What a provider says in plain words, so that it can be shown: cut, and without anything but letters on one line.
pub(crate) fn shown(text: &str, longest: usize) -> String {
    let shown = |letter: &char| !letter.is_control() && *letter != '\u{2028}' && *letter != '\u{2029}';
    text.chars().filter(shown).take(longest).collect()
}

/// An error of RFC 6749 (sections 4.1.2.1 and 5.2) in the form that is shown: the word, and a colon with the sentence.
pub(crate) fn refusal(error: &str, description: Option<&str>) -> (String, String) {
    let description = description.map(|text| shown(text, 300)).filter(|text| !text.is_empty());
    (shown(error, 100), description.map(|text| format!(": {text}")).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{Callback, CallbackError, refusal};

    #[test]
    fn a_query_is_read_and_nothing_twice() {
        let callback =
            Callback::parse("code=a%2Fb&state=c+d&session_state=x&iss=https%3A%2F%2Fid.example").unwrap();
        assert_eq!(callback.code.as_deref(), Some("a/b"));
        assert_eq!(callback.state.as_deref(), Some("c d"));
        assert_eq!(callback.iss.as_deref(), Some("https://id.example"));
        assert_eq!(callback.error, None);
        assert!(!format!("{callback:?}").contains("a/b"));
        assert_eq!(Callback::parse("code=a&code=b").unwrap_err(), CallbackError::Twice);
        assert_eq!(Callback::parse("state=a&state=a").unwrap_err(), CallbackError::Twice);
    }

    #[test]
    fn what_a_stranger_says_stays_on_one_line() {
        let (error, description) = refusal("a\r\nb", Some(&"x".repeat(1000)));
        assert_eq!((error.as_str(), description.len()), ("ab", 302));
        assert_eq!(refusal("e", Some("\n")).1, "");
    }
}
