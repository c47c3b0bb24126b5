//! The life signs of a connection, and the one clock that ends connections which show too few.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Context;
use std::time::{Duration, Instant};

use futures_util::task::AtomicWaker;

use super::limits::{Limits, Progress};

/// What a connection is doing, written by its own task and read by the [`Watch`].
///
/// All values are hints for time-outs, so relaxed ordering is enough: a tick that reads an old value judges one tick
/// later.
#[derive(Debug)]
pub(crate) struct Pulse {
    clock: Clock,
    /// HTTP/2 keeps itself alive by pings; its reads say nothing about a request header.
    multiplexed: AtomicBool,
    /// Requests between their header and the end of their answer.
    requests: AtomicU32,
    /// Bodies that wait for the client: to send more, or to take what was handed over.
    waiting: AtomicU32,
    /// The socket takes no more bytes at the moment.
    write_blocked: AtomicBool,
    /// Bytes read and written so far.
    moved: AtomicU64,
    /// When something last happened on the connection. Milliseconds of the clock.
    active: AtomicU64,
    /// When the first bytes of a request header came; 0 when none are outstanding.
    head_began: AtomicU64,
    /// The last answer was given without having read the whole request.
    unread: AtomicBool,
    /// The answer could not be finished: the connection must not end cleanly.
    broken: AtomicBool,
    signal: AtomicU8,
    waker: AtomicWaker,
}

/// What a connection is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signal {
    /// Go on.
    None,
    /// Finish the requests under way, take no new ones.
    Drain,
    /// End now.
    Cut,
}

/// Milliseconds since the server began, never 0.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }
}

impl Pulse {
    fn new(clock: Clock) -> Pulse {
        Pulse {
            clock,
            multiplexed: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            write_blocked: AtomicBool::new(false),
            moved: AtomicU64::new(0),
            active: AtomicU64::new(clock.now()),
            head_began: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            signal: AtomicU8::new(Signal::None as u8),
            waker: AtomicWaker::new(),
        }
    }

    /// From now on many requests share the connection, and pings keep it busy.
    pub(crate) fn multiplex(&self) {
        self.multiplexed.store(true, Relaxed);
    }

    pub(crate) fn read(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Relaxed);
        if self.requests.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            let now = self.clock.now();
            self.active.store(now, Relaxed);
            // Only the first piece starts the clock of the header.
            let _ = self.head_began.compare_exchange(0, now, Relaxed, Relaxed);
        }
    }

    pub(crate) fn wrote(&self, bytes: usize) {
        self.moved.fetch_add(bytes as u64, Relaxed);
        if self.write_blocked.load(Relaxed) {
            self.write_blocked.store(false, Relaxed);
        }
        if self.requests.load(Relaxed) == 0 && !self.multiplexed.load(Relaxed) {
            let now = self.clock.now();
            self.active.store(now, Relaxed);
            // A pipelined header that came early cannot be late while the answer before it is still on its way.
            let _ = self.head_began.try_update(Relaxed, Relaxed, |began| (began != 0).then_some(now));
        }
    }

    pub(crate) fn write_blocks(&self) {
        self.write_blocked.store(true, Relaxed);
    }

    pub(crate) fn begin_request(&self) {
        self.requests.fetch_add(1, Relaxed);
        self.head_began.store(0, Relaxed);
        self.unread.store(false, Relaxed);
    }

    pub(crate) fn end_request(&self) {
        self.active.store(self.clock.now(), Relaxed);
        self.requests.fetch_sub(1, Relaxed);
    }

    pub(crate) fn leave_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(crate) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Whether bytes came that were not a whole request header.
    pub(crate) fn has_partial_header(&self) -> bool {
        self.head_began.load(Relaxed) != 0
    }

    pub(crate) fn break_off(&self) {
        self.broken.store(true, Relaxed);
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Relaxed)
    }

    /// What the connection is told to do; its task is woken when that changes.
    pub(crate) fn poll_signal(&self, cx: &Context<'_>) -> Signal {
        self.waker.register(cx.waker());
        match self.signal.load(SeqCst) {
            0 => Signal::None,
            1 => Signal::Drain,
            _ => Signal::Cut,
        }
    }

    /// Whether the end was for a client that no longer takes what we send.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Relaxed)
    }

    fn signal(&self, signal: Signal) {
        if self.signal.fetch_max(signal as u8, SeqCst) < signal as u8 {
            self.waker.wake();
        }
    }

    /// The first request header has to come within its time-out from now on.
    pub(crate) fn expect_header(&self) {
        self.head_began.store(self.clock.now(), Relaxed);
    }
}

/// One body's share in [`Pulse`]: whether it waits for the client at the moment.
#[derive(Debug, Default)]
pub(crate) struct Waiting(bool);

impl Waiting {
    pub(crate) fn begin(&mut self, pulse: &Pulse) {
        if !std::mem::replace(&mut self.0, true) {
            pulse.waiting.fetch_add(1, Relaxed);
        }
    }

    pub(crate) fn end(&mut self, pulse: &Pulse) {
        if std::mem::replace(&mut self.0, false) {
            pulse.waiting.fetch_sub(1, Relaxed);
        }
    }
}

/// Looks at all connections a few times per second at most; cheaper than timers that move with every read.
#[derive(Debug)]
pub(crate) struct Watch {
    clock: Clock,
    header_timeout: u64,
    idle_timeout: u64,
    progress: Progress,
    tick: Duration,
    watched: Mutex<Watched>,
}

#[derive(Debug, Default)]
struct Watched {
    next_id: u64,
    connections: HashMap<u64, Look>,
}

/// What the watch remembers of a connection from one tick to the next.
#[derive(Debug)]
struct Look {
    pulse: Arc<Pulse>,
    window_began: u64,
    moved_then: u64,
}

/// Keeps a connection under watch until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWatch {
    id: u64,
    watch: Weak<Watch>,
}

impl Watch {
    pub(crate) fn new(limits: &Limits) -> Watch {
        let shortest = limits.header_timeout.min(limits.idle_timeout).min(limits.progress.window);
        Watch {
            clock: Clock(Instant::now()),
            header_timeout: millis(limits.header_timeout),
            idle_timeout: millis(limits.idle_timeout),
            progress: limits.progress,
            tick: (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1)),
            watched: Mutex::default(),
        }
    }

    pub(crate) fn add(self: &Arc<Watch>) -> (Arc<Pulse>, UnderWatch) {
        let pulse = Arc::new(Pulse::new(self.clock));
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let id = watched.next_id;
        watched.next_id += 1;
        let look = Look { pulse: Arc::clone(&pulse), window_began: self.clock.now(), moved_then: 0 };
        watched.connections.insert(id, look);
        (pulse, UnderWatch { id, watch: Arc::downgrade(self) })
    }

    /// Tells all connections.
    pub(crate) fn signal_all(&self, signal: Signal) {
        let watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        for look in watched.connections.values() {
            look.pulse.signal(signal);
        }
    }

    /// Runs until it is dropped.
    pub(crate) async fn run(&self) {
        let mut ticks = tokio::time::interval(self.tick);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = self.clock.now();
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            for look in watched.connections.values_mut() {
                if self.judge(look, now) {
                    look.pulse.signal(Signal::Cut);
                }
            }
        }
    }

    /// Whether a connection has to end.
    fn judge(&self, look: &mut Look, now: u64) -> bool {
        let pulse = &look.pulse;
        let busy = pulse.requests.load(Relaxed) > 0;
        let blocked = pulse.write_blocked.load(Relaxed);
        if !(blocked || busy && pulse.waiting.load(Relaxed) > 0) {
            // The server is the one that works, or nobody does: the client's window begins anew.
            look.window_began = now;
            look.moved_then = pulse.moved.load(Relaxed);
        }
        if busy || blocked {
            return self.lacks_progress(look, now);
        }
        let head_began = pulse.head_began.load(Relaxed);
        let head_late = head_began != 0 && now.saturating_sub(head_began) > self.header_timeout;
        head_late || now.saturating_sub(pulse.active.load(Relaxed)) > self.idle_timeout
    }

    fn lacks_progress(&self, look: &mut Look, now: u64) -> bool {
        if now - look.window_began < millis(self.progress.window) {
            return false;
        }
        let moved = look.pulse.moved.load(Relaxed);
        let enough = moved - look.moved_then >= self.progress.bytes;
        look.window_began = now;
        look.moved_then = moved;
        !enough
    }
}

impl Drop for UnderWatch {
    fn drop(&mut self) {
        if let Some(watch) = self.watch.upgrade() {
            watch.watched.lock().unwrap_or_else(PoisonError::into_inner).connections.remove(&self.id);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Arc<Watch> {
        Arc::new(Watch::new(&Limits::default()))
    }

    fn look(watch: &Arc<Watch>) -> (Look, UnderWatch) {
        let (pulse, guard) = watch.add();
        (Look { pulse, window_began: 0, moved_then: 0 }, guard)
    }

    #[test]
    fn idle_connections_live_five_minutes_and_no_longer() {
        let watch = watch();
        let (mut look, _guard) = look(&watch);
        assert!(!watch.judge(&mut look, 300_000));
        assert!(watch.judge(&mut look, 311_000));
    }

    #[test]
    fn a_header_has_ten_seconds_however_it_drips() {
        let watch = watch();
        let (mut look, _guard) = look(&watch);
        look.pulse.read(1);
        assert!(!watch.judge(&mut look, 9_000));
        look.pulse.read(1);
        assert!(watch.judge(&mut look, 10_100));
        look.pulse.begin_request();
        assert!(!watch.judge(&mut look, 10_100));
    }

    #[test]
    fn a_pause_below_the_window_survives_and_a_trickle_does_not() {
        let watch = watch();
        let (mut look, _guard) = look(&watch);
        let mut waiting = Waiting::default();
        look.pulse.begin_request();
        waiting.begin(&look.pulse);
        assert!(!watch.judge(&mut look, 299_000));
        look.pulse.read(200 << 10);
        assert!(!watch.judge(&mut look, 300_000));
        look.pulse.read(100 << 10);
        assert!(!watch.judge(&mut look, 599_000));
        assert!(watch.judge(&mut look, 600_000));
    }

    #[test]
    fn time_that_the_server_takes_is_not_held_against_the_client() {
        let watch = watch();
        let (mut look, _guard) = look(&watch);
        look.pulse.begin_request();
        for minute in 0..60 {
            assert!(!watch.judge(&mut look, minute * 60_000));
        }
    }

    #[test]
    fn a_client_that_takes_nothing_is_cut_even_after_the_last_piece_was_handed_over() {
        let watch = watch();
        let (mut look, _guard) = look(&watch);
        look.pulse.write_blocks();
        assert!(!watch.judge(&mut look, 299_000));
        assert!(watch.judge(&mut look, 300_000));
    }
}
