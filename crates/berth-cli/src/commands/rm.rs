//! `berth rm IMAGE…`: deletion at a registry.

use berth_client::{ClientError, Patience, Removal};
use berth_oci::{Digest, Reference, Tag};
use clap::Args;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use http::StatusCode;
use serde_json::json;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::names;
use crate::output::line;
use crate::registries::{Registries, RegistryArgs};
use crate::remote::Remote;
use crate::removal;
use crate::trouble::{self, Doing};

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
    /// Print a JSON document for each image, one a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Deletes the images; one that cannot be deleted does not keep the others.
pub(crate) fn run(args: &RmArgs, environment: &Environment) -> Result<(), Failure> {
    let registries = Registries::of(environment, &args.registry)?;
    let mut failures = Vec::new();
    environment.wait_for(async {
        for image in &args.images {
            failures.extend(one(image, args, &registries).await.err());
        }
        Ok(())
    })?;
    Failure::of_several(failures)
}

async fn one(image: &str, args: &RmArgs, registries: &Registries) -> Result<(), Failure> {
    let image = names::image(image)?;
    let name = names::repository(&image);
    let unclear = match (image.tag(), image.digest()) {
        (None, None) => Some("neither a tag nor a digest"),
        (Some(_), Some(_)) => Some("both a tag and a digest"),
        _ => None,
    };
    if let Some(what) = unclear {
        return Err(Failure::other(format!("{} names {what}; nothing was deleted", image.familiar())).hint(
            format!("{name}:TAG is a tag alone, {name}@DIGEST an image with all its tags; 'berth tags {name}' lists them"),
        ));
    }
    let repository = registries.repository(&image).await?;
    let remote = Remote { image, repository };
    let at = names::reference(&remote.image);
    match args.dry_run {
        true => preview(&remote, &at, args.json).await,
        false => delete(&remote, &at, args.json).await,
    }
}

async fn delete(remote: &Remote, at: &Reference, is_json: bool) -> Result<(), Failure> {
    let (client, name) = (remote.repository.client(), remote.repository.name());
    let is_tag = at.digest().is_none();
    match client.delete(name, at).await {
        Ok(()) if is_json => {
            let key = if is_tag { "untagged" } else { "deleted" };
            line(&json!({ key: remote.image.familiar() }).to_string())
        }
        Ok(()) => {
            let word = if is_tag { "Untagged" } else { "Deleted" };
            line(&format!("{word}: {}", remote.image.familiar()))
        }
        Err(ClientError::Refused { status: StatusCode::METHOD_NOT_ALLOWED, message, .. }) => {
            unsupported(remote, at, message.as_deref()).await
        }
        // Docker's registry before 3.0 takes a tag for a digest that is none.
        Err(ClientError::Refused { status: StatusCode::BAD_REQUEST, .. }) if is_tag => {
            unsupported(remote, at, None).await
        }
        Err(error) => Err(trouble::trouble(Doing::Deleting, &remote.image, error)),
    }
}

/// Says what can be done at a registry that deletes no tags, or nothing at all.
async fn unsupported(remote: &Remote, at: &Reference, message: Option<&str>) -> Result<(), Failure> {
    let registry = remote.image.registry();
    let said = message.map(|message| format!(" (it says: {message})")).unwrap_or_default();
    if at.digest().is_some() {
        return Err(Failure::other(format!("{registry} deletes no images{said}")).hint(
            "whoever runs it can switch deleting on; docker's registry has REGISTRY_STORAGE_DELETE_ENABLED",
        ));
    }
    let digest = remote.digest(at).await?;
    let (image, name) = (remote.image.familiar(), names::repository(&remote.image));
    Err(Failure::other(format!("{registry} does not delete tags{said}; {image} names {digest}")).hint(format!(
        "'berth rm {name}@{digest}' deletes that image with all its tags, if deleting is switched on there"
    )))
}

/// Says what a deletion would take away, and changes nothing.
async fn preview(remote: &Remote, at: &Reference, is_json: bool) -> Result<(), Failure> {
    let digest = remote.digest(at).await?;
    let (client, name) = (remote.repository.client(), remote.repository.name());
    let told = client.preview_delete(name, at).await;
    let told = told.map_err(|error| trouble::trouble(Doing::Deleting, &remote.image, error))?;
    let tags = match told {
        Some(_) => Vec::new(),
        None => tags_of(remote, &digest).await?,
    };
    match (told, is_json) {
        (Some(removal), false) => removal::tell(&removal, true),
        (told, true) => line(&document(remote, at, &digest, told, &tags).to_string()),
        (None, false) => guess(at, &digest, &tags),
    }
}

/// What would go as a document. Only Berth knows the bytes.
fn document(
    remote: &Remote,
    at: &Reference,
    digest: &Digest,
    told: Option<Removal>,
    tags: &[String],
) -> serde_json::Value {
    let image = remote.image.familiar();
    match (told, at.digest()) {
        (Some(removal), _) => json!({
            "image": image, "digest": digest.to_string(), "dryRun": true,
            "tags": removal.tags, "manifests": removal.manifests,
            "freedBytes": removal.freed_bytes, "sharedBytes": removal.shared_bytes,
        }),
        (None, Some(_)) => json!({
            "image": image, "digest": digest.to_string(), "dryRun": true,
            "tags": tags, "manifests": [digest.to_string()],
        }),
        (None, None) => {
            let others: Vec<_> = tags.iter().filter(|tag| **tag != at.to_string()).collect();
            json!({
                "image": image, "digest": digest.to_string(), "dryRun": true,
                "tags": [at.to_string()], "otherTags": others,
            })
        }
    }
}

/// Says what a registry would do that does not say it itself.
fn guess(at: &Reference, digest: &Digest, tags: &[String]) -> Result<(), Failure> {
    if at.digest().is_some() {
        tags.iter().try_for_each(|tag| line(&format!("tag {tag} would be removed")))?;
        line(&format!("image {digest} would go"))?;
        return line("nothing was changed");
    }
    line(&format!("tag {at} would be removed, if the registry deletes tags alone"))?;
    let others: Vec<_> = tags.iter().filter(|tag| **tag != at.to_string()).map(String::as_str).collect();
    match others[..] {
        [] => line(&format!("image {digest} has no other tag; whether it stays is the registry's to say"))?,
        _ => line(&format!("image {digest} stays; it also has the tags {}", others.join(", ")))?,
    }
    line("nothing was changed")
}

/// The tags that stand for a digest.
async fn tags_of(remote: &Remote, digest: &Digest) -> Result<Vec<String>, Failure> {
    let mut tags = Vec::new();
    let keep = |page: Vec<String>| {
        tags.extend(page.iter().filter_map(|tag| tag.parse::<Tag>().ok()));
        Ok(())
    };
    remote.each_tag(keep).await?;
    let (client, name) = (remote.repository.client(), remote.repository.name());
    let named = stream::iter(tags).map(|tag| async move {
        match client.head_manifest(name, &Reference::Tag(tag.clone()), Patience::Long).await {
            Ok(head) => Ok((head.digest.as_ref() == Some(digest)).then(|| tag.to_string())),
            // It went in the meantime.
            Err(ClientError::NotFound) => Ok(None),
            Err(error) => Err(remote.trouble(error)),
        }
    });
    let named: Vec<_> = named.buffered(AT_ONCE).try_collect().await?;
    Ok(named.into_iter().flatten().collect())
}
