//! A program with a lock: one refresh among all machines that share it.

use crate::{
    scene::Scene,
    stores::{Nowhere, WallClock, name, record, world},
    stores_command::{KEEPER, keeper},
    support::{binary::Home, running::Stream},
};
use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    mem::ManuallyDrop,
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tokenstrap::{
    ports::{Acquired, Clock, Guard, Intent, LockError, StoreError, TokenStore},
    sandbox::{Sandbox, approve},
    store::{self, KeySource},
};

/// What a program needs for a lock: where it lies, and two verbs more. One run at a time, as a server would have it.
const LOCKS: &str = r#"
import fcntl, time
guard = open(sys.argv[1] + ".guard", "w")
fcntl.flock(guard, fcntl.LOCK_EX)
def holder(path, nonce):
    lock = json.load(open(path)) if os.path.exists(path) else None
    return lock if lock and lock["end"] > time.time() and lock["nonce"] != nonce else None
def locking(path, request):
    other = holder(path, request["nonce"])
    if request["do"] == "unlock":
        if not other and os.path.exists(path): os.remove(path)
        return {"unlocked": True}
    if other: return {"busy": other["holder"]}
    json.dump(request | {"end": time.time() + request["seconds"]}, open(path, "w"))
    return {"taken": True}
"#;

/// The keeper of the contract with a lock, and without a way to refuse.
fn locking_keeper(folder: &Path) -> Vec<String> {
    let argv = keeper(folder);
    let verbs = "case \"lock\" | \"unlock\": return locking(sys.argv[1] + \".lock.\" + request[\"name\"], request)\n        case \"list\"";
    let text = KEEPER.replace("\"conflict\": True}\n", "\"conflict\": False, \"lock\": True}\n").replace("case \"list\"", verbs);
    fs::write(&argv[3], text.replace("def read", &format!("{LOCKS}def read"))).unwrap();
    argv
}

/// A machine whose sleep a test decides on.
struct Sleeper(Cell<Duration>);

impl Clock for Sleeper {
    fn now(&self) -> SystemTime {
        WallClock.now()
    }

    fn instant(&self) -> Instant {
        WallClock.instant()
    }

    fn sleep(&self, time: Duration) {
        WallClock.sleep(time);
    }

    fn boottime(&self) -> Duration {
        self.0.get()
    }
}

fn on<T>(clock: &dyn Clock, argv: &[String], act: impl FnOnce(&dyn TokenStore) -> T) -> T {
    let top = tempfile::tempdir().unwrap();
    let world = store::World { command: argv, clock, transport: &Nowhere, ..world(top.path(), KeySource::Unsaid) };
    let store = store::by_name("command").unwrap().open(&world).unwrap();
    act(&*store)
}

fn taken(store: &dyn TokenStore) -> Result<Box<dyn Guard + '_>, LockError> {
    // Past: one try is made and no more.
    match store.lease().unwrap().acquire(&store.identity(), &name("till"), Instant::now(), &mut || false)? {
        Acquired::Exclusive(guard) => Ok(guard),
        Acquired::Satisfied => panic!("nobody was at work"),
    }
}

#[test]
fn a_program_with_a_lock_names_the_holder_until_it_lets_go() {
    let folder = tempfile::tempdir().unwrap();
    let argv = locking_keeper(folder.path());
    on(&WallClock, &argv, |one| {
        assert_eq!(one.is_shared(), Ok(true));
        on(&WallClock, &argv, |two| {
            let guard = taken(one).unwrap();
            let refusal = taken(two).err().unwrap();
            assert!(matches!(&refusal, LockError::Leased(holder) if holder.contains(&std::process::id().to_string())), "{refusal}");
            drop(guard);
            taken(two).unwrap().forget();
            drop(taken(one).unwrap());
        });
    });
    assert!(!folder.path().join("kept.lock.till").exists());
}

#[test]
fn a_lock_whose_holder_died_ends_by_itself_and_one_whose_record_was_not_taken_is_not_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let argv = locking_keeper(folder.path());
    let lock = folder.path().join("kept.lock.till");
    on(&WallClock, &argv, |store| {
        let _dead = ManuallyDrop::new(taken(store).unwrap());
        assert!(matches!(on(&WallClock, &argv, |other| taken(other).err()), Some(LockError::Leased(_))));
        let mut held: serde_json::Value = serde_json::from_str(&fs::read_to_string(&lock).unwrap()).unwrap();
        assert_eq!((&held["seconds"], &held["name"]), (&60.into(), &"till".into()));
        held["end"] = 1.into();
        fs::write(&lock, held.to_string()).unwrap();

        let guard = on(&WallClock, &argv, |other| taken(other).map(drop)).and_then(|()| taken(store)).unwrap();
        fs::rename(folder.path().join("kept"), folder.path().join("away")).unwrap();
        store.save(&record("till", 1)).unwrap_err();
        fs::rename(folder.path().join("away"), folder.path().join("kept")).unwrap();
        drop(guard);
    });
    assert!(lock.exists(), "somebody else could go on from a record that was spent");
}

#[test]
fn s_21_a_programs_lock_that_ran_low_in_a_sleep_or_was_overtaken_by_a_save_sends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let argv = locking_keeper(folder.path());
    let clock = Sleeper(Cell::new(Duration::from_secs(100)));
    on(&clock, &argv, |store| {
        store.save(&record("till", 1)).unwrap();

        let guard = taken(store).unwrap();
        assert!(guard.is_held());
        clock.0.set(clock.0.get() + Duration::from_secs(30));
        assert!(!guard.is_held(), "less than the tries and the save need is left");
        drop(guard);

        let guard = taken(store).unwrap();
        let intent = Intent { generation: 1, refresh_token: "hash".to_owned(), at: SystemTime::UNIX_EPOCH };
        store.begin(&name("till"), &intent).unwrap();
        assert!(guard.is_held());
        on(&clock, &argv, |other| other.save(&record("till", 2)).unwrap());
        assert!(!guard.is_held(), "somebody has saved since");
    });
}

#[test]
fn a_program_that_does_not_tell_of_a_lock_is_never_asked_for_one_and_one_that_says_nothing_gets_no_further() {
    let folder = tempfile::tempdir().unwrap();
    let argv = keeper(folder.path());
    on(&WallClock, &argv, |store| assert!(store.lease().is_none()));

    for (answer, part) in
        [("sys.exit(1)", "failed"), ("print('{}')", "not in the protocol"), ("print('{\"taken\": true, \"busy\": \"x\"}')", "not in")]
    {
        let text = format!("import sys\nif '\"describe\"' in sys.stdin.read(): print('{{\"lock\": true}}')\nelse: {answer}\n");
        fs::write(&argv[3], text).unwrap();
        let refusal = on(&WallClock, &argv, |store| taken(store).err());
        assert!(matches!(&refusal, Some(LockError::Store(StoreError::Unavailable(fact))) if fact.contains(part)), "{refusal:?}");
    }
    fs::write(&argv[3], "raise SystemExit(1)").unwrap();
    assert!(matches!(on(&WallClock, &argv, |store| taken(store).err()), Some(LockError::Store(StoreError::Unavailable(_)))));
    let hostile =
        "import sys\nprint('{\"lock\": true}' if 'describe' in sys.stdin.read() else '{\"busy\": \"a\\\\u001b[2J' + 'x' * 9000 + '\"}')";
    fs::write(&argv[3], hostile).unwrap();
    let refusal = on(&WallClock, &argv, |store| taken(store).err().unwrap().to_string());
    assert!(refusal.contains("a<001B>[2J") && refusal.len() < 700, "{refusal}");
}

#[test]
fn f_27_processes_of_two_hosts_with_a_programs_lock_need_one_request() {
    let folder = tempfile::tempdir().unwrap();
    let argv = locking_keeper(folder.path());
    let server = Sandbox::builder().strict().expires_in(1).start().unwrap();
    let homes = [Home::new(), Home::new()];
    for home in &homes {
        let settings = home.path(".config/tokenstrap");
        fs::create_dir_all(&settings).unwrap();
        let text = format!("store = \"command\"\naccess_token_cache = false\n[command]\nargv = {argv:?}\n");
        fs::write(settings.join("config.toml"), text).unwrap();
    }
    let words = ["login", "till", "--no-browser", "--issuer", server.issuer(), "--client-id", server.client_id()];
    let secret = server.client_secret().unwrap().expose().to_owned();
    let mut login = homes[0].tokenstrap().args(words).arg("--client-secret-stdin").stdin(secret).spawn();
    approve(login.wait_for_line(Stream::Err, "/authorize?").trim()).unwrap();
    login.finish().expect_code(0);
    server.faults(|faults| (faults.expires_in, faults.delay_after) = (Some(3600), Duration::from_millis(300)));

    let storm: Vec<_> = (0..12).map(|number| homes[number % 2].tokenstrap().args(["token", "till"]).spawn()).collect();

    let tokens: BTreeSet<_> = storm.into_iter().map(|running| running.finish().expect_code(0).stdout).collect();
    assert_eq!(tokens.len(), 1);
    assert!(server.is_live_access_token(tokens.first().unwrap().trim_end()));
    let refreshes = server.log().iter().filter(|logged| logged.member("grant_type") == Some("refresh_token")).count();
    assert_eq!((refreshes, server.reuse_events(), server.live_refresh_tokens()), (1, 0, 1));
    assert!(!folder.path().join("kept.lock.till").exists());
}

#[test]
fn doctor_says_of_a_program_whether_machines_can_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let argv = locking_keeper(folder.path());
    let scene = Scene::new();
    let settings = scene.home.path(".config/tokenstrap");
    fs::create_dir_all(&settings).unwrap();
    fs::write(settings.join("config.toml"), format!("[command]\nargv = {argv:?}\n")).unwrap();
    let says = |part: &str| {
        let doctor = scene.call(["doctor"]).env("TOKENSTRAP_STORE", "command").env("BROWSER", "true").run().expect_code(0);
        assert!(doctor.stdout.contains(part), "{doctor}");
    };

    says("a lock for all machines that share it");
    fs::write(&argv[3], KEEPER).unwrap();
    says("let one machine refresh");
    fs::write(&argv[3], KEEPER.replace("\"conflict\": True}\n", "\"conflict\": False}\n")).unwrap();
    says("one machine only");
}
