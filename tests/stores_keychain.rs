//! The keychain against a real GNOME Keyring.
//!
//! A process has one session bus, so each question to the keychain is a child: this very program with the name of
//! [`answer`], which does what `ASK` says and prints how it ended.

use super::{
    stores::{CANARY, contract, intent, name, record, world},
    stores_keychain_writes::{first, labelled, refresh, unfinished},
};
use crate::support::{
    keyring::Session,
    other_keychain::{Manner, OtherKeychain},
    real,
};
use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use tokenstrap::{
    ports::{StoreError, TokenStore},
    store::{self, KeySource, World},
};

/// What the child is asked to do.
pub const ASK: &str = "TOKENSTRAP_TEST_ASK";
/// Stands before the child's answer.
pub const MARK: &str = "answer: ";
/// A call promises to end within ten seconds; the rest is the child's own start.
const LIMIT: Duration = Duration::from_secs(11);

impl Session {
    /// Asks a child in this session, and tells what it said and how long it took.
    fn ask(&self, question: &str) -> (String, Duration) {
        ask(self.command(env::current_exe().unwrap()), "stores_keychain::answer", question)
    }
}

/// Asks a child that is the test of this name.
pub fn ask(mut child: Command, test: &str, question: &str) -> (String, Duration) {
    let began = Instant::now();
    let told = child.args(["--exact", test, "--ignored", "--nocapture"]).env(ASK, question).output().unwrap();
    let (said, took) = (String::from_utf8(told.stdout).unwrap(), began.elapsed());
    let answer = said.lines().find_map(|line| Some(line.split_once(MARK)?.1.to_owned()));
    (answer.unwrap_or_else(|| panic!("no answer to {question}: {said}{}", String::from_utf8_lossy(&told.stderr))), took)
}

#[test]
#[ignore = "the child's side of the tests below; alone it does nothing"]
fn answer() {
    let Some(question) = env::var(ASK).ok() else { return };
    let top = Path::new(&env::var("HOME").unwrap()).to_owned();
    let world = world(&top, KeySource::Unsaid);
    let words: Vec<&str> = question.split(' ').collect();
    let told = keychain(&world, &words);
    writeln!(std::io::stdout(), "\n{MARK}{told}").unwrap();
}

fn keychain(world: &World<'_>, words: &[&str]) -> String {
    do_with(&*store::by_name("keychain").unwrap().open(world).unwrap(), words)
}

fn do_with(store: &dyn TokenStore, words: &[&str]) -> String {
    let number = || words[2].parse::<u64>().unwrap();
    match words[0] {
        "contract" => {
            contract(store);
            "kept".to_owned()
        }
        "probe" => told(store.probe()),
        "save" => told(store.save(&record(words[1], number()))),
        "load" => told(store.load(&name(words[1])).map(|record| record.map(|record| record.generation))),
        "delete" => told(store.delete(&name(words[1]))),
        "list" => told(store.list()),
        "begin" => {
            let stored = store.load(&name(words[1])).ok().flatten().unwrap_or_else(|| record(words[1], 1));
            told(store.begin(&name(words[1]), &intent(&stored)))
        }
        "intent" => told(store.intent(&name(words[1])).map(|intent| intent.map(|intent| intent.generation))),
        "take-in" => told(store.take_in(&record(words[1], number()))),
        "refresh" => told(refresh(store, number())),
        "first" => told(first(store)),
        "unfinished" => told(unfinished(store)),
        "relabel" => told(store.load(&name("till")).map(labelled).and_then(|record| store.save(&record))),
        "after-load" => {
            store.load(&name(words[2])).unwrap();
            do_with(store, &words[1..])
        }
        "lock" => told(lock()),
        "bench" => bench(store, number()),
        other => panic!("nobody knows how to {other}"),
    }
}

fn told<T: std::fmt::Debug>(outcome: Result<T, StoreError>) -> String {
    format!("{outcome:?}")
}

fn lock() -> Result<(), StoreError> {
    use dbus_secret_service::{EncryptionType, SecretService};
    let service = SecretService::connect(EncryptionType::Plain).unwrap();
    service.get_default_collection().unwrap().lock().unwrap();
    Ok(())
}

fn bench(store: &dyn TokenStore, times: u64) -> String {
    let mut took: Vec<Duration> = (0..times)
        .map(|_| {
            let began = Instant::now();
            store.load(&name("till")).unwrap().unwrap();
            began.elapsed()
        })
        .collect();
    took.sort();
    format!("{:?}", took[took.len() / 2])
}

#[test]
fn the_keychain_keeps_the_contract() {
    let Some(session) = Session::with_keyring() else { return };

    assert_eq!(session.ask("contract").0, "kept");
}

#[test]
fn s_14_the_systems_own_tool_finds_the_item_and_sees_no_token_beside_the_secret() {
    let Some(session) = Session::with_keyring() else { return };
    if !real::programs("the look of secret-tool", &["secret-tool"]) {
        return;
    }
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    assert_eq!(session.ask("begin till").0, "Ok(())");

    let found = session.command("secret-tool").args(["search", "--all", "service", "tokenstrap"]).output().unwrap();

    let shown = [found.stdout, found.stderr].concat();
    let shown = String::from_utf8(shown).unwrap();
    let around: String = shown.lines().filter(|line| !line.starts_with("secret = ")).map(|line| format!("{line}\n")).collect();
    assert!(around.contains("label = tokenstrap: till\n"), "{around}");
    assert!(around.contains("attribute.username = till\n"), "{around}");
    assert!(!around.contains(CANARY) && !around.contains("0f0f"), "{around}");
    assert_eq!(shown.matches("secret = ").count(), 1, "the intent must not be found as a record");
    assert_eq!(session.ask("list").0, r#"Ok([ProfileName("till")])"#);
}

#[test]
fn s_15_a_save_shows_nothing_of_the_record_on_the_bus() {
    let Some(session) = Session::with_keyring() else { return };
    if !real::programs("the look at the bus", &["dbus-monitor"]) {
        return;
    }
    let log = session.home().join("monitor");
    let mut monitor = session
        .command("dbus-monitor")
        .args(["--address", session.address(), "--pcap"])
        .stdout(fs::File::create(&log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let times = |text: &str| fs::read(&log).unwrap().windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    let seen = |text: &str| times(text) > 0;
    // A monitor that has begun sees the search of this question.
    until(|| session.ask("load nobody").0 == "Ok(None)" && seen("nobody"));

    // The read in the end proves that the monitor was awake: on a local bus a read is plain.
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    until(|| seen("tokenstrap: till"));
    let shown_by_the_save = seen(CANARY);
    assert_eq!(session.ask("load till").0, "Ok(Some(1))");
    until(|| seen(CANARY));
    // Over what is there, an item is written in another way.
    assert_eq!(session.ask("after-load save till 2").0, "Ok(())");
    assert_eq!(session.ask("load till").0, "Ok(Some(2))");
    let newer = format!("{CANARY}-access-2");
    until(|| seen(&newer));
    let shown = (seen("SetSecret"), times(&newer));

    let _ = monitor.kill();
    let _ = monitor.wait();
    assert!(!shown_by_the_save, "the record went over the bus in the clear");
    assert_eq!(shown, (true, 1), "only the load shows it");
}

fn until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "it never came");
        std::thread::yield_now();
    }
}

#[test]
fn s_16_older_copies_of_an_item_go_with_a_save_and_all_of_them_with_a_logout() {
    let Some(session) = Session::with_keyring() else { return };
    if !real::programs("copies of an item", &["secret-tool"]) {
        return;
    }
    let copy = |more: &[&str], generation| {
        let mut tool = session.command("secret-tool");
        tool.args(["store", "--label=copy", "service", "tokenstrap", "username", "till"]).args(more).stdin(Stdio::piped());
        let mut tool = tool.spawn().unwrap();
        tool.stdin.take().unwrap().write_all(record("till", generation).encode().expose().as_bytes()).unwrap();
        assert!(tool.wait().unwrap().success());
    };
    copy(&["extra", "1"], 1);
    copy(&["extra", "2"], 2);
    assert_eq!(session.ask("load till").0, "Ok(Some(2))", "the newest copy counts");

    assert_eq!(session.ask("after-load save till 3").0, "Ok(())");
    let items = || {
        let found = session.command("secret-tool").args(["search", "--all", "service", "tokenstrap"]).output().unwrap();
        String::from_utf8_lossy(&found.stdout).matches("secret = ").count()
    };
    assert_eq!(items(), 1);

    copy(&["extra", "1"], 1);
    assert_eq!(session.ask("delete till").0, "Ok(())");
    assert_eq!(items(), 0);
}

#[test]
fn s_07_an_item_that_is_no_record_is_kept_and_named() {
    let Some(session) = Session::with_keyring() else { return };
    if !real::programs("an item of strangers", &["secret-tool"]) {
        return;
    }
    let mut tool = session.command("secret-tool");
    tool.args(["store", "--label=x", "service", "tokenstrap", "username", "till"]).stdin(Stdio::piped());
    let mut tool = tool.spawn().unwrap();
    tool.stdin.take().unwrap().write_all(b"{\"format\":1}").unwrap();
    assert!(tool.wait().unwrap().success());

    for question in ["load till", "save till 1"] {
        assert_eq!(session.ask(question).0, r#"Err(Corrupt { profile: ProfileName("till"), reason: Damaged })"#);
    }
    let kept = session.command("secret-tool").args(["lookup", "service", "tokenstrap", "username", "till"]).output().unwrap();
    assert_eq!(kept.stdout, b"{\"format\":1}");
}

#[test]
fn f_09_a_locked_keychain_is_told_from_an_empty_one() {
    let Some(session) = Session::with_keyring() else { return };
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    assert_eq!(session.ask("lock").0, "Ok(())");

    for question in ["load till", "load nobody", "save till 2", "begin till", "delete till", "list", "probe"] {
        let (said, took) = session.ask(question);
        assert_eq!(said, r#"Err(Locked("the keychain is locked"))"#, "{question}");
        assert!(took < LIMIT);
    }
}

#[test]
fn s_12_a_stopped_keychain_ends_every_call_within_ten_seconds() {
    let Some(session) = Session::with_keyring() else { return };
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    session.stop_keyring();

    for question in ["load till", "save till 2", "probe"] {
        let (said, took) = session.ask(question);
        assert_eq!(said, r#"Err(Unavailable("the Secret Service did not answer in time"))"#, "{question}");
        assert!(took < LIMIT, "{question} took {took:?}");
    }
}

#[test]
fn f_10_a_stopped_bus_ends_the_call_within_ten_seconds() {
    let Some(session) = Session::bare() else { return };
    session.stop_bus();

    let (said, took) = session.ask("load till");

    assert!(said.starts_with("Err(Unavailable("), "{said}");
    assert!(took < LIMIT, "{took:?}");
}

#[test]
fn f_11_a_keychain_that_says_yes_and_keeps_nothing_is_noticed() {
    let Some(session) = Session::bare() else { return };
    let forgetful = OtherKeychain::start(session.address(), Manner::Forgetful, &[]);

    // Where a line is open, it tries once before the library tries thrice.
    for (question, tries) in [("probe", 3), ("save till 1", 3), ("begin till", 4)] {
        let before = forgetful.asked("CreateItem");
        assert_eq!(session.ask(question).0, r#"Err(Forgetful("the Secret Service keychain"))"#, "{question}");
        assert_eq!(forgetful.asked("CreateItem") - before, tries, "tries of {question}");
    }
}

#[test]
fn f_10_a_dead_bus_and_a_bus_without_a_keychain_and_no_bus_are_told_apart() {
    let Some(mut session) = Session::bare() else { return };
    assert_eq!(session.ask("load till").0, r#"Err(Missing("no Secret Service is running on the session bus"))"#);

    session.kill_bus();
    let (said, _) = session.ask("load till");
    assert!(said.starts_with(r#"Err(Missing("nobody answers at the address of the session bus"#), "{said}");

    let mut without = session.command(env::current_exe().unwrap());
    without.env_remove("DBUS_SESSION_BUS_ADDRESS").env_remove("XDG_RUNTIME_DIR").env("DISPLAY", ":99");
    let (said, _) = ask(without, "stores_keychain::answer", "load till");
    assert_eq!(said, r#"Err(Missing("there is no session bus here (DBUS_SESSION_BUS_ADDRESS is not set)"))"#);
}

#[test]
fn without_an_address_the_bus_of_the_runtime_folder_is_found() {
    let Some(session) = Session::with_keyring() else { return };
    let mut child = session.command(env::current_exe().unwrap());
    child.env_remove("DBUS_SESSION_BUS_ADDRESS");

    assert_eq!(ask(child, "stores_keychain::answer", "load till").0, "Ok(None)");
}

#[test]
fn a_token_in_the_keychain_is_printed_without_thread_network_certificate_or_lock() {
    let Some(session) = Session::with_keyring() else { return };
    if !real::programs("a trace of the warm path", &["strace"]) {
        return;
    }
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    let log = session.home().join("trace");
    let mut call = session.command("strace");
    call.args(["-f", "-qq", "-e", "trace=clone,clone3,fork,vfork,connect,flock,openat", "-o"]).arg(&log);

    let told = call.args([env!("CARGO_BIN_EXE_tokenstrap"), "token", "till"]).output().unwrap();

    assert_eq!(String::from_utf8_lossy(&told.stdout), format!("{CANARY}-access-1\n"), "{}", String::from_utf8_lossy(&told.stderr));
    let trace = fs::read_to_string(log).unwrap();
    for call in ["clone", "fork", "AF_INET", "flock(", "/etc/ssl", "resolv.conf", "/locks/"] {
        assert!(!trace.contains(call), "{call} in\n{trace}");
    }
}

#[test]
#[ignore = "a figure, not a promise: prints the median of 300 warm reads"]
fn a_warm_read_takes_few_milliseconds() {
    let Some(session) = Session::with_keyring() else { return };
    assert_eq!(session.ask("save till 1").0, "Ok(())");
    writeln!(std::io::stderr(), "warm read: {}", session.ask("bench till 300").0).unwrap();
}
