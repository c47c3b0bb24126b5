//! Appends to a file past the page cache.
//!
//! A large upload is read again by nobody for a while, and copying it into the page cache costs more processor time
//! than hashing it. So full buffers are written with `O_DIRECT`: when the last one is written the bytes are on the disk
//! already, and the final sync is short. Where the file system knows no `O_DIRECT` the same writes go through the cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

/// Direct writes begin, end and lie in memory at multiples of this: the page size, which every disk's block divides.
const BLOCK: usize = 4096;
/// Bytes written at once.
const BUFFER: usize = 256 * 1024;

/// The growing end of a file. Bytes are in the file for sure only after [`flush`](Appender::flush).
pub(super) struct Appender {
    file: Arc<File>,
    /// Room for [`BUFFER`] bytes that begin at a multiple of [`BLOCK`]; empty until the first byte.
    memory: Vec<u8>,
    /// Where the buffer begins in `memory`.
    start: usize,
    /// Where the buffer begins in the file: a multiple of [`BLOCK`].
    base: u64,
    /// Bytes in the buffer.
    filled: usize,
    direct: Direct,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direct {
    On,
    Off,
    /// The file system refused once, or the cache is wanted.
    Never,
}

impl Appender {
    /// The end of an empty file that was opened without `O_DIRECT`.
    pub(super) fn new(file: Arc<File>) -> Appender {
        Appender { file, memory: Vec::new(), start: 0, base: 0, filled: 0, direct: Direct::Off }
    }

    /// The end of a file that has bytes.
    pub(super) fn resume(file: Arc<File>) -> io::Result<Appender> {
        let len = file.metadata()?.len();
        let mut end = Appender::new(file);
        end.filled = (len % BLOCK as u64) as usize;
        end.base = len - end.filled as u64;
        end.make_room();
        let (start, filled) = (end.start, end.filled);
        end.file.read_exact_at(&mut end.memory[start..start + filled], end.base)?;
        Ok(end)
    }

    /// Whether what was appended goes to the disk without waiting for a sync.
    pub(super) fn is_direct(&self) -> bool {
        self.direct == Direct::On
    }

    /// Writes through the page cache from now on, because what is written is read at once. Whoever reads the file never
    /// meets a direct write, which would drop pages under his hands.
    pub(super) fn stay_cached(&mut self) -> io::Result<()> {
        self.switch(false)?;
        self.direct = Direct::Never;
        Ok(())
    }

    /// Adds bytes at the end.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.make_room();
        while !bytes.is_empty() {
            let (taken, rest) = bytes.split_at(bytes.len().min(BUFFER - self.filled));
            let at = self.start + self.filled;
            self.memory[at..at + taken.len()].copy_from_slice(taken);
            self.filled += taken.len();
            bytes = rest;
            if self.filled == BUFFER {
                self.write(0..BUFFER, true)?;
                self.base += BUFFER as u64;
                self.filled = 0;
            }
        }
        Ok(())
    }

    /// Writes what is left, and leaves the file as one that can be read in any way.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let blocks = self.filled - self.filled % BLOCK;
        // A file that never filled the buffer is written in one go, through the cache.
        let direct = if self.base > 0 { blocks } else { 0 };
        if direct > 0 {
            self.write(0..direct, true)?;
        }
        self.switch(false)?;
        self.write(direct..self.filled, false)?;
        // The last block is not full: the next bytes complete it in memory, and it is written again as a whole.
        self.memory.copy_within(self.start + blocks..self.start + self.filled, self.start);
        self.base += blocks as u64;
        self.filled -= blocks;
        Ok(())
    }

    fn write(&mut self, part: std::ops::Range<usize>, direct: bool) -> io::Result<()> {
        if direct {
            self.switch(true)?;
        }
        let bytes = &self.memory[self.start + part.start..self.start + part.end];
        let offset = self.base + part.start as u64;
        match self.file.write_all_at(bytes, offset) {
            // A block size that we did not expect, or a write cut short in the middle of a block.
            Err(error) if self.direct == Direct::On && is_invalid(&error) => {
                self.switch(false)?;
                self.direct = Direct::Never;
                self.file.write_all_at(&self.memory[self.start + part.start..self.start + part.end], offset)
            }
            written => written,
        }
    }

    fn switch(&mut self, on: bool) -> io::Result<()> {
        let wanted = if on { Direct::On } else { Direct::Off };
        if self.direct == wanted || self.direct == Direct::Never {
            return Ok(());
        }
        let flags = fcntl_getfl(&self.file)?;
        let flags = if on { flags | OFlags::DIRECT } else { flags - OFlags::DIRECT };
        match fcntl_setfl(&self.file, flags).map_err(io::Error::from) {
            Err(error) if on && is_invalid(&error) => self.direct = Direct::Never,
            result => {
                result?;
                self.direct = wanted;
            }
        }
        Ok(())
    }

    fn make_room(&mut self) {
        if self.memory.is_empty() {
            self.memory = vec![0; BUFFER + BLOCK];
            self.start = self.memory.as_ptr().align_offset(BLOCK);
        }
    }
}

fn is_invalid(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::sync::Arc;

    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, any};
    use proptest::{prop_assert_eq, proptest};

    use super::{Appender, BUFFER};

    /// What a test does with the end of a file.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        Append(usize),
        Flush,
        Reopen,
        StayCached,
    }

    fn step(kind: u8, length: usize) -> Step {
        match kind % 9 {
            0 => Step::Flush,
            1 => Step::Reopen,
            2 => Step::StayCached,
            3 => Step::Append(length * 31),
            _ => Step::Append(length),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_file_holds_what_was_appended(steps in vec((any::<u8>(), 0..20_000_usize), 1..30)) {
            // On a real disk where there is one: a file system in memory may know no direct writes.
            let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).or_else(|_| tempfile::tempdir()).unwrap();
            let path = folder.path().join("stage");
            let open = || Arc::new(OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).unwrap());
            let (mut end, mut expected) = (Appender::new(open()), Vec::new());
            for (kind, length) in steps {
                match step(kind, length) {
                    Step::Append(length) => {
                        let bytes: Vec<u8> = (0..length).map(|n| ((n + expected.len()) * 7 % 253) as u8).collect();
                        end.append(&bytes).unwrap();
                        expected.extend_from_slice(&bytes);
                    }
                    Step::Flush => {
                        end.flush().unwrap();
                        prop_assert_eq!(&std::fs::read(&path).unwrap(), &expected);
                    }
                    Step::StayCached => end.stay_cached().unwrap(),
                    Step::Reopen => {
                        end.flush().unwrap();
                        end = Appender::resume(open()).unwrap();
                    }
                }
            }
            end.flush().unwrap();
            prop_assert_eq!(std::fs::read(&path).unwrap(), expected);
        }
    }

    #[test]
    fn whole_buffers_do_not_wait_for_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stage");
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path).unwrap();
        let mut end = Appender::new(Arc::new(file));
        end.append(&vec![7; BUFFER + 1]).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), BUFFER as u64);
        end.flush().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), vec![7; BUFFER + 1]);
    }
}
