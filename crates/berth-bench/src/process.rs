//! CPU time and memory of processes, from `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::Context as _;

/// Ticks per second in `/proc/PID/stat`; Linux tells user space 100 on every machine.
const TICKS_PER_SECOND: u64 = 100;

/// The processes of a server: those named, and their children.
#[derive(Debug, Clone, Default)]
pub(crate) struct Processes {
    pids: Vec<u32>,
}

/// Memory in KiB, summed over processes (shared pages count in each).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// The most that was resident since `forget_peak`.
    pub(crate) peak: u64,
}

impl Processes {
    /// The processes with these ids and their descendants of this moment.
    pub(crate) fn with_children(roots: &[u32]) -> anyhow::Result<Processes> {
        let mut found = BTreeSet::new();
        let mut ahead = roots.to_vec();
        while let Some(pid) = ahead.pop() {
            if found.insert(pid) {
                let path = format!("/proc/{pid}/task/{pid}/children");
                let children =
                    fs::read_to_string(path).with_context(|| format!("there is no process {pid}"))?;
                ahead.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
        Ok(Processes { pids: found.into_iter().collect() })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pids.is_empty()
    }

    /// CPU time so far, of the user and the system.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        self.pids.iter().map(|pid| cpu_of(&read(*pid, "stat")?)).sum()
    }

    /// Memory of this moment.
    pub(crate) fn memory(&self) -> anyhow::Result<Memory> {
        let mut sum = Memory::default();
        for pid in &self.pids {
            let status = read(*pid, "status")?;
            sum.resident += kib(&status, "VmRSS:")?;
            sum.peak += kib(&status, "VmHWM:")?;
        }
        Ok(sum)
    }

    /// Lets the peak begin anew. Without the right to do so the peak is that of the process's whole life.
    pub(crate) fn forget_peak(&self) {
        for pid in &self.pids {
            let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }
}

/// CPU time of this process so far.
pub(crate) fn own_cpu() -> anyhow::Result<Duration> {
    cpu_of(&read(std::process::id(), "stat")?)
}

fn read(pid: u32, file: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{file}")).with_context(|| format!("process {pid} has ended"))
}

/// `utime + stime` of a line of `/proc/PID/stat`.
fn cpu_of(stat: &str) -> anyhow::Result<Duration> {
    // The second field is the program's name in parentheses, and may hold anything, also spaces and parentheses.
    let (_, fields) = stat.rsplit_once(')').context("not a line of /proc/PID/stat")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    match (fields.next(), fields.next()) {
        (Some(Ok(user)), Some(Ok(system))) => {
            Ok(Duration::from_millis((user + system) * (1000 / TICKS_PER_SECOND)))
        }
        _ => anyhow::bail!("not a line of /proc/PID/stat: {stat:?}"),
    }
}

/// The value of a line like `VmRSS:     1234 kB` in `/proc/PID/status`.
fn kib(status: &str, name: &str) -> anyhow::Result<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let value = line.and_then(|line| line.split_whitespace().next()).and_then(|value| value.parse().ok());
    value.with_context(|| format!("/proc/PID/status has no {name}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Processes, cpu_of, kib};

    #[test]
    fn cpu_time_is_user_and_system_whatever_the_programs_name() {
        let rest = "S 1 10 10 0 -1 4194560 1 2 3 4 150 25 9 9 20 0 1 0 100";
        for name in ["nginx", "a b", "x) S 1 1 (y"] {
            assert_eq!(
                cpu_of(&format!("10 ({name}) {rest}")).unwrap(),
                Duration::from_millis(1750),
                "{name}"
            );
        }
        assert!(cpu_of("10 (short) S 1 2").is_err());
        assert!(cpu_of("").is_err());
    }

    #[test]
    fn memory_is_read_from_the_named_line() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(kib(status, "VmRSS:").unwrap(), 1024);
        assert_eq!(kib(status, "VmHWM:").unwrap(), 2048);
        assert!(kib(status, "VmSwap:").is_err());
    }

    #[test]
    fn a_processs_own_numbers_are_there_with_its_children() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let of_child = Processes::with_children(&[child.id()]).unwrap();
        let memory = of_child.memory().unwrap();
        assert!(memory.resident > 0 && memory.peak >= memory.resident);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(of_child.memory().is_err());
        assert!(Processes::with_children(&[u32::MAX]).is_err());
        assert!(Processes::with_children(&[]).unwrap().is_empty());
    }
}
