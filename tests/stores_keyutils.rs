//! The kernel's keyring as a store, and moves between stores. Each test has a user namespace of its own, and with it a
//! keyring that nobody else sees.

use super::{
    scene::Scene,
    stores::{CANARY, contract, name, record, world},
    stores_keychain::{ASK, MARK, ask},
};
use crate::support::real;
use std::{env, io::Write, path::Path, process::Command};
use tokenstrap::{
    ports::StoreError,
    store::{self, KeySource},
};

#[test]
#[ignore = "the child's side of the tests below; alone it does nothing"]
fn answer() {
    let Some(question) = env::var(ASK).ok() else { return };
    let world = world(Path::new("nowhere"), KeySource::Unsaid);
    let store = store::by_name("keyutils").unwrap().open(&world).unwrap();
    let told = match question.as_str() {
        "contract" => {
            contract(&*store);
            "kept".to_owned()
        }
        _ => {
            let mut big = record("till", 1);
            big.current.as_mut().unwrap().asked = vec!["x".repeat(40_000)];
            let refused = store.save(&big);
            format!(
                "{} {:?}",
                matches!(refused, Err(StoreError::TooBig { limit: 32_767, .. })),
                store.load(&name("till")).unwrap().is_some()
            )
        }
    };
    writeln!(std::io::stdout(), "\n{MARK}{told}").unwrap();
}

/// What a child says that has a keyring of its own; `None`, and a word about it, where there is no such namespace.
fn told(question: &str) -> Option<String> {
    if !is_private() {
        return None;
    }
    let mut child = Command::new("unshare");
    child.arg("-Ur").arg(env::current_exe().unwrap());
    Some(ask(child, "stores_keyutils::answer", question).0)
}

fn is_private() -> bool {
    real::programs("a keyring of one's own", &["unshare"])
        && (Command::new("unshare").args(["-Ur", "true"]).status().is_ok_and(|status| status.success()) || {
            real::left_out("a keyring of one's own", "user namespaces are not allowed");
            false
        })
}

#[test]
fn the_kernels_keyring_keeps_the_contract() {
    let Some(told) = told("contract") else { return };

    assert_eq!(told, "kept");
}

#[test]
fn s_11_a_record_beyond_the_kernels_limit_is_refused_with_the_number_and_leaves_nothing() {
    let Some(told) = told("too big") else { return };

    assert_eq!(told, "true false");
}

/// Runs the words of a shell in a namespace of its own, `$0` being the program.
#[track_caller]
fn script(scene: &Scene, words: &str) -> crate::support::binary::Outcome {
    let call = scene.home.program("unshare").args(["-Ur", "sh", "-euc", words, env!("CARGO_BIN_EXE_tokenstrap")]);
    call.env("TOKENSTRAP_KEY", crate::scene::KEY).run()
}

#[test]
fn s_13_a_grant_moves_to_another_store_and_back_and_lies_in_one_of_them_only() {
    if !is_private() {
        return;
    }
    let scene = Scene::new();
    scene.log_in();
    let grant = scene.home.path(".local/share/tokenstrap/grants/till.grant");

    let moved = script(
        &scene,
        "\"$0\" store migrate till --to keyutils; test ! -e \"$XDG_DATA_HOME/tokenstrap/grants/till.grant\"
         \"$0\" token till --force-refresh; \"$0\" list --store keyutils --json; \"$0\" store migrate till --to file; \"$0\" list --store keyutils --json",
    )
    .expect_code(0);

    assert!(grant.exists());
    let lines: Vec<&str> = moved.stdout.lines().collect();
    assert!(scene.server.is_live_access_token(lines[0]), "{moved}");
    let holds = |line: &str| line.contains("\"has_refresh_token\":true");
    assert!(holds(lines[1]) && !holds(lines[2]), "{moved}");
    assert!(moved.stderr.contains("end with the next reboot"), "{moved}");
    let again = scene.home.tokenstrap().env("TOKENSTRAP_KEY", crate::scene::KEY).args(["token", "till", "--force-refresh"]).run();
    again.expect_code(0);
}

#[test]
fn a_grant_that_its_store_refuses_moves_as_it_waits_beside_it() {
    if !is_private() || !real::programs("a grant that waits beside its store", &["strace"]) {
        return;
    }
    let scene = Scene::with(|server| server.rotating());
    scene.log_in();
    let grants = scene.home.path(".local/share/tokenstrap/grants");
    let waiting = || std::fs::read_dir(scene.home.path(".local/state/tokenstrap/spool")).map_or(0, Iterator::count);

    let moved = script(
        &scene,
        &format!(
            "strace -f -qq -o /dev/null -P {0}/till.grant -e trace=rename,renameat,renameat2 -e inject=rename,renameat,renameat2:error=ENOSPC \"$0\" token till --force-refresh
             ls \"$HOME/.local/state/tokenstrap/spool\"; \"$0\" store migrate till --to keyutils; \"$0\" token till --force-refresh",
            grants.display()
        ),
    );
    moved.expect_code(0).expect_stderr("the store did not take the new grant");

    assert_eq!(waiting(), 0);
    assert_eq!(scene.server.reuse_events(), 0);
}

#[test]
fn a_move_onto_another_grant_of_the_name_or_into_nowhere_removes_nothing() {
    if !is_private() {
        return;
    }
    let scene = Scene::new();
    scene.log_in();
    let grant = scene.home.path(".local/share/tokenstrap/grants/till.grant");
    let before = std::fs::read(&grant).unwrap();

    for store in ["keychain", "vault", "env", "command"] {
        let refused =
            scene.home.tokenstrap().env("TOKENSTRAP_KEY", crate::scene::KEY).args(["store", "migrate", "till", "--to", store]).run();
        assert!(matches!(refused.code, Some(5 | 6)), "{store}: {refused}");
        assert!(!refused.stderr.contains(CANARY) && !refused.stderr.contains("mock-"), "{store}: {refused}");
    }
    scene.call(["store", "migrate", "till", "--to", "file"]).run().expect_code(2);

    assert_eq!(std::fs::read(&grant).unwrap(), before);
}
