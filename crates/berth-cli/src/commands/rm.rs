//! `berth rm IMAGE…`: deletion at a registry.

use berth_client::{ClientError, Patience};
use berth_oci::{Digest, Reference};
use clap::Args;
use futures_util::stream::{self, StreamExt};
use http::Method;
use serde_json::Value;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::{self, line};
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;
use crate::units;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth rm localhost:5000/app:1.9        the tag alone; other tags of the image stay
  berth rm localhost:5000/app@sha256:…   the image, with all its tags
  berth rm -n localhost:5000/app:1.9     only say what would go

'berth rmi' removes images of this machine.";

/// Questions at the same time.
const AT_ONCE: usize = 8;

/// `berth rm`
#[derive(Args)]
pub struct RmArgs {
    /// The images: NAME:TAG or NAME@DIGEST
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// Only say what would be deleted
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Deletes the images; one that cannot be deleted does not keep the others.
pub(crate) fn run(args: &RmArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let mut failures = Vec::new();
    environment.wait_for(async {
        for image in &args.images {
            failures.extend(one(image, args.dry_run, &registries).await.err());
        }
        Ok(())
    })?;
    Failure::of_several(failures)
}

async fn one(image: &str, is_dry: bool, registries: &Registries) -> Result<(), Failure> {
    let remote = Remote::named(image, registries).await?;
    let image = &remote.image;
    if image.tag().is_none() && image.digest().is_none() {
        return Err(Failure::other(format!("{image} names neither a tag nor a digest"))
            .hint(format!("'berth tags {}' lists the tags; nothing was deleted", image.familiar())));
    }
    let at = names::reference(image);
    if is_dry {
        return preview(&remote, &at).await;
    }
    let (client, name) = (remote.repository.client(), remote.repository.name());
    match client.delete(name, &at).await {
        Ok(()) => line(&format!("Deleted: {}", image.familiar())),
        // distribution deletes by digest alone.
        Err(ClientError::Refused { status, .. })
            if at.digest().is_none() && matches!(status.as_u16(), 400 | 405) =>
        {
            let digest = remote.digest(&at).await?;
            let name = names::repository(image);
            Err(Failure::other(format!("{} deletes no tag alone, or nothing at all", image.registry())).hint(
                format!(
                    "the tag names {digest}; 'berth rm {name}@{digest}' deletes the image with all its tags"
                ),
            ))
        }
        Err(error) => Err(remote.trouble(error)),
    }
}

/// Says what a deletion would take away, and changes nothing.
async fn preview(remote: &Remote, at: &Reference) -> Result<(), Failure> {
    let digest = remote.digest(at).await?;
    if let Some(removal) = previewed(remote, at).await {
        return tell(&removal);
    }
    let others = tags_of(remote, &digest).await?;
    match at.digest() {
        Some(_) => {
            others.iter().try_for_each(|tag| line(&format!("tag {tag} would go")))?;
            line(&format!("image {digest} would go"))?;
        }
        None => {
            line(&format!("tag {at} would go"))?;
            let others: Vec<_> = others.into_iter().filter(|tag| *tag != at.to_string()).collect();
            match others.is_empty() {
                true => line(&format!(
                    "image {digest} has no other tag; whether it stays is the registry's to decide"
                ))?,
                false => line(&format!("image {digest} stays; it also has the tags {}", others.join(", ")))?,
            }
        }
    }
    line("nothing was changed")
}

/// What a Berth says that it would do; `None` for other registries, which have nothing of the kind.
async fn previewed(remote: &Remote, at: &Reference) -> Option<Value> {
    let name = remote.repository.name();
    let what = if at.digest().is_some() { "manifests" } else { "tags" };
    let path = format!("/api/v1/repositories/{name}/-/{what}/{at}");
    let client = remote.repository.client();
    // Looked at first: nothing is to be deleted at somebody who has such a path and means something else by it.
    let found: Value = serde_json::from_slice(&client.api(Method::GET, &path).await.ok()?).ok()?;
    found["digest"].as_str()?;
    let removal = client.api(Method::DELETE, &format!("{path}?dry_run=1")).await.ok()?;
    let removal: Value = serde_json::from_slice(&removal).ok()?;
    removal["tag_count"].is_u64().then_some(removal)
}

fn tell(removal: &Value) -> Result<(), Failure> {
    let words = |name: &str| removal[name].as_array().into_iter().flatten().filter_map(Value::as_str);
    for tag in words("tags") {
        line(&format!("tag {} would go", output::plain(tag)))?;
    }
    for digest in words("manifests") {
        line(&format!("image {} would go", output::plain(digest)))?;
    }
    let bytes = |name: &str| units::size(removal[name].as_u64().unwrap_or_default());
    let (freed, shared) = (bytes("freed_bytes"), bytes("shared_bytes"));
    line(&format!("{freed} would be free; {shared} stay, other images have them too"))?;
    line("nothing was changed")
}

/// The tags that stand for a digest.
async fn tags_of(remote: &Remote, digest: &Digest) -> Result<Vec<String>, Failure> {
    let mut tags = Vec::new();
    remote
        .each_tag(|page| {
            tags.extend(page);
            Ok(())
        })
        .await?;
    let (client, name) = (remote.repository.client(), remote.repository.name());
    let named = stream::iter(tags).map(|tag| async move {
        let at = tag.parse::<Reference>().ok()?;
        let head = client.head_manifest(name, &at, Patience::Long).await.ok()?;
        (head.digest.as_ref() == Some(digest)).then_some(tag)
    });
    Ok(named.buffered(AT_ONCE).filter_map(std::future::ready).collect().await)
}
