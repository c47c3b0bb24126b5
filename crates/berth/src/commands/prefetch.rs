//! `berth prefetch`: images of upstreams, fetched before somebody needs them.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::{FolderArgs, Shown};
use crate::client::Client;
use crate::commands::config;
use berth_cli::failure::Failure;
use berth_cli::output::{json as print, line, size};

mod documents;

/// The word for whatever platforms an image has.
const ALL: &str = "all";

#[derive(Args)]
pub(crate) struct PrefetchArgs {
    /// Images as clients name them: alpine, quay.io/org/app:1
    #[arg(value_name = "IMAGE", required_unless_present = "file")]
    images: Vec<String>,
    /// A platform such as linux/arm64, or all; may be given several times [default: that of this machine]
    #[arg(long, value_name = "PLATFORM")]
    platform: Vec<String>,
    /// Images that a Compose file or Kubernetes manifests name; may be given several times
    #[arg(long, value_name = "FILE")]
    file: Vec<PathBuf>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// Fetches one image after the other. One that cannot be had does not keep the others from coming.
pub(crate) fn run(args: &PrefetchArgs) -> Result<(), Failure> {
    let (images, mut n_failed) = images(args)?;
    let external = config::read(&args.folder.sources())?.config.external_url.0;
    let client = Client::open(&args.folder, false)?;
    let platforms = platforms(&args.platform);
    let mut done = Vec::new();
    for image in &images {
        if !args.shown.json && std::io::stderr().is_terminal() {
            eprintln!("{image} …");
        }
        match fetch(&client, image, external.as_deref(), &platforms) {
            Ok(document) => {
                if !args.shown.json {
                    line(&told(image, &document))?;
                }
                done.push(document);
            }
            Err(why) => {
                n_failed += 1;
                eprintln!("{image}: {why}");
            }
        }
    }
    if args.shown.json {
        print(&json!({ "prefetched": done }))?;
    }
    match n_failed {
        0 => Ok(()),
        1 => Err(Failure::other("one image is not here")),
        n => Err(Failure::other(format!("{n} images are not here"))),
    }
}

/// All images that are meant, each once, and how many there are of which nobody knows the name.
fn images(args: &PrefetchArgs) -> Result<(Vec<String>, usize), Failure> {
    let mut images = args.images.clone();
    let mut n_unknown = 0;
    for file in &args.file {
        let name = file.display();
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::usage(format!("cannot read {name}: {error}")))?;
        let found = documents::read(&text, &|variable| std::env::var(variable).ok()).map_err(|error| {
            Failure::usage(format!("{name} is no YAML: {error}")).hint(
                "a template has to be filled in first: helm template, kustomize build, docker compose config",
            )
        })?;
        if found.images.is_empty() {
            eprintln!("{name} names no images");
        }
        for remark in &found.unknown {
            eprintln!("{name}: {remark}");
        }
        for remark in &found.skipped {
            eprintln!("{name}: {remark}");
        }
        n_unknown += found.unknown.len();
        images.extend(found.images);
    }
    let mut seen = std::collections::HashSet::new();
    images.retain(|image| seen.insert(image.clone()));
    Ok((images, n_unknown))
}

/// What the API is asked for. Nothing means all platforms there.
fn platforms(given: &[String]) -> Vec<String> {
    if given.iter().any(|platform| platform == ALL) {
        return Vec::new();
    }
    if !given.is_empty() {
        return given.to_vec();
    }
    // The words of Go, which images use.
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "x86" => "386",
        "powerpc64" => "ppc64le",
        other => other,
    };
    vec![format!("linux/{architecture}")]
}

fn fetch(
    client: &Client,
    image: &str,
    external: Option<&str>,
    platforms: &[String],
) -> Result<Value, String> {
    let document = json!({ "image": as_server_knows(image, external), "platforms": platforms });
    let found = client.post("prefetches", &document).map_err(|failure| failure.to_string())?;
    let words = |name: &str| {
        let words = found[name].as_array().into_iter().flatten().filter_map(Value::as_str);
        words.collect::<Vec<_>>().join(", ")
    };
    let missing = words("missing_platforms");
    if missing.is_empty() {
        Ok(found)
    } else {
        Err(format!("it is not there for {missing}; it is for {}", words("platforms")))
    }
}

/// A name that begins with the address that clients use begins with this server.
fn as_server_knows(image: &str, external: Option<&str>) -> String {
    let authority = external.and_then(|url| url.split_once("://")).map(|(_, authority)| authority);
    let rest = authority.and_then(|authority| image.strip_prefix(authority)?.strip_prefix('/'));
    rest.map_or_else(|| image.to_owned(), |rest| format!("localhost/{rest}"))
}

fn told(image: &str, found: &Value) -> String {
    let number = |name: &str| found[name].as_u64().unwrap_or(0);
    match number("fetched") {
        0 => format!("{image}: all of it was here"),
        fetched => {
            format!("{image}: fetched {fetched} of {} blobs, {}", number("blobs"), size(number("bytes")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{as_server_knows, platforms};

    #[test]
    fn the_own_address_before_a_name_is_this_server() {
        let external = Some("https://r.example");
        assert_eq!(as_server_knows("r.example/quay.io/org/app:1", external), "localhost/quay.io/org/app:1");
        assert_eq!(as_server_knows("r.example.com/org/app", external), "r.example.com/org/app");
        assert_eq!(as_server_knows("alpine", external), "alpine");
        assert_eq!(as_server_knows("r.example/app", None), "r.example/app");
    }

    #[test]
    fn all_platforms_are_meant_only_by_their_word() {
        assert_eq!(platforms(&["linux/arm64".to_owned()]), ["linux/arm64"]);
        assert_eq!(platforms(&["linux/arm64".to_owned(), "all".to_owned()]), [""; 0]);
        assert_eq!(platforms(&[]).len(), 1);
    }
}
