//! Tests that need a second process: the test binary starts itself with one test that is otherwise ignored.

use std::{
    io::{BufRead, BufReader, Write},
    process::{self, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// A test of this binary, about to run in a process of its own.
pub(crate) struct Child(Command);

/// A child that runs, killed when it is dropped.
pub(crate) struct Running {
    /// The process.
    pub(crate) process: process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    /// The ignored test with this path.
    pub(crate) fn of(test: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("the test binary"));
        command.args([test, "--exact", "--ignored", "--nocapture", "--test-threads=1"]).stdin(Stdio::null());
        Self(command)
    }

    /// With a variable in its environment.
    pub(crate) fn with(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// Runs it to its end and gives all that it printed.
    pub(crate) fn run(mut self) -> String {
        let output = self.0.output().expect("the child ran");
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    }

    /// Starts it, with standard error where the caller wants it.
    pub(crate) fn start(mut self, stderr: Stdio) -> Running {
        let mut process = self.0.stdout(Stdio::piped()).stderr(stderr).spawn().expect("the child started");
        let lines = BufReader::new(process.stdout.take().expect("its standard output"));
        Running { process, lines }
    }

    /// What a child prints when every one of its assertions held.
    pub(crate) fn ends_well() {
        Self::say("child ends well");
    }

    /// Waits to be killed; a minute at most, for a parent that was killed itself.
    pub(crate) fn waits() {
        let end = Instant::now() + Duration::from_secs(60);
        while let Some(rest) = end.checked_duration_since(Instant::now()) {
            std::thread::park_timeout(rest);
        }
    }

    /// Prints a line for the parent.
    pub(crate) fn say(line: &str) {
        writeln!(std::io::stdout(), "\n{line}").expect("the parent listens");
    }
}

impl Running {
    /// Waits until the child has printed a line that begins like this.
    pub(crate) fn wait_for(&mut self, beginning: &str) -> String {
        let mut line = String::new();
        while self.lines.read_line(&mut line).expect("a line") > 0 {
            if line.starts_with(beginning) {
                return line;
            }
            line.clear();
        }
        String::new()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
