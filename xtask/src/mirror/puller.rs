//! A client that believes nothing: it compares every byte that it is given with what was pushed.

use std::io;
use std::net::SocketAddr;

use super::images::{Blob, Image, MANIFEST, Sample, TAG};
use crate::http::{Connection, Request};

/// How a pull ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every byte is what was pushed.
    Right,
    /// The client was told, by a status or by a connection that broke.
    Failed(String),
    /// An answer ended well and was wrong.
    Wrong(String),
}

/// Which of a sample's images is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// The current one.
    Current,
    /// The current or the earlier one: the tag is moving.
    Either,
}

/// One client with its connection.
pub(super) struct Puller {
    connection: Connection,
    /// What stands before the names of repositories.
    prefix: String,
}

impl Puller {
    pub(super) fn new(server: SocketAddr, prefix: &str) -> Puller {
        Puller { connection: Connection::new(server), prefix: prefix.to_owned() }
    }

    /// Pulls the sample's tag and all blobs of the image that it names.
    pub(super) fn pull(&mut self, sample: &Sample, rule: Rule) -> Outcome {
        self.try_pull(sample, rule).err().unwrap_or(Outcome::Right)
    }

    fn try_pull(&mut self, sample: &Sample, rule: Rule) -> Result<(), Outcome> {
        let candidates: &[&Image] = match rule {
            Rule::Current => &[&sample.current],
            Rule::Either => &[&sample.current, &sample.earlier],
        };
        let expected: Vec<&Blob> = candidates.iter().map(|image| &image.manifest).collect();
        let found = self.get(&format!("{}/manifests/{TAG}", sample.repository), &expected)?;
        for blob in &candidates[found].blobs {
            self.get(&format!("{}/blobs/{}", sample.repository, blob.digest), &[blob])?;
        }
        Ok(())
    }

    /// Gets one of the expected, and says which.
    fn get(&mut self, path: &str, expected: &[&Blob]) -> Result<usize, Outcome> {
        let request = Request::new("GET", format!("/v2/{}{path}", self.prefix)).header("Accept", MANIFEST);
        let answer = self.connection.send(&request).map_err(|error| Outcome::Failed(reason(&error)))?;
        if answer.status != 200 {
            return Err(Outcome::Failed(answer.status.to_string()));
        }
        let wrong = |what: &str| Err(Outcome::Wrong(format!("{path}: {what}")));
        let Some(found) = expected.iter().position(|blob| blob.bytes == answer.body) else {
            return wrong(&format!("{} other bytes", answer.body.len()));
        };
        match answer.header("docker-content-digest") {
            Some(told) if told != expected[found].digest => wrong(&format!("the digest is told as {told}")),
            _ => Ok(found),
        }
    }
}

/// What became of a connection, in words that can be counted.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            "cut".into()
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "too late".into(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Puller, Rule};
    use crate::fault::{Fault, On, Place, Proxy};
    use crate::mirror::images::Sample;
    use crate::random::Random;
    use crate::upstream::Upstream;

    /// The judge itself: each lie of an upstream without a mirror before it is called by its name.
    #[test]
    fn lies_are_told_from_failures() {
        let paths = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&paths).any(|folder| folder.join("docker-registry").is_file()) {
            assert!(std::env::var_os("CI").is_none(), "docker-registry is missing");
            return;
        }
        let folder = crate::folders::scratch("puller").unwrap();
        let upstream = Upstream::open(folder.path()).unwrap();
        let samples = Sample::make("a", 1, &mut Random::new(5));
        samples[0].push(upstream.server.address()).unwrap();
        let proxy: &Proxy = &upstream.proxy;
        let pull = |rule| Puller::new(proxy.address(), "").pull(&samples[0], rule);
        assert_eq!(pull(Rule::Current), Outcome::Right);
        let is_wrong = |outcome: &Outcome| matches!(outcome, Outcome::Wrong(_));
        for fault in [Fault::Flip, Fault::Extra, Fault::Shorter, Fault::Gzip, Fault::Page, Fault::OtherDigest]
        {
            proxy.misbehave(On::Everything, std::slice::from_ref(&fault));
            assert!(is_wrong(&pull(Rule::Current)), "{fault:?}");
        }
        for fault in [Fault::Cut(Place::Half), Fault::Longer, Fault::TooMany(1), Fault::Failing(500)] {
            proxy.misbehave(On::Blobs, std::slice::from_ref(&fault));
            assert!(matches!(pull(Rule::Current), Outcome::Failed(_)), "{fault:?}");
        }
        proxy.go_away();
        assert!(matches!(pull(Rule::Either), Outcome::Failed(_)));
    }
}
