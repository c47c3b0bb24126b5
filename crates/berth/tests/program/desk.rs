//! A person's desk: a home, images, a sign-in, and commands that are typed there.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::server::{Server, berth, said};

/// Where a person works. Nothing outside of it is read or written.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    pub(crate) fn new() -> Desk {
        let desk = Desk { folder: tempfile::tempdir().expect("a temporary folder") };
        for folder in ["home", "tmp"] {
            std::fs::create_dir(desk.path(folder)).expect("a folder");
        }
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command that is typed here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = berth(self.folder(), arguments);
        command.env("HOME", self.path("home")).env("BERTH_IMAGES", self.path("images"));
        command.env("TMPDIR", self.path("tmp"));
        command.env("DOCKER_HOST", format!("unix://{}", self.path("docker.sock").display()));
        for variable in [
            "XDG_CONFIG_HOME",
            "XDG_RUNTIME_DIR",
            "DOCKER_CONFIG",
            "DOCKER_CONTEXT",
            "DOCKER_TLS_VERIFY",
            "REGISTRY_AUTH_FILE",
        ] {
            command.env_remove(variable);
        }
        command.env_remove("CONTAINERS_REGISTRIES_CONF").env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY");
        command
    }

    /// Types commands, and gives what is seen. `R` before a slash, a blank or the end is the server, whose port is told
    /// as `PPPPP`; what is printed by several at once is sorted; ages are left out.
    pub(crate) fn transcript(&self, server: &str, commands: &[&str]) -> String {
        let (host, port) = server.rsplit_once(':').expect("an address has a port");
        let mut text = String::new();
        for command in commands {
            let words = words(command, server);
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            let said = said(&mut self.command(&words));
            let seen = format!("{}{}", sorted(&said.out), said.err);
            let seen = seen.replace(&format!("{host}:{port}"), "REGISTRY:PPPPP");
            let seen = seen.replace(&*self.folder().to_string_lossy(), "DESK");
            let _ = write!(text, "$ berth {command}\n{}", without_ages(&seen));
            if said.code != Some(0) {
                let _ = writeln!(text, "[exit code {}]", said.code.unwrap_or(-1));
            }
        }
        text
    }

    /// A layout in `name` with one image of two layers, the same each time; gives the digest of its manifest.
    pub(crate) fn layout(&self, name: &str) -> String {
        let folder = self.path(name);
        std::fs::create_dir_all(folder.join("blobs/sha256")).expect("a folder");
        let put = |bytes: &[u8]| {
            let mut hasher = berth_oci::Hasher::new(berth_oci::Algorithm::Sha256);
            hasher.update(bytes);
            let digest = hasher.finish();
            std::fs::write(folder.join("blobs/sha256").join(digest.hex()), bytes).expect("a blob");
            format!(r#""digest":"{digest}","size":{}"#, bytes.len())
        };
        let layers = [b"the lower layer".repeat(100), b"the upper layer".repeat(3)];
        let layers = layers.map(|layer| put(&layer));
        let config = put(
            br#"{"architecture":"amd64","os":"linux","created":"2020-02-02T02:02:02Z","config":{"Cmd":["/app"],"Env":["A=b"],"Labels":{"team":"red"}},"rootfs":{"type":"layers","diff_ids":["sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa","sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"]},"history":[{"created":"2020-02-01T02:02:02Z","created_by":"ADD rootfs.tar.xz / # buildkit"},{"created":"2020-02-02T02:02:02Z","created_by":"ENV A=b","empty_layer":true},{"created":"2020-02-02T02:02:02Z","created_by":"COPY the/application/with/a/long/name /usr/local/bin/app # buildkit"}]}"#,
        );
        let layer =
            |layer: &String| format!(r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar",{layer}}}"#);
        let manifest = put(
            format!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json",{config}}},"layers":[{},{}]}}"#,
                layer(&layers[0]),
                layer(&layers[1])
            )
            .as_bytes(),
        );
        let entry = r#""annotations":{"org.opencontainers.image.ref.name":"app"}"#;
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json",{manifest},{entry}}}]}}"#
        );
        std::fs::write(folder.join("index.json"), index).expect("an index");
        std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("a layout");
        manifest.split('"').nth(3).expect("a digest").to_owned()
    }
}

/// The words of a command, of which some are quoted, with the server's address.
fn words(command: &str, server: &str) -> Vec<String> {
    let quoted = command.split('\'').enumerate();
    let words = quoted.flat_map(|(place, part)| match place % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    words
        .map(|word| match word.strip_prefix("R/") {
            Some(rest) => format!("{server}/{rest}"),
            None if word == "R" => server.to_owned(),
            None => word.replace("//R/", &format!("//{server}/")),
        })
        .collect()
}

/// Layers move side by side, so that their lines come in any order.
fn sorted(text: &str) -> String {
    let is_layer = |line: &str| {
        line.split_once(": ")
            .is_some_and(|(id, _)| id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut begin = 0;
    while begin < lines.len() {
        let end = begin + lines[begin..].iter().take_while(|line| is_layer(line)).count();
        lines[begin..end].sort_unstable();
        begin = end.max(begin + 1);
    }
    lines.concat()
}

/// Years go by.
fn without_ages(text: &str) -> String {
    let mut words: Vec<_> = text.split_inclusive(' ').map(str::to_owned).collect();
    for place in 1..words.len() {
        if words[place].starts_with("years")
            || words[place].starts_with("seconds")
            || words[place].starts_with("second ")
        {
            words[place - 1] = "N ".to_owned();
        }
    }
    words.concat()
}

/// A server of the test that holds nobody off.
pub(crate) fn address(server: &Server) -> String {
    server.address.to_string()
}
