//! One run of the program: no shell, an end, and bounds on all that it says.

use super::{shown, words::complaint};
use crate::{ports::StoreError, secret::Secret};
use std::{
    io::{self, Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};
use zeroize::Zeroizing;

/// Most bytes of an answer: a value of 512 KiB whose every other character is escaped.
const MOST: usize = 1024 * 1024;
/// Most bytes of standard error that are looked at.
const MOST_TALK: usize = 4096;
/// Pause between two looks whether the program has ended.
const TICK: Duration = Duration::from_millis(2);

/// A program and its arguments.
pub(super) struct Program {
    path: String,
    arguments: Vec<String>,
}

impl Program {
    /// The program of this argument vector.
    ///
    /// # Errors
    /// [`StoreError::Unset`] where there is none, [`StoreError::Unsafe`] where it depends on the current directory.
    pub(super) fn of(argv: &[String]) -> Result<Self, StoreError> {
        let Some((path, arguments)) = argv.split_first().filter(|(path, _)| !path.is_empty()) else {
            let way = "no program is named: config.toml needs `[command]` with `argv = [\"/path/to/program\"]`";
            return Err(StoreError::Unset(way.to_owned()));
        };
        if Path::new(path).components().count() > 1 && !Path::new(path).is_absolute() {
            return Err(StoreError::Unsafe(format!("the program {} is named by a relative path", shown(path))));
        }
        Ok(Self { path: path.clone(), arguments: arguments.to_vec() })
    }

    /// As a person knows it.
    pub(super) fn name(&self) -> String {
        shown(&self.path)
    }

    /// Runs it once and gives what it answers.
    ///
    /// # Errors
    /// [`StoreError::Missing`] where it is not there, [`StoreError::Unavailable`] where it fails or takes too long.
    pub(super) fn run(&self, request: &Secret, end: Instant) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut child = self.start()?;
        let flooded = Arc::new(AtomicBool::new(false));
        let answer = child.stdout.take().map(|pipe| reading(pipe, MOST + 1, Arc::clone(&flooded)));
        let talk = child.stderr.take().map(|pipe| reading(pipe, MOST_TALK, Arc::default()));
        if let Some(pipe) = child.stdin.take() {
            writing(pipe, request);
        }
        let status = wait(&mut child, end, &flooded);
        if flooded.load(Ordering::Relaxed) {
            return Err(self.failed("answered more than an answer can be", None));
        }
        let status = status.ok_or_else(|| self.failed("did not end in time", talk.as_ref()))?;
        if !status.success() {
            return Err(self.failed(&format!("failed ({status})"), talk.as_ref()));
        }
        let answer = answer.and_then(|answer| answer.recv_timeout(Duration::from_secs(1)).ok()).unwrap_or_default();
        // What came in one piece with the program's end.
        if answer.len() > MOST { Err(self.failed("answered more than an answer can be", None)) } else { Ok(answer) }
    }

    fn start(&self) -> Result<Child, StoreError> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text == "TOKENSTRAP_KEY" || text.starts_with("TOKENSTRAP_GRANT") {
                command.env_remove(&name);
            }
        }
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            // Ours close by themselves; what our caller left open does not. Ctrl-C at our terminal is meant for us, and
            // must not tear a write.
            close_fds::set_fds_cloexec_threadsafe(3, &[]);
            command.current_dir("/").process_group(0);
        }
        command.spawn().map_err(|error| {
            let fact = format!("the program {} cannot be started ({})", self.name(), error.to_string().to_lowercase());
            if error.kind() == io::ErrorKind::NotFound { StoreError::Missing(fact) } else { StoreError::Denied(fact) }
        })
    }

    fn failed(&self, what: &str, talk: Option<&Receiver<Zeroizing<Vec<u8>>>>) -> StoreError {
        let said = talk.and_then(|talk| talk.recv_timeout(Duration::from_millis(200)).ok()).unwrap_or_default();
        complaint(&self.path, what, &said)
    }
}

/// Reads a pipe to its end on a thread of its own; gives the first `most` bytes, and says so where there are as many.
fn reading(mut pipe: impl Read + Send + 'static, most: usize, full: Arc<AtomicBool>) -> Receiver<Zeroizing<Vec<u8>>> {
    let (heard, hearing) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 * 1024));
        let _ = pipe.by_ref().take(most as u64).read_to_end(&mut bytes);
        full.store(bytes.len() == most, Ordering::Relaxed);
        // Nobody listens where the time was up. The rest is read for the program's sake, which else stands still.
        let _ = heard.send(bytes);
        let _ = io::copy(&mut pipe, &mut io::sink());
    });
    hearing
}

/// Writes the request on a thread of its own; a program that does not read it has its reasons.
fn writing(mut pipe: impl Write + Send + 'static, request: &Secret) {
    let request = request.clone();
    thread::spawn(move || {
        let _ = pipe.write_all(request.expose().as_bytes()).and_then(|()| pipe.write_all(b"\n"));
    });
}

/// Waits for the end, then ends all of the program's group; `None` where the time was up or nobody will read on.
fn wait(child: &mut Child, end: Instant, flooded: &AtomicBool) -> Option<ExitStatus> {
    let ended = loop {
        match has_ended(child) {
            Ok(true) => break true,
            Ok(false) if Instant::now() < end && !flooded.load(Ordering::Relaxed) => thread::sleep(TICK),
            Ok(false) | Err(_) => break false,
        }
    };
    // Before it is reaped, so that its number is still its own. What it left behind would hold our pipes open.
    #[cfg(unix)]
    if let Some(group) = pid(child) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    #[cfg(not(unix))]
    let _ = child.kill();
    child.wait().ok().filter(|_| ended)
}

#[cfg(unix)]
fn pid(child: &Child) -> Option<rustix::process::Pid> {
    rustix::process::Pid::from_raw(i32::try_from(child.id()).ok()?)
}

#[cfg(unix)]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let pid = pid(child).ok_or(io::ErrorKind::NotFound)?;
    let status = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT)?;
    Ok(status.is_some())
}

#[cfg(not(unix))]
fn has_ended(child: &mut Child) -> io::Result<bool> {
    child.try_wait().map(|status| status.is_some())
}
