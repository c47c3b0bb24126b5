//! What a worker gives up before it reads its first byte.
//!
//! Every step stands alone: on a kernel that lacks one, the others hold.

use std::collections::BTreeMap;

use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal, getpid};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Operation, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::Limits;

/// The system calls that reading, computing, allocating and ending take. None of them opens, starts or reaches
/// anything.
const CALLS: [libc::c_long; 23] = [
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Gives up everything that a worker does not need, for good.
pub(super) fn confine(limits: &Limits) {
    let seconds = limits.time.as_secs();
    // The processor's time cannot exceed the clock's: this is for a server that died before it could kill.
    set(Resource::Cpu, seconds.saturating_add(2));
    set(Resource::As, limits.memory);
    set(Resource::Fsize, 0);
    set(Resource::Core, 0);
    set(Resource::Nproc, 0);
    // Input, output and errors are open; a fourth file is one too many.
    set(Resource::Nofile, 3);
    let _ = rustix::process::nice(19);
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let _ = rustix::thread::set_no_new_privs(true);
    if let Some(filter) = filter() {
        let _ = seccompiler::apply_filter(&filter);
    }
}

fn set(resource: Resource, most: u64) {
    // A limit that is lower already stays.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
    let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
}

/// The filter of system calls. What it does not allow fails as not permitted, so that a call somebody forgot is an
/// error and no crash. `None` on a machine of another kind.
fn filter() -> Option<BpfProgram> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).ok()?;
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let if_argument = |place, operation, value| {
        let condition = SeccompCondition::new(place, Length::Dword, operation, value).ok()?;
        Some(vec![SeccompRule::new(vec![condition]).ok()?])
    };
    // Memory, but none that could be run.
    let executable = u64::from(libc::PROT_EXEC.cast_unsigned());
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(call, if_argument(2, Operation::MaskedEq(executable), 0)?);
    }
    // Ending itself is how a program without memory ends. The only thread has the number of the process.
    let this = u64::from(getpid().as_raw_nonzero().get().cast_unsigned());
    for call in [libc::SYS_tgkill, libc::SYS_tkill] {
        rules.insert(call, if_argument(0, Operation::Eq, this)?);
    }
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_filter_can_be_made() {
        assert!(super::filter().is_some_and(|program| program.len() > super::CALLS.len()));
    }
}
