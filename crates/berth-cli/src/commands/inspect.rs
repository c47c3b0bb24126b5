//! `berth inspect IMAGE…`.

use berth_images::Inspected;
use clap::Args;
use serde_json::{Value, json};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::line;
use crate::template::Template;
use crate::trouble;

pub(crate) const EXAMPLES: &str = "\
\x1b[1;32mExamples:\x1b[0m
  berth inspect app:1.9
  berth inspect -f '{{.Config.Entrypoint}}' app:1.9
  berth inspect -f '{{range .RepoDigests}}{{println .}}{{end}}' app:1.9

'berth config' and 'berth manifest' look at images at a registry.";

/// `berth inspect`
#[derive(Args)]
pub struct InspectArgs {
    /// The images: NAME[:TAG], NAME@DIGEST, or the beginning of an id
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<String>,
    /// A Go template for each image, or json
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<String>,
    /// Only images are here to be inspected
    #[arg(long = "type", hide = true, value_parser = ["image"])]
    kind: Option<String>,
    /// Nothing: sizes are told anyway
    #[arg(long, short, hide = true)]
    size: bool,
}

/// Prints everything that the images say of themselves.
pub(crate) fn run(args: &InspectArgs, environment: &Environment) -> Result<(), Failure> {
    let format = args.format.as_deref().filter(|format| !format.is_empty());
    let template = match format {
        None | Some("json") => None,
        Some(format) => Some(Template::read(format)?),
    };
    let store = environment.store()?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for image in &args.images {
        match store.inspect(image) {
            Ok(inspected) => found.push(inspected),
            Err(error) => failures.push(trouble::of_store(error)),
        }
    }
    match template {
        // Docker's empty line for nothing.
        Some(_) if found.is_empty() => line("")?,
        Some(template) => {
            found.iter().try_for_each(|image| line(&template.write(&for_templates(image)?)?))?;
        }
        None if format.is_some() => line(&serde_json::to_string(&found).map_err(Failure::other)?)?,
        None => line(&pretty(&found)?)?,
    }
    Failure::of_several(failures)
}

/// What a template may name of an image: also what docker knows of every image, and writes only if there is some.
fn for_templates(image: &Inspected) -> Result<Value, Failure> {
    let mut document = serde_json::to_value(image).map_err(Failure::other)?;
    add(&mut document, &[("ID", json!(image.id)), ("VirtualSize", json!(image.size))]);
    add(&mut document, &[("Variant", json!("")), ("OsVersion", json!(""))]);
    let lists = ["OnBuild", "Shell"].map(|name| (name, Value::Null));
    let texts = ["StopSignal", "Hostname", "Domainname"].map(|name| (name, json!("")));
    let config = &mut document["Config"];
    add(config, &lists);
    add(config, &texts);
    add(config, &[("Healthcheck", Value::Null)]);
    Ok(document)
}

/// Adds the fields that are not there.
fn add(document: &mut Value, fields: &[(&str, Value)]) {
    let Value::Object(map) = document else { return };
    for (name, value) in fields {
        map.entry(*name).or_insert_with(|| value.clone());
    }
}

/// A document with docker's four blanks before each level.
fn pretty(document: &impl serde::Serialize) -> Result<String, Failure> {
    let mut text = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, form);
    document.serialize(&mut writer).map_err(Failure::other)?;
    String::from_utf8(text).map_err(Failure::other)
}
