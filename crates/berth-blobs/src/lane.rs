//! A queue of batches that one worker takes in order, holding a blocking thread only while there is work.
//!
//! A slow client costs no thread: the lane hires one when a batch arrives and lets it go when the queue is empty. All
//! lanes of a store share a fixed number of threads; a lane gives its thread back after a few batches and queues again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::task;

use crate::StoreError;
use crate::following::Growth;

/// Batches that a lane may take before others get the thread.
const TURN: usize = 16;

/// Consecutive bytes of an upload. Its share of the upload's memory returns when every lane has dropped it.
pub(crate) struct Batch {
    pub(crate) chunks: Vec<Bytes>,
    /// Bytes of the upload, these included.
    pub(crate) end: u64,
    pub(crate) then: Then,
    pub(crate) _budget: OwnedSemaphorePermit,
}

/// What is to be done when a batch is written.
pub(crate) enum Then {
    Nothing,
    /// The bytes so far shall outlive the program.
    Flush,
    /// The bytes so far, and all later ones, shall be seen by followers.
    Follow(Arc<Growth>),
}

/// What a lane does with its batches. Runs on blocking threads, never on two at once.
pub(crate) trait Worker: Send + 'static {
    /// Works off one batch. After an error it is not called again.
    fn run(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

/// A queue with its worker.
pub(crate) struct Lane<W: Worker> {
    shared: Arc<Shared<W>>,
}

struct Shared<W> {
    state: Mutex<State<W>>,
    /// Told whenever the worker comes back or fails.
    settled: Notify,
    threads: Arc<Semaphore>,
}

struct State<W> {
    queue: VecDeque<Arc<Batch>>,
    seat: Seat<W>,
}

/// Where the worker is. `Idle` implies that the queue is empty.
enum Seat<W> {
    Idle(W),
    Busy,
    Failed(StoreError),
}

impl<W: Worker> Lane<W> {
    /// A lane with an empty queue. `threads` bounds how many lanes run at once.
    pub(crate) fn new(worker: W, threads: Arc<Semaphore>) -> Lane<W> {
        let state = State { queue: VecDeque::new(), seat: Seat::Idle(worker) };
        Lane { shared: Arc::new(Shared { state: Mutex::new(state), settled: Notify::new(), threads }) }
    }

    /// Queues a batch, or returns the error that ended the lane.
    pub(crate) fn push(&self, batch: Arc<Batch>) -> Result<(), StoreError> {
        let mut state = self.shared.lock();
        match std::mem::replace(&mut state.seat, Seat::Busy) {
            Seat::Busy => state.queue.push_back(batch),
            Seat::Failed(error) => {
                state.seat = Seat::Failed(error.clone());
                return Err(error);
            }
            Seat::Idle(worker) => {
                state.queue.push_back(batch);
                drop(state);
                Run { shared: self.shared.clone(), worker: Some(worker) }.hire();
            }
        }
        Ok(())
    }

    /// Waits until every queued batch is done.
    pub(crate) async fn settle(&self) -> Result<(), StoreError> {
        loop {
            // Created before the look at the state, so that a change in between wakes it.
            let settled = self.shared.settled.notified();
            match &self.shared.lock().seat {
                Seat::Idle(_) => return Ok(()),
                Seat::Failed(error) => return Err(error.clone()),
                Seat::Busy => {}
            }
            settled.await;
        }
    }

    /// Waits until every queued batch is done and takes the worker out.
    pub(crate) async fn finish(self) -> Result<W, StoreError> {
        self.settle().await?;
        match std::mem::replace(&mut self.shared.lock().seat, Seat::Busy) {
            Seat::Idle(worker) => Ok(worker),
            Seat::Busy | Seat::Failed(_) => Err(StoreError::Interrupted),
        }
    }
}

impl<W> Shared<W> {
    /// The state is a queue and a seat, both whole at every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The worker at work. If it is dropped on the way (a panic, the end of the runtime), the lane fails and nobody waits.
struct Run<W: Worker> {
    shared: Arc<Shared<W>>,
    worker: Option<W>,
}

impl<W: Worker> Run<W> {
    /// Gets a thread, now or when one is free. Needs a runtime.
    fn hire(self) {
        let threads = self.shared.threads.clone();
        match threads.clone().try_acquire_owned() {
            Ok(permit) => drop(task::spawn_blocking(move || self.work(permit))),
            Err(_) => drop(task::spawn(async move {
                if let Ok(permit) = threads.acquire_owned().await {
                    task::spawn_blocking(move || self.work(permit));
                }
            })),
        }
    }

    fn work(mut self, permit: OwnedSemaphorePermit) {
        for _ in 0..TURN {
            let Some(batch) = self.next() else { return };
            let Some(worker) = &mut self.worker else { return };
            if let Err(error) = worker.run(&batch) {
                return self.fail(error);
            }
        }
        drop(permit);
        self.hire();
    }

    /// The next batch; without one the worker goes back to its seat.
    fn next(&mut self) -> Option<Arc<Batch>> {
        let mut state = self.shared.lock();
        let batch = state.queue.pop_front();
        if batch.is_none()
            && let Some(worker) = self.worker.take()
        {
            state.seat = Seat::Idle(worker);
            self.shared.settled.notify_waiters();
        }
        batch
    }

    fn fail(&mut self, error: StoreError) {
        let mut state = self.shared.lock();
        state.queue.clear();
        state.seat = Seat::Failed(error);
        self.shared.settled.notify_waiters();
        drop(state);
        self.worker = None;
    }
}

impl<W: Worker> Drop for Run<W> {
    fn drop(&mut self) {
        if self.worker.is_some() {
            self.fail(StoreError::Interrupted);
        }
    }
}
