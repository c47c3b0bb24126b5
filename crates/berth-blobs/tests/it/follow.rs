//! Blobs that are read while they are still being written.

use std::ops::Range;
use std::pin::Pin;

use berth_blobs::{BlobStore, FollowError, Following, INLINE_MAX, Stage, StageId, Stored, VerifyError};
use berth_oci::{Algorithm, Digest};
use bytes::Bytes;
use futures_util::{FutureExt, Stream, StreamExt};
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy;
use tokio::task;

use crate::{get, put, sample};

const WHOLE: Range<u64> = 0..u64::MAX;

struct Reading {
    stream: Pin<Box<dyn Stream<Item = Result<Bytes, FollowError>> + Send>>,
    got: Vec<u8>,
}

impl Reading {
    fn new(following: &Following, range: Range<u64>) -> Reading {
        Reading { stream: Box::pin(following.read(range)), got: Vec::new() }
    }

    async fn step(&mut self) -> Option<Result<(), FollowError>> {
        let next = self.stream.next().await;
        self.take(next)
    }

    fn take(&mut self, next: Option<Result<Bytes, FollowError>>) -> Option<Result<(), FollowError>> {
        next.map(|piece| {
            let piece = piece?;
            assert!((1..=256 * 1024).contains(&piece.len()), "{} bytes at once", piece.len());
            self.got.extend_from_slice(&piece);
            Ok(())
        })
    }

    /// Reads until it has this many bytes, which are there already, and finds that it has to wait for more.
    async fn pauses_at(&mut self, len: u64) {
        while (self.got.len() as u64) < len {
            self.step().await.expect("not the end").unwrap();
        }
        assert_eq!(self.got.len() as u64, len);
        assert!(self.stream.next().now_or_never().is_none(), "neither a byte nor the end after {len}");
    }

    async fn all(mut self) -> Result<Vec<u8>, FollowError> {
        while let Some(step) = self.step().await {
            step?;
        }
        Ok(self.got)
    }
}

async fn open() -> (tempfile::TempDir, BlobStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = BlobStore::open(folder.path()).await.unwrap();
    (folder, store)
}

async fn new_stage(store: &BlobStore) -> Stage {
    store.stage(&StageId::random(), Algorithm::Sha256).await.unwrap()
}

#[tokio::test]
async fn the_last_byte_of_any_range_waits_for_the_check() {
    let (_folder, store) = open().await;
    for len in [2_u64, 100, INLINE_MAX as u64, 300_000, 1_000_001] {
        for size in [None, Some(len)] {
            let bytes = sample(len, len as usize);
            let mut stage = new_stage(&store).await;
            let following = stage.follow(size).await.unwrap();
            stage.write(bytes.clone()).await.unwrap();
            stage.show().await.unwrap();
            let backwards = Range { start: 3, end: 1 };
            let ranges =
                [WHOLE, 0..len, 0..len / 2, 1..len / 2 + 1, len / 2..len, len - 1..len + 1, backwards];
            let mut readings = Vec::new();
            for range in ranges {
                let start = range.start.min(len);
                let wanted = start..range.end.clamp(start, len);
                let mut reading = Reading::new(&following, range);
                reading.pauses_at((wanted.end - wanted.start).saturating_sub(1)).await;
                readings.push((reading, wanted));
            }
            let _verified = stage.verify(&Digest::sha256(&bytes)).await.unwrap();
            assert_eq!(following.finished().await.unwrap(), len);
            for (reading, wanted) in readings {
                let expected = bytes.slice(wanted.start as usize..wanted.end as usize);
                assert_eq!(reading.all().await.unwrap(), expected, "{wanted:?} of {len}");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_range_ends_only_after_the_check() {
    let (_folder, store) = open().await;
    for size in [None, Some(0)] {
        let mut stage = new_stage(&store).await;
        let following = stage.follow(size).await.unwrap();
        assert_eq!(following.size(), size);
        assert_eq!(store.list_stages().await.unwrap().len(), 1, "a followed stage has a file at once");
        let mut reading = Reading::new(&following, WHOLE);
        reading.pauses_at(0).await;
        assert_eq!(stage.verify(&Digest::sha256(b"")).await.unwrap().inline(), Some(&Bytes::new()));
        assert_eq!(reading.all().await.unwrap(), b"");
        assert_eq!(store.list_stages().await.unwrap(), []);
    }
}

#[tokio::test]
async fn showing_makes_every_byte_readable() {
    let (_folder, store) = open().await;
    let bytes = sample(1, 700_000);
    let mut stage = new_stage(&store).await;
    stage.write(bytes.slice(..10)).await.unwrap();
    stage.show().await.unwrap();
    assert_eq!(store.list_stages().await.unwrap(), [], "nobody follows: nothing to show");
    let following = stage.follow(Some(700_000)).await.unwrap();
    let mut reading = Reading::new(&following, WHOLE);
    reading.pauses_at(10).await;
    // Trickles, ends of blocks and of batches, and more than one batch.
    for end in [11, 4095, 4096, 4097, 262_143, 262_144, 262_145, 699_999] {
        stage.write(bytes.slice(reading.got.len()..end)).await.unwrap();
        stage.show().await.unwrap();
        stage.show().await.unwrap();
        reading.pauses_at(end as u64).await;
    }
    stage.write(bytes.slice(699_999..)).await.unwrap();
    stage.verify(&Digest::sha256(&bytes)).await.unwrap();
    assert_eq!(reading.all().await.unwrap(), bytes);
}

#[tokio::test]
async fn bytes_stay_readable_after_the_commit() {
    let (_folder, store) = open().await;
    for len in [1, INLINE_MAX, INLINE_MAX + 1, 2_000_000] {
        let (bytes, digest) = (sample(2, len), Digest::of(Algorithm::Sha512, &sample(2, len)));
        for expected in [Stored::New, Stored::AlreadyPresent] {
            let mut stage = new_stage(&store).await;
            let following = stage.follow(Some(len as u64)).await.unwrap();
            let mut begun = Reading::new(&following, WHOLE);
            stage.write(bytes.clone()).await.unwrap();
            if len > 1 {
                stage.show().await.unwrap();
                begun.step().await.unwrap().unwrap();
            }
            let verified = stage.verify(&digest).await.unwrap();
            assert_eq!(verified.inline().is_some(), len <= INLINE_MAX);
            assert_eq!(store.commit(verified).await.unwrap(), expected);
            assert_eq!(store.list_stages().await.unwrap(), []);
            assert_eq!(begun.all().await.unwrap(), bytes);
            assert_eq!(Reading::new(&following, WHOLE).all().await.unwrap(), bytes);
            if expected == Stored::AlreadyPresent {
                store.delete(&digest).await.unwrap();
                assert_eq!(Reading::new(&following, WHOLE).all().await.unwrap(), bytes);
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_digest_is_an_error_at_once_for_everybody() {
    let (_folder, store) = open().await;
    let promised = Digest::sha256(b"something else");
    for len in [10, 1_000_000] {
        let bytes = sample(3, len);
        let mut stage = new_stage(&store).await;
        let following = stage.follow(Some(len as u64)).await.unwrap();
        stage.write(bytes.clone()).await.unwrap();
        stage.show().await.unwrap();
        let (mut behind, untouched) = (Reading::new(&following, WHOLE), Reading::new(&following, 3..7));
        behind.step().await.unwrap().unwrap();
        let waiting = task::spawn(Reading::new(&following, 0..2).all());
        assert!(matches!(stage.verify(&promised).await, Err(VerifyError::Mismatch { .. })));
        assert_eq!(store.list_stages().await.unwrap(), []);

        let is_told = |heard: Result<Vec<u8>, FollowError>| match heard {
            Err(FollowError::Mismatch { expected, actual }) => {
                assert_eq!((expected, actual), (promised.clone(), Digest::sha256(&bytes)));
            }
            other => panic!("{other:?}"),
        };
        let before = behind.got.len();
        let next = behind.step().await.unwrap();
        assert_eq!(behind.got.len(), before, "what is still unread does not matter any more");
        is_told(next.map(|()| Vec::new()));
        assert!(behind.step().await.is_none(), "nothing comes after the error");
        is_told(untouched.all().await);
        is_told(waiting.await.unwrap());
        is_told(Reading::new(&following, WHOLE).all().await);
        is_told(following.finished().await.map(|_| Vec::new()));
    }
}

#[tokio::test]
async fn a_writer_who_gives_up_is_an_error() {
    let (_folder, store) = open().await;
    let mut stage = new_stage(&store).await;
    let following = stage.follow(Some(1000)).await.unwrap();
    stage.write(sample(4, 1000)).await.unwrap();
    stage.show().await.unwrap();
    let mut reading = Reading::new(&following, WHOLE);
    reading.pauses_at(999).await;
    let waiting = task::spawn(reading.all());
    drop(stage);
    assert!(matches!(waiting.await.unwrap(), Err(FollowError::Abandoned)));
    assert!(matches!(following.finished().await, Err(FollowError::Abandoned)));
}

#[test]
fn a_check_that_is_given_up_is_an_error() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.max_blocking_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        let (_folder, store) = open().await;
        let bytes = sample(5, 1000);
        let mut stage = new_stage(&store).await;
        let following = stage.follow(None).await.unwrap();
        stage.write(bytes.clone()).await.unwrap();
        // The only thread is busy, so the check cannot come to its end.
        let (release, released) = std::sync::mpsc::channel();
        let busy = task::spawn_blocking(move || released.recv());
        assert!(stage.verify(&Digest::sha256(&bytes)).now_or_never().is_none());
        release.send(()).unwrap();
        busy.await.unwrap().unwrap();
        assert!(matches!(following.finished().await, Err(FollowError::Abandoned)));
    });
}

#[tokio::test]
async fn a_length_that_was_told_wrong_is_never_a_whole() {
    let (_folder, store) = open().await;
    let bytes = sample(6, 400_000);
    for told in [0, 399_999, 400_001] {
        let mut stage = new_stage(&store).await;
        let following = stage.follow(Some(told)).await.unwrap();
        stage.write(bytes.clone()).await.unwrap();
        stage.show().await.unwrap();
        let mut reading = Reading::new(&following, WHOLE);
        reading.pauses_at(told.saturating_sub(1)).await;
        stage.verify(&Digest::sha256(&bytes)).await.expect("the digest is right");
        let error = reading.all().await.unwrap_err();
        assert!(matches!(error, FollowError::Length { told: t, actual: 400_000 } if t == told), "{error}");
    }
}

#[tokio::test]
async fn an_upload_that_was_taken_up_is_followed_from_its_first_byte() {
    let (_folder, store) = open().await;
    let (id, bytes) = (StageId::random(), sample(7, 600_000));
    let mut begun = store.stage(&id, Algorithm::Sha256).await.unwrap();
    let lost = begun.follow(None).await.unwrap();
    begun.write(bytes.slice(..500_001)).await.unwrap();
    begun.persist().await.unwrap();
    drop(begun);
    assert!(matches!(lost.finished().await, Err(FollowError::Abandoned)));

    let mut resumed = store.resume(&id, Algorithm::Sha256).await.unwrap();
    let following = resumed.follow(Some(600_000)).await.unwrap();
    let mut reading = Reading::new(&following, WHOLE);
    reading.pauses_at(500_001).await;
    let again = resumed.follow(None).await.unwrap();
    assert_eq!(again.size(), Some(600_000), "a second call gives what the first one gave");
    resumed.write(bytes.slice(500_001..)).await.unwrap();
    resumed.verify(&Digest::sha256(&bytes)).await.unwrap();
    assert_eq!(reading.all().await.unwrap(), bytes);
    assert_eq!(Reading::new(&again, WHOLE).all().await.unwrap(), bytes);
}

/// The writer has neither to wait for readers nor to have any.
#[tokio::test]
async fn a_reader_that_takes_nothing_or_goes_away_harms_nobody() {
    let (_folder, store) = open().await;
    let bytes = sample(8, 5_000_000);
    let mut stage = new_stage(&store).await;
    let following = stage.follow(Some(5_000_000)).await.unwrap();
    let mut slow = Reading::new(&following, WHOLE);
    let mut leaving = Some(Reading::new(&following, WHOLE));
    for at in (0..bytes.len()).step_by(500_000) {
        stage.write(bytes.slice(at..at + 500_000)).await.unwrap();
        stage.show().await.unwrap();
        if let Some(mut leaving) = leaving.take() {
            leaving.step().await.unwrap().unwrap();
            slow.step().await.unwrap().unwrap();
        }
    }
    let quick = task::spawn(Reading::new(&following, WHOLE).all());
    drop(following);
    store.commit(stage.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
    assert_eq!(quick.await.unwrap().unwrap(), bytes);
    assert!(slow.got.len() <= 512 * 1024, "it took nothing meanwhile");
    assert_eq!(slow.all().await.unwrap(), bytes);

    let mut alone = new_stage(&store).await;
    drop(alone.follow(None).await.unwrap());
    alone.write(bytes.clone()).await.unwrap();
    store.commit(alone.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
    assert_eq!(get(&store, &bytes).await, bytes);
}

#[test]
fn one_blocking_thread_serves_a_writer_and_its_followers() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).max_blocking_threads(1).enable_time().build().unwrap();
    runtime.block_on(async {
        let (_folder, store) = open().await;
        let bytes = sample(9, 3_000_000);
        let mut stage = new_stage(&store).await;
        let following = stage.follow(None).await.unwrap();
        let readings: Vec<_> =
            (0..20).map(|n| task::spawn(Reading::new(&following, n * 10_000..u64::MAX).all())).collect();
        for at in (0..bytes.len()).step_by(100_000) {
            stage.write(bytes.slice(at..at + 100_000)).await.unwrap();
        }
        store.commit(stage.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
        for (n, reading) in readings.into_iter().enumerate() {
            assert_eq!(reading.await.unwrap().unwrap(), bytes.slice(n * 10_000..));
        }
        assert_eq!(put(&store, &bytes).await, Stored::AlreadyPresent);
    });
}

/// What a writer does: pieces of any length, each perhaps shown, perhaps followed by a pause.
fn pieces() -> impl Strategy<Value = Vec<(usize, bool, u8)>> {
    let len = prop_oneof![0..10_usize, 1000..20_000_usize, 60_000..70_000_usize, 200_000..600_000_usize];
    vec((len, any::<bool>(), 0..8_u8), 1..12)
}

/// Where a reader begins and ends, in thousandths of the blob, and how often it lets others go first.
fn readers() -> impl Strategy<Value = Vec<(u64, u64, u8)>> {
    vec((0..1000_u64, 0..1200_u64, 0..20_u8), 20)
}

async fn pause(turns: u8) {
    for _ in 0..turns {
        task::yield_now().await;
    }
}

async fn read_slowly(mut reading: Reading, turns: u8) -> (Vec<u8>, Option<FollowError>) {
    while let Some(step) = reading.step().await {
        if let Err(error) = step {
            return (reading.got, Some(error));
        }
        pause(turns).await;
    }
    (reading.got, None)
}

/// Runs a writer and 20 readers beside each other. The writer stops before piece `killed_at`, if there is one.
async fn race(
    pieces: &[(usize, bool, u8)],
    readers: &[(u64, u64, u8)],
    is_size_known: bool,
    killed_at: Option<usize>,
) {
    let (_folder, store) = open().await;
    let bytes = sample(10, pieces.iter().map(|(len, ..)| len).sum());
    let len = bytes.len() as u64;
    let mut stage = new_stage(&store).await;
    let following = stage.follow(is_size_known.then_some(len)).await.unwrap();
    let mut readings = Vec::new();
    for &(from, to, turns) in readers {
        let range = from * len / 1000..(to * len).div_ceil(1000);
        let wanted = range.start as usize..range.end.min(len).max(range.start) as usize;
        let reading = Reading::new(&following, range);
        readings.push((task::spawn(read_slowly(reading, turns)), bytes.slice(wanted)));
    }
    let mut rest = bytes.clone();
    for &(len, is_shown, turns) in &pieces[..killed_at.unwrap_or(pieces.len())] {
        stage.write(rest.split_to(len)).await.unwrap();
        if is_shown {
            stage.show().await.unwrap();
        }
        pause(turns).await;
    }
    if killed_at.is_some() {
        drop(stage);
    } else {
        store.commit(stage.verify(&Digest::sha256(&bytes)).await.unwrap()).await.unwrap();
    }
    for (reading, wanted) in readings {
        let (got, error) = reading.await.unwrap();
        if killed_at.is_some() {
            assert!(matches!(error, Some(FollowError::Abandoned)), "{error:?}");
            assert!(got.is_empty() || got.len() < wanted.len(), "{} of {}", got.len(), wanted.len());
            assert_eq!(got, wanted[..got.len()]);
        } else {
            assert!(error.is_none(), "{error:?}");
            assert_eq!(got, wanted);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn however_they_race_readers_get_the_bytes_or_an_error(
        pieces in pieces(),
        readers in readers(),
        is_size_known in any::<bool>(),
        killed_at in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let killed_at = killed_at.map(|at| at.index(pieces.len() + 1));
        runtime.block_on(race(&pieces, &readers, is_size_known, killed_at));
    }
}
