//! Who somebody is, in the words of a provider.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::ProviderOptions;

/// Who somebody is, in the words of a provider. Nothing of it is a right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The provider; with the subject the only key for an account.
    pub issuer: String,
    /// The person, for ever: 1 to 255 bytes without control characters.
    pub subject: String,
    /// What he is called by at the provider. It can change, and pass to somebody else; it may be no name that an
    /// account can have.
    pub user_name: Option<String>,
    /// The name for people.
    pub name: Option<String>,
    /// An address that he claims.
    pub email: Option<String>,
    /// Whether the provider says that the address is his. Without that it proves nothing.
    pub email_verified: bool,
    /// All groups that he is in, to replace those of before. `None` only if no claim for groups is configured; a
    /// provider that leaves the claim out has none for him.
    pub groups: Option<Vec<String>>,
}

/// The answer of a userinfo request (OpenID Connect Core 1.0, section 5.3.2).
#[derive(Debug, Deserialize)]
pub(crate) struct UserInfo {
    pub(crate) sub: String,
    #[serde(flatten)]
    pub(crate) claims: Map<String, Value>,
}

/// The claims about a person, from the ID token first.
pub(crate) struct Profile<'a> {
    pub(crate) options: &'a ProviderOptions,
    pub(crate) subject: String,
    pub(crate) sources: Vec<Map<String, Value>>,
}

impl Profile<'_> {
    /// Whether something is missing that the operator named a claim for.
    pub(crate) fn is_incomplete(&self) -> bool {
        let lacks_groups =
            self.options.groups_claim.as_ref().is_some_and(|claim| self.value(claim).is_none());
        self.text(&self.options.user_name_claim).is_none() || lacks_groups
    }

    pub(crate) fn into_identity(self) -> Identity {
        // Address and proof come from one source, or one would vouch for the other's.
        let with_address = self.sources.iter().find(|source| text(source.get("email")).is_some());
        Identity {
            issuer: self.options.issuer.clone(),
            user_name: self.text(&self.options.user_name_claim),
            name: self.text("name"),
            email: with_address.and_then(|source| text(source.get("email"))),
            email_verified: with_address.is_some_and(|source| is_true(source.get("email_verified"))),
            groups: self.options.groups_claim.as_ref().map(|claim| texts(self.value(claim))),
            subject: self.subject,
        }
    }

    fn value(&self, claim: &str) -> Option<&Value> {
        self.sources.iter().find_map(|source| source.get(claim).filter(|value| !value.is_null()))
    }

    fn text(&self, claim: &str) -> Option<String> {
        if claim == "sub" { Some(self.subject.clone()) } else { text(self.value(claim)) }
    }
}

fn text(value: Option<&Value>) -> Option<String> {
    value?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of texts; one text alone counts as a list, as some providers write it.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(|one| text(Some(one))).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// Some providers write it as a text.
fn is_true(value: Option<&Value>) -> bool {
    matches!(value, Some(Value::Bool(true))) || value.and_then(Value::as_str) == Some("true")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Identity, Profile};
    use crate::ProviderOptions;

    fn identity(change: impl FnOnce(&mut ProviderOptions), sources: &[Value]) -> (bool, Identity) {
        let mut options = ProviderOptions::new("https://id.example", "berth");
        change(&mut options);
        let sources = sources.iter().map(|source| source.as_object().unwrap().clone()).collect();
        let profile = Profile { options: &options, subject: "7".to_owned(), sources };
        (profile.is_incomplete(), profile.into_identity())
    }

    #[test]
    fn one_source_does_not_vouch_for_the_address_of_another() {
        let sources =
            [json!({"email": "root@example.org"}), json!({"email": "a@b.c", "email_verified": true})];
        let (_, identity) = identity(|_| (), &sources);
        assert_eq!((identity.email.as_deref(), identity.email_verified), (Some("root@example.org"), false));
    }

    #[test]
    fn an_address_is_verified_only_by_a_plain_yes() {
        for (said, is) in [(json!(true), true), (json!("true"), true), (json!("1"), false), (json!(1), false)]
        {
            let (_, identity) = identity(|_| (), &[json!({"email": "a@b.c", "email_verified": said})]);
            assert_eq!(identity.email_verified, is);
        }
    }

    #[test]
    fn no_groups_are_an_empty_list_once_they_are_asked_for() {
        let ask = |options: &mut ProviderOptions| options.groups_claim = Some("groups".to_owned());
        let named = |groups: Value| json!({"preferred_username": "ann", "groups": groups});
        assert_eq!(identity(|_| (), &[named(json!(["a"]))]).1.groups, None);
        assert_eq!(identity(ask, &[named(json!(["a", "", 3, "b"]))]).1.groups.unwrap(), ["a", "b"]);
        assert_eq!(identity(ask, &[named(json!("a"))]).1.groups.unwrap(), ["a"]);
        let (incomplete, identity) = identity(ask, &[named(Value::Null)]);
        assert_eq!((incomplete, identity.groups), (true, Some(Vec::new())));
    }

    #[test]
    fn the_subject_may_be_the_user_name() {
        let (incomplete, identity) =
            identity(|options| options.user_name_claim = "sub".to_owned(), &[json!({})]);
        assert_eq!((incomplete, identity.user_name.as_deref()), (false, Some("7")));
    }
}
