//! `WWW-Authenticate` (RFC 9110, section 11.6.1): what a registry wants to see.

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// One way to sign in that a registry offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token, from a token server.
    Bearer {
        /// Its address.
        realm: String,
        /// For whom the token is.
        service: Option<String>,
        /// What for, if the registry says so.
        scope: Option<String>,
        /// Why the token that was sent will not do.
        error: Option<String>,
    },
}

impl Challenge {
    /// Everything that is offered and understood: of several fields, of several schemes in one, in any letter case.
    pub fn read(headers: &HeaderMap) -> Vec<Challenge> {
        let fields = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        fields.flat_map(read_field).collect()
    }
}

fn read_field(field: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = field;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            break;
        }
        let word_end = rest.find([' ', '\t', ',', '=']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(word_end);
        let after = after.trim_start_matches([' ', '\t']);
        if let (Some(value), Some((_, parameters))) = (after.strip_prefix('='), found.last_mut()) {
            let (text, after) = value_of(value.trim_start_matches([' ', '\t']));
            parameters.push((word.to_ascii_lowercase(), text));
            rest = after;
        } else if word.is_empty() || after.starts_with('=') {
            // A parameter of no scheme: whatever this is, it is not a challenge.
            break;
        } else {
            found.push((word.to_ascii_lowercase(), Vec::new()));
            rest = after;
        }
    }
    found.into_iter().filter_map(|(scheme, parameters)| understood(&scheme, &parameters)).collect()
}

/// A value, quoted or not, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let (mut value, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match character {
            _ if escaped => {
                value.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '"' => return (value, &quoted[at + 1..]),
            _ => value.push(character),
        }
    }
    (value, "")
}

fn understood(scheme: &str, parameters: &[(String, String)]) -> Option<Challenge> {
    let get = |name: &str| {
        parameters
            .iter()
            .find(|(key, value)| key == name && !value.is_empty())
            .map(|(_, value)| value.clone())
    };
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer {
            realm: get("realm")?,
            service: get("service"),
            scope: get("scope"),
            error: get("error"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.into(), service: owned(service), scope: owned(scope), error: None }
    }

    #[test]
    fn what_registries_send_is_understood() {
        for (field, expected) in [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                vec![bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )],
            ),
            (r#"BEARER REALM="https://x/t" , Service=y"#, vec![bearer("https://x/t", Some("y"), None)]),
            (
                r#"Basic realm="a, b", Bearer realm="https://x/t", service="s""#,
                vec![Challenge::Basic, bearer("https://x/t", Some("s"), None)],
            ),
            (
                r#"Negotiate, Bearer realm="/t", Basic realm="x\"y""#,
                vec![bearer("/t", None, None), Challenge::Basic],
            ),
            (r#"Bearer service="no realm""#, vec![]),
            (r#"Bearer realm="open"#, vec![bearer("open", None, None)]),
            ("=,=\"", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(read_field(field), expected, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in any::<String>()) {
            let _ = read_field(&text);
        }

        #[test]
        fn a_realm_comes_back_as_it_was(realm in "[ -~]{1,40}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let read = read_field(&format!("Bearer service=\"a\", realm=\"{quoted}\", scope=\"x\""));
            prop_assert_eq!(read, vec![bearer(&realm, Some("a"), Some("x"))]);
        }
    }
}
