//! A command that runs beside us: it gets our signals, and its end is ours.
//!
//! What the terminal sends goes to both by itself, so it is not passed on twice; what another process sends to us is. When
//! the command stops, so do we, for the shell that waits for us. Signals that our caller ignores stay ignored, here and
//! there. What cannot be caught (SIGKILL, SIGSTOP) and what tells of a fault of our own is nobody's message.

use super::{command::Inherited, harden, signals};
use rustix::{
    io::retry_on_intr,
    process::{Pid, Signal, WaitOptions, WaitStatus, getpgid, getpid, kill_process, waitpid},
};
use signal_hook::{
    consts::{SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGTERM, SIGTSTP, SIGUSR1, SIGUSR2, SIGVTALRM, SIGWINCH},
    iterator::{
        SignalsInfo,
        exfiltrator::{WithOrigin, origin::Origin},
    },
    low_level::siginfo::Cause,
};
use std::{io, process::Command, sync::mpsc, thread};

/// What is passed on. The last four mean nothing to us either, and would end us where nobody caught them.
const PASSED: [i32; 13] =
    [SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGTSTP, SIGCONT, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGIO];

/// Why a program stops for the sake of its terminal.
const JOB_CONTROL: [Signal; 3] = [Signal::TSTP, Signal::TTIN, Signal::TTOU];

/// Signals that are collected for a command, from before it starts to the end of this process.
#[derive(Debug)]
pub struct Relay(SignalsInfo<WithOrigin>);

impl Relay {
    /// Begins to collect: from now on none of these signals ends this process.
    ///
    /// # Errors
    /// Where the system gives no pipe.
    pub fn begin() -> io::Result<Self> {
        let passed = PASSED.into_iter().filter(|signal| !signals::is_ignored(*signal));
        let source = SignalsInfo::new(passed.chain([SIGCHLD]))?;
        signals::end_nothing();
        Ok(Self(source))
    }

    /// Starts the command with the caller's own descriptors and limits; calls `on_end` with its code, or 128 and the number
    /// of the signal that ended it, on a thread of its own.
    ///
    /// # Errors
    /// Why it could not be started.
    pub fn start(self, mut command: Command, inherited: &Inherited, on_end: impl FnOnce(u8) + Send + 'static) -> io::Result<()> {
        inherited.keep_alone();
        let (sender, started) = mpsc::channel();
        let run = move || {
            let child = harden::with_callers_limit(|| command.spawn());
            // The command's environment holds tokens; the child has its own copy.
            drop(command);
            let pid = child.as_ref().map(Pid::from_child).ok();
            // The starter waits for this word.
            let _ = sender.send(child.map(drop));
            if let Some(pid) = pid {
                on_end(self.attend(pid));
            }
        };
        thread::Builder::new().name("relay".to_owned()).spawn(run)?;
        started.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that starts it ended")))
    }

    /// Passes signals on until the child has ended. One thread does both, so that no signal reaches a later process of
    /// the same number.
    fn attend(mut self, child: Pid) -> u8 {
        loop {
            for origin in self.0.wait() {
                if let Some(signal) = meant_for(&origin, child) {
                    // It may have ended this moment.
                    let _ = kill_process(child, signal);
                }
            }
            match retry_on_intr(|| waitpid(Some(child), WaitOptions::NOHANG | WaitOptions::UNTRACED)) {
                Ok(None) => {}
                Ok(Some((_, status))) if status.stopped() => stop_like(status),
                Ok(Some((_, status))) => return code(status),
                // Nobody else waits for it; were it so, its code would be lost.
                Err(_) => return 1,
            }
        }
    }
}

/// The signal to pass on, where the child has not had it already.
fn meant_for(origin: &Origin, child: Pid) -> Option<Signal> {
    let signal = Signal::from_named_raw(origin.signal).filter(|signal| *signal != Signal::CHILD)?;
    // A terminal that is gone tells its session's leader alone.
    let from_terminal = origin.cause == Cause::Kernel && ![Signal::HUP, Signal::CONT].contains(&signal);
    let together = || getpgid(Some(child)).is_ok_and(|group| getpgid(None) == Ok(group));
    (!(from_terminal && together())).then_some(signal)
}

fn stop_like(status: WaitStatus) {
    let for_its_terminal = status.stopping_signal().and_then(Signal::from_named_raw).is_some_and(|signal| JOB_CONTROL.contains(&signal));
    if for_its_terminal {
        // Always allowed to oneself.
        let _ = kill_process(getpid(), Signal::STOP);
    }
}

/// What a shell would make of it.
fn code(status: WaitStatus) -> u8 {
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}
