//! How fast a mirror is: beside its upstream, beside docker-registry as a mirror, and beside what was pushed to it.

use std::fmt::Write as _;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::Options;
use super::images::{Image, TAG};
use super::subject::Subject;
use crate::fault;
use crate::message::{self, Body, Head};
use crate::random::Random;
use crate::server::{Kind, Launch, Program};
use crate::upstream::Upstream;

/// A blob that many want at once is so much smaller: docker-registry fetches it once for each of them.
const CROWD_PART: usize = 8;
/// Warm pulls; the median counts.
const WARM: usize = 5;
/// No byte for so long is the end of a measurement.
const PATIENCE: Duration = Duration::from_secs(60);
const REPOSITORY: &str = "large/image";
const MIB: f64 = (1 << 20) as f64;

/// Times from the request on.
#[derive(Debug, Clone, Copy)]
struct Timed {
    first: Duration,
    last: Duration,
}

/// Who gives a blob.
#[derive(Debug, Clone, Copy)]
struct Giver<'a> {
    address: SocketAddr,
    /// What stands before the names of repositories.
    prefix: &'a str,
}

/// An upstream with two large images behind a line with a rate.
struct Measurement<'a> {
    options: &'a Options,
    folder: &'a Path,
    upstream: Upstream,
    single: Image,
    crowd: Image,
}

/// Measures, and prints a page.
pub(super) fn run(options: &Options, folder: &Path, seed: u64) -> anyhow::Result<()> {
    let upstream = Upstream::open(&folder.join("upstream"))?;
    let mut random = Random::new(seed);
    let size = (options.size as usize) << 20;
    let mut image = |size| Image::of(vec![random.bytes(size)], &mut random.fork());
    let (single, crowd) = (image(size), image(size / CROWD_PART));
    for (tag, image) in [(TAG, &single), ("crowd", &crowd)] {
        image.push(upstream.server.address(), REPOSITORY, tag)?;
    }
    let measurement = Measurement { options, folder, upstream, single, crowd };
    print!("{}", measurement.cold()?);
    print!("{}", measurement.many()?);
    print!("{}", measurement.warm()?);
    Ok(())
}

impl Measurement<'_> {
    /// What is measured: the chosen registry, and docker-registry.
    fn programs(&self) -> anyhow::Result<Vec<(&'static str, Program)>> {
        let mut all = vec![("docker-registry", Program::docker_registry())];
        if self.options.server.server == Kind::Berth {
            all.insert(0, ("berth", self.options.server.program()?));
        }
        Ok(all)
    }

    /// The mirrors, each with an empty cache.
    fn mirrors(&self, title: &str) -> anyhow::Result<Vec<(&'static str, Subject)>> {
        let url = self.upstream.proxy.url();
        let start = |(name, program): (&'static str, Program)| {
            let folder = self.folder.join(format!("{title}-{name}"));
            Ok((name, Subject::start(&program, &folder, &url, None)?))
        };
        self.programs()?.into_iter().map(start).collect()
    }

    fn limited<T>(&self, measure: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        self.upstream.proxy.set_rate(Some(self.options.rate * 1_000_000));
        let measured = measure();
        self.upstream.proxy.set_rate(None);
        measured
    }

    /// One client, and a blob that no mirror has.
    fn cold(&self) -> anyhow::Result<String> {
        let mirrors = self.mirrors("cold")?;
        let straight = Giver { address: self.upstream.proxy.address(), prefix: "" };
        let mut givers = vec![("the upstream itself", straight)];
        givers.extend(mirrors.iter().map(|(name, subject)| (*name, giver(subject))));
        let mut text = format!(
            "### Cold pull: {} MiB, upstream with {} MB/s\n\n| from | first byte | last byte | of the upstream's time |\n\
             |---|---|---|---|\n",
            self.options.size, self.options.rate
        );
        let mut own = None;
        for (name, giver) in givers {
            let timed = self.limited(|| giver.pull(TAG, &self.single))?;
            let own = *own.get_or_insert(timed.last.as_secs_f64());
            let last = timed.last.as_secs_f64();
            let first = timed.first.as_secs_f64() * 1e3;
            writeln!(text, "| {name} | {first:.1} ms | {last:.2} s | {:.3} |", last / own)?;
        }
        Ok(text + "\n")
    }

    /// Many clients at once, and a blob that no mirror has.
    fn many(&self) -> anyhow::Result<String> {
        let clients = self.options.clients as usize;
        let mut text = format!(
            "### {clients} clients at once: {} MiB, upstream with {} MB/s\n\n\
             | from | transfers of the upstream | MiB of the upstream | first client | median | last client | last of first |\n\
             |---|---|---|---|---|---|---|\n",
            self.options.size as usize / CROWD_PART,
            self.options.rate
        );
        for (name, subject) in self.mirrors("many")? {
            let mark = self.upstream.proxy.mark();
            let giver = giver(&subject);
            let start = Barrier::new(clients);
            let pull = || {
                start.wait();
                giver.pull("crowd", &self.crowd)
            };
            let timed: anyhow::Result<Vec<Timed>> = self.limited(|| {
                thread::scope(|scope| {
                    let running: Vec<_> = (0..clients).map(|_| scope.spawn(pull)).collect();
                    running.into_iter().map(|one| one.join().expect("a client does not panic")).collect()
                })
            });
            let mut last: Vec<f64> = timed?.iter().map(|timed| timed.last.as_secs_f64()).collect();
            last.sort_by(f64::total_cmp);
            let asked = self.upstream.proxy.since(mark);
            let large = self.crowd.blobs[1].digest.as_str();
            let transfers = asked.iter().filter(|asked| {
                asked.kind == fault::Kind::Blob && asked.method == "GET" && asked.reference() == large
            });
            let bytes: Vec<f64> = transfers.map(|asked| asked.bytes as f64 / MIB).collect();
            let (first, end) = (last[0], last[clients - 1]);
            writeln!(
                text,
                "| {name} | {} | {:.0} | {first:.2} s | {:.2} s | {end:.2} s | {:.3} |",
                bytes.len(),
                bytes.iter().sum::<f64>(),
                last[clients / 2],
                end / first
            )?;
        }
        Ok(text + "\n")
    }

    /// What a mirror has already, beside the same blob pushed to the same program.
    fn warm(&self) -> anyhow::Result<String> {
        let mut text = format!(
            "### Warm pull: {} MiB\n\n| from | mirrored | pushed | ratio |\n|---|---|---|---|\n",
            self.options.size
        );
        for ((name, subject), (_, program)) in self.mirrors("warm")?.into_iter().zip(self.programs()?) {
            let mirrored = giver(&subject);
            mirrored.pull(TAG, &self.single)?;
            let launch = Launch {
                data: self.folder.join(format!("pushed-{name}")),
                log: self.folder.join(format!("pushed-{name}.log")),
                ..Launch::default()
            };
            let server = program.start(&launch)?;
            self.single.push(server.address(), REPOSITORY, TAG)?;
            let pushed = Giver { address: server.address(), prefix: "" };
            let rate = |giver: Giver<'_>| -> anyhow::Result<f64> {
                let pulls = (0..WARM).map(|_| giver.pull(TAG, &self.single));
                let mut times = pulls.map(|timed| Ok(timed?.last)).collect::<anyhow::Result<Vec<_>>>()?;
                times.sort();
                Ok(f64::from(self.options.size) / times[WARM / 2].as_secs_f64())
            };
            let (mirrored, pushed) = (rate(mirrored)?, rate(pushed)?);
            let ratio = mirrored / pushed;
            writeln!(text, "| {name} | {mirrored:.0} MiB/s | {pushed:.0} MiB/s | {ratio:.2} |")?;
        }
        Ok(text)
    }
}

fn giver(subject: &Subject) -> Giver<'_> {
    Giver { address: subject.address(), prefix: &subject.prefix }
}

impl Giver<'_> {
    /// Gets the manifest, then the large blob, whose times these are.
    fn pull(self, tag: &str, image: &Image) -> anyhow::Result<Timed> {
        self.get(&format!("manifests/{tag}"), image.manifest.bytes.len() as u64)?;
        let blob = &image.blobs[1];
        self.get(&format!("blobs/{}", blob.digest), blob.bytes.len() as u64)
    }

    fn get(self, path: &str, length: u64) -> anyhow::Result<Timed> {
        let started = Instant::now();
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let target = format!("/v2/{}{REPOSITORY}/{path}", self.prefix);
        let accept = super::images::MANIFEST;
        write!(
            stream,
            "GET {target} HTTP/1.1\r\nHost: {}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n",
            self.address
        )?;
        let mut from = BufReader::with_capacity(1 << 18, stream);
        let Head::Http(head) = message::read_head(&mut from)? else { anyhow::bail!("{target}: no answer") };
        ensure!(head.start_line().contains(" 200"), "{target} was answered {}", head.start_line());
        let (mut first, mut bytes, body) = (None, 0, head.answer_body("GET", 200));
        message::copy_body(body, &mut from, |piece| {
            first.get_or_insert_with(|| started.elapsed());
            bytes += piece.len() as u64;
            Ok(())
        })
        .with_context(|| format!("{target} broke after {bytes} bytes"))?;
        // Without a length there are the marks of chunks, too.
        let is_whole = bytes == length || (body == Body::Chunked && bytes > length);
        ensure!(is_whole, "{target} has {bytes} bytes, not {length}");
        Ok(Timed { first: first.unwrap_or_default(), last: started.elapsed() })
    }
}
