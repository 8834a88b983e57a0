//! Runs the real binary, and other programs, with a cleared environment in a home of their own.

use super::running::{Running, Streams};
use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::Arc,
};
use tempfile::TempDir;

/// A home folder, an empty working directory beside it; they end with the last clone and the last program there.
#[derive(Clone)]
pub struct Home {
    root: Arc<TempDir>,
}

/// Where each variable points below the home's root.
const FOLDERS: [(&str, &str); 7] = [
    ("HOME", "home"),
    ("XDG_CONFIG_HOME", "home/.config"),
    ("XDG_DATA_HOME", "home/.local/share"),
    ("XDG_STATE_HOME", "home/.local/state"),
    ("XDG_CACHE_HOME", "home/.cache"),
    ("XDG_RUNTIME_DIR", "runtime"),
    ("TMPDIR", "tmp"),
];

/// The working directory below the home's root.
const CURRENT: &str = "cwd";

impl Home {
    /// An empty home, readable by its owner alone.
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("tokenstrap-test-").tempdir().unwrap();
        for folder in FOLDERS.iter().map(|(_, folder)| *folder).chain([CURRENT]) {
            let path = root.path().join(folder);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        }
        Self { root: Arc::new(root) }
    }

    /// The folder that holds the home, the temporary folder and the working directory.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// A path below `$HOME`.
    pub fn path(&self, below: &str) -> PathBuf {
        self.root().join("home").join(below)
    }

    /// The program under test.
    pub fn tokenstrap(&self) -> Invocation {
        self.program(env!("CARGO_BIN_EXE_tokenstrap"))
    }

    /// Any other program.
    pub fn program(&self, program: impl Into<OsString>) -> Invocation {
        let mut env: Vec<(OsString, OsString)> =
            FOLDERS.iter().map(|(name, folder)| ((*name).into(), self.root().join(folder).into_os_string())).collect();
        env.push(("PATH".into(), std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into())));
        env.push(("LANG".into(), "C.UTF-8".into()));
        Invocation {
            program: program.into(),
            args: Vec::new(),
            env,
            current: self.root().join(CURRENT),
            stdin: Stdin::Null,
            home: self.clone(),
        }
    }
}

/// What a program reads.
pub enum Stdin {
    /// Nothing.
    Null,
    /// This text, then the end.
    Text(String),
    /// What the test writes while it runs.
    Open,
}

/// One call that is being put together.
pub struct Invocation {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    current: PathBuf,
    pub(super) stdin: Stdin,
    pub(super) home: Home,
}

impl Invocation {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().into());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// Sets a variable; the last one of a name wins.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().into(), value.as_ref().into()));
        self
    }

    /// Takes a variable away again, one of the home's included.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.env.retain(|(known, _)| known != name);
        self
    }

    /// Runs it in another working directory.
    pub fn current_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.current = folder.into();
        self
    }

    /// Gives it this text to read, then the end.
    pub fn stdin(mut self, text: impl Into<String>) -> Self {
        self.stdin = Stdin::Text(text.into());
        self
    }

    /// Keeps its standard input open for [`Running::send`].
    pub fn stdin_open(mut self) -> Self {
        self.stdin = Stdin::Open;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Starts it.
    #[track_caller]
    pub fn spawn(self) -> Running {
        Running::start(self, Streams::Pipes)
    }

    /// Starts it as a person would: standard input, output and error are a terminal of its own.
    #[track_caller]
    pub fn at_terminal(self) -> Running {
        Running::start(self, Streams::Terminal)
    }

    /// Starts it at a terminal, with standard output in a pipe.
    #[track_caller]
    pub fn at_terminal_with_piped_stdout(self) -> Running {
        Running::start(self, Streams::TerminalAndPipe)
    }

    /// The command, with `prefix` in front of the program; its streams are not set yet.
    pub(super) fn command(&self, prefix: &[&str]) -> Command {
        let mut words = prefix.iter().map(OsString::from).chain([self.program.clone()]).chain(self.args.iter().cloned());
        let mut command = Command::new(words.next().unwrap());
        command.args(words).env_clear().envs(self.env.iter().cloned()).current_dir(&self.current);
        command
    }

    /// What would be typed, for failure texts.
    pub(super) fn typed(&self) -> String {
        let name = Path::new(&self.program).file_name().unwrap_or_default();
        let words = std::iter::once(name).chain(self.args.iter().map(OsString::as_os_str));
        words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }
}

/// How a program ended and what it said.
pub struct Outcome {
    /// What was typed.
    pub typed: String,
    /// The exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// All that a terminal showed.
    pub terminal: String,
}

impl Outcome {
    pub(super) fn new(typed: String, status: ExitStatus, [stdout, stderr, terminal]: [String; 3]) -> Self {
        Self { typed, code: status.code(), signal: status.signal(), stdout, stderr, terminal }
    }

    /// Holds that it ended with this code; the failure shows all it said.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "wrong exit code\n{self}");
        self
    }

    /// Holds that standard error has this text.
    #[track_caller]
    pub fn expect_stderr(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "`{text}` is not on standard error\n{self}");
        self
    }

    /// Holds that standard output is exactly this.
    #[track_caller]
    pub fn expect_stdout(self, text: &str) -> Self {
        assert_eq!(self.stdout, text, "another standard output\n{self}");
        self
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\nexit code {:?}, signal {:?}", self.typed, self.code, self.signal)?;
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr), ("terminal", &self.terminal)] {
            for line in text.lines() {
                writeln!(f, "{name:>8} | {}", line.escape_debug())?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_program_sees_nothing_of_the_environment_of_the_tests() {
    let home = Home::new();

    let outcome = home.program("env").env("OWN", "1").run().expect_code(0);

    let mut names: Vec<_> = outcome.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let mut known: Vec<_> = FOLDERS.iter().map(|(name, _)| *name).chain(["LANG", "OWN", "PATH"]).collect();
    known.sort_unstable();
    assert_eq!(names, known, "{outcome}");
}

#[test]
fn a_variable_can_be_taken_away_and_the_folder_be_another() {
    let home = Home::new();

    let outcome = home.program("sh").args(["-c", "echo ${LANG-none}; pwd"]).env_remove("LANG").current_dir(home.path("")).run();

    assert_eq!(outcome.stdout.lines().next(), Some("none"), "{outcome}");
    assert!(outcome.stdout.trim_end().ends_with("/home"), "{outcome}");
}

#[test]
fn a_program_reads_the_text_it_is_given_and_nothing_by_default() {
    let home = Home::new();

    home.program("cat").run().expect_code(0).expect_stdout("");
    home.program("cat").stdin("one\ntwo").run().expect_code(0).expect_stdout("one\ntwo");
}

#[test]
fn a_failure_shows_what_was_typed_and_what_was_said() {
    let home = Home::new();

    let outcome = home.program("sh").args(["-c", "echo out; echo err >&2; exit 3"]).run().expect_code(3).expect_stderr("err");

    let shown = outcome.to_string();
    for part in ["$ sh -c", "exit code Some(3)", "stdout | out", "stderr | err"] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[test]
fn the_program_under_test_is_built_and_starts() {
    assert_eq!(Home::new().tokenstrap().arg("--help").run().signal, None);
}
