//! A program as a store: the protocol, its bounds, and the programs that ship.

use crate::{
    scene::{KEY, Scene},
    stores::{contract, loaded, name, record, text, world},
};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokenstrap::{
    ports::{StoreError, TokenStore},
    store::{self, KeySource},
};

/// A keeper in a few lines, which can refuse: one file for each name below the folder of its argument.
pub(crate) const KEEPER: &str = r#"
import json, os, sys
request, folder = json.load(sys.stdin), sys.argv[1]
path = os.path.join(folder, request.get("name", "none"))
def read():
    return json.load(open(path)) if os.path.exists(path) else None
def answer():
    match request["do"]:
        case "describe": return {"place": "a folder", "conflict": True}
        case "get": return {"value": read()["value"]} if read() else {"missing": True}
        case "put":
            generation = (read() or {"generation": 0})["generation"]
            if request["expected"] not in (None, generation): return {"conflict": True}
            json.dump(request, open(path, "w"))
            return {"saved": True}
        case "delete":
            if read(): os.remove(path)
            return {"deleted": True}
        case "list": return {"names": os.listdir(folder)}
json.dump(answer(), sys.stdout)
"#;

fn program(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("keeper");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn with_store<T>(argv: &[String], act: impl FnOnce(&dyn TokenStore) -> T) -> T {
    let top = tempfile::tempdir().unwrap();
    let world = store::World { command: argv, ..world(top.path(), KeySource::Unsaid) };
    let store = store::by_name("command").unwrap().open(&world).unwrap();
    act(&*store)
}

/// A shell script as a store.
fn script<T>(text: &str, act: impl FnOnce(&dyn TokenStore) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = program(folder.path(), &format!("#!/bin/sh\n{text}"));
    with_store(&[path.to_str().unwrap().to_owned()], act)
}

/// Keeper and folder as an argument vector.
pub(crate) fn keeper(folder: &Path) -> Vec<String> {
    let place = folder.join("kept");
    fs::create_dir_all(&place).unwrap();
    let program = program(folder, KEEPER);
    ["python3", "-I", "-S", program.to_str().unwrap(), place.to_str().unwrap()].map(str::to_owned).to_vec()
}

#[test]
fn a_program_that_can_refuse_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();

    with_store(&keeper(folder.path()), |store| {
        contract(store);
        assert_eq!(store.is_shared(), Ok(true));
    });

    assert_eq!(fs::read_dir(folder.path().join("kept")).unwrap().count(), 0);
}

#[test]
fn a_writer_that_looked_too_early_is_told_of_the_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let argv = keeper(folder.path());
    with_store(&argv, |store| store.save(&record("till", 1)).unwrap());
    // A program that shows the old record once more and refuses by what really lies there.
    let stale = folder.path().join("stale");
    fs::copy(folder.path().join("kept/till"), &stale).unwrap();
    with_store(&argv, |store| store.save(&record("till", 2)).unwrap());
    let late =
        KEEPER.replace("case \"get\": return", &format!("case \"get\": return {{\"value\": json.load(open({stale:?}))[\"value\"]}} or"));
    fs::write(&argv[3], late).unwrap();

    assert_eq!(with_store(&argv, |store| store.save(&record("till", 2))), Err(StoreError::Conflict));
    fs::write(&argv[3], KEEPER).unwrap();
    assert_eq!(with_store(&argv, |store| loaded(store, "till")), text(&record("till", 2)));
}

#[test]
fn s_12_and_f_10_a_program_that_never_ends_is_ended_within_ten_seconds_with_all_that_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("child");
    let began = Instant::now();

    let outcome = script(&format!("sleep 600 & echo $! >{}; wait", note.display()), |store| store.load(&name("till")));

    assert!(matches!(&outcome, Err(StoreError::Unavailable(fact)) if fact.contains("in time")), "{outcome:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    let child = fs::read_to_string(note).unwrap();
    let state = fs::read_to_string(format!("/proc/{}/stat", child.trim())).unwrap_or_default();
    assert!(state.is_empty() || state.contains(") Z "), "the grandchild still runs: {state}");
}

#[test]
fn whatever_a_program_says_is_bounded_printable_and_no_empty_store() {
    let odd = |outcome: Result<(), StoreError>, part: &str| match outcome {
        Err(StoreError::Unavailable(fact)) => {
            assert!(fact.contains(part) && fact.len() < 2_000 && !fact.contains(['\u{1b}', '\n', '\u{202e}']), "{fact}");
        }
        other => panic!("{other:?}"),
    };
    for (text, part) in [
        ("echo '[]'", "not in the protocol"),
        ("true", "not in the protocol"),
        ("echo '{}'", "not in the protocol"),
        ("echo '{\"value\": 1}'", "not in the protocol"),
        ("echo '{\"missing\": true} x'", "not in the protocol"),
        ("echo '{\"missing\": true}'; exit 3", "exit status: 3"),
        ("printf 'one\\nt\\033[2Jwo\\342\\200\\256' >&2; exit 1", "t<001B>[2Jwo<202E>"),
        ("yes x | head -c 100000 | tr -d '\\n' >&2; exit 1", "xxxx"),
        ("yes '{\"missing\": true}' | head -c 3000000", "more than"),
        // One that never ends is not waited for.
        ("exec yes '{\"missing\": true}'", "more than"),
        ("kill -9 $$", "signal: 9"),
        ("echo '{\"error\": \"busy\", \"message\": \"a\\u001b[2J\"}'", "a<001B>[2J"),
    ] {
        odd(script(text, |store| store.load(&name("till")).map(drop)), part);
    }
    script("cat >/dev/null; echo '{\"missing\": true}'", |store| assert!(store.load(&name("till")).unwrap().is_none()));
    script("echo '{\"error\": \"locked\"}'", |store| assert!(matches!(store.probe(), Err(StoreError::Locked(_)))));
    // One that says yes and keeps nothing is found out before a refresh token is spent.
    let forgetful = "case $(cat) in *'\"put\"'*) echo '{\"saved\":true}';; *'\"delete\"'*) echo '{\"deleted\":true}';; *) echo '{\"missing\":true}';; esac";
    script(forgetful, |store| assert!(matches!(store.probe(), Err(StoreError::Forgetful(_)))));
}

#[test]
fn a_program_that_is_not_there_or_depends_on_the_folder_is_named() {
    let outcome = |argv: &[&str]| {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        with_store(&argv, |store| store.probe())
    };

    assert!(matches!(outcome(&[]), Err(StoreError::Unset(fact)) if fact.contains("argv")));
    assert!(matches!(outcome(&["./keeper"]), Err(StoreError::Unsafe(_))));
    assert!(matches!(outcome(&["bin/keeper"]), Err(StoreError::Unsafe(_))));
    assert!(matches!(outcome(&["/nowhere/keeper"]), Err(StoreError::Missing(_))));
    assert!(matches!(outcome(&["/etc/passwd"]), Err(StoreError::Denied(_))));
    // A shell would make two commands of it.
    assert!(matches!(outcome(&["true; echo"]), Err(StoreError::Missing(_))));
}

/// A scene whose settings name the keeper.
fn scene(text: &str) -> Scene {
    let scene = Scene::new();
    let folder = scene.home.path(".config/tokenstrap");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
    scene
}

#[test]
fn x_02_a_whole_login_goes_through_the_program_which_sees_no_secret_but_on_its_input() {
    let keep = tempfile::tempdir().unwrap();
    let argv = keeper(keep.path());
    let seen = keep.path().join("seen");
    let spy = format!(
        "import os\nopen({seen:?}, 'a').write(open('/proc/self/cmdline').read() + open('/proc/self/environ').read() + os.getcwd())\n{KEEPER}"
    );
    fs::write(&argv[3], spy).unwrap();
    let scene = scene(&format!("[command]\nargv = {argv:?}\n"));

    let command = |args: &[&str]| scene.call(args.to_vec()).env("TOKENSTRAP_STORE", "command").env("TOKENSTRAP_GRANT", "canary");
    let (login, page) = crate::scene::begun(scene.login().env("TOKENSTRAP_STORE", "command"));
    tokenstrap::sandbox::approve(&page).unwrap();
    login.finish().expect_code(0);
    let first = command(&["token", "till"]).run().expect_code(0).stdout;
    let second = command(&["token", "till", "--force-refresh"]).run().expect_code(0).stdout;
    assert_ne!(first, second);
    assert!(command(&["list"]).run().expect_code(0).stdout.contains("till"));
    command(&["logout", "till"]).run().expect_code(0);

    assert_eq!(fs::read_dir(keep.path().join("kept")).unwrap().count(), 0);
    let seen = fs::read_to_string(seen).unwrap();
    assert!(seen.contains("keeper") && seen.ends_with('/'));
    for secret in [KEY, "canary", first.trim(), second.trim(), "TOKENSTRAP_GRANT"] {
        assert!(!seen.contains(secret) || secret == "canary" && !seen.contains("TOKENSTRAP_GRANT"), "{secret} was seen");
    }
}

#[test]
fn c_04_no_profile_bundle_or_entry_can_name_a_program() {
    let scene = scene("");
    let profiles = scene.home.path(".config/tokenstrap/profiles");
    fs::create_dir_all(&profiles).unwrap();
    let text = "[command]\nargv = [\"touch\", \"/nowhere\"]\n";
    fs::write(profiles.join("till.toml"), text).unwrap();

    scene.call(["token", "till"]).run().expect_code(2).expect_stderr("command");
    for wrong in ["[command]\nargv = \"sh -c x\"\n", "[command]\nshell = \"x\"\n", "[command]\nargv = [[\"x\"]]\n"] {
        fs::write(scene.home.path(".config/tokenstrap/config.toml"), wrong).unwrap();
        scene.call(["token", "shop"]).run().expect_code(2);
    }
    fs::write(scene.home.path(".config/tokenstrap/config.toml"), text).unwrap();
    fs::set_permissions(scene.home.path(".config/tokenstrap/config.toml"), fs::Permissions::from_mode(0o666)).unwrap();
    scene.call(["token", "shop"]).env("TOKENSTRAP_STORE", "command").run().expect_code(6);
}
