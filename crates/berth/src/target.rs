//! Images as commands name them: `acme/app`, `acme/app:1.9`, `acme/app@sha256:…`, `acme/app:latest@2026-08-01`.

use berth_cli::failure::Failure;

/// A repository of this server, and perhaps one of its images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The repository.
    pub(crate) name: String,
    /// The tag.
    pub(crate) tag: Option<String>,
    /// What stands behind an `@`.
    pub(crate) at: Option<At>,
}

/// What can stand behind an `@`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum At {
    /// A digest.
    Digest(String),
    /// A time or a day.
    Time(String),
}

impl Target {
    /// Reads what was typed. A host with a port, as Docker needs it, may stand before the name and means this server.
    pub(crate) fn read(text: &str) -> Target {
        let (rest, at) = match text.rsplit_once('@') {
            Some((rest, at)) if at.starts_with("sha256:") || at.starts_with("sha512:") => {
                (rest, Some(At::Digest(at.to_owned())))
            }
            Some((rest, at)) => (rest, Some(At::Time(at.to_owned()))),
            None => (text, None),
        };
        let rest = match rest.split_once('/') {
            Some((host, name)) if host.contains(':') || host == "localhost" => name,
            _ => rest,
        };
        let last = rest.rfind('/').map_or(0, |slash| slash + 1);
        let (name, tag) = match rest[last..].split_once(':') {
            Some((end, tag)) => (format!("{}{end}", &rest[..last]), Some(tag.to_owned())),
            None => (rest.to_owned(), None),
        };
        Target { name, tag, at }
    }

    /// The tag, which has to be there.
    pub(crate) fn tag(&self) -> Result<&str, Failure> {
        let missing = || {
            Failure::usage(format!("{} names no tag", self.name))
                .hint(format!("write {}:latest, for example", self.name))
        };
        self.tag.as_deref().ok_or_else(missing)
    }

    /// The digest, or else the tag, or else `latest`.
    pub(crate) fn reference(&self) -> &str {
        match &self.at {
            Some(At::Digest(digest)) => digest,
            _ => self.tag.as_deref().unwrap_or("latest"),
        }
    }

    /// The time, if one was given.
    pub(crate) fn time(&self) -> Option<&str> {
        match &self.at {
            Some(At::Time(time)) => Some(time),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_type_them() {
        let target = |name: &str, tag: Option<&str>, at: Option<At>| Target {
            name: name.to_owned(),
            tag: tag.map(str::to_owned),
            at,
        };
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("app", target("app", None, None)),
            ("acme/app:1.9", target("acme/app", Some("1.9"), None)),
            ("localhost:5000/acme/app:1.9", target("acme/app", Some("1.9"), None)),
            ("localhost/app", target("app", None, None)),
            ("quay.io/acme/app", target("quay.io/acme/app", None, None)),
            ("app:latest@2026-08-01", target("app", Some("latest"), Some(At::Time("2026-08-01".to_owned())))),
            (
                "app:latest@2026-08-01T10:00:00Z",
                target("app", Some("latest"), Some(At::Time("2026-08-01T10:00:00Z".to_owned()))),
            ),
            (&format!("acme/app@{digest}"), target("acme/app", None, Some(At::Digest(digest.clone())))),
        ] {
            assert_eq!(Target::read(text), expected, "{text}");
        }
        assert_eq!(Target::read("app").reference(), "latest");
        assert!(Target::read("app").tag().is_err());
    }
}
