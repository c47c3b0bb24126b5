//! Places where a kill would leave something half done. Tests end the process at each of them.

/// A place between two changes on the disk.
#[cfg(not(test))]
pub(crate) fn step() {}

/// A place between two changes on the disk: the process ends here if it was told so.
#[cfg(test)]
pub(crate) fn step() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static PASSED: AtomicUsize = AtomicUsize::new(0);
    let Ok(at) = std::env::var("BERTH_IMAGES_DIE_AT") else { return };
    if at.parse() == Ok(PASSED.fetch_add(1, Ordering::SeqCst)) {
        // Nothing is tidied up, as after a kill.
        std::process::abort();
    }
}
