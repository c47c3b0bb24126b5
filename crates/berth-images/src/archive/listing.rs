//! The files of an archive by their paths.

use std::collections::HashMap;
use std::io::Read;

use berth_inspect::{Archive, Header, Limits, Stop};
use berth_oci::{Algorithm, Digest, Hasher};

use super::packed::Packed;
use super::stage::Stage;
use crate::Error;
use crate::copy::CHUNK;

/// Most entries of an archive: ten thousand images of ten layers.
const ENTRIES: usize = 100_000;
/// Links that lead to links.
const LINKS: usize = 8;

/// What an archive has. Its files are in the stage.
pub(super) struct Listing {
    entries: HashMap<String, Entry>,
}

#[derive(PartialEq, Eq)]
enum Entry {
    File(Digest, u64),
    /// A path, from the top.
    Link(String),
}

impl Listing {
    /// Reads an archive to its end.
    pub(super) fn read(packed: &mut Packed<'_>, stage: &mut Stage<'_>) -> Result<Listing, Error> {
        let mut listing = Listing { entries: HashMap::new() };
        let mut archive = Archive::new(&mut *packed, Limits::default());
        let read = listing.read_entries(&mut archive, stage);
        // A failure of the input looks like damage from inside.
        match read {
            Ok(()) => packed.drain()?,
            Err(Failure::Stop(stop)) => return Err(packed.failure(stop.to_string())),
            Err(Failure::Error(error)) => return Err(error),
        }
        Ok(listing)
    }

    fn read_entries<R: Read>(
        &mut self,
        archive: &mut Archive<R>,
        stage: &mut Stage<'_>,
    ) -> Result<(), Failure> {
        let mut count = 0;
        while let Some(header) = archive.next_entry()? {
            count += 1;
            if count > ENTRIES {
                return Err(Error::archive(format!("it has more than {ENTRIES} files")).into());
            }
            let path = clean(&header.path, "")?;
            let entry = match header.kind {
                b'5' => continue,
                0 if header.path.ends_with(b"/") => continue,
                0 | b'0' | b'7' if !header.is_sparse => read_file(archive, &header, &path, stage)?,
                b'1' => Entry::Link(clean(&header.target, "")?),
                b'2' => Entry::Link(clean(&header.target, &path)?),
                _ => {
                    let what = format!("{path:?} in it is neither a file nor a link");
                    return Err(Error::archive(what).into());
                }
            };
            if self.entries.get(&path).is_some_and(|other| *other != entry) {
                return Err(Error::archive(format!("it has {path:?} twice, and they differ")).into());
            }
            self.entries.insert(path, entry);
        }
        Ok(())
    }

    /// The digest and length of a file, found through links.
    pub(super) fn find(&self, path: &str) -> Result<Option<(&Digest, u64)>, Error> {
        let mut path = clean(path.as_bytes(), "")?;
        for _ in 0..=LINKS {
            match self.entries.get(&path) {
                None => return Ok(None),
                Some(Entry::File(digest, size)) => return Ok(Some((digest, *size))),
                Some(Entry::Link(target)) => path.clone_from(target),
            }
        }
        Err(Error::archive(format!("its links lead nowhere from {path:?}")))
    }
}

/// Stages a file. What has its digest for a name is checked by it, and not written if the store has it.
fn read_file<R: Read>(
    archive: &mut Archive<R>,
    header: &Header,
    path: &str,
    stage: &mut Stage<'_>,
) -> Result<Entry, Failure> {
    let told = path.strip_prefix("blobs/").and_then(|rest| rest.replacen('/', ":", 1).parse::<Digest>().ok());
    let algorithm = told.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let is_stored = match &told {
        Some(digest) => stage.is_stored(digest, header.stored)?,
        None => false,
    };
    let mut hasher = Hasher::new(algorithm);
    let mut staging = if is_stored { None } else { Some(stage.begin(algorithm)?) };
    let mut left = header.stored;
    let mut chunk = vec![0; CHUNK];
    loop {
        // What fills up the last block is none of the content.
        let read = archive.content(&mut chunk)?;
        if read == 0 {
            break;
        }
        let own = usize::try_from(left).unwrap_or(usize::MAX).min(read);
        left -= own as u64;
        match &mut staging {
            Some(staging) => staging.write(&chunk[..own])?,
            None => hasher.update(&chunk[..own]),
        }
    }
    let digest = match staging {
        Some(staging) => stage.take(staging)?.0,
        None => hasher.finish(),
    };
    if told.is_some_and(|told| told != digest) {
        return Err(Error::archive(format!("{path:?} in it is damaged: its digest is {digest}")).into());
    }
    Ok(Entry::File(digest, header.stored))
}

/// A path from the top, read relative to the folder of `beside`. What leads out, or is no text, is refused.
fn clean(path: &[u8], beside: &str) -> Result<String, Error> {
    let refuse =
        |why: &str| Error::archive(format!("the path {:?} in it {why}", String::from_utf8_lossy(path)));
    let text = std::str::from_utf8(path).map_err(|_| refuse("is not UTF-8"))?;
    if text.starts_with('/') {
        return Err(refuse("begins at the root"));
    }
    let mut parts: Vec<&str> = beside.split('/').filter(|part| !part.is_empty()).collect();
    parts.pop();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or_else(|| refuse("leads out of it"))?),
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// Why reading ended: in the archive, or beside it.
enum Failure {
    Stop(Stop),
    Error(Error),
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Failure {
        Failure::Stop(stop)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Error(error)
    }
}
