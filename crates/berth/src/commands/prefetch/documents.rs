//! Which images a Compose file or Kubernetes manifests name.
//!
//! In Compose files these are the images of services. In Kubernetes' documents they are those of containers, wherever a
//! list of them stands: so CronJobs, Lists and resources of operators need no words of their own. Other fields that are
//! called `image` are none: they are pictures, or parts of a text.

use saphyr::{LoadableYamlNode, ScanError, Yaml};

#[cfg(test)]
mod tests;

/// Where Kubernetes has containers.
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// What was found in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Names of images, each once.
    pub(super) images: Vec<String>,
    /// What keeps a name from being known.
    pub(super) unknown: Vec<String>,
    /// What was left out on purpose.
    pub(super) skipped: Vec<String>,
}

/// Reads all documents of a file. `variable` gives what a variable of a Compose file is, if it is set.
pub(super) fn read(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Found, ScanError> {
    let mut found = Found::default();
    for document in Yaml::load_from_str(text)? {
        match document.as_mapping_get("services").filter(|services| services.as_mapping().is_some()) {
            Some(services) => compose(services, variable, &mut found),
            None => kubernetes(&document, &mut found),
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, image: &str) {
        let image = image.trim();
        if !image.is_empty() && !self.images.iter().any(|known| known == image) {
            self.images.push(image.to_owned());
        }
    }
}

fn kubernetes(node: &Yaml<'_>, found: &mut Found) {
    if let Some(items) = node.as_sequence() {
        items.iter().for_each(|item| kubernetes(item, found));
    }
    for (key, value) in node.as_mapping().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        if CONTAINERS.contains(&key) {
            for container in value.as_sequence().into_iter().flatten() {
                if let Some(image) = container.as_mapping_get("image").and_then(Yaml::as_str) {
                    found.add(image);
                }
            }
        }
        if key == "volumes" {
            for volume in value.as_sequence().into_iter().flatten() {
                let image = volume.as_mapping_get("image");
                if let Some(image) = image.and_then(|image| image.as_mapping_get("reference")?.as_str()) {
                    found.add(image);
                }
            }
        }
        kubernetes(value, found);
    }
}

fn compose(services: &Yaml<'_>, variable: &dyn Fn(&str) -> Option<String>, found: &mut Found) {
    for (name, service) in services.as_mapping().into_iter().flatten() {
        let name = name.as_str().unwrap_or_default();
        let Some(image) = merged(service, "image").and_then(Yaml::as_str) else { continue };
        if merged(service, "build").is_some() {
            found.skipped.push(format!("{name} is built, so {image} is not fetched"));
            continue;
        }
        match filled(image, variable) {
            Ok(image) => found.add(&image),
            Err(why) => found.unknown.push(format!("the image of {name} is {image}, and {why}")),
        }
    }
}

/// A field of a mapping, or of one that is merged into it (`<<`).
fn merged<'a, 'input>(node: &'a Yaml<'input>, key: &str) -> Option<&'a Yaml<'input>> {
    if let Some(value) = node.as_mapping_get(key) {
        return Some(value);
    }
    let others = node.as_mapping_get("<<")?;
    match others.as_sequence() {
        Some(others) => others.iter().find_map(|other| merged(other, key)),
        None => merged(others, key),
    }
}

/// Fills in `$X`, `${X}`, `${X:-default}` and their relatives, as Compose does. Of `.env` it knows nothing.
fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let end = closing(inner).ok_or("a brace in it is not closed")?;
            out.push_str(&value(&inner[..end], variable)?);
            rest = &inner[end + 1..];
        } else {
            let end = name_end(rest);
            out.push_str(&value(&rest[..end], variable)?);
            rest = &rest[end..];
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace is that closes one before the text; others may be inside.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.char_indices().find_map(|(at, c)| match c {
        '{' => {
            depth += 1;
            None
        }
        '}' if depth == 0 => Some(at),
        '}' => {
            depth -= 1;
            None
        }
        _ => None,
    })
}

fn name_end(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// What stands for the inside of a variable's braces.
fn value(inner: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (name, rest) = inner.split_at(name_end(inner));
    if name.is_empty() {
        return Err("it has a $ that begins no variable".to_owned());
    }
    let (ignores_empty, operator) = match rest.strip_prefix(':') {
        Some(operator) => (true, operator),
        None => (false, rest),
    };
    let set = variable(name).filter(|value| !ignores_empty || !value.is_empty());
    let word = operator.get(1..).unwrap_or_default();
    match (operator.chars().next(), set) {
        (Some('+'), Some(_)) => filled(word, variable),
        (Some('+'), None) => Ok(String::new()),
        (_, Some(value)) => Ok(value),
        (Some('-'), None) => filled(word, variable),
        _ => Err(format!("{name} is not set; set it in the environment (set -a; . ./.env)")),
    }
}
