//! The sealed file store while the machine fails: killed, full and broken at each step of a save.
//!
//! strace plays the fault inside a child, which is this very program with the name of [`save_once`].

use super::stores::{name, record, some_key, world};
use crate::support::real;
use std::{env, fs, path::Path, process::Command};
use tokenstrap::store;

/// Where the child saves generation 2.
const TOP: &str = "TOKENSTRAP_TEST_SAVE_UNDER";
/// By whatever call the library renames.
const RENAMES: &str = "rename,renameat,renameat2";

#[test]
#[ignore = "the child's side of the tests below; alone it does nothing"]
fn save_once() {
    let Some(top) = env::var_os(TOP) else { return };
    let world = world(Path::new(&top), some_key());
    store::by_name("file").unwrap().open(&world).unwrap().save(&record("till", 2)).unwrap();
}

/// Saves generation 1, then generation 2 in a child under strace with these arguments; tells strace's log and the
/// generation that can be read afterwards.
fn save_under(strace: &[&str]) -> (String, u64) {
    let top = tempfile::tempdir().unwrap();
    let world = world(top.path(), some_key());
    let store = store::by_name("file").unwrap().open(&world).unwrap();
    store.save(&record("till", 1)).unwrap();
    let log = top.path().join("log");

    let mut child = Command::new("strace");
    child.args(["-f", "-y", "-qq", "-o"]).arg(&log).args(strace).arg(env::current_exe().unwrap());
    child.args(["--exact", "stores_file_faults::save_once", "--ignored"]).env(TOP, top.path()).output().unwrap();

    let generation = store.load(&name("till")).unwrap().unwrap().generation;
    // Whatever happened, the next save goes on from there and leaves no rest of the broken one.
    store.save(&record("till", generation + 1)).unwrap();
    let left: Vec<String> =
        fs::read_dir(world.data.join("grants")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(left, ["till.grant"], "left behind");
    (fs::read_to_string(log).unwrap(), generation)
}

#[test]
fn f_06_the_file_is_on_the_disk_before_its_name_and_the_name_before_the_answer() {
    if !real::programs("the order of a save", &["strace"]) {
        return;
    }

    let (log, generation) = save_under(&["-e", &format!("trace=fsync,fdatasync,{RENAMES}")]);

    let steps: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("/grants"))
        .map(|line| match () {
            () if line.contains("rename") => "rename",
            () if line.contains("sync") && line.contains("~") => "sync the file",
            () if line.contains("sync") => "sync the folder",
            () => "other",
        })
        .collect();
    assert_eq!(steps, ["sync the file", "rename", "sync the folder"], "{log}");
    assert_eq!(generation, 2);
}

#[test]
fn s_06_a_save_that_is_killed_anywhere_leaves_the_old_record_or_the_new_one() {
    if !real::programs("the kills of a save", &["strace"]) {
        return;
    }
    let mut seen = [0; 2];
    for call in ["fsync", RENAMES, "write", "unlink"] {
        for when in 1..=4 {
            let (_, generation) = save_under(&["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=SIGKILL:when={when}")]);
            // Read at all, with a seal that is whole: that is what counts here.
            seen[usize::try_from(generation - 1).unwrap()] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times > 0), "the kills all fell on one side: {seen:?}");
}

#[test]
fn f_07_a_save_that_the_disk_refuses_leaves_the_old_record() {
    if !real::programs("the faults of a disk", &["strace"]) {
        return;
    }
    for (call, fault) in [("fsync", "EIO"), (RENAMES, "EROFS"), (RENAMES, "ENOSPC")] {
        let inject = format!("inject={call}:error={fault}:when=1");
        let (log, generation) = save_under(&["-e", &format!("trace={call}"), "-e", &inject]);
        assert!(log.contains("(INJECTED)"), "{fault}: {log}");
        assert_eq!(generation, 1, "{fault}");
    }
}
