//! `doctor` of the built program: what it says of machines that are well, ill and odd.

use crate::{
    scene::{KEY, SECRET, Scene, begun},
    support::binary::{Invocation, Outcome},
};
use serde_json::Value;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};
use tokenstrap::sandbox::approve;

/// The rows of a check: state and fact.
fn rows(outcome: &Outcome, check: &str) -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    let text = |row: &Value, name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let all = document["checks"].as_array().unwrap().iter().filter(|row| row["check"] == check);
    all.map(|row| (text(row, "state"), text(row, "says"))).collect()
}

fn doctor(scene: &Scene, more: &[&str]) -> Invocation {
    scene.call(["doctor"]).args(more).env("BROWSER", "true")
}

#[test]
fn a_machine_where_a_login_would_work_is_0_and_each_thing_in_its_way_is_5() {
    let scene = Scene::new();
    let asked = scene.server.requests();

    let well = doctor(&scene, &[]).run().expect_code(0);
    assert!(well.stdout.contains("✓ file ") && well.stdout.ends_with("Nothing here keeps a login from working.\n"), "{well}");
    assert!(!well.stdout.contains('✗') && well.stderr.is_empty(), "{well}");

    doctor(&scene, &[]).env("BROWSER", "").run().expect_code(5);
    doctor(&scene, &["--for", "token"]).run().expect_code(5);
    doctor(&scene, &[]).env("TOKENSTRAP_KEY", "").run().expect_code(5);
    doctor(&scene, &[]).env("TOKENSTRAP_STORE", "keychain").run().expect_code(5);
    doctor(&scene, &[]).env("TOKENSTRAP_STORE", "nowhere").run().expect_code(5);
    doctor(&scene, &[]).env("SSL_CERT_FILE", "/nowhere").env("SSL_CERT_DIR", "/nowhere").run().expect_code(5);
    doctor(&scene, &[]).env("HTTPS_PROXY", "ftp://user:CANARY@x").run().expect_code(5);
    let state = scene.home.path(".local/state/tokenstrap/locks");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o777)).unwrap();
    let loose = doctor(&scene, &[]).run().expect_code(5);
    assert!(loose.stdout.contains("chmod 700"), "{loose}");
    assert_eq!(scene.server.requests(), asked);
}

#[test]
fn a_grant_that_is_there_is_judged_by_its_own_store_and_its_server_is_asked_for_the_time_alone() {
    let scene = Scene::new();
    scene.log_in();
    let asked = scene.server.requests();

    let outcome = doctor(&scene, &["till", "--for", "token", "--json"]).env("BROWSER", "").run().expect_code(0);

    assert_eq!(rows(&outcome, "grants"), [("works".into(), "1 stored, each in one place, none interrupted".into())]);
    let clock = rows(&outcome, "clock");
    // This server leaves its date out.
    assert!(clock[0].1.contains("127.0.0.1:") && clock[0].1.contains("does not say what time it is"), "{outcome}");
    assert_eq!(scene.server.requests(), asked + 1);
    assert!(scene.server.log().last().unwrap().authorization.is_none());
    doctor(&scene, &["other", "--for", "token"]).run().expect_code(5);
}

#[test]
fn s_13_a_grant_that_two_stores_hold_is_shown_with_both_generations_and_the_newer() {
    let scene = Scene::new();
    scene.log_in();
    let bundle = scene.call(["export", "till"]).run().expect_code(0).stdout;
    scene.refreshed().expect_code(0);

    let outcome = doctor(&scene, &["--json"]).env("TOKENSTRAP_GRANT", bundle.trim_end()).run().expect_code(0);

    let twice = rows(&outcome, "grants").into_iter().find(|(_, fact)| fact.contains("held twice")).unwrap();
    assert!(twice.0 == "odd" && twice.1.contains("in file") && twice.1.contains("in env"), "{outcome}");
    assert!(twice.1.ends_with("the newer one is in file"), "{outcome}");
}

#[test]
fn x_10_whatever_changes_trust_or_place_is_shown_and_no_secret_is() {
    let scene = Scene::new();
    scene.log_in();
    let config = scene.home.path("other.toml");
    fs::write(&config, "").unwrap();
    let bundle = scene.call(["export", "till"]).run().expect_code(0).stdout;
    let token = scene.call(["token", "till"]).run().expect_code(0).stdout;

    for flags in [&["-vv"][..], &["--json"]] {
        let call = doctor(&scene, flags).env("TOKENSTRAP_CONFIG", &config).env("SSL_CERT_DIR", "/etc/ssl/certs");
        let call = call.env("HTTPS_PROXY", "http://user:canary-password@proxy.example:3128").env("VAULT_TOKEN", "canary-vault");
        let outcome = call.env("TOKENSTRAP_GRANT_TILL", bundle.trim_end()).run().expect_code(0);

        for shown in [
            "TOKENSTRAP_STORE",
            "TOKENSTRAP_CONFIG",
            "TOKENSTRAP_KEY",
            "TOKENSTRAP_GRANT_TILL",
            "SSL_CERT_DIR",
            "VAULT_TOKEN",
            "proxy.example:3128",
        ] {
            assert!(outcome.stdout.contains(shown), "{shown} is not in {outcome}");
        }
        for hidden in [KEY, SECRET, "canary", token.trim(), &bundle[40..80]] {
            assert!(!outcome.stdout.contains(hidden) && !outcome.stderr.contains(hidden), "{hidden} is in {outcome}");
        }
    }
}

#[test]
fn a_key_that_opens_nothing_is_no_good_wherever_it_comes_from() {
    let scene = Scene::new();
    scene.log_in();
    let key = |outcome: &Outcome| rows(outcome, "file's key");

    let right = doctor(&scene, &["--json"]).run().expect_code(0);
    let wrong = doctor(&scene, &["--json"]).env("TOKENSTRAP_KEY", "hunter2").run().expect_code(5);

    let said = "from the variable TOKENSTRAP_KEY".to_owned();
    assert_eq!(key(&right), [("works".into(), said.clone())]);
    assert_eq!(key(&wrong), [("odd".into(), said)]);
}

#[test]
fn o_02_names_of_files_cannot_speak_to_the_terminal() {
    let scene = Scene::new();
    let outcome = doctor(&scene, &["--json"]).env("SSL_CERT_DIR", "/etc/ssl/certs\u{1b}[2J\u{202e}").env("BROWSER", "a\u{7}b").run();

    assert!(!outcome.stdout.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{outcome}");
}

#[test]
fn a_store_that_never_answers_and_settings_that_cannot_be_read_end_the_look_in_time() {
    let scene = Scene::new();
    let folder = scene.home.path(".config/tokenstrap");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), "[command]\nargv = [\"sleep\", \"600\"]\n").unwrap();
    let began = Instant::now();

    let hung = doctor(&scene, &["--json"]).env("TOKENSTRAP_STORE", "command").run().expect_code(5);
    assert!(rows(&hung, "command")[0].1.contains("did not end in time"), "{hung}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());

    fs::write(folder.join("config.toml"), "tls_verify = false\n").unwrap();
    let unreadable = doctor(&scene, &["--json"]).run().expect_code(5);
    assert!(rows(&unreadable, "settings")[0].1.contains("tls_verify"), "{unreadable}");
}

#[test]
fn a_refresh_that_did_not_end_is_named_with_the_command_that_ends_it() {
    let scene = Scene::new();
    let (login, page) = begun(scene.login());
    approve(&page).unwrap();
    login.finish().expect_code(0);
    scene.server.faults(|faults| faults.odd = tokenstrap::sandbox::Odd::by_name("html-502").map(|odd| (odd, 99)));
    scene.call(["token", "till", "--force-refresh"]).run().expect_code(4);

    let outcome = doctor(&scene, &[]).run().expect_code(0);

    assert!(outcome.stdout.contains("a refresh did not end") && outcome.stdout.contains("→ tokenstrap refresh till"), "{outcome}");
}
