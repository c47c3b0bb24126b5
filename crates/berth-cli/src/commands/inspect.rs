//! `berth inspect IMAGE…`.

use clap::Args;

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
}

/// Prints everything that the images say of themselves.
pub(crate) fn run(args: &InspectArgs, environment: &Environment) -> Result<(), Failure> {
    let template = match args.format.as_deref() {
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
        Some(template) => found.iter().try_for_each(|image| {
            let document = serde_json::to_value(image).map_err(Failure::other)?;
            line(&template.write(&document)?)
        })?,
        None => line(&pretty(&found)?)?,
    }
    Failure::of_several(failures)
}

/// A document with docker's four blanks before each level.
fn pretty(document: &impl serde::Serialize) -> Result<String, Failure> {
    let mut text = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut writer = serde_json::Serializer::with_formatter(&mut text, form);
    document.serialize(&mut writer).map_err(Failure::other)?;
    String::from_utf8(text).map_err(Failure::other)
}
