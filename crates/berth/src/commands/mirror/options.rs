//! What can be set of an upstream.

use std::io::{self, Read};
use std::path::Path;

use clap::Args;
use serde_json::{Map, Value, json};

use crate::cli::seconds;
use crate::commands::rules::span as spelled;
use crate::config::{Size, Value as _};
use berth_cli::failure::Failure;
use berth_cli::output::size;

/// What can be set of an upstream. What is not given stays, or is as it is for a new one.
#[derive(Args)]
pub(super) struct OptionArgs {
    /// Where it is, for example https://registry.corp.example; well-known registries need none
    #[arg(long)]
    url: Option<String>,
    /// The name that its password is for; '' for none
    #[arg(long)]
    user: Option<String>,
    /// Read its password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// A registry with the same images that is asked when it is away, without password; may be given several times
    #[arg(long, value_name = "URL")]
    fallback: Vec<String>,
    /// A host that may be sent its password to give a token for it; may be given several times
    #[arg(long, value_name = "HOST")]
    auth_host: Vec<String>,
    /// It is on this machine or in a private network
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    private: Option<bool>,
    /// Certificates of its own authority (PEM); '' for none
    #[arg(long, value_name = "FILE")]
    ca_file: Option<String>,
    /// Take any certificate: whoever is between can then read and change everything but what is asked by digest
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "true", hide_possible_values = true)]
    unverified: Option<bool>,
    /// Only its repositories of this pattern, for example org/app or org/**; may be given several times
    #[arg(long, value_name = "PATTERN")]
    allow: Vec<String>,
    /// Not its repositories of this pattern; may be given several times
    #[arg(long, value_name = "PATTERN")]
    deny: Vec<String>,
    /// How long a tag is taken to name what it named, for example 5m; 0 asks each time
    #[arg(long, value_name = "TIME", value_parser = freshness)]
    fresh: Option<u32>,
    /// How long a tag is served that it could not be asked about, for example 30d
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    stale: Option<u32>,
    /// Bytes that its images may take here, for example 50GiB; or none, for any number
    #[arg(long, value_name = "SIZE|none", value_parser = at_most)]
    max_size: Option<Limit>,
    /// After which time an image goes that nobody used, for example 90d; or never
    #[arg(long, value_name = "TIME|never", value_parser = until)]
    max_age: Option<Limit>,
    /// Who may pull its images from here
    #[arg(long, value_name = "public|private")]
    visibility: Option<String>,
    /// Per cent of its pulls below which it is asked only for what is not here
    #[arg(long, value_name = "PERCENT")]
    reserve: Option<u64>,
}

/// A number, or that there is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Limit(Option<u64>);

fn freshness(text: &str) -> Result<u32, String> {
    if matches!(text, "0" | "0s") { Ok(0) } else { seconds(text) }
}

fn at_most(text: &str) -> Result<Limit, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let mut size = Size(0);
    size.read(text).map_err(|_| "write 500MiB, 50GiB, or none".to_owned())?;
    Ok(Limit(Some(size.0)))
}

fn until(text: &str) -> Result<Limit, String> {
    if text == "never" {
        return Ok(Limit(None));
    }
    seconds(text).map(|seconds| Limit(Some(seconds.into())))
}

impl OptionArgs {
    /// What was given, as the API takes it.
    pub(super) fn document(&self) -> Result<Value, Failure> {
        let mut document = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                document.insert(name.to_owned(), value);
            }
        };
        put("url", self.url.as_ref().map(|url| json!(url)));
        put("user", self.user.as_ref().map(|user| json!(Some(user).filter(|user| !user.is_empty()))));
        put("password", self.password()?.map(Value::from));
        put("fallbacks", listed(&self.fallback));
        put("auth_hosts", listed(&self.auth_host));
        put("private", self.private.map(Value::from));
        put("ca_file", self.ca_file()?);
        put("unverified", self.unverified.map(Value::from));
        put("allow", listed(&self.allow));
        put("deny", listed(&self.deny));
        put("fresh_seconds", self.fresh.map(Value::from));
        put("stale_seconds", self.stale.map(Value::from));
        put("max_bytes", self.max_size.map(|limit| json!(limit.0)));
        put("max_age_seconds", self.max_age.map(|limit| json!(limit.0)));
        put("visibility", self.visibility.as_ref().map(|visibility| json!(visibility)));
        put("reserve_percent", self.reserve.map(Value::from));
        Ok(document.into())
    }

    /// It is never an argument: other users of a machine see those.
    fn password(&self) -> Result<Option<String>, Failure> {
        if !self.password_stdin {
            return Ok(None);
        }
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(Failure::usage("there is no password on standard input"));
        }
        Ok(Some(password.to_owned()))
    }

    /// The server may have started in another folder, so it is told the whole path.
    fn ca_file(&self) -> Result<Option<Value>, Failure> {
        let Some(file) = &self.ca_file else { return Ok(None) };
        if file.is_empty() {
            return Ok(Some(Value::Null));
        }
        let path = Path::new(file)
            .canonicalize()
            .map_err(|error| Failure::usage(format!("cannot read {file}: {error}")))?;
        let text = path.to_str().ok_or_else(|| Failure::usage("the name of that file is not UTF-8"))?;
        Ok(Some(text.into()))
    }
}

/// A list that was given; an empty word makes it the empty list.
fn listed(words: &[String]) -> Option<Value> {
    let there: Vec<_> = words.iter().filter(|word| !word.is_empty()).collect();
    (!words.is_empty()).then(|| json!(there))
}

/// A time that may have no end, for people.
pub(super) fn span(seconds: &Value) -> String {
    seconds.as_u64().map_or_else(|| "never".to_owned(), spelled)
}

/// A size that may have no limit, for people.
pub(super) fn bytes(bytes: &Value) -> String {
    bytes.as_u64().map_or_else(|| "-".to_owned(), size)
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::OptionArgs;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: OptionArgs,
    }

    fn document(words: &[&str]) -> serde_json::Value {
        Line::parse_from([&["x"], words].concat()).options.document().unwrap()
    }

    #[test]
    fn only_what_is_given_is_sent() {
        assert_eq!(document(&[]), json!({}));
        assert_eq!(
            document(&["--url", "https://r", "--private", "--max-size", "1GiB", "--max-age", "90d"]),
            json!({ "url": "https://r", "private": true, "max_bytes": 1 << 30, "max_age_seconds": 7_776_000 })
        );
        assert_eq!(
            document(&["--fresh", "0", "--stale", "1h"]),
            json!({ "fresh_seconds": 0, "stale_seconds": 3600 })
        );
        assert_eq!(
            document(&["--allow", "a/*", "--allow", "b/**", "--deny", "", "--unverified=false"]),
            json!({ "allow": ["a/*", "b/**"], "deny": [], "unverified": false })
        );
    }

    #[test]
    fn what_is_taken_away_is_null() {
        assert_eq!(
            document(&["--user", "", "--max-size", "none", "--max-age", "never", "--ca-file", ""]),
            json!({ "user": null, "max_bytes": null, "max_age_seconds": null, "ca_file": null })
        );
    }

    #[test]
    fn what_is_no_size_or_time_is_refused() {
        for words in [["--max-size", "many"], ["--max-age", "90"], ["--fresh", "x"]] {
            assert!(Line::try_parse_from([&["x"], &words[..]].concat()).is_err(), "{words:?}");
        }
    }
}
