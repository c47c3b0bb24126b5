//! Bars: one for each layer that moves, and one for all of them. A layer that is done becomes a line above the bars, so
//! there are never more of them than layers move at a time, however many an image has.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_oci::{Descriptor, Digest};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::short;

/// Frames in a second.
const FRAMES: u8 = 10;

/// The bars of a transfer, on standard error.
pub(super) struct Bars {
    all: MultiProgress,
    total: ProgressBar,
    layer: ProgressStyle,
    moving: Mutex<HashMap<Digest, Moving>>,
}

/// A layer that is expected or moves.
#[derive(Default)]
struct Moving {
    bar: Option<ProgressBar>,
    /// Its bytes that the total counts.
    bytes: u64,
}

impl Bars {
    pub(super) fn new(is_colored: bool) -> Bars {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(FRAMES));
        let colors = if is_colored { ".cyan/dim" } else { "" };
        let total = "{msg:12} [{bar:30}] {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left";
        let total = style(&total.replace("bar:30", &format!("bar:30{colors}")));
        let layer = style(&format!("{{prefix:12}} [{{bar:30{colors}}}] {{bytes}}/{{total_bytes}}  {{msg}}"));
        let total = all.add(ProgressBar::new(0).with_style(total).with_message("Total"));
        Bars { all, total, layer, moving: Mutex::default() }
    }

    pub(super) fn line(&self, text: &str) {
        // A terminal that is gone shows nothing.
        let _ = self.all.println(text);
    }

    /// Prints to another place, which may be the same terminal.
    pub(super) fn beside(&self, print: impl FnOnce()) {
        self.all.suspend(print);
    }

    pub(super) fn expect(&self, layer: &Descriptor) {
        self.moving().entry(layer.digest.clone()).or_insert_with(|| {
            self.total.inc_length(layer.size);
            Moving::default()
        });
    }

    pub(super) fn moved(&self, layer: &Descriptor, word: &'static str, bytes: u64) {
        self.expect(layer);
        let mut all = self.moving();
        let Some(moving) = all.get_mut(&layer.digest) else { return };
        let bar = moving.bar.get_or_insert_with(|| {
            let bar = ProgressBar::new(layer.size).with_style(self.layer.clone());
            let bar = self.all.insert_before(&self.total, bar.with_prefix(short(&layer.digest)));
            bar.with_message(word)
        });
        bar.set_position(bytes);
        self.count(moving, bytes);
    }

    pub(super) fn done(&self, layer: &Descriptor, word: &str) {
        self.expect(layer);
        let mut all = self.moving();
        if let Some(moving) = all.get_mut(&layer.digest) {
            self.count(moving, layer.size);
            if let Some(bar) = moving.bar.take() {
                bar.finish_and_clear();
                self.all.remove(&bar);
            }
        }
        self.line(&format!("{}: {word}", short(&layer.digest)));
    }

    /// Takes the bars away; the lines stay.
    pub(super) fn end(&self) {
        self.total.finish_and_clear();
        let _ = self.all.clear();
    }

    fn count(&self, moving: &mut Moving, bytes: u64) {
        match bytes.checked_sub(moving.bytes) {
            Some(more) => self.total.inc(more),
            // Some of them move again.
            None => self.total.dec(moving.bytes - bytes),
        }
        moving.bytes = bytes;
        self.total.tick();
    }

    fn moving(&self) -> MutexGuard<'_, HashMap<Digest, Moving>> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A failed command leaves no bars behind.
impl Drop for Bars {
    fn drop(&mut self) {
        self.end();
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template).expect("it is one of the two above");
    style.progress_chars("=> ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_move_again_are_counted_once() {
        let bars = Bars::new(false);
        bars.all.set_draw_target(ProgressDrawTarget::hidden());
        let layer = Descriptor::new("layer", format!("sha256:{:064}", 7).parse().expect("a digest"), 100);
        bars.expect(&layer);
        bars.expect(&layer);
        assert_eq!(bars.total.length(), Some(100));
        for (bytes, total) in [(30, 30), (70, 70), (20, 20), (100, 100)] {
            bars.moved(&layer, "Pushing", bytes);
            assert_eq!(bars.total.position(), total);
        }
        bars.done(&layer, "Pushed");
        assert_eq!(bars.total.position(), 100);
        assert!(bars.moving().values().all(|moving| moving.bar.is_none()));
    }
}
