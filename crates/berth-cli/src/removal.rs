//! What deletions say, before and after.

pub use berth_client::Removal;

use crate::failure::Failure;
use crate::output::{line, plain, size};

/// Tells what went to a Berth's trash, or would go.
///
/// # Errors
/// That nobody reads.
pub fn tell(removal: &Removal, is_dry: bool) -> Result<(), Failure> {
    let would = if is_dry { "would be removed" } else { "removed" };
    for tag in &removal.tags {
        line(&format!("tag {} {would}", plain(tag)))?;
    }
    for digest in &removal.manifests {
        line(&format!("image {} {}", plain(digest), if is_dry { "would go" } else { "goes" }))?;
    }
    let named = (removal.tags.len() + removal.manifests.len()) as u64;
    let unnamed = removal.tag_count.saturating_add(removal.manifest_count).saturating_sub(named);
    if unnamed > 0 {
        line(&format!("and {unnamed} more"))?;
    }
    if removal.manifest_count == 0 {
        line("no bytes will be free: the image has other tags")?;
        return line(if is_dry { "nothing was changed" } else { "it can be restored" });
    }
    let (freed, shared) = (size(removal.freed_bytes), size(removal.shared_bytes));
    line(&format!(
        "{freed} will be free when the trash time is over; {shared} stay, other images have them too"
    ))?;
    line(if is_dry { "nothing was changed" } else { "it can be restored until then" })
}
