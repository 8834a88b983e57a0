//! The programs of `examples/stores` keep a grant: `pass` with the real pass and gpg, the cloud's with a stand-in for `gcloud`.

use crate::{
    scene::{Scene, begun},
    support::{binary::Invocation, real},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tokenstrap::sandbox::approve;

/// A scene whose store is one of the programs that ship.
fn scene(example: &str, arguments: &[&str]) -> Scene {
    let scene = Scene::with(|server| server.rotating());
    let path = Path::new(real::TOP).join("examples/stores").join(example);
    let argv: Vec<&str> = [path.to_str().unwrap()].into_iter().chain(arguments.iter().copied()).collect();
    let folder = scene.home.path(".config/tokenstrap");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), format!("store = \"command\"\n[command]\nargv = {argv:?}\n")).unwrap();
    scene
}

/// A grant's life: made, read, refreshed twice, listed, forgotten.
fn lives(scene: &Scene, dress: &dyn Fn(Invocation) -> Invocation) {
    let call = |args: &[&str]| dress(scene.call(args.to_vec()).env("TOKENSTRAP_STORE", "").env("TOKENSTRAP_KEY", ""));
    let (login, page) = begun(dress(scene.login().env("TOKENSTRAP_STORE", "").env("TOKENSTRAP_KEY", "")));
    approve(&page).unwrap();
    login.finish().expect_code(0);
    for flags in [["--min-ttl", "0s"], ["--min-ttl", "2h"], ["--min-ttl", "2h"]] {
        call(&["token", "till"]).args(flags).run().expect_code(0);
    }
    assert_eq!((scene.server.token_requests(), scene.server.reuse_events()), (3, 0));
    let list = call(&["list"]).run().expect_code(0).stdout;
    assert!(list.contains("till") && list.contains("command"), "{list}");
}

fn forgets(scene: &Scene, dress: &dyn Fn(Invocation) -> Invocation) {
    let call = |args: &[&str]| dress(scene.call(args.to_vec()).env("TOKENSTRAP_STORE", "").env("TOKENSTRAP_KEY", ""));
    call(&["logout", "till"]).run().expect_code(0);
    call(&["token", "till"]).run().expect_code(3);
}

#[test]
fn the_real_pass_keeps_a_grant_and_a_locked_key_opens_no_window() {
    if !real::programs("the example on pass", &["pass", "gpg", "gpgconf", "jq"]) {
        return;
    }
    let scene = scene("pass", &[]);
    let rings = scene.home.root().join("gpg");
    fs::create_dir(&rings).unwrap();
    fs::set_permissions(&rings, fs::Permissions::from_mode(0o700)).unwrap();
    let dress = |call: Invocation| call.env("GNUPGHOME", &rings);
    let seal_to = |user: &str| dress(scene.home.program("pass").args(["init", user])).run().expect_code(0);
    for (user, passphrase) in [("open@till.example", ""), ("locked@till.example", "long passphrase")] {
        let make =
            scene.home.program("gpg").args(["--batch", "--pinentry-mode", "loopback", "--passphrase", passphrase, "--quick-gen-key"]);
        dress(make.args([user, "future-default", "default", "never"])).run().expect_code(0);
    }
    seal_to("open@till.example");

    lives(&scene, &dress);
    let entries = scene.home.path(".password-store/tokenstrap");
    assert!(entries.join("till.gpg").exists());
    // The same entries under a key with a passphrase that nobody can be asked for.
    seal_to("locked@till.example");
    let forget_passphrases = || dress(scene.home.program("gpgconf").args(["--kill", "all"])).run();
    forget_passphrases();
    let locked = dress(scene.call(["token", "till", "--store", "command"])).run().expect_code(5).expect_stderr("is locked");
    assert_eq!(locked.stdout, "");
    forget_passphrases();
}

/// Plays `gcloud secrets`: one file for each secret, and its words for what is not there.
const GCLOUD: &str = r#"#!/bin/sh
set -eu
vault=$(dirname "$0")/../vault
[ "$1" = secrets ] || exit 2
shift
missing() { echo 'ERROR: (gcloud.secrets) NOT_FOUND: Secret not found.' >&2; exit 1; }
case "$1 $2" in
  'versions access') [ -s "$vault/$5" ] || missing; cat "$vault/$5" ;;
  'versions add') [ -e "$vault/$3" ] || missing; cat >"$vault/$3" ;;
  create*) [ ! -e "$vault/$2" ] || exit 1; : >"$vault/$2" ;;
  delete*) [ -e "$vault/$2" ] || missing; rm "$vault/$2" ;;
  list*) ls "$vault" ;;
esac
printf '%s\n' "$*" >>"$vault/../calls"
"#;

#[test]
fn a_clouds_own_program_keeps_a_grant_and_has_it_from_a_pipe_alone() {
    if !real::programs("the example on a cloud's program", &["python3"]) {
        return;
    }
    let scene = scene("google-secret-manager", &["my-project"]);
    let (bin, vault) = (scene.home.root().join("bin"), scene.home.root().join("vault"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&vault).unwrap();
    fs::write(bin.join("gcloud"), GCLOUD).unwrap();
    fs::set_permissions(bin.join("gcloud"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let dress = |call: Invocation| call.env("PATH", &path);

    lives(&scene, &dress);
    assert!(vault.join("tokenstrap-till").exists());
    forgets(&scene, &dress);

    assert_eq!(fs::read_dir(&vault).unwrap().count(), 0);
    let calls = fs::read_to_string(scene.home.root().join("calls")).unwrap();
    assert!(calls.contains("tokenstrap-till_40intent") && calls.contains("--project my-project"), "{calls}");
    assert!(!calls.contains("mock-"), "{calls}");
}
