//! The configuration of an image, read leniently: what people want to see of it, whoever wrote it.
//!
//! Nothing depends on it but what is shown: a field of the wrong type is not there, and the rest is.

use serde_json::Value;

use crate::descriptor::Platform;
use crate::json;

/// What an image says of how it runs and how it was made (image-spec, "OCI Image Configuration").
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageConfig {
    /// Operating system, for example `linux`.
    pub os: String,
    /// CPU architecture, for example `amd64`.
    pub architecture: String,
    /// Variant of the CPU, for example `v8`.
    pub variant: String,
    /// When it was made, as it is written there.
    pub created: String,
    /// Who made it.
    pub author: String,
    /// The user that it runs as.
    pub user: String,
    /// Where it starts.
    pub working_dir: String,
    /// The signal that ends it.
    pub stop_signal: String,
    /// Variables, `NAME=value`.
    pub env: Vec<String>,
    /// What runs always.
    pub entrypoint: Vec<String>,
    /// What runs, or the arguments, unless others are given.
    pub command: Vec<String>,
    /// The command that tells whether it is well.
    pub healthcheck: Vec<String>,
    /// Ports that it listens on, for example `80/tcp`.
    pub ports: Vec<String>,
    /// Folders that it wants to be kept.
    pub volumes: Vec<String>,
    /// Labels, by their names.
    pub labels: Vec<(String, String)>,
    /// How it was built, the first step first.
    pub history: Vec<BuildStep>,
}

/// A step of a build.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildStep {
    /// When it was done, as it is written there.
    pub created: String,
    /// The instruction.
    pub created_by: String,
    /// What was said about it.
    pub comment: String,
    /// Whether it made no layer.
    pub is_empty: bool,
}

impl ImageConfig {
    /// Reads a configuration; `None` if the bytes are no JSON object. Their length is the caller's to limit.
    pub fn read(bytes: &[u8]) -> Option<ImageConfig> {
        let document = json::read(bytes).ok().filter(Value::is_object)?;
        // Docker's own form has these names too, and both write the run-time part under `config`.
        let run = document.get("config").unwrap_or(&Value::Null);
        Some(ImageConfig {
            os: text(&document, "os"),
            architecture: text(&document, "architecture"),
            variant: text(&document, "variant"),
            created: text(&document, "created"),
            author: text(&document, "author"),
            user: text(run, "User"),
            working_dir: text(run, "WorkingDir"),
            stop_signal: text(run, "StopSignal"),
            env: texts(run, "Env"),
            entrypoint: texts(run, "Entrypoint"),
            command: texts(run, "Cmd"),
            healthcheck: run.get("Healthcheck").map(|check| texts(check, "Test")).unwrap_or_default(),
            ports: keys(run, "ExposedPorts"),
            volumes: keys(run, "Volumes"),
            labels: pairs(run, "Labels"),
            history: document
                .get("history")
                .and_then(Value::as_array)
                .map_or_else(Vec::new, |steps| steps.iter().map(BuildStep::read).collect()),
        })
    }

    /// `os/architecture`, with the variant if there is one; empty if neither is said.
    pub fn platform(&self) -> String {
        let (os, architecture) = (self.os.clone(), self.architecture.clone());
        Platform { os, architecture, variant: Some(self.variant.clone()), ..Platform::default() }.word()
    }

    /// For each of `layers` layers the step that made it, as far as the history tells: steps that made none are passed
    /// over. A history that does not fit the number of layers tells nothing.
    pub fn steps_of(&self, layers: usize) -> Vec<Option<&BuildStep>> {
        let made: Vec<_> = self.history.iter().filter(|step| !step.is_empty).collect();
        match made.len() == layers {
            true => made.into_iter().map(Some).collect(),
            false => vec![None; layers],
        }
    }
}

impl BuildStep {
    fn read(step: &Value) -> BuildStep {
        BuildStep {
            created: text(step, "created"),
            created_by: text(step, "created_by"),
            comment: text(step, "comment"),
            is_empty: step.get("empty_layer").and_then(Value::as_bool).unwrap_or_default(),
        }
    }

    /// The instruction as its author wrote it, without what builders put around it.
    pub fn instruction(&self) -> &str {
        let text = self.created_by.trim();
        let text = text.strip_prefix("/bin/sh -c ").unwrap_or(text);
        let text = text.strip_prefix("#(nop)").map_or(text, str::trim_start);
        text.strip_suffix("# buildkit").map_or(text, str::trim_end)
    }
}

fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A list of texts, or one text, which old builders wrote.
fn texts(value: &Value, key: &str) -> Vec<String> {
    match value.get(key) {
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(one)) => vec![one.clone()],
        _ => Vec::new(),
    }
}

fn keys(value: &Value, key: &str) -> Vec<String> {
    let map = value.get(key).and_then(Value::as_object);
    map.map(|map| map.keys().cloned().collect()).unwrap_or_default()
}

fn pairs(value: &Value, key: &str) -> Vec<(String, String)> {
    let map = value.get(key).and_then(Value::as_object);
    let pair = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
    map.map(|map| map.iter().filter_map(pair).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{BuildStep, ImageConfig};

    fn read(document: &serde_json::Value) -> ImageConfig {
        ImageConfig::read(document.to_string().as_bytes()).expect("an object")
    }

    #[test]
    fn a_configuration_tells_how_it_runs_and_was_made() {
        let config = read(&json!({
            "os": "linux", "architecture": "arm64", "variant": "v8", "created": "2026-01-01T00:00:00Z",
            "config": {
                "User": "app", "Env": ["PATH=/bin", "A=b"], "Entrypoint": ["/app"], "Cmd": "--help",
                "ExposedPorts": { "80/tcp": {} }, "Labels": { "org.opencontainers.image.title": "App", "n": 5 },
                "Healthcheck": { "Test": ["CMD", "true"] },
            },
            "history": [
                { "created_by": "/bin/sh -c #(nop) ADD file:1 in / " },
                { "created_by": "ENV A=b", "empty_layer": true },
                { "created_by": "RUN /bin/sh -c make # buildkit", "comment": "buildkit.dockerfile.v0" },
            ],
        }));
        assert_eq!(config.platform(), "linux/arm64/v8");
        assert_eq!(config.command, ["--help"]);
        assert_eq!(config.ports, ["80/tcp"]);
        assert_eq!(config.healthcheck, ["CMD", "true"]);
        assert_eq!(config.labels, [("org.opencontainers.image.title".to_owned(), "App".to_owned())]);
        let steps = config.steps_of(2);
        let told: Vec<_> = steps.into_iter().flatten().map(BuildStep::instruction).collect();
        assert_eq!(told, ["ADD file:1 in /", "RUN /bin/sh -c make"]);
        assert_eq!(config.steps_of(3), [None, None, None], "a history that does not fit tells nothing");
    }

    #[test]
    fn what_has_the_wrong_type_is_not_there_and_the_rest_is() {
        let config = read(&json!({
            "os": 5, "architecture": "amd64", "config": { "Env": "A=b", "Labels": [], "ExposedPorts": null, "User": {} },
            "history": [7, null, { "created_by": ["x"] }],
        }));
        assert_eq!(config.platform(), "amd64");
        assert_eq!((config.env.len(), config.labels.len(), config.history.len()), (1, 0, 3));
        for bad in ["", "[]", "null", "{", "{\"a\":1,\"a\":2}"] {
            assert_eq!(ImageConfig::read(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in any::<Vec<u8>>(), text in "\\{\"[a-z]{1,8}\":[\\[\\]{}0-9\",:a-z]{0,40}\\}") {
            let _ = ImageConfig::read(&bytes);
            let _ = ImageConfig::read(text.as_bytes());
        }
    }
}
