//! What deletions say, before and after.

use serde_json::Value;

use berth_cli::failure::Failure;
use berth_cli::output::{line, size};

/// The query that asks for a preview.
pub(crate) fn dry(dry_run: bool) -> &'static str {
    if dry_run { "?dry_run=1" } else { "" }
}

/// Tells what went, or would go.
pub(crate) fn tell(removal: &Value, dry_run: bool) -> Result<(), Failure> {
    let number = |name: &str| removal[name].as_u64().unwrap_or_default();
    let names = |name: &str| {
        let list = removal[name].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let (tags, manifests) = (names("tags"), names("manifests"));
    let would = if dry_run { "would be removed" } else { "removed" };
    for tag in &tags {
        line(&format!("tag {tag} {would}"))?;
    }
    for digest in &manifests {
        line(&format!("image {digest} {}", if dry_run { "would go" } else { "goes" }))?;
    }
    let unnamed = number("tag_count") + number("manifest_count") - (tags.len() + manifests.len()) as u64;
    if unnamed > 0 {
        line(&format!("and {unnamed} more"))?;
    }
    if number("manifest_count") == 0 {
        line("no bytes will be free: the image has other tags")?;
        return if dry_run { line("nothing was changed") } else { line("it can be restored") };
    }
    let (freed, shared) = (size(number("freed_bytes")), size(number("shared_bytes")));
    line(&format!(
        "{freed} will be free when the trash time is over; {shared} stay, other images have them too"
    ))?;
    if dry_run { line("nothing was changed") } else { line("it can be restored until then") }
}

/// Tells what the trash gives up.
pub(crate) fn tell_for_good(removal: &Value, dry_run: bool) -> Result<(), Failure> {
    let number = |name: &str| removal[name].as_u64().unwrap_or_default();
    let digests = removal["manifests"].as_array().into_iter().flatten();
    for digest in digests.filter_map(Value::as_str) {
        line(&format!("image {digest}"))?;
    }
    let (n, freed, shared) =
        (number("manifest_count"), size(number("freed_bytes")), size(number("shared_bytes")));
    line(&format!("{n} deleted images: {freed} for themselves, {shared} that other images have too"))?;
    if dry_run {
        line("nothing was changed")
    } else {
        line("they cannot be restored any more; the next cleaning frees them")
    }
}
