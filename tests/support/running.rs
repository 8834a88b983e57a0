//! A program while it runs: waits for what it says, answers its prompts, ends it when the test ends.

use super::binary::{Home, Invocation, Outcome, Stdin};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
};
use std::{
    ffi::OsStr,
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    process::{Child, ExitStatus, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::{Duration, Instant},
};

/// The longest that anything in a test may take. A cold browser under a full suite on two cores has taken 12 s.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Where a program speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output in a pipe.
    Out,
    /// Standard error in a pipe.
    Err,
    /// The terminal.
    Terminal,
}

/// What a program's three streams are connected to.
pub(super) enum Streams {
    /// Three pipes, or none for standard input.
    Pipes,
    /// One terminal for all three.
    Terminal,
    /// A terminal, but a pipe for standard output.
    TerminalAndPipe,
}

enum Event {
    Said(Stream, Vec<u8>),
    Closed,
    Exited(ExitStatus),
}

/// A program that was started; it is killed where the test ends before it.
pub struct Running {
    typed: String,
    pid: Pid,
    events: Receiver<Event>,
    /// Streams that may still say something.
    open: usize,
    status: Option<ExitStatus>,
    /// What each stream said, by [`Stream`], and how far the test has read.
    said: [(Vec<u8>, usize); 3],
    input: Option<Box<dyn Write + Send>>,
    terminal: Option<File>,
    deadline: Instant,
    /// The folders it works in stay as long as it may run.
    _home: Home,
}

impl Running {
    #[track_caller]
    pub(super) fn start(invocation: Invocation, streams: Streams) -> Self {
        let (typed, home) = (invocation.typed(), invocation.home.clone());
        let (sender, events) = channel();
        let (mut child, terminal) = match streams {
            Streams::Pipes => (spawn(invocation.command(&[]), input_of(&invocation.stdin), Stdio::piped(), Stdio::piped()), None),
            Streams::Terminal => at_terminal(&invocation, false),
            Streams::TerminalAndPipe => at_terminal(&invocation, true),
        };
        let mut input: Option<Box<dyn Write + Send>> = child.stdin.take().map(|pipe| Box::new(pipe) as _);
        let mut open = 0;
        let kept = terminal.as_ref().map(|terminal| terminal.try_clone().unwrap());
        if let Some(terminal) = terminal {
            input = Some(Box::new(terminal.try_clone().unwrap()));
            open += listen(Stream::Terminal, Some(terminal), &sender);
        }
        open += listen(Stream::Out, child.stdout.take(), &sender);
        open += listen(Stream::Err, child.stderr.take(), &sender);
        let pid = Pid::from_child(&child);
        thread::spawn(move || {
            let status = child.wait().unwrap();
            // Nobody listens where the test is over.
            let _ = sender.send(Event::Exited(status));
        });
        if let Stdin::Text(text) = invocation.stdin {
            feed(input.take().unwrap(), text);
        }
        Self {
            typed,
            pid,
            events,
            open,
            status: None,
            said: Default::default(),
            input,
            terminal: kept,
            deadline: Instant::now() + LIMIT,
            _home: home,
        }
    }

    /// The program's process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the stream has said `text`, after what was awaited before.
    #[track_caller]
    pub fn expect(&mut self, stream: Stream, text: &str) {
        loop {
            let (said, read) = &mut self.said[stream as usize];
            let rest = &said[*read..];
            if let Some(at) = rest.windows(text.len().max(1)).position(|window| window == text.as_bytes()) {
                *read += at + text.len();
                return;
            }
            self.next(&format!("`{text}` on {stream:?}"));
        }
    }

    /// Waits for a whole line that has `text` in it, after what was awaited before, and gives it without its end.
    #[track_caller]
    pub fn wait_for_line(&mut self, stream: Stream, text: &str) -> String {
        loop {
            let (said, read) = &mut self.said[stream as usize];
            while let Some(end) = said[*read..].iter().position(|byte| *byte == b'\n') {
                let line = String::from_utf8_lossy(&said[*read..*read + end]).trim_end_matches('\r').to_owned();
                *read += end + 1;
                if line.contains(text) {
                    return line;
                }
            }
            self.next(&format!("a line with `{text}` on {stream:?}"));
        }
    }

    /// Writes to its standard input: a line at a terminal ends with `\r`, in a pipe with `\n`.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        let input = self.input.as_mut().expect("standard input is open");
        input.write_all(text.as_bytes()).and_then(|()| input.flush()).unwrap();
    }

    /// Whether its terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        let modes = rustix::termios::tcgetattr(self.terminal.as_ref().expect("a terminal")).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO)
    }

    /// Closes its standard input, where that is a pipe.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Sends it a signal, where it has not ended yet.
    pub fn signal(&mut self, signal: Signal) {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        if self.status.is_none() {
            kill_process(self.pid, signal).unwrap();
        }
    }

    /// Closes its standard input, waits for its end and for all it said.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        self.end_input();
        self.outcome()
    }

    /// Waits for its end with standard input left as it is.
    #[track_caller]
    pub fn outcome(&mut self) -> Outcome {
        loop {
            match self.status {
                Some(status) if self.open == 0 => return Outcome::new(self.typed.clone(), status, self.texts()),
                _ => self.next("its end"),
            }
        }
    }

    /// Everything said so far, for failure texts.
    pub fn transcript(&self) -> String {
        let [out, err, terminal] = self.texts();
        format!("$ {}\nstdout:\n{out}\nstderr:\n{err}\nterminal:\n{terminal}", self.typed)
    }

    fn texts(&self) -> [String; 3] {
        self.said.each_ref().map(|(said, _)| String::from_utf8_lossy(said).into_owned())
    }

    #[track_caller]
    fn next(&mut self, awaited: &str) {
        if self.status.is_some() && self.open == 0 {
            panic!("it ended ({:?}) before {awaited}\n{}", self.status, self.transcript());
        }
        match self.events.recv_timeout(self.deadline.saturating_duration_since(Instant::now())) {
            Ok(event) => self.note(event),
            Err(_) => panic!("waited {LIMIT:?} in vain for {awaited}\n{}", self.transcript()),
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Said(stream, bytes) => self.said[stream as usize].0.extend(bytes),
            Event::Closed => self.open -= 1,
            Event::Exited(status) => self.status = Some(status),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.note(event);
        }
        if self.status.is_none() {
            // It may have ended this moment.
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

fn input_of(stdin: &Stdin) -> Stdio {
    if matches!(stdin, Stdin::Null) { Stdio::null() } else { Stdio::piped() }
}

#[track_caller]
fn spawn(mut command: std::process::Command, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Child {
    match command.stdin(stdin).stdout(stdout).stderr(stderr).spawn() {
        Ok(child) => child,
        Err(error) => panic!("{command:?} does not start: {error}"),
    }
}

/// Starts it as leader of a session whose controlling terminal is a new one; gives our end of it too.
#[track_caller]
fn at_terminal(invocation: &Invocation, pipe_stdout: bool) -> (Child, Option<File>) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    // NOCTTY: the tests' own process must not come to own the terminal.
    let flags = i32::try_from(OpenptFlags::NOCTTY.bits()).unwrap();
    let theirs: OwnedFd =
        OpenOptions::new().read(true).write(true).custom_flags(flags).open(OsStr::from_bytes(name.as_bytes())).unwrap().into();
    let stdio = || Stdio::from(theirs.try_clone().unwrap());
    // setsid(1) does between fork and exec what would need unsafe code here; the process id stays the program's own.
    let mut command = invocation.command(&["setsid", "--ctty"]);
    command.env("TERM", "xterm-256color");
    let child = spawn(command, stdio(), if pipe_stdout { Stdio::piped() } else { stdio() }, stdio());
    (child, Some(ours.into()))
}

/// Hands on what a stream says until its end; gives how many streams that are.
fn listen(stream: Stream, source: Option<impl Read + Send + 'static>, sender: &Sender<Event>) -> usize {
    let Some(mut source) = source else { return 0 };
    let sender = sender.clone();
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        // A terminal whose other end is closed answers with an error instead of an end.
        while let Ok(count @ 1..) = source.read(&mut buffer) {
            if sender.send(Event::Said(stream, buffer[..count].to_vec())).is_err() {
                return;
            }
        }
        let _ = sender.send(Event::Closed);
    });
    1
}

/// Writes on a thread of its own, so that a program that reads nothing blocks nobody.
fn feed(mut input: Box<dyn Write + Send>, text: String) {
    thread::spawn(move || {
        // A program may end before it has read everything.
        let _ = input.write_all(text.as_bytes());
    });
}
