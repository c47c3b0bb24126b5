//! What real clients were seen to send, word for word, and the conditions that they put on the answers.
//!
//! Each file in `replay/` is one client in one scenario. Its lines:
//!
//! ```text
//! # a comment
//! blob LAYER noise 300000          content: so many pseudo-random bytes
//! blob CONFIG text {"os":"linux"}  content: this text
//! manifest IMAGE TYPE              content: the indented lines that follow
//! given LAYER in team/app          what was pushed before, blobs and manifests
//! given IMAGE in team/app:1.0
//! > GET /v2/                       a request: method and target, then its header lines, then perhaps a body
//! > Accept: */*
//! > body LAYER                     with its length; `streamed LAYER` without; `LAYER 0-99` for a part
//! < 200 201                        conditions: one of these statuses (2xx is a family)
//! < Docker-Content-Digest: VALUE   a header field with exactly this value, `*` for any
//! < no Content-Encoding            a header field that must not be there
//! < is LAYER                       the body is this content; `is nothing`: it is empty
//! < json /tags/0 "latest"          a place in the body and its value, `*` for any but null
//! ```
//!
//! `$LAYER.digest`, `.sha512`, `.hex`, `.size` and `.last` (size − 1) stand for those of the content, `$location` and
//! `$link` for what the last answer that had one said. Braces end a name: `${LAYER.hex}.sig`. `TARGET + a=b` adds to the
//! query as Go programs do: parsed, sorted, encoded again.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;

use crate::support::{Ask, Reply, Rig, ask, digest_of, noise, sha512_of};

macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                play(&folder().join(concat!(stringify!($name), ".txt"))).await;
            }
        )*

        #[test]
        fn no_script_is_forgotten() {
            let known = [$(stringify!($name)),*];
            for entry in std::fs::read_dir(folder()).expect("the folder of scripts") {
                let path = entry.expect("an entry").path();
                let stem = path.file_stem().and_then(|stem| stem.to_str()).expect("a name");
                assert!(known.contains(&stem), "{stem} is played by no test");
            }
        }
    };
}

replays! {
    docker20_push
    docker20_push_again
    docker20_mount
    docker20_pull
    docker20_pull_all_tags
    docker29_push
    docker29_mount
    docker29_pull
    docker29_attestation_lookup
    containerd_resume
    buildkit_attestations
    buildkit_cache_image
    buildkit_cache_index
    buildkit_zstd
    skopeo_push
    skopeo_pull
    skopeo_delete
    podman_mount
    podman_search
    podman_zstd_chunked
    crane_push
    crane_list
    kaniko_push_check
    ko_subject
    cosign_tags
    regctl_push
    regctl_resume
    regctl_tag_delete
    regctl_sha512
    oras_push
    oras_referrers
    helm_push
    renovate
    argocd_image_updater
    stargz
    nydus_ranges
    oras_py
    dxf
    curl
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/replay")
}

async fn play(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut script = Script::new(Rig::new().await);
    let mut lines = text.lines().enumerate().peekable();
    while let Some((number, line)) = lines.next() {
        script.place = format!("{}:{}", path.display(), number + 1);
        let mut indented = String::new();
        if line.starts_with("manifest ") {
            while let Some((_, more)) = lines.next_if(|(_, line)| line.starts_with(' ')) {
                indented.push_str(more);
                indented.push('\n');
            }
        }
        script.line(line, &indented).await;
    }
    script.end();
}

/// A script being played.
struct Script {
    rig: Rig,
    contents: HashMap<String, Content>,
    /// The request that is still being described.
    asked: Option<Ask>,
    reply: Option<Reply>,
    location: String,
    link: String,
    requests: usize,
    /// File and line, for messages.
    place: String,
}

struct Content {
    bytes: Vec<u8>,
    /// Empty for blobs.
    media_type: String,
}

impl Script {
    fn new(rig: Rig) -> Script {
        let (contents, place) = (HashMap::new(), String::new());
        let (location, link) = (String::new(), String::new());
        Script { rig, contents, asked: None, reply: None, location, link, requests: 0, place }
    }

    async fn line(&mut self, line: &str, indented: &str) {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (word, rest) = line.split_once(' ').unwrap_or_else(|| self.fail("a line has two words"));
        match word {
            "blob" => self.blob(rest),
            "manifest" => self.manifest(rest, indented),
            "given" => self.given(rest).await,
            ">" => self.request(&self.fill(rest)),
            "<" => {
                if let Some(asked) = self.asked.take() {
                    self.send(asked).await;
                }
                self.check(&self.fill(rest));
            }
            _ => self.fail("a line begins with blob, manifest, given, > or <"),
        }
    }

    fn blob(&mut self, rest: &str) {
        let [name, kind, what] = self.words(rest);
        let bytes = match kind {
            "noise" => {
                let length = what.parse().unwrap_or_else(|_| self.fail("a length"));
                noise(self.contents.len() as u64 + 7, length)
            }
            "text" => what.as_bytes().to_vec(),
            _ => self.fail("noise or text"),
        };
        self.contents.insert(name.to_owned(), Content { bytes, media_type: String::new() });
    }

    fn manifest(&mut self, rest: &str, indented: &str) {
        let [name, media_type] = self.words(rest);
        let bytes = self.fill(indented).into_bytes();
        self.contents.insert(name.to_owned(), Content { bytes, media_type: media_type.to_owned() });
    }

    async fn given(&self, rest: &str) {
        let [name, _, place] = self.words(rest);
        let content = self.content(name);
        if content.media_type.is_empty() {
            self.rig.push_blob(place, &content.bytes).await;
        } else {
            let by_digest = digest_of(&content.bytes);
            let (repository, reference) = place.rsplit_once(':').unwrap_or((place, &by_digest));
            self.rig.push_manifest(repository, reference, &content.media_type, &content.bytes).await;
        }
    }

    fn request(&mut self, rest: &str) {
        let Some(asked) = self.asked.take() else {
            let [method, target] = self.words(rest);
            let target = target.split_once(" + ").map_or(target.to_owned(), |(url, added)| add(url, added));
            self.asked = Some(ask(method, target));
            self.reply = None;
            return;
        };
        let asked = match rest.split_once(' ') {
            Some((name, value)) if name.ends_with(':') => asked.header(name.trim_end_matches(':'), value),
            Some(("body", what)) => asked.body(self.part(what)),
            Some(("streamed", what)) => asked.streamed(self.part(what)),
            _ => self.fail("a header line or a body"),
        };
        self.asked = Some(asked);
    }

    async fn send(&mut self, asked: Ask) {
        let reply = asked.send(&self.rig).await;
        if reply.has("location") {
            reply.header("location").clone_into(&mut self.location);
        }
        if let Some(next) = reply.next() {
            self.link = next;
        }
        self.requests += 1;
        self.reply = Some(reply);
    }

    fn check(&self, condition: &str) {
        let reply = self.reply.as_ref().unwrap_or_else(|| self.fail("a condition needs a request"));
        let good = match condition.split_once(' ') {
            Some(("no", name)) => !reply.has(name),
            Some(("is", "nothing")) => reply.body.is_empty(),
            Some(("is", what)) => reply.body == self.part(what),
            Some(("json", what)) => self.holds(&reply.json(), what),
            Some((name, value)) if name.ends_with(':') => {
                let value = value.trim();
                let found = reply.header(name.trim_end_matches(':'));
                value == "*" || found == value
            }
            _ => condition.split(' ').any(|wanted| is_status(reply.status, wanted)),
        };
        assert!(
            good,
            "{}: {condition}\n{} {:?}\n{}",
            self.place,
            reply.status,
            reply.headers,
            String::from_utf8_lossy(&reply.body[..reply.body.len().min(2000)])
        );
    }

    fn holds(&self, document: &Value, what: &str) -> bool {
        let [pointer, wanted] = self.words(what);
        let found = document.pointer(pointer).unwrap_or(&Value::Null);
        match wanted {
            "*" => !found.is_null(),
            _ => {
                serde_json::from_str::<Value>(wanted).unwrap_or_else(|_| self.fail("a JSON value")) == *found
            }
        }
    }

    /// A content, or `NAME from-to` of it.
    fn part(&self, what: &str) -> &[u8] {
        let Some((name, range)) = what.split_once(' ') else { return &self.content(what).bytes };
        let (from, to) = range.split_once('-').unwrap_or_else(|| self.fail("from-to"));
        let number = |text: &str| text.parse::<usize>().unwrap_or_else(|_| self.fail("a number"));
        &self.content(name).bytes[number(from)..=number(to)]
    }

    fn content(&self, name: &str) -> &Content {
        self.contents.get(name).unwrap_or_else(|| self.fail(&format!("what is {name}?")))
    }

    /// Puts values where variables stand.
    fn fill(&self, text: &str) -> String {
        let mut pieces = text.split('$');
        let mut filled = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (variable, rest) = match piece.strip_prefix('{') {
                Some(braced) => braced.split_once('}').unwrap_or_else(|| self.fail("a brace is open")),
                None => piece.split_at(piece.find(|c| !is_of_variable(c)).unwrap_or(piece.len())),
            };
            filled.push_str(&self.value(variable));
            filled.push_str(rest);
        }
        filled
    }

    fn value(&self, variable: &str) -> String {
        let Some((name, of)) = variable.split_once('.') else {
            return match variable {
                "location" => self.location.clone(),
                "link" => self.link.clone(),
                _ => self.fail(&format!("what is ${variable}?")),
            };
        };
        let bytes = &self.content(name).bytes;
        match of {
            "digest" => digest_of(bytes),
            "sha512" => sha512_of(bytes),
            "hex" => digest_of(bytes)["sha256:".len()..].to_owned(),
            "size" => bytes.len().to_string(),
            "last" => (bytes.len() - 1).to_string(),
            _ => self.fail(&format!("what is ${variable}?")),
        }
    }

    /// The first words of a text; the last takes the rest.
    fn words<'a, const N: usize>(&self, text: &'a str) -> [&'a str; N] {
        let words: Vec<&str> = text.splitn(N, ' ').map(str::trim).collect();
        words.try_into().unwrap_or_else(|_| self.fail(&format!("{N} words are needed")))
    }

    fn end(&self) {
        assert!(self.asked.is_none(), "{}: the last request has no condition", self.place);
        assert!(self.requests > 0, "{}: no request", self.place);
    }

    fn fail(&self, why: &str) -> ! {
        panic!("{}: {why}", self.place)
    }
}

fn is_of_variable(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '.'
}

fn is_status(status: u16, wanted: &str) -> bool {
    match wanted.strip_suffix("xx") {
        Some(family) => (status / 100).to_string() == family,
        None => status.to_string() == wanted,
    }
}

/// Adds parameters to a query in the manner of Go's `url.Values`.
fn add(url: &str, added: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let mut values = BTreeMap::<String, Vec<String>>::new();
    for pair in query.split('&').chain(added.split('&')).filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decoded = percent_decode_str(value).decode_utf8().expect("UTF-8").into_owned();
        values.entry(name.to_owned()).or_default().push(decoded);
    }
    const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    let encoded =
        |(name, value): (&String, &String)| format!("{name}={}", utf8_percent_encode(value, RESERVED));
    let pairs: Vec<_> = values
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)))
        .map(encoded)
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

#[test]
fn queries_are_rewritten_as_go_does() {
    assert_eq!(add("/a?z=1&b=x", "digest=sha256:ab"), "/a?b=x&digest=sha256%3Aab&z=1");
    assert_eq!(add("/a", "b=c"), "/a?b=c");
}
