//! Helpers through the real binary: what they answer, and that they never harm a grant.

use crate::{
    scene::{SECRET, Scene},
    support::canary::found_in,
};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, time::Instant};

/// A profile that is logged in and bound to `good.example`.
fn bound() -> Scene {
    let scene = Scene::new();
    scene.log_in();
    scene.call(["bind", "till", "good.example"]).run().expect_code(0).expect_stdout("good.example\n");
    scene
}

const ASKED: &str = "protocol=https\nhost=good.example\n\n";

#[test]
fn h_07_and_h_15_git_gets_the_access_token_whole_and_nothing_else_however_much_is_said() {
    let scene = bound();
    let token = scene.call(["token", "till"]).run().expect_code(0).stdout;
    let revealed = scene.call(["show", "till", "--reveal", "--json"]).run().expect_code(0);
    let shown: serde_json::Value = serde_json::from_str(&revealed.stdout).unwrap();
    let refresh_token = shown["refresh_token"].as_str().unwrap();

    let answer = scene.call(["-vvv", "helper", "git", "till", "get"]).stdin(ASKED).run().expect_code(0);

    let lines: Vec<_> = answer.stdout.lines().collect();
    assert_eq!(lines[..2], ["username=oauth2", &format!("password={}", token.trim_end())], "{answer}");
    assert!(lines[2].starts_with("password_expiry_utc=") && lines.len() == 3, "{answer}");
    assert_eq!(found_in(format!("{}{}", answer.stdout, answer.stderr).as_bytes(), &[refresh_token, SECRET]), Vec::<String>::new());
    assert_eq!(found_in(answer.stderr.as_bytes(), &[token.trim_end()]), Vec::<String>::new());
}

#[test]
fn h_01_and_h_02_and_h_03_hostile_requests_leave_standard_output_empty() {
    let scene = bound();

    for asked in [
        "protocol=https\nhost=good.example\rhost=evil.example\n\n",
        "protocol=https\nhost=good.example\nusername=a\0b\n\n",
        "protocol=https\nhost=a%0ahost=good.example\n\n",
        "\n",
        "protocol=https\n\n",
        "protocol=https\nhost=evil.example\n\n",
        "protocol=http\nhost=good.example\n\n",
    ] {
        let outcome = scene.call(["helper", "git", "till", "get"]).stdin(asked).run().expect_stdout("");
        assert!(!outcome.stderr.contains("hint: run `tokenstrap login"), "{outcome}");
    }
    // git may ask for more one day; what a helper does not know it passes over.
    scene.call(["helper", "git", "till", "renew"]).stdin(ASKED).run().expect_code(0).expect_stdout("").expect_stderr("");
    scene.call(["helper", "git", "till"]).run().expect_code(2).expect_stdout("");
    let huge = "x".repeat(3_000_000);
    scene.call(["helper", "git", "till", "get"]).stdin(huge.clone()).run().expect_stdout("");
    scene.call(["helper", "docker", "till", "get"]).stdin(huge).run().expect_stdout("credentials not found in native keychain\n");
    assert_eq!(scene.server.token_requests(), 1);
}

#[test]
fn h_08_erasing_a_hundred_times_costs_one_refresh_and_storing_nothing() {
    let scene = bound();
    let old = scene.call(["token", "till"]).run().expect_code(0).stdout.trim_end().to_owned();
    let rejected = format!("protocol=https\nhost=good.example\nusername=oauth2\npassword={old}\n\n");
    let strange = "protocol=https\nhost=good.example\npassword=of-somebody-else\n\n";

    scene.call(["helper", "git", "till", "store"]).stdin(&*rejected).run().expect_code(0).expect_stdout("");
    scene.call(["helper", "git", "till", "erase"]).stdin(strange).run().expect_code(0).expect_stdout("");
    scene.call(["helper", "docker", "till", "erase"]).stdin("https://evil.example").run().expect_code(0);
    scene.call(["token", "till"]).run().expect_code(0).expect_stdout(&format!("{old}\n"));
    for _ in 0..100 {
        scene.call(["helper", "git", "till", "erase"]).stdin(&*rejected).run().expect_code(0).expect_stdout("");
    }
    let first = scene.call(["helper", "git", "till", "get"]).stdin(ASKED).run().expect_code(0);
    scene.call(["helper", "docker", "till", "erase"]).stdin("good.example").run().expect_code(0);
    let second = scene.call(["helper", "git", "till", "get"]).stdin(ASKED).run().expect_code(0);

    assert!(first.stdout.contains("password=") && !first.stdout.contains(&old), "{first}");
    assert_eq!(first.stdout, second.stdout, "a token that has just been refreshed is not refreshed again");
    assert_eq!(scene.server.token_requests(), 2);
}

#[test]
fn h_09_without_a_grant_every_helper_ends_at_once_and_asks_nobody() {
    let scene = Scene::new();
    let began = Instant::now();

    let docker = "credentials not found in native keychain\n";
    for (kind, operand, input, said) in
        [("git", "get", ASKED, ""), ("docker", "get", "good.example", docker), ("bazel", "get", "{\"uri\":\"https://a.b\"}", "")]
    {
        let outcome = scene.call(["helper", kind, "till", operand]).stdin(input).run().expect_code(3).expect_stdout(said);
        assert!(outcome.stderr.contains("there is no grant"), "{outcome}");
    }
    scene.log_in();
    // With a terminal and a store that would ask for a passphrase there.
    let mut at_terminal = scene.home.tokenstrap().env("TOKENSTRAP_STORE", "file").args(["helper", "kubectl", "till"]).at_terminal();
    assert_eq!(at_terminal.outcome().code, Some(5));

    assert!(began.elapsed().as_secs() < 10, "somebody was waited for");
}

#[test]
fn h_11_a_description_of_the_cluster_that_is_no_text_is_not_taken_for_none() {
    let scene = bound();
    let call = || scene.call(["helper", "kubectl", "till"]);
    call().run().expect_code(0);

    for odd in [&b"{\xff"[..], b""] {
        call().env("KUBERNETES_EXEC_INFO", OsStr::from_bytes(odd)).run().expect_code(6).expect_stdout("");
    }
}

#[test]
fn a_shim_is_named_by_its_whole_path_and_nothing_that_is_in_its_place_is_read_or_replaced() {
    let scene = bound();
    let install = || scene.call(["helper", "install", "cargo", "till", "--dir", "shims"]).current_dir(scene.home.path("")).run();
    let shim = scene.home.path("shims/cargo-credential-tokenstrap-till");

    install().expect_code(0).expect_stderr(&format!("[\"{}\"]", shim.display()));
    install().expect_code(0).expect_stderr("is there already");
    std::fs::remove_file(&shim).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &shim, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    install().expect_code(6).expect_stderr("not by this");
    std::fs::remove_file(&shim).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &shim).unwrap();
    install().expect_code(6).expect_stderr("not by this");
}

#[test]
fn h_10_and_h_12_docker_and_cargo_are_answered_through_the_binary() {
    let scene = bound();
    let token = scene.call(["token", "till"]).run().expect_code(0).stdout.trim_end().to_owned();

    let docker = scene.call(["helper", "docker", "till", "get"]).stdin("https://good.example/v2/").run().expect_code(0);
    let request = r#"{"v":1,"registry":{"index-url":"sparse+https://good.example/"},"kind":"get","operation":"read","args":[]}"#;
    let cargo = scene.call(["helper", "cargo", "till", "--cargo-plugin"]).stdin(format!("{request}\n")).run().expect_code(0);

    let docker: serde_json::Value = serde_json::from_str(&docker.stdout).unwrap();
    assert_eq!(docker["Secret"], token.as_str());
    assert!(cargo.stdout.starts_with("{\"v\":[1]}\n") && cargo.stdout.contains(&format!("\"token\":\"Bearer {token}\"")), "{cargo}");
    scene
        .call(["helper", "docker", "till", "list"])
        .run()
        .expect_code(0)
        .expect_stdout("{\"https://good.example\":\"oauth2accesstoken\"}\n");
}
