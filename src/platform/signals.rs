//! Signals held back while a grant is between server and store, and signals noticed while a login waits.
//!
//! A handler, once installed, cannot be taken away again without unsafe code; what can be done is to make it behave as
//! if it were not there. So each signal that was ever caught keeps a handler that acts by default unless somebody
//! catches it. A signal that was ignored when we were started (`nohup`) stays ignored.

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGXFSZ},
    flag,
    iterator::{Handle, Signals},
    low_level::emulate_default_handler,
};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A repeat within this time is the same wish: `timeout` signals a process and its group, and wrappers pass on what the
/// terminal has already delivered.
const SAME_WISH: Duration = Duration::from_millis(400);

/// Holds back what would end the process, for a critical section of bounded length.
///
/// The first SIGINT or SIGTERM prints one line on standard error; the next one, a moment later, ends the process as
/// that signal does (128 + n in a shell). Dropped without [`Hold::end`], a signal that came takes effect then.
#[derive(Debug)]
pub struct Hold(Option<Catch>);

impl Hold {
    /// Begins to hold back SIGINT, SIGTERM, SIGHUP and SIGPIPE. The section takes at most `limit_seconds`, which is only
    /// told to the user.
    ///
    /// Where signals belong to a command that we stand beside, they end nothing here, and nothing is held back.
    ///
    /// # Errors
    /// Where the system gives no pipe or thread; nothing is held back then.
    pub fn begin(limit_seconds: u64) -> io::Result<Self> {
        if RELAYED.load(Ordering::SeqCst) {
            return Ok(Self(None));
        }
        let on_first = move |signal| {
            if matches!(signal, SIGINT | SIGTERM) {
                // A closed terminal is no reason to stop.
                let _ = writeln!(io::stderr(), "finishing, at most {limit_seconds} s; again to give up");
            }
        };
        Catch::begin(&[SIGINT, SIGTERM, SIGHUP, SIGPIPE], on_first).map(|catch| Self(Some(catch)))
    }

    /// Ends the section; gives the number of the signal that came meanwhile, for the caller to exit with 128 + n.
    pub fn end(mut self) -> Option<i32> {
        self.0.take().and_then(Catch::end)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some(signal) = self.0.take().and_then(Catch::end) {
            // Fails only for signals that it does not know, and it knows these.
            let _ = emulate_default_handler(signal);
        }
    }
}

/// Lets a write beyond the caller's limit for files (`ulimit -f`) fail like any other write.
///
/// By default the signal of such a write ends the process, which between server and store costs the grant. This is a
/// handler, hence a program that takes our place meets the default again.
///
/// # Errors
/// Where the system refuses the handler.
pub fn let_writes_fail() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false))).map(drop)
}

/// Notices the wish to end while something waits, so that it can be closed in order.
///
/// The second signal, a moment later, ends the process as usual. Dropping it goes back to the usual behaviour.
#[derive(Debug)]
pub struct Watch(Option<Catch>);

impl Watch {
    /// Calls `on_signal` with the number of the first SIGINT, SIGTERM or SIGHUP, on a thread of its own.
    ///
    /// # Errors
    /// Where the system gives no pipe or thread.
    pub fn begin(on_signal: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        Catch::begin(&[SIGINT, SIGTERM, SIGHUP], on_signal).map(|catch| Self(Some(catch)))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.take().and_then(Catch::end);
    }
}

/// Some signals, caught until [`Catch::end`] by a thread that lives as long.
#[derive(Debug)]
struct Catch {
    signals: Vec<i32>,
    handle: Handle,
    thread: JoinHandle<()>,
    first: mpsc::Receiver<i32>,
}

impl Catch {
    fn begin(signals: &[i32], mut on_first: impl FnMut(i32) + Send + 'static) -> io::Result<Self> {
        let signals: Vec<i32> = signals.iter().copied().filter(|signal| !is_ignored(*signal)).collect();
        let mut source = Signals::new(&signals)?;
        let handle = source.handle();
        suspend_default(&signals)?;
        let (sender, first) = mpsc::channel();
        let run = move || {
            let mut came: Option<Instant> = None;
            loop {
                for signal in source.wait() {
                    let repeats = came.is_some_and(|first| first.elapsed() > SAME_WISH);
                    if repeats && signal != SIGPIPE {
                        let _ = emulate_default_handler(signal);
                    } else if came.is_none() {
                        // A reader that went away is no wish of the user, so it does not make the next signal a repeat.
                        came = (signal != SIGPIPE).then(Instant::now);
                        // Nobody listens any more where the section has ended meanwhile.
                        let _ = sender.send(signal);
                        on_first(signal);
                    }
                }
                // Only asked after what had come was dealt with.
                if source.is_closed() {
                    return;
                }
            }
        };
        match std::thread::Builder::new().name("signals".to_owned()).spawn(run) {
            Ok(thread) => Ok(Self { signals, handle, thread, first }),
            Err(error) => {
                restore_default(&signals);
                Err(error)
            }
        }
    }

    fn end(self) -> Option<i32> {
        restore_default(&self.signals);
        self.handle.close();
        // It ends by a panic only if the caller's closure does, and then there is nothing to say here.
        let _ = self.thread.join();
        self.first.try_recv().ok()
    }
}

/// For each signal that was ever caught: how many catch it now, and whether its default applies.
type Caught = BTreeMap<i32, (usize, Arc<AtomicBool>)>;

static CAUGHT: Mutex<Caught> = Mutex::new(BTreeMap::new());

/// Whether signals are a command's business from now on.
static RELAYED: AtomicBool = AtomicBool::new(false);

/// From now to the end of this process no signal that somebody catches ends it.
pub(super) fn end_nothing() {
    RELAYED.store(true, Ordering::SeqCst);
    for (count, applies) in caught().values_mut() {
        *count += 1;
        applies.store(false, Ordering::SeqCst);
    }
}

fn caught() -> MutexGuard<'static, Caught> {
    CAUGHT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn suspend_default(signals: &[i32]) -> io::Result<()> {
    let mut caught = caught();
    for signal in signals {
        if !caught.contains_key(signal) {
            let applies = Arc::new(AtomicBool::new(false));
            flag::register_conditional_default(*signal, Arc::clone(&applies))?;
            caught.insert(*signal, (0, applies));
        }
        if let Some((count, applies)) = caught.get_mut(signal) {
            *count += 1;
            applies.store(false, Ordering::SeqCst);
        }
    }
    Ok(())
}

fn restore_default(signals: &[i32]) {
    let mut caught = caught();
    for signal in signals {
        let Some((count, applies)) = caught.get_mut(signal) else { continue };
        *count = count.saturating_sub(1);
        applies.store(*count == 0, Ordering::SeqCst);
    }
}

/// Whether the signal is ignored, by our caller or (SIGPIPE) by Rust's own start.
pub(super) fn is_ignored(signal: i32) -> bool {
    if caught().contains_key(&signal) {
        return false;
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    let bit = u32::try_from(signal - 1).ok().and_then(|shift| 1_u64.checked_shl(shift));
    mask.zip(bit).is_some_and(|(mask, bit)| mask & bit != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::child::{Child, Running};
    use rustix::process::{Pid, Signal, kill_process};
    use std::{
        io::{BufRead, BufReader},
        os::unix::process::ExitStatusExt,
        process::{Command, Stdio},
    };

    fn start(part: &str) -> Running {
        let mut child = Child::of("platform::signals::tests::child").with("PART", part).start(Stdio::piped());
        assert!(child.wait_for("ready").starts_with("ready"));
        child
    }

    fn signal(child: &Running, signal: Signal) {
        kill_process(Pid::from_child(&child.process), signal).expect("the child lives");
    }

    /// Gives the child's first line on standard error.
    fn line_of(child: &mut Running) -> String {
        let mut line = String::new();
        let stderr = child.process.stderr.take().expect("piped");
        BufReader::new(stderr).read_line(&mut line).expect("readable");
        line
    }

    /// Raises in itself; done when the handlers have run, since they run before that returns.
    fn raise(number: i32) {
        signal_hook::low_level::raise(number).expect("raised");
    }

    #[test]
    #[ignore = "takes signals; started by the tests below"]
    fn child() {
        match std::env::var("PART").expect("set by the parent").as_str() {
            "hold" => {
                let _hold = Hold::begin(7).expect("held");
                Child::say("ready");
                Child::waits();
            }
            "ended" => {
                let hold = Hold::begin(7).expect("held");
                raise(SIGTERM);
                Child::say(&format!("pending {:?}", hold.end()));
                Child::say(&format!("again {:?}", Hold::begin(7).expect("held").end()));
                raise(SIGTERM);
                Child::say("survived");
            }
            "dropped" => {
                let hold = Hold::begin(7).expect("held");
                raise(SIGTERM);
                drop(hold);
                Child::say("survived");
            }
            "ignored" => {
                let hold = Hold::begin(7).expect("held");
                raise(SIGHUP);
                Child::say(&format!("pending {:?}", hold.end()));
                raise(SIGHUP);
                Child::say("survived");
            }
            _ => {
                let (sender, receiver) = mpsc::channel();
                let watch = Watch::begin(move |signal| sender.send(signal).expect("somebody listens")).expect("watched");
                raise(SIGINT);
                Child::say(&format!("noticed {:?}", receiver.recv()));
                drop(watch);
                raise(SIGINT);
                Child::say("survived");
            }
        }
    }

    fn output_of(part: &str) -> (String, Option<i32>) {
        let mut child = Child::of("platform::signals::tests::child").with("PART", part).start(Stdio::null());
        let mut text = String::new();
        for beginning in ["pending", "again"] {
            if part == "ended" {
                text += &child.wait_for(beginning);
            }
        }
        if part == "watch" {
            text += &child.wait_for("noticed");
        }
        text += &child.wait_for("survived");
        (text, child.process.wait().expect("it ends").signal())
    }

    #[test]
    fn f_30_the_first_signal_is_held_back_and_announced_and_the_second_ends_the_process() {
        let mut child = start("hold");

        signal(&child, Signal::INT);
        assert_eq!(line_of(&mut child), "finishing, at most 7 s; again to give up\n");
        assert!(child.process.try_wait().expect("a child").is_none());
        std::thread::park_timeout(SAME_WISH + Duration::from_millis(100));
        signal(&child, Signal::INT);

        assert_eq!(child.process.wait().expect("it ends").signal(), Some(SIGINT));
    }

    #[test]
    fn f_30_a_pending_signal_is_told_at_the_end_and_signals_work_again_after_it() {
        let (text, ended_by) = output_of("ended");

        assert_eq!(text, format!("pending Some({SIGTERM})\nagain None\n"));
        assert_eq!(ended_by, Some(SIGTERM));
    }

    #[test]
    fn a_section_that_is_left_early_lets_the_signal_take_effect() {
        assert_eq!(output_of("dropped"), (String::new(), Some(SIGTERM)));
    }

    #[test]
    fn l_28_a_watch_notices_the_first_signal_and_afterwards_signals_work_again() {
        assert_eq!(output_of("watch"), (format!("noticed Ok({SIGINT})\n"), Some(SIGINT)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_signal_that_the_caller_ignores_stays_ignored() {
        let binary = std::env::current_exe().expect("the test binary");
        let script = "trap '' HUP; exec \"$0\" platform::signals::tests::child --exact --ignored --nocapture";
        let output = Command::new("/bin/sh").args(["-c", script]).arg(binary).env("PART", "ignored").output().expect("it ran");

        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("pending None") && text.contains("survived"), "{text}");
    }
}
