//! `berth mirror pin`, `unpin` and `pins`: images that stay in the cache, whatever the room.

use berth_oci::ImageReference;
use clap::Args;
use http::Method;
use serde_json::{Value, json};

use super::path;
use crate::cli::{FolderArgs, ListArgs};
use crate::client::{Client, encoded};
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, table, time};

#[derive(Args)]
pub(crate) struct PinArgs {
    /// The image, as it is pulled: alpine:3, quay.io/org/app:1, quay.io/org/app@sha256:…
    image: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Pins an image, or lets it go.
pub(super) fn set(args: &PinArgs, pinned: bool) -> Result<(), Failure> {
    let image: ImageReference = args.image.parse().map_err(Failure::usage)?;
    let client = Client::open(&args.folder, false)?;
    let repository = repository(&image, &super::mirrors(&client)?)?;
    let reference = match (image.digest(), image.tag()) {
        (Some(digest), _) => digest.to_string(),
        (None, tag) => tag.map_or_else(|| "latest".to_owned(), ToString::to_string),
    };
    let pin = format!("repositories/{repository}/-/pins/{}", encoded(&reference));
    let name = match image.digest() {
        Some(_) => format!("{repository}@{reference}"),
        None => format!("{repository}:{reference}"),
    };
    if pinned {
        client.send(Method::PUT, &pin, bytes::Bytes::new())?;
        return line(&format!("{name} stays, whatever the room and however long nobody uses it"));
    }
    client.delete(&pin)?;
    line(&format!("{name} goes when its time comes"))
}

/// The repository here: of the upstream that is meant by the registry in the name, be it by its address.
fn repository(image: &ImageReference, mirrors: &[Value]) -> Result<String, Failure> {
    let (registry, name) = (image.registry(), image.repository());
    let is_meant = |mirror: &&Value| {
        let place = mirror["settings"]["url"].as_str().and_then(|url| url.split_once("://"));
        mirror["name"] == *registry || place.is_some_and(|(_, place)| place == registry)
    };
    if let Some(mirror) = mirrors.iter().find(is_meant) {
        return Ok(format!("{}/{name}", field(mirror, "name")));
    }
    // With this server before it: what follows begins with the upstream.
    let first = name.as_str().split('/').next();
    if mirrors.iter().any(|mirror| mirror["name"].as_str() == first) {
        return Ok(name.to_string());
    }
    Err(Failure::usage(format!("{registry} is not mirrored here"))
        .hint("berth mirror list shows what is; what was pushed here stays without a pin"))
}

/// Lists all pins.
pub(super) fn list(args: &ListArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    let mut pins = Vec::new();
    for mirror in super::mirrors(&client)? {
        let found = client.get(&format!("{}/pins", path(&field(&mirror, "name"))))?;
        pins.extend(found["pins"].as_array().cloned().unwrap_or_default());
    }
    let pins = json!(pins);
    if args.shown.json {
        return print(&json!({ "pins": pins }));
    }
    let row = |pin: &Value| {
        vec![field(pin, "repository"), field(pin, "reference"), time(pin, "made_at"), field(pin, "made_by")]
    };
    table(&["REPOSITORY", "IMAGE", "SINCE", "BY"], &rows(&pins, row))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::repository;

    #[test]
    fn an_image_is_found_by_any_of_its_names() {
        let mirrors = [
            json!({ "name": "docker.io", "settings": { "url": "https://registry-1.docker.io" } }),
            json!({ "name": "corp.example", "settings": { "url": "https://registry.corp.example:5000" } }),
        ];
        let named = |image: &str| repository(&image.parse().unwrap(), &mirrors).ok();
        for (image, expected) in [
            ("alpine:3", Some("docker.io/library/alpine")),
            ("corp.example/team/app", Some("corp.example/team/app")),
            ("registry.corp.example:5000/team/app", Some("corp.example/team/app")),
            ("localhost:5000/corp.example/team/app", Some("corp.example/team/app")),
            ("localhost:5000/team/app", None),
            ("ghcr.io/org/app", None),
        ] {
            assert_eq!(named(image).as_deref(), expected, "{image}");
        }
    }
}
