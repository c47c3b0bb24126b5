//! A running `berth serve`, and commands that end by themselves.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Answer, Request};

/// Longer than any start or end of a healthy server, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The program in `folder`, with no settings from around it.
pub(crate) fn berth(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_berth"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BERTH_") {
            command.env_remove(name);
        }
    }
    // These change the width and the colours of the help.
    command.env_remove("COLUMNS").env_remove("CLICOLOR_FORCE");
    command.env_remove("NOTIFY_SOCKET").current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// What a command said, and its exit code.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a command to its end.
pub(crate) fn said(command: &mut Command) -> Said {
    let Output { status, stdout, stderr } = command.output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("the program speaks UTF-8");
    Said { code: status.code(), out: text(stdout), err: text(stderr) }
}

/// A server that is killed when the test ends.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The lines it began with.
    pub(crate) greeting: Vec<String>,
    /// What it says after them.
    more: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it on a free port with its data in `folder/berth-data`.
    pub(crate) fn start(folder: &Path) -> Server {
        Server::start_with(berth(folder, &["serve", "--listen", "127.0.0.1:0"]))
    }

    /// Starts it as told.
    pub(crate) fn start_with(command: Command) -> Server {
        Server::start_logging_to(command, Stdio::null())
    }

    /// Starts it as told, with its log going somewhere.
    pub(crate) fn start_logging_to(mut command: Command, log: Stdio) -> Server {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the program starts");
        let out = child.stdout.take().expect("it was piped");
        let mut more = BufReader::new(out);
        let greeting: Vec<_> =
            more.by_ref().lines().take(3).map(|line| line.expect("the program speaks UTF-8")).collect();
        let address = greeting
            .first()
            .and_then(|line| line.rsplit_once("//"))
            .unwrap_or_else(|| panic!("the first line names the address: {greeting:?}"))
            .1
            .parse()
            .expect("an address and a port");
        Server { child, address, greeting, more }
    }

    /// The fourth line, which has a link in it.
    pub(crate) fn link(&mut self) -> String {
        let mut line = String::new();
        self.more.read_line(&mut line).expect("the program speaks UTF-8");
        line.trim_end().to_owned()
    }

    /// Sends a request and waits for the answer.
    pub(crate) fn ask(&self, request: &Request<'_>) -> Answer {
        request.send(self.address)
    }

    /// GET of a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask(&Request::new("GET", path))
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the server is there");
    }

    /// Kills it without a chance to say good-bye.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("the server is there");
        self.child.wait().expect("it ends");
    }

    /// Waits until it ends by itself; gives the exit code, `None` if a signal ended it.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().expect("the server is our child") {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not end in {PATIENCE:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, as the test wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
