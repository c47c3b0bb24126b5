//! Reading in a process of its own: it can write no file, takes no more memory and time than it may, and what becomes of
//! it is nothing to the server.
//!
//! The program starts itself again with the hidden command `inspect-layer`; the layer is its standard input, what it found
//! its standard output.

mod confine;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::{LayerIndex, Limits, Stop, index, read_file};

/// The hidden command of the program.
pub const COMMAND: &str = "inspect-layer";
/// Bytes that a worker may answer with.
const ANSWER: u64 = 128 * 1024 * 1024;
/// What a worker gets beyond the time of its limits before it is killed.
const PATIENCE: Duration = Duration::from_secs(3);

/// A layer.
#[derive(Debug)]
pub enum Source {
    /// In a file, from its beginning, wherever the handle stands.
    File(Arc<File>),
    /// In memory: it is small.
    Bytes(Vec<u8>),
}

/// Why a worker gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It could not be started or spoken to.
    #[error("the process that reads layers cannot be run")]
    Io(#[from] io::Error),
    /// The bytes of a file cannot be had.
    #[error("{0}")]
    Stopped(#[from] Stop),
}

/// Starts workers. Blocks, so it belongs on a thread for that.
#[derive(Debug, Clone)]
pub struct Worker {
    /// The program.
    pub program: PathBuf,
    /// What each worker may.
    pub limits: Limits,
}

impl Worker {
    /// Reads the index of a layer. A worker that does not come to its end gives an empty one that says why.
    ///
    /// # Errors
    /// [`WorkerError::Io`].
    pub fn index(&self, layer: Source) -> Result<LayerIndex, WorkerError> {
        let answer = self.run(&[], layer)?;
        Ok(LayerIndex::from_bytes(&answer).unwrap_or_else(|_| LayerIndex::stopped(Stop::Killed)))
    }

    /// Reads the first `most` bytes of one file of a layer.
    ///
    /// # Errors
    /// [`WorkerError`].
    pub fn file(&self, layer: Source, offset: u64, size: u64, most: u64) -> Result<Vec<u8>, WorkerError> {
        let arguments = [offset.to_string(), size.to_string(), most.min(ANSWER - 1).to_string()];
        let answer = self.run(&arguments, layer)?;
        match answer.split_first() {
            Some((0, content)) => Ok(content.to_vec()),
            Some(_) => Err(Stop::Broken.into()),
            None => Err(Stop::Killed.into()),
        }
    }

    fn run(&self, arguments: &[String], layer: Source) -> Result<Vec<u8>, WorkerError> {
        let (stdin, bytes) = match layer {
            // Opened anew, so that its position is its own.
            Source::File(file) => (File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?.into(), None),
            Source::Bytes(bytes) => (Stdio::piped(), Some(bytes)),
        };
        let mut child = Command::new(&self.program)
            .arg(COMMAND)
            .arg(format!("{},{}", self.limits.memory, self.limits.time.as_millis()))
            .args(arguments)
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let pipes = (child.stdin.take(), child.stdout.take());
        let guard = Guard::over(child, self.limits.time + PATIENCE);
        let feeder = bytes.zip(pipes.0).map(|(bytes, mut pipe)| {
            // One that stops early does not read to the end: that is no failure.
            std::thread::spawn(move || drop(pipe.write_all(&bytes)))
        });
        let mut answer = Vec::new();
        let read = pipes.1.map(|pipe| pipe.take(ANSWER).read_to_end(&mut answer));
        guard.end();
        if let Some(feeder) = feeder {
            // It ended with the pipe.
            let _ = feeder.join();
        }
        read.transpose()?;
        Ok(answer)
    }
}

/// Sees to it that a child ends, and leaves nothing of it behind.
struct Guard {
    child: Arc<Mutex<Child>>,
    done: std::sync::mpsc::Sender<()>,
    watch: std::thread::JoinHandle<()>,
}

impl Guard {
    fn over(child: Child, time: Duration) -> Guard {
        let child = Arc::new(Mutex::new(child));
        let (done, told) = channel();
        let watched = Arc::clone(&child);
        let watch = std::thread::spawn(move || {
            if told.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
                // Who ended meanwhile cannot be killed, and need not be.
                let _ = watched.lock().unwrap_or_else(PoisonError::into_inner).kill();
            }
        });
        Guard { child, done, watch }
    }

    /// Called when its answer is at its end: it has nothing more to do.
    fn end(self) {
        let _ = self.done.send(());
        let _ = self.watch.join();
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// What a worker does: `arguments` are those behind the hidden command. Gives the status that the process ends with.
///
/// Bounds this process for good before it reads a byte, so nothing else may run in it.
pub fn serve(arguments: &[String]) -> u8 {
    let numbers = |text: &str| text.split(',').map(|part| part.parse().ok()).collect::<Option<Vec<u64>>>();
    let Some([memory, millis]) =
        arguments.first().and_then(|text| numbers(text)).and_then(|n| <[u64; 2]>::try_from(n).ok())
    else {
        return 2;
    };
    let limits = Limits { memory, time: Duration::from_millis(millis), ..Limits::default() };
    confine::confine(&limits);
    let input = io::stdin().lock();
    let answer = match &arguments[1..] {
        [] => index(input, &limits).to_bytes(),
        [offset, size, most] => match (offset.parse(), size.parse(), most.parse()) {
            (Ok(offset), Ok(size), Ok(most)) => match read_file(input, offset, size, most, &limits) {
                Ok(content) => [vec![0], content].concat(),
                Err(_) => vec![1],
            },
            _ => return 2,
        },
        _ => return 2,
    };
    let mut out = io::stdout().lock();
    u8::from(out.write_all(&answer).and_then(|()| out.flush()).is_err())
}
