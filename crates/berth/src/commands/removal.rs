//! What deletions say, before and after.

use serde_json::Value;

use berth_cli::failure::Failure;
use berth_cli::output::{line, size};
use berth_cli::removal::{self, Removal};

/// The query that asks for a preview.
pub(crate) fn dry(dry_run: bool) -> &'static str {
    if dry_run { "?dry_run=1" } else { "" }
}

/// Tells what went, or would go.
pub(crate) fn tell(removal: &Value, dry_run: bool) -> Result<(), Failure> {
    let removal = serde_json::from_value::<Removal>(removal.clone()).map_err(Failure::other)?;
    removal::tell(&removal, dry_run)
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
