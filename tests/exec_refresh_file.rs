//! `exec --refresh-file` through the real binary: a token that is fresh as long as its command runs, in a file that goes with it.

use crate::{
    exec::signals,
    scene::{KEY, SECRET, Scene, changed},
    support::{
        binary::{Invocation, Outcome},
        canary::found_in,
        running::{LIMIT, Running, Stream},
    },
};
use rustix::process::Signal;
use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokenstrap::sandbox::Failure;

/// A till that is logged in, and a folder in memory.
struct Keep {
    scene: Scene,
    folder: TempDir,
}

impl Keep {
    /// At a server whose tokens live so many seconds.
    fn with_life(seconds: u64) -> Self {
        let scene = Scene::with(|builder| builder.expires_in(seconds));
        scene.log_in();
        Self { scene, folder: tempfile::tempdir_in("/dev/shm").unwrap() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    fn names(&self) -> Vec<String> {
        fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// `exec -v till --refresh-file FILE -- COMMAND`.
    fn exec_at(&self, file: &Path, command: &[&str]) -> Invocation {
        self.scene.call(["exec", "-v", "till", "--refresh-file"]).arg(file).arg("--").args(command)
    }

    fn exec(&self, command: &[&str]) -> Invocation {
        self.exec_at(&self.file(), command)
    }

    /// A command that waits for a line, and has begun.
    #[track_caller]
    fn begun(&self) -> Running {
        let mut running = self.exec(&["sh", "-c", "echo ready; read line; exit 0"]).stdin_open().spawn();
        running.expect(Stream::Out, "ready\n");
        running
    }
}

/// Prints a line for each such signal, and ends with 3 on SIGTERM. Its own child keeps none of our pipes.
fn counting(signal: &str) -> String {
    let ends = "trap 'kill $!; exit 3' TERM; sleep 60 </dev/null >/dev/null 2>&1 &";
    format!("trap 'echo {signal}' {signal}; {ends} echo ready; while :; do wait; done")
}

fn count(text: &str, part: &str) -> usize {
    text.matches(part).count()
}

/// Whether a folder lies in memory, as another program sees it.
fn is_in_memory(folder: &Path) -> bool {
    let output = std::process::Command::new("stat").args(["--file-system", "--format=%T"]).arg(folder).output().unwrap();
    ["tmpfs\n", "ramfs\n"].contains(&String::from_utf8(output.stdout).unwrap().as_str())
}

fn is_warned_of_a_disk(outcome: &Outcome) -> bool {
    outcome.stderr.contains("is not on a memory file system")
}

#[test]
fn e_06_the_token_in_the_file_stays_fresh_while_the_command_runs_and_goes_with_it() {
    // More life than it has is asked for, so that the next one comes long before its end.
    let keep = Keep::with_life(8);
    let call = keep.scene.call(["exec", "-v", "till", "--min-ttl", "1h", "--refresh-file"]).arg(keep.file());
    let mut running = call.args(["--", "sh", "-c", "env; echo ready; read line; exit 7"]).stdin_open().spawn();
    running.expect(Stream::Out, "ready\n");
    let (first, found) = (fs::read_to_string(keep.file()).unwrap(), fs::symlink_metadata(keep.file()).unwrap());

    let second = changed(&keep.file(), &first);
    let third = changed(&keep.file(), &second);
    let are_live = [&second, &third].map(|token| keep.scene.server.is_live_access_token(token));
    let names = keep.names();
    running.send("\n");
    let outcome = running.finish().expect_code(7).expect_stderr("the access token of till is good for");

    assert!(found.is_file() && found.permissions().mode() & 0o7777 == 0o600);
    assert_eq!(are_live, [true; 2], "{outcome}");
    assert!(!first.ends_with('\n'), "{outcome}");
    assert_eq!(names, ["token"]);
    assert_eq!(keep.names(), [""; 0], "{outcome}");
    assert_eq!(found_in(outcome.stdout.as_bytes(), &[&first, KEY, SECRET]), Vec::<String>::new(), "{outcome}");
    assert_eq!(found_in(outcome.stderr.as_bytes(), &[&first, &second, &third, KEY, SECRET]), Vec::<String>::new(), "{outcome}");
}

#[test]
fn e_06_trouble_is_told_once_and_the_old_token_stays_until_there_is_another() {
    let keep = Keep::with_life(3);
    let mut running = keep.begun();
    let first = fs::read_to_string(keep.file()).unwrap();
    let refused = Failure { status: 429, left: u32::MAX, retry_after: None, commits: false };
    keep.scene.server.faults(|faults| faults.fail = Some(refused));

    let told = running.wait_for_line(Stream::Err, "could not be renewed");
    let asked = keep.scene.server.token_requests();
    assert!(keep.scene.server.wait_for_token_requests(asked + 3, LIMIT));
    let kept = fs::read_to_string(keep.file()).unwrap();
    keep.scene.server.faults(|faults| faults.fail = None);
    running.expect(Stream::Err, "is fresh again");
    let last = changed(&keep.file(), &first);
    let outcome = running.finish();

    assert_eq!(kept, first);
    assert!(told.starts_with("warning: the token in `") && told.contains("it is tried again"), "{told}");
    assert_eq!(count(&outcome.stderr, "could not be renewed"), 1, "{outcome}");
    assert_eq!(found_in(outcome.stderr.as_bytes(), &[&first, &last]), Vec::<String>::new(), "{outcome}");
}

#[test]
fn e_06_a_refresh_that_is_under_way_when_the_command_ends_is_brought_home() {
    let scene = Scene::with(|builder| builder.expires_in(3).rotating());
    scene.log_in();
    let keep = Keep { scene, folder: tempfile::tempdir_in("/dev/shm").unwrap() };
    let mut running = keep.begun();
    keep.scene.server.faults(|faults| faults.delay_after = Duration::from_secs(2));
    let asked = keep.scene.server.token_requests();

    assert!(keep.scene.server.wait_for_token_requests(asked + 1, LIMIT));
    running.send("\n");
    running.expect(Stream::Err, "finishing a refresh");
    let names = keep.names();
    running.finish().expect_code(0);

    assert_eq!(names, [""; 0]);
    keep.scene.server.faults(|faults| faults.delay_after = Duration::ZERO);
    keep.scene.refreshed().expect_code(0);
    assert_eq!(keep.scene.server.reuse_events(), 0);
}

#[test]
fn e_06_a_file_on_a_disk_is_warned_of_and_one_in_memory_is_not() {
    let keep = Keep::with_life(3600);
    let below_target = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();

    for folder in [keep.folder.path(), below_target.path()] {
        let file = folder.join("token");
        let outcome = keep.exec_at(&file, &["test", "-s", file.to_str().unwrap()]).run().expect_code(0);

        assert_eq!(is_warned_of_a_disk(&outcome), !is_in_memory(folder), "{outcome}");
        assert!(!file.exists(), "{outcome}");
    }
}

#[test]
fn e_06_and_s_05_a_name_that_is_taken_or_open_to_others_is_refused_and_left_alone() {
    let keep = Keep::with_life(3600);
    let (folder, precious) = (keep.folder.path(), keep.scene.home.path("precious"));
    fs::write(&precious, "precious").unwrap();
    fs::set_permissions(&precious, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&precious, folder.join("link")).unwrap();
    symlink(folder.join("nowhere"), folder.join("dangling")).unwrap();
    fs::write(folder.join("readable"), "by others").unwrap();
    fs::set_permissions(folder.join("readable"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::create_dir(folder.join("open")).unwrap();
    fs::set_permissions(folder.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let started = keep.scene.home.path("started");
    let touch = ["touch", started.to_str().unwrap()];

    for name in ["link", "dangling", "readable", "open", "open/token"] {
        keep.exec_at(&folder.join(name), &touch).run().expect_code(125).expect_stderr("(code 6, refused)");
    }
    keep.exec_at(&precious, &touch).run().expect_code(125).expect_stderr("(code 6, refused)");
    keep.exec_at(Path::new("/dev/shm/token"), &touch).run().expect_code(125).expect_stderr("a folder of your own in it is safe");
    keep.exec_at(&folder.join("none/token"), &touch).run().expect_code(125).expect_stderr("(code 5, machine)");

    assert!(!started.exists());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
    assert_eq!(fs::read_to_string(folder.join("readable")).unwrap(), "by others");
    assert!(folder.join("link").is_symlink() && folder.join("dangling").is_symlink());
}

#[test]
fn e_06_and_s_05_a_link_that_is_planted_later_is_neither_followed_nor_removed() {
    let keep = Keep::with_life(2);
    let precious = keep.scene.home.path("precious");
    fs::write(&precious, "precious").unwrap();
    let mut running = keep.begun();
    fs::remove_file(keep.file()).unwrap();
    symlink(&precious, keep.file()).unwrap();

    let told = running.wait_for_line(Stream::Err, "could not be renewed");
    running.finish().expect_code(0);

    assert!(told.contains("it was not written here"), "{told}");
    assert!(keep.file().is_symlink());
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");
}

#[test]
fn e_06_two_calls_never_keep_one_file_and_what_a_killed_call_left_is_replaced() {
    let keep = Keep::with_life(3600);
    let mut running = keep.begun();

    keep.exec(&["true"]).run().expect_code(125).expect_stderr("another call keeps a token in");
    running.signal(Signal::KILL);
    assert_eq!(running.finish().signal, Some(9));
    assert_eq!(keep.names(), ["token"]);
    let file = keep.file();
    keep.exec(&["test", "-s", file.to_str().unwrap()]).run().expect_code(0);

    assert_eq!(keep.names(), [""; 0]);
}

#[test]
fn e_05_beside_a_file_signals_are_passed_on_and_the_code_is_the_commands() {
    let keep = Keep::with_life(3600);

    for (signal, name) in [(Signal::INT, "INT"), (Signal::HUP, "HUP"), (Signal::USR1, "USR1"), (Signal::WINCH, "WINCH")] {
        let mut running = keep.exec(&["sh", "-c", &counting(name)]).spawn();
        running.expect(Stream::Out, "ready\n");
        running.signal(signal);
        running.expect(Stream::Out, name);
        running.signal(Signal::TERM);
        let outcome = running.finish().expect_code(3);
        assert_eq!(count(&outcome.stdout, name), 1, "{outcome}");
    }
    keep.exec(&["sh", "-c", "kill -KILL $$"]).run().expect_code(137);
    keep.exec(&["sh", "-c", "kill -TERM $$"]).run().expect_code(143);
    keep.exec(&["sh", "-c", "exit 42"]).run().expect_code(42);

    assert_eq!(keep.names(), [""; 0]);
}

#[test]
fn e_05_beside_a_file_ctrl_c_reaches_the_command_once() {
    let keep = Keep::with_life(3600);
    let mut running = keep.exec(&["sh", "-c", &counting("INT")]).at_terminal();
    running.expect(Stream::Terminal, "ready");

    running.send("\u{3}");
    running.expect(Stream::Terminal, "INT");
    // Passed on in order: a second one would have come before this.
    running.signal(Signal::TERM);
    let outcome = running.finish().expect_code(3);

    assert_eq!(count(&outcome.terminal, "INT"), 1, "{outcome}");
    assert_eq!(keep.names(), [""; 0]);
}

#[test]
fn e_03_and_e_05_beside_a_file_descriptors_limits_and_signal_handling_are_the_callers() {
    let keep = Keep::with_life(3600);
    let run = |words: &[&str]| {
        let program = keep.scene.home.program("sh").args(["-c", "ulimit -Sc 8 && exec \"$@\"", "sh"]).args(words);
        program.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).run().expect_code(0).stdout
    };
    let file = keep.file();
    let exec = [env!("CARGO_BIN_EXE_tokenstrap"), "exec", "till", "--refresh-file", file.to_str().unwrap(), "--"];

    let show = ["sh", "-c", "ls /proc/$$/fd; ulimit -Sc"];
    assert_eq!(run(&[exec.as_slice(), &show].concat()), run(&show));
    let show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    assert_eq!(signals(&run(&[exec.as_slice(), &show].concat())), signals(&run(&show)));
}

#[test]
fn e_04_and_e_07_beside_a_file_there_is_no_shell_and_nothing_starts_without_a_token() {
    let keep = Keep::with_life(3600);

    keep.exec(&["echo hi; id"]).run().expect_code(127).expect_stdout("").expect_stderr("there is no command `echo hi; id`");
    keep.scene.call(["exec", "--refresh-file"]).arg(keep.file()).args(["--", "true"]).run().expect_code(125);
    keep.scene.call(["logout", "till"]).run().expect_code(0);
    let proof = keep.scene.home.path("started");
    keep.exec(&["touch", proof.to_str().unwrap()]).run().expect_code(125).expect_stderr("(code 3, login needed)");

    assert!(!proof.exists());
    assert_eq!(keep.names(), [""; 0]);
}
