use super::*;
use crate::platform::child::Child;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

fn chosen(variables: &[(&str, &str)]) -> Choice {
    choose(&|name| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
}

fn commands(entries: &[&[&str]]) -> Choice {
    Choice::Commands(entries.iter().map(|words| words.iter().map(|word| (*word).to_owned()).collect()).collect())
}

fn url(text: &str) -> Url {
    Url::parse(text).expect("a URL")
}

/// A `$BROWSER` of our own: a shell script, started through its interpreter, that does `body` with `$OUT`.
struct Script {
    folder: tempfile::TempDir,
}

impl Script {
    fn new(body: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join("out");
        // Renamed into its place, so that whoever sees it sees it whole.
        let text = format!("OUT='{0}'\n{{ {body}\n}} > \"$OUT.part\"\nmv \"$OUT.part\" \"$OUT\"\n", out.display());
        std::fs::write(folder.path().join("script"), text).expect("written");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("script")
    }

    fn choice(&self) -> Choice {
        commands(&[&["/bin/sh", &self.path().display().to_string()]])
    }

    fn output(&self) -> String {
        let out = self.folder.path().join("out");
        wait_for(&out);
        std::fs::read_to_string(out).expect("readable")
    }
}

fn wait_for(path: &Path) {
    let end = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < end, "{} never came", path.display());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn browser_entries_are_split_without_a_shell() {
    assert_eq!(chosen(&[("BROWSER", "firefox -P work:w3m  %s::")]), commands(&[&["firefox", "-P", "work"], &["w3m", "%s"]]));
    assert_eq!(chosen(&[("BROWSER", "x"), ("SSH_TTY", "/dev/pts/0")]), commands(&[&["x"]]));
}

#[cfg(not(target_os = "macos"))]
#[test]
fn without_browser_the_desktop_decides_and_over_ssh_nothing_is_opened() {
    assert_eq!(chosen(&[("DISPLAY", ":0")]), Choice::Desktop);
    assert_eq!(chosen(&[("WAYLAND_DISPLAY", "wayland-0"), ("BROWSER", "")]), Choice::Desktop);
    assert_eq!(chosen(&[]), Choice::None);
    assert_eq!(chosen(&[("DISPLAY", "")]), Choice::None);
    for ssh in ["SSH_CONNECTION", "SSH_TTY"] {
        assert_eq!(chosen(&[("DISPLAY", ":10"), (ssh, "x")]), Choice::None);
    }
}

#[test]
fn a_07_and_a_08_only_web_pages_are_opened() {
    let script = Script::new("echo started");
    for text in [
        "file:///usr/bin/xcalc",
        "javascript:alert(1)",
        "data:text/html,x",
        "smb://x/y",
        "search-ms:q",
        "ms-msdt:/id",
        "vscode://x/y",
        "http://evil.example/",
        "http://127.0.0.1.nip.io/",
    ] {
        let outcome = open(&url(text), &script.choice(), &[]);
        assert!(matches!(outcome, Err(BrowserError::Refused(_))), "{text}: {outcome:?}");
    }
    assert!(!script.folder.path().join("out").exists());
    assert!(argument(&url("http://localhost:8080/x")).is_ok());
}

#[test]
fn a_09_and_a_10_the_address_is_one_encoded_argument() {
    let marker = tempfile::tempdir().expect("a folder");
    let pwn = marker.path().join("pwn").display().to_string();
    for path in ["|calc.exe", &format!("$(touch${{IFS}}{pwn})"), "`id`", "%26calc", ";id", "'&&id", "\"x\"", "a b", "ü", "--app=x", "\\x"]
    {
        let script = Script::new("printf '%s\\n' \"$#\" \"$@\"");

        open(&url(&format!("https://h.example/{path}?q=a b&x='`$()|;ü#f")), &script.choice(), &[]).expect("opened");

        let output = script.output();
        let lines: Vec<&str> = output.lines().collect();
        assert_eq!((lines.len(), lines.first()), (2, Some(&"1")), "{output}");
        let argument = lines.last().expect("an argument");
        assert!(argument.starts_with("https://h.example/"), "{argument}");
        assert!(argument.bytes().all(|byte| byte.is_ascii_graphic() && !b"'\"`$(){};|<>\\^!*".contains(&byte)), "{argument}");
    }
    assert!(!marker.path().join("pwn").exists());
}

#[test]
fn a_12_what_is_encoded_already_stays_as_it_is() {
    let text = "https://as.example/authorize?scope=a%20b+c&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&state=-._~#";
    assert_eq!(argument(&url(text)).expect("a page"), text);
}

#[test]
fn the_address_goes_where_the_entry_wants_it() {
    let script = Script::new("printf '%s\\n' \"$@\"");
    let path = script.path().display().to_string();

    open(&url("https://h.example/"), &commands(&[&["/bin/sh", &path, "--url=%s", "-x"]]), &[]).expect("opened");

    assert_eq!(script.output(), "--url=https://h.example/\n-x\n");
}

#[test]
fn entries_are_tried_in_turn() {
    let script = Script::new("echo third");
    let path = script.path().display().to_string();
    let entries: [&[&str]; 3] = [&["/nonexistent/browser"], &["/bin/sh", "-c", "exit 3"], &["/bin/sh", &path]];

    open(&url("https://h.example/"), &commands(&entries), &[]).expect("the third works");
    let none_left = open(&url("https://h.example/"), &commands(&entries[..2]), &[]);

    assert_eq!(script.output(), "third\n");
    assert_eq!(none_left, Err(BrowserError::Failed("/bin/sh: exit status: 3".to_owned())));
    assert_eq!(open(&url("https://h.example/"), &Choice::None, &[]), Err(BrowserError::Nowhere));
}

#[test]
fn a_browser_that_stays_is_not_waited_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let began = Instant::now();

    open(&url("https://h.example/"), &commands(&[&["/bin/sh", "-c", &format!("read x < '{}'", pipe.display())]]), &[]).expect("opened");

    assert!(began.elapsed() < Duration::from_secs(10));
    std::fs::write(&pipe, "end\n").expect("the browser still reads");
}

#[test]
fn a_13_and_m_02_the_browser_inherits_no_secret_and_has_the_callers_limits() {
    let mut child = Child::of("platform::browser::tests::child_opens_a_browser");
    for name in ["TOKENSTRAP_KEY", "TOKENSTRAP_GRANT", "VAULT_TOKEN", "MY_CLIENT_SECRET"] {
        child = child.with(name, "CANARY");
    }

    let output = child.with("KEPT", "kept-value").run();

    assert!(output.contains("child ends well"), "{output}");
}

#[test]
#[ignore = "needs its own environment and limits; started by the test above"]
fn child_opens_a_browser() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    setrlimit(Resource::Core, Rlimit { current: Some(512 * 1024), maximum }).expect("a limit");
    crate::platform::harden::begin().expect("hardened");
    let folder = tempfile::tempdir().expect("a folder");
    let locks = crate::platform::lock::LockFolder::open(folder.path()).expect("a folder");
    let _held = locks.grant("x", &"till".parse().expect("a name")).try_exclusive().expect("a lock");
    let _hold = crate::platform::signals::Hold::begin(1).expect("held");
    let script = Script::new("env; echo \"core $(ulimit -Sc)\"; ls -l /proc/self/fd; (exec grep -E 'Sig(Blk|Cgt)' /proc/self/status)");

    open(&url("https://h.example/"), &script.choice(), &["MY_CLIENT_SECRET".to_owned()]).expect("opened");

    let output = script.output();
    assert!(output.contains("KEPT=kept-value"), "{output}");
    assert!(!output.contains("CANARY"), "{output}");
    assert!(!output.contains(".lock") && !output.contains("core 0\n"), "{output}");
    assert_eq!(getrlimit(Resource::Core).current, Some(0));
    if cfg!(target_os = "linux") {
        assert!(output.contains("SigBlk:\t0000000000000000"), "{output}");
    }
    Child::ends_well();
}
