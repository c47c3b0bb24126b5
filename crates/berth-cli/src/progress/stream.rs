//! A bar for an archive that is read or written: one stream of bytes, whose length need not be known.

use std::io::{Read, Write};

use indicatif::{ProgressBar, ProgressBarIter, ProgressDrawTarget, ProgressStyle};

use crate::environment::Environment;

/// Frames in a second.
const FRAMES: u8 = 10;

/// A bar on standard error for who watches; it is gone when it is dropped.
pub(crate) struct Stream(ProgressBar);

impl Stream {
    /// The bar of a stream of so many bytes.
    pub(crate) fn new(environment: &Environment, is_quiet: bool, size: Option<u64>) -> Stream {
        let target = match environment.is_watched && !is_quiet {
            true => ProgressDrawTarget::stderr_with_hz(FRAMES),
            false => ProgressDrawTarget::hidden(),
        };
        let colors = if environment.is_colored { ".cyan/dim" } else { "" };
        let form = match size {
            Some(_) => {
                format!("[{{bar:30{colors}}}] {{bytes}}/{{total_bytes}}  {{bytes_per_sec}}  {{eta}} left")
            }
            None => "{spinner} {bytes}  {bytes_per_sec}".to_owned(),
        };
        let style = ProgressStyle::with_template(&form).expect("it is one of the two above");
        let bar = ProgressBar::with_draw_target(size, target);
        Stream(bar.with_style(style.progress_chars("=> ")))
    }

    /// Shows what is read.
    pub(crate) fn read<R: Read>(&self, reader: R) -> ProgressBarIter<R> {
        self.0.wrap_read(reader)
    }

    /// Shows what is written.
    pub(crate) fn write<W: Write>(&self, writer: W) -> ProgressBarIter<W> {
        self.0.wrap_write(writer)
    }
}

/// What is printed afterwards, a failure too, begins on a line of its own.
impl Drop for Stream {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
