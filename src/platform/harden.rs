//! Keeps secrets out of core dumps and away from debuggers.
//!
//! [`begin`] is called first of all, before a secret is read: no core file, and (on Linux) no `ptrace`, `/proc/PID/mem`
//! or `/proc/PID/environ` for other processes of the same user. It costs two to three system calls. The caller's own
//! limit is remembered and given back to every program that we start: it is the user's, not ours.

use std::io;

/// Forbids core dumps and reading of this process by others.
///
/// # Errors
/// Where the system refuses; it is for the caller to say so and go on.
pub fn begin() -> io::Result<()> {
    #[cfg(unix)]
    limit::withdraw()?;
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Whether this process can do more than whoever started it, by a set-user-ID bit or by file capabilities: then the environment
/// is not its own user's (SECURITY X-10). Capabilities that the caller has, too, are ambient.
pub fn outranks_its_caller() -> bool {
    #[cfg(unix)]
    {
        use rustix::process::{getegid, geteuid, getgid, getuid};
        if getuid() != geteuid() || getgid() != getegid() {
            return true;
        }
    }
    #[cfg(target_os = "linux")]
    if !rustix::process::geteuid().is_root() {
        use rustix::thread::{capabilities, capability_is_in_ambient_set};
        let is_own = |capability| !capability_is_in_ambient_set(capability).unwrap_or(false);
        return capabilities(None).is_ok_and(|sets| sets.permitted.iter().any(is_own));
    }
    false
}

/// Restores the soft limit that this process was started with, for a program that is about to take its place.
///
/// Other processes are kept out until that program runs; the kernel lets them in again for it.
pub fn give_back() {
    #[cfg(unix)]
    limit::give_back();
}

/// Runs `start` with the soft limit that this process was started with, so that the child inherits that one.
///
/// There is no core dump of our own in between: the process stays unreadable for the kernel's dump too.
pub fn with_callers_limit<T>(start: impl FnOnce() -> T) -> T {
    give_back();
    let started = start();
    #[cfg(unix)]
    limit::lower();
    started
}

#[cfg(unix)]
mod limit {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::{io, sync::OnceLock};

    /// What this process was started with; a property of the process, hence one for all.
    static CALLERS: OnceLock<Rlimit> = OnceLock::new();

    pub(super) fn withdraw() -> io::Result<()> {
        let callers = CALLERS.get_or_init(|| getrlimit(Resource::Core));
        if callers.current == Some(0) {
            return Ok(());
        }
        Ok(setrlimit(Resource::Core, none_of(callers))?)
    }

    pub(super) fn give_back() {
        if let Some(callers) = CALLERS.get() {
            // Raising a soft limit to what it was, below an unchanged hard limit, is always allowed.
            let _ = setrlimit(Resource::Core, *callers);
        }
    }

    pub(super) fn lower() {
        if let Some(callers) = CALLERS.get() {
            let _ = setrlimit(Resource::Core, none_of(callers));
        }
    }

    fn none_of(callers: &Rlimit) -> Rlimit {
        Rlimit { current: Some(0), maximum: callers.maximum }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::platform::child::Child;
    use rustix::process::{DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, setrlimit};
    use std::process::Command;

    const LIMIT: u64 = 4096 * 512;

    #[test]
    fn m_01_no_core_is_written_and_m_02_programs_get_the_callers_limit() {
        let output = Child::of("platform::harden::tests::child_hardens_itself").run();

        assert!(output.contains("child ends well"), "{output}");
    }

    #[test]
    #[ignore = "changes limits of the process; started by the test above"]
    fn child_hardens_itself() {
        setrlimit(Resource::Core, Rlimit { current: Some(LIMIT), maximum: getrlimit(Resource::Core).maximum }).expect("a limit");
        begin().expect("hardened");
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        assert_eq!(dumpable_behavior().expect("dumpable"), DumpableBehavior::NotDumpable);

        let limit = with_callers_limit(|| Command::new("/bin/sh").args(["-c", "ulimit -Sc"]).output().expect("a shell"));
        let blocks: u64 = String::from_utf8_lossy(&limit.stdout).trim().parse().expect("a number");
        assert!(blocks == LIMIT / 512 || blocks == LIMIT / 1024, "{blocks}");
        assert_eq!(getrlimit(Resource::Core).current, Some(0));

        begin().expect("hardened twice");
        give_back();
        assert_eq!(getrlimit(Resource::Core).current, Some(LIMIT));
        Child::ends_well();
    }
}
