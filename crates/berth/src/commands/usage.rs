//! `berth usage` and `berth quota …`: who uses how many bytes, and may.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::{FolderArgs, ListArgs, Shown, seconds};
use crate::client::{Client, encoded};
use crate::commands::tag::inside;
use crate::config::Value as _;
use crate::target::Target;
use berth_cli::failure::Failure;
use berth_cli::output::{field, json as print, line, rows, short, size, table, time};

/// `berth usage`
#[derive(Args)]
pub(crate) struct UsageArgs {
    /// A repository or one of its images; without it, everything by namespace
    image: Option<String>,
    /// The repositories of a namespace (- for names of one part)
    #[arg(long, value_name = "NAME", conflicts_with = "image")]
    namespace: Option<String>,
    /// The largest layers
    #[arg(long, conflicts_with_all = ["image", "unused", "namespace"])]
    largest: bool,
    /// Tags whose image nobody used for this time: of a repository, or of all in a namespace
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    unused: Option<u32>,
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    shown: Shown,
}

/// What can be done with quotas.
#[derive(Subcommand)]
pub(crate) enum QuotaCommand {
    /// List quotas and how much of them is used
    List(ListArgs),
    /// Set a quota
    Set(SetArgs),
    /// Take a quota away
    Remove(RemoveArgs),
}

#[derive(Args)]
pub(crate) struct SetArgs {
    /// A namespace such as acme, - for names of one part, * for everything
    namespace: String,
    /// Bytes that may be used: 10GiB
    bytes: String,
    #[command(flatten)]
    folder: FolderArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// A namespace such as acme, - for names of one part, * for everything
    namespace: String,
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs `berth usage`.
pub(crate) fn run(args: &UsageArgs) -> Result<(), Failure> {
    let client = Client::open(&args.folder, false)?;
    match (&args.image, &args.namespace, args.unused) {
        (Some(image), _, None) => one(&client, &Target::read(image), &args.shown),
        (Some(image), _, Some(unused)) => {
            unused_tags(&client, &[Target::read(image).name], unused, &args.shown)
        }
        (None, Some(namespace), None) => within(&client, namespace, &args.shown),
        (None, Some(namespace), Some(unused)) => {
            let found = repositories(&client, namespace)?;
            let names: Vec<_> = found.iter().map(|repository| field(repository, "name")).collect();
            unused_tags(&client, &names, unused, &args.shown)
        }
        (None, None, Some(_)) => {
            Err(Failure::usage("of which repository?")
                .hint("name one, or say --namespace NAME for all in it"))
        }
        (None, None, None) if args.largest => largest(&client, &args.shown),
        (None, None, None) => everything(&client, &args.shown),
    }
}

fn repositories(client: &Client, namespace: &str) -> Result<Vec<Value>, Failure> {
    let path = format!("usage/namespaces/{}", encoded(namespace));
    let found = client.list(&path, &[], "repositories")?;
    Ok(found["repositories"].as_array().cloned().unwrap_or_default())
}

fn within(client: &Client, namespace: &str, shown: &Shown) -> Result<(), Failure> {
    let mut found = repositories(client, namespace)?;
    found.sort_by_key(|repository| std::cmp::Reverse(repository["bytes"].as_u64()));
    let found = json!({ "repositories": found });
    if shown.json {
        return print(&found);
    }
    let row = |entry: &Value| {
        vec![
            field(entry, "name"),
            number(entry, "bytes"),
            number(entry, "own_bytes"),
            number(entry, "shared_bytes"),
        ]
    };
    table(&["REPOSITORY", "USES", "OWN", "SHARED"], &rows(&found["repositories"], row))
}

fn number(document: &Value, name: &str) -> String {
    document[name].as_u64().map_or_else(|| "-".to_owned(), size)
}

fn everything(client: &Client, shown: &Shown) -> Result<(), Failure> {
    let found = client.list("usage", &[], "namespaces")?;
    if shown.json {
        return print(&found);
    }
    let row = |entry: &Value| {
        vec![
            field(entry, "name"),
            number(entry, "bytes"),
            number(entry, "own_bytes"),
            number(entry, "shared_bytes"),
            number(entry, "quota"),
        ]
    };
    table(&["NAMESPACE", "USES", "OWN", "SHARED", "QUOTA"], &rows(&found["namespaces"], row))?;
    line(&format!("{} are stored in all, each layer once", number(&found, "bytes")))
}

fn largest(client: &Client, shown: &Shown) -> Result<(), Failure> {
    let found = client.get("usage/largest?limit=20")?;
    if shown.json {
        return print(&found);
    }
    let row = |blob: &Value| vec![number(blob, "bytes"), short(blob, "digest"), field(blob, "repositories")];
    table(&["SIZE", "LAYER", "IN"], &rows(&found["blobs"], row))
}

fn one(client: &Client, target: &Target, shown: &Shown) -> Result<(), Failure> {
    let is_image = target.tag.is_some() || target.at.is_some();
    let path = if is_image { format!("usage/{}", encoded(target.reference())) } else { "usage".to_owned() };
    let found = client.get(&inside(&target.name, &path))?;
    if shown.json {
        return print(&found);
    }
    for (label, name) in [("uses", "bytes"), ("own", "own_bytes"), ("shared with others", "shared_bytes")] {
        line(&format!("{label}: {}", number(&found, name)))?;
    }
    if is_image {
        for name in ["digest", "tags", "pulls", "used_at"] {
            line(&format!("{name}: {}", field(&found, name)))?;
        }
    }
    Ok(())
}

fn unused_tags(client: &Client, names: &[String], unused: u32, shown: &Shown) -> Result<(), Failure> {
    let mut tags = Vec::new();
    for name in names {
        let wanted = [("unused_seconds", Some(unused.to_string()))];
        let found = client.list(&inside(name, "usage"), &wanted, "tags")?;
        for tag in found["tags"].as_array().into_iter().flatten() {
            let mut tag = tag.clone();
            tag["repository"] = name.as_str().into();
            tags.push(tag);
        }
    }
    let found = json!({ "tags": tags });
    if shown.json {
        return print(&found);
    }
    let row = |tag: &Value| {
        vec![field(tag, "repository"), field(tag, "tag"), short(tag, "digest"), time(tag, "used_at")]
    };
    table(&["REPOSITORY", "TAG", "NAMES", "LAST USED"], &rows(&found["tags"], row))
}

/// Runs `berth quota …`.
pub(crate) fn quota(command: &QuotaCommand) -> Result<(), Failure> {
    match command {
        QuotaCommand::List(args) => {
            let found = Client::open(&args.folder, false)?.list("quotas", &[], "quotas")?;
            if args.shown.json {
                return print(&found);
            }
            let row = |quota: &Value| {
                let percent = format!("{} %", quota["percent"]);
                vec![
                    field(quota, "namespace"),
                    number(quota, "used_bytes"),
                    number(quota, "quota_bytes"),
                    percent,
                ]
            };
            table(&["NAMESPACE", "USES", "QUOTA", "USED"], &rows(&found["quotas"], row))
        }
        QuotaCommand::Set(args) => {
            let mut bytes = crate::config::Size(0);
            bytes.read(&args.bytes).map_err(|_| {
                Failure::usage(format!("{:?} is no size", args.bytes)).hint("write 500MiB, or 10GiB")
            })?;
            let path = format!("quotas/{}", encoded(&args.namespace));
            let quota = Client::open(&args.folder, false)?.put(&path, &json!({ "bytes": bytes.0 }))?;
            line(&format!(
                "{} uses {} of {}",
                args.namespace,
                number(&quota, "used_bytes"),
                number(&quota, "quota_bytes")
            ))
        }
        QuotaCommand::Remove(args) => {
            Client::open(&args.folder, false)?.delete(&format!("quotas/{}", encoded(&args.namespace)))?;
            line(&format!("{} has no quota any more", args.namespace))
        }
    }
}
