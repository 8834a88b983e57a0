use super::*;
use crate::platform::child::{Child, Running};
use std::{
    path::Path,
    process::Stdio,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

fn till() -> ProfileName {
    "till".parse().expect("a name")
}

fn state() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

fn lock_in(folder: &tempfile::TempDir) -> GrantLock {
    LockFolder::open(folder.path().join("locks")).expect("a folder").grant("file:/a", &till())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn exclusive(lock: &GrantLock) -> Option<Held> {
    lock.try_exclusive().expect("a working lock")
}

/// A process of its own that holds the lock until it is killed.
fn holder_in(folder: &tempfile::TempDir) -> Running {
    let child = Child::of("platform::lock::tests::child_holds_the_lock").with("LOCKS", folder.path().join("locks"));
    let mut running = child.start(Stdio::null());
    assert!(running.wait_for("held").starts_with("held"));
    running
}

#[test]
#[ignore = "runs until it is killed; started by other tests"]
fn child_holds_the_lock() {
    let folder = LockFolder::open(std::env::var_os("LOCKS").expect("set by the parent")).expect("a folder");
    let held = exclusive(&folder.grant("file:/a", &till()));
    assert!(held.is_some());
    Child::say("held");
    Child::waits();
}

#[test]
fn a_lock_is_held_by_one_and_free_again_when_dropped() {
    let folder = state();
    let lock = lock_in(&folder);

    let held = exclusive(&lock).expect("free");
    assert!(exclusive(&lock).is_none());
    assert!(lock.try_shared().expect("a lock").is_none());
    drop(held);

    assert!(exclusive(&lock).is_some());
}

#[test]
fn followers_hold_it_together_and_keep_senders_out() {
    let folder = state();
    let lock = lock_in(&folder);

    let together = (lock.try_shared().expect("a lock"), lock.try_shared().expect("a lock"));

    assert!(together.0.is_some() && together.1.is_some());
    assert!(exclusive(&lock).is_none());
}

#[test]
fn other_profiles_and_other_stores_have_other_locks() {
    let folder = state();
    let folder = LockFolder::open(folder.path()).expect("a folder");
    let _held = exclusive(&folder.grant("file:/a", &till())).expect("free");

    assert!(exclusive(&folder.grant("file:/b", &till())).is_some());
    assert!(exclusive(&folder.grant("file:/a", &"till-2".parse().expect("a name"))).is_some());
    assert_ne!(name_of("a", &"1b".parse().expect("a name")), name_of("a1", &"b".parse().expect("a name")));
}

#[test]
fn the_file_tells_neither_store_nor_profile() {
    let folder = state();
    let _held = exclusive(&lock_in(&folder));

    let names: Vec<_> = std::fs::read_dir(folder.path().join("locks")).expect("a folder").flatten().collect();

    assert_eq!(names.len(), 1);
    for entry in names {
        let name = entry.file_name().into_string().expect("ASCII");
        assert!(name.ends_with(".lock") && !name.contains("till"), "{name}");
    }
}

#[test]
fn f_24_a_holder_that_is_killed_leaves_the_lock_free() {
    let folder = state();
    let lock = lock_in(&folder);
    let mut holder = holder_in(&folder);
    assert!(exclusive(&lock).is_none());
    assert_eq!(lock.holder().map(|holder| holder.pid), Some(holder.process.id()));

    holder.process.kill().expect("killed");
    holder.process.wait().expect("gone");

    assert!(exclusive(&lock).is_some());
}

#[test]
fn f_19_a_holder_that_does_not_go_on_makes_followers_busy_and_is_named() {
    let folder = state();
    let holder = holder_in(&folder);
    let pid = rustix::process::Pid::from_child(&holder.process);
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).expect("stopped");
    let began = Instant::now();

    let lock = FileLock::new(folder.path().join("locks"));
    let outcome = lock.acquire("file:/a", &till(), began + Duration::from_millis(150), &mut || false);

    let found = outcome.err().and_then(|error| if let LockError::Busy(holder) = error { holder } else { None }).expect("busy");
    assert_eq!(found.pid, holder.process.id());
    assert!(found.to_string().starts_with(&format!("process {}, for ", found.pid)));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_free_lock_is_taken_without_asking_even_after_the_deadline() {
    let folder = state();

    let mut asked = 0;

    let lock = FileLock::new(folder.path());
    let outcome = lock.acquire("x", &till(), Instant::now(), &mut || {
        asked += 1;
        true
    });

    assert!(matches!(outcome, Ok(Acquired::Exclusive(guard)) if guard.is_held()));
    assert_eq!(asked, 0);
}

#[test]
fn a_save_that_is_seen_while_the_lock_is_held_satisfies() {
    let folder = state();
    let _held = exclusive(&lock_in(&folder)).expect("free");

    let lock = FileLock::new(folder.path().join("locks"));
    let outcome = lock.acquire("file:/a", &till(), soon(), &mut || true);

    assert!(matches!(outcome, Ok(Acquired::Satisfied)));
}

/// Many threads want what one of them makes; `works` tells whether the sender with this number saves anything.
fn storm(works: fn(usize) -> bool) -> (usize, usize) {
    let folder = state();
    let (saved, sent, satisfied) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                let lock = FileLock::new(folder.path());
                match lock.acquire("x", &till(), soon(), &mut || saved.load(Ordering::SeqCst)).expect("a lock") {
                    Acquired::Satisfied => satisfied.fetch_add(1, Ordering::SeqCst),
                    Acquired::Exclusive(_) if saved.load(Ordering::SeqCst) => satisfied.fetch_add(1, Ordering::SeqCst),
                    Acquired::Exclusive(guard) => {
                        let number = sent.fetch_add(1, Ordering::SeqCst);
                        // Long enough for the others to queue up.
                        thread::park_timeout(Duration::from_millis(60));
                        saved.store(works(number), Ordering::SeqCst);
                        assert!(guard.is_held());
                        number
                    }
                };
            });
        }
    });
    (sent.into_inner(), satisfied.into_inner())
}

#[test]
fn f_01_of_many_only_one_sends_and_all_are_satisfied() {
    assert_eq!(storm(|_| true), (1, 31));
}

#[test]
fn after_a_sender_that_saved_nothing_exactly_one_other_sends() {
    assert_eq!(storm(|number| number == 1), (2, 30));
}

#[test]
fn a_lock_whose_file_was_replaced_is_not_held() {
    let folder = state();
    let lock = lock_in(&folder);
    let held = exclusive(&lock).expect("free");
    assert!(held.is_held());

    std::fs::remove_file(folder.path().join("locks").join(&lock.name)).expect("removed");
    assert!(!held.is_held());
    let second = exclusive(&lock).expect("a file of its own");

    assert!(second.is_held() && !held.is_held());
    Box::new(held).forget();
    assert!(second.is_held(), "a lock removed a file that was not its own");
}

#[test]
fn a_forgotten_lock_leaves_nothing_behind() {
    let folder = state();
    let lock = lock_in(&folder);

    Box::new(exclusive(&lock).expect("free")).forget();

    assert_eq!(std::fs::read_dir(folder.path().join("locks")).expect("a folder").count(), 0);
}

#[cfg(unix)]
fn refused(path: &Path) -> bool {
    matches!(LockFolder::open(path), Err(LockError::Unsafe(_)))
}

#[cfg(unix)]
#[test]
fn f_25_and_s_19_the_folder_is_made_private_and_a_shared_one_is_refused() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let state = state();
    let folder = state.path().join("deep").join("locks");
    LockFolder::open(&folder).expect("made");
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&state.path().join("deep"))), (0o700, 0o700));

    for shared in [0o770, 0o702, 0o777] {
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(shared)).expect("changed");
        assert!(refused(&folder), "{shared:o} was taken");
    }
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o700)).expect("changed");
    symlink(&folder, state.path().join("link")).expect("a link");
    assert!(refused(&state.path().join("link")));
    std::fs::write(state.path().join("file"), "").expect("written");
    assert!(refused(&state.path().join("file")));
    // Where the tests run as root, the roles of owner and stranger are changed.
    let foreign = if rustix::process::geteuid().is_root() { None } else { Some(Path::new("/usr")) };
    assert!(foreign.is_none_or(refused));
}

#[cfg(unix)]
#[test]
fn s_19_a_folder_that_others_could_swap_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let state = state();
    let above = state.path().join("state");
    LockFolder::open(above.join("locks")).expect("made");
    for (mode, is_refused) in [(0o777, true), (0o720, true), (0o1777, false), (0o755, false)] {
        std::fs::set_permissions(&above, PermissionsExt::from_mode(mode)).expect("changed");
        assert_eq!(refused(&above.join("locks")), is_refused, "{mode:o}");
    }
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&above, Some(1), None).expect("given away");
        assert!(refused(&above.join("locks")));
    }
}

#[cfg(unix)]
#[test]
fn s_19_a_planted_link_is_not_followed() {
    let folder = state();
    let lock = lock_in(&folder);
    let victim = folder.path().join("victim");
    std::fs::write(&victim, "precious").expect("written");
    std::os::unix::fs::symlink(&victim, folder.path().join("locks").join(&lock.name)).expect("a link");

    assert!(matches!(lock.try_exclusive(), Err(LockError::Unavailable(_))));
    assert_eq!(std::fs::read_to_string(&victim).expect("there"), "precious");

    std::fs::remove_file(&victim).expect("removed");
    assert!(lock.try_exclusive().is_err());
    assert!(!victim.exists(), "a file was made through the link");
}
