//! What a source or a target of a copy can be, as it is written.

use std::fmt;
use std::path::PathBuf;

use berth_oci::ImageReference;

use crate::failure::Failure;
use crate::names;

/// Where an image is, or goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A registry: a name, or `docker://` and a name.
    Registry(ImageReference),
    /// The images of this machine: `local:NAME`.
    Local(String),
    /// An image layout in a folder: `oci:DIR[:NAME]`, or `oci:DIR:@DIGEST` for what has no name.
    Layout { folder: PathBuf, name: Option<String> },
    /// An archive: `oci-archive:FILE[:NAME]` likewise, `docker-archive:FILE[:NAME]` or `:@N`, counted from 0.
    Archive { form: Form, file: PathBuf, name: Option<String> },
    /// Docker's engine: `docker-daemon:NAME`, also by an id (`sha256:…`).
    Engine(String),
}

/// The two forms of archives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Oci,
    Docker,
}

/// What stands before the first colon of a place that is no registry.
const TRANSPORTS: [&str; 5] = ["local", "oci", "oci-archive", "docker-archive", "docker-daemon"];

impl Place {
    /// Reads a place. What begins with the word of no transport is a name, as docker reads it.
    ///
    /// # Errors
    /// That it is neither.
    pub(crate) fn read(text: &str) -> Result<Place, Failure> {
        if let Some(name) = text.strip_prefix("docker://") {
            return Ok(Place::Registry(names::image(name)?));
        }
        let Some((transport, rest)) = text.split_once(':').filter(|(word, _)| TRANSPORTS.contains(word))
        else {
            return Ok(Place::Registry(names::image(text)?));
        };
        if rest.is_empty() || rest.starts_with(':') {
            return Err(Failure::other(format!("{text} names nothing"))
                .hint(format!("write {transport}:{}", rest_of(transport))));
        }
        Ok(match transport {
            "local" => Place::Local(rest.to_owned()),
            "docker-daemon" => Place::Engine(rest.to_owned()),
            "oci" => {
                let (folder, name) = split(rest);
                Place::Layout { folder, name }
            }
            form => {
                let form = if form == "oci-archive" { Form::Oci } else { Form::Docker };
                let (file, name) = split(rest);
                Place::Archive { form, file, name }
            }
        })
    }

    /// The same place without the name of an image in it.
    pub(crate) fn without_name(&self) -> Place {
        self.with_name(None)
    }

    /// The place with another name in it, if there are names in it.
    pub(crate) fn with_name(&self, name: Option<&str>) -> Place {
        let name = name.map(str::to_owned);
        match self.clone() {
            Place::Layout { folder, .. } => Place::Layout { folder, name },
            Place::Archive { form, file, .. } => Place::Archive { form, file, name },
            other => other,
        }
    }

    /// Whether a text names another place than a registry.
    pub(crate) fn is_transport(text: &str) -> bool {
        text.starts_with("docker://")
            || text.split_once(':').is_some_and(|(word, _)| TRANSPORTS.contains(&word))
    }
}

/// What stands behind the word of a transport.
fn rest_of(transport: &str) -> &'static str {
    match transport {
        "oci" => "DIR[:NAME]",
        "oci-archive" | "docker-archive" => "FILE[:NAME]",
        _ => "NAME",
    }
}

/// As it is written.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, path, name) = match self {
            Place::Registry(name) => return write!(f, "{}", name.familiar()),
            Place::Local(name) => return write!(f, "local:{name}"),
            Place::Engine(name) => return write!(f, "docker-daemon:{name}"),
            Place::Layout { folder, name } => ("oci", folder, name),
            Place::Archive { form: Form::Oci, file, name } => ("oci-archive", file, name),
            Place::Archive { form: Form::Docker, file, name } => ("docker-archive", file, name),
        };
        write!(f, "{transport}:{}", path.display())?;
        name.iter().try_for_each(|name| write!(f, ":{name}"))
    }
}

/// The path and what stands behind its first colon, as skopeo reads it.
fn split(text: &str) -> (PathBuf, Option<String>) {
    match text.split_once(':') {
        Some((path, name)) if !name.is_empty() => (path.into(), Some(name.to_owned())),
        Some((path, _)) => (path.into(), None),
        None => (text.into(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_skopeo_writes_them() {
        let layout = |folder: &str, name: Option<&str>| Place::Layout {
            folder: folder.into(),
            name: name.map(str::to_owned),
        };
        let archive = |form, file: &str, name: Option<&str>| Place::Archive {
            form,
            file: file.into(),
            name: name.map(str::to_owned),
        };
        let registry = |name: &str| Place::Registry(name.parse().expect("a name"));
        for (text, expected) in [
            ("alpine", registry("docker.io/library/alpine")),
            ("docker://localhost:5000/app:1", registry("localhost:5000/app:1")),
            ("oci:1.9", layout("1.9", None)),
            ("oci:./folder:app:1.9", layout("./folder", Some("app:1.9"))),
            ("oci:/tmp/x:", layout("/tmp/x", None)),
            ("local:app:1", Place::Local("app:1".to_owned())),
            ("docker-daemon:app:1", Place::Engine("app:1".to_owned())),
            ("docker-archive:/tmp/a.tar:app:1", archive(Form::Docker, "/tmp/a.tar", Some("app:1"))),
            ("oci-archive:a.tar", archive(Form::Oci, "a.tar", None)),
            ("local/app:1", registry("docker.io/local/app:1")),
            // The first colon ends a path, as skopeo has it: one with a colon in it cannot be written.
            ("oci:/a:b/c:d", layout("/a", Some("b/c:d"))),
            ("oci:../up/./here", layout("../up/./here", None)),
            ("oci:dir:@sha256:00", layout("dir", Some("@sha256:00"))),
            ("docker-archive:a.tar:@1", archive(Form::Docker, "a.tar", Some("@1"))),
            ("docker-daemon:sha256:00", Place::Engine("sha256:00".to_owned())),
            ("local:app@sha256:00", Place::Local("app@sha256:00".to_owned())),
            ("oci-archive/app", registry("docker.io/oci-archive/app")),
            ("localhost:5000/app", registry("localhost:5000/app")),
        ] {
            assert_eq!(Place::read(text).expect(text), expected, "{text}");
        }
        for text in ["oci:", "oci::x", "local:", "Upper", "docker://", "docker://oci:x:y", ""] {
            assert!(Place::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn places_are_shown_as_they_are_written() {
        for text in [
            "alpine",
            "localhost:5000/app:1",
            "local:app:1",
            "oci:./folder",
            "oci:./folder:app:1",
            "oci-archive:a.tar:@sha256:00",
            "docker-archive:a.tar",
            "docker-daemon:app:1",
        ] {
            assert_eq!(Place::read(text).expect(text).to_string(), text);
        }
        let named = Place::read("oci:folder:app").expect("a place");
        assert_eq!(named.without_name().to_string(), "oci:folder");
        assert_eq!(named.with_name(Some("b:1")).to_string(), "oci:folder:b:1");
        let local = Place::read("local:app").expect("a place");
        assert_eq!(local.with_name(Some("b:1")), local);
    }
}
