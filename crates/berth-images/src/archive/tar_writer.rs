//! tar, written so that the same images give the same bytes: no times, no owners.

use std::io::{self, Read, Write};

const BLOCK: usize = 512;

/// A tar archive as it goes out (POSIX.1-2001).
pub(super) struct TarWriter<W> {
    output: W,
}

impl<W: Write> TarWriter<W> {
    pub(super) fn new(output: W) -> TarWriter<W> {
        TarWriter { output }
    }

    /// Writes a file that is in memory.
    pub(super) fn bytes(&mut self, path: &str, content: &[u8]) -> io::Result<()> {
        self.begin(path, content.len() as u64)?;
        self.output.write_all(content)?;
        self.fill(content.len() as u64)
    }

    /// Writes the header of a file. Exactly `size` bytes of content have to follow, and then [`fill`](TarWriter::fill).
    pub(super) fn begin(&mut self, path: &str, size: u64) -> io::Result<()> {
        if path.len() > 100 {
            let record = pax_record("path", path);
            self.output.write_all(&header("pax", b'x', record.len() as u64))?;
            self.output.write_all(record.as_bytes())?;
            self.fill(record.len() as u64)?;
        }
        self.output.write_all(&header(path, b'0', size))
    }

    pub(super) fn content(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)
    }

    /// Fills the last block of a file.
    pub(super) fn fill(&mut self, size: u64) -> io::Result<()> {
        let over = size % BLOCK as u64;
        if over > 0 {
            io::copy(&mut io::repeat(0).take(BLOCK as u64 - over), &mut self.output)?;
        }
        Ok(())
    }

    /// Writes the end.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.write_all(&[0; 2 * BLOCK])?;
        self.output.flush()
    }
}

/// `LENGTH KEY=VALUE` and a line break, where the length counts itself.
fn pax_record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn header(path: &str, kind: u8, size: u64) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    let path = path.as_bytes();
    put(0, &path[..path.len().min(100)]);
    put(100, b"0000644\x000000000\x000000000\0");
    if size < 1 << 33 {
        put(124, format!("{size:011o}\0").as_bytes());
    } else {
        // Base 256, for what eleven octal digits cannot hold.
        put(124, &[0x80, 0, 0, 0]);
        put(128, &size.to_be_bytes());
    }
    put(136, b"00000000000\0        ");
    put(156, &[kind]);
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use berth_inspect::{Archive, Limits};

    use super::{TarWriter, header};

    #[test]
    fn what_is_written_is_read() {
        let long = format!("blobs/sha512/{}", "a".repeat(128));
        let mut out = Vec::new();
        let mut writer = TarWriter::new(&mut out);
        writer.bytes("short", b"one").unwrap();
        writer.bytes(&long, &[7; 512]).unwrap();
        writer.finish().unwrap();
        assert_eq!(out.len() % 512, 0);
        let mut archive = Archive::new(out.as_slice(), Limits::default());
        for (path, size) in [("short", 3), (long.as_str(), 512)] {
            let header = archive.next_entry().unwrap().unwrap();
            assert_eq!((header.path.as_slice(), header.size), (path.as_bytes(), size));
        }
        assert!(archive.next_entry().unwrap().is_none());
    }

    #[test]
    fn sizes_of_any_length_are_read() {
        for size in [0, (1 << 33) - 1, 1 << 33, 1 << 50] {
            let block = header("x", b'0', size);
            let mut archive = Archive::new(block.as_slice(), Limits::default());
            assert_eq!(archive.next_entry().unwrap().unwrap().size, size);
        }
    }
}
