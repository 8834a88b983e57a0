//! `exec` through the real binary: what the command finds, and what it does not find.

use crate::{
    scene::{KEY, SECRET, Scene},
    support::{binary::Invocation, canary::found_in, running::Stream},
};
use rustix::process::Signal;
use std::{fs, os::unix::fs::PermissionsExt};
use tokenstrap::sandbox::approve;

fn exec<'a>(scene: &Scene, words: impl IntoIterator<Item = &'a str>) -> Invocation {
    scene.call(["exec"]).args(words)
}

/// Logs a second profile in at the same server.
fn second_login(scene: &Scene, profile: &str) {
    let endpoints =
        [format!("--auth-url={}", scene.server.authorization_endpoint()), format!("--token-url={}", scene.server.token_endpoint())];
    let login = scene.call(["login", profile, "--client-id", "till", "--client-secret-env", "TILL_SECRET"]).args(endpoints);
    let (login, page) = crate::scene::begun(login);
    approve(&page).unwrap();
    login.finish().expect_code(0);
}

fn token_of(scene: &Scene, profile: &str) -> String {
    scene.call(["token", profile]).run().expect_code(0).stdout.trim_end().to_owned()
}

/// The masks, without the two signals that the C library keeps for itself and that starting a program ignores now and then.
fn signals(status: &str) -> Vec<u64> {
    let masks = status.lines().filter_map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok());
    masks.map(|mask| mask & !0x1_8000_0000).collect()
}

#[test]
fn e_01_and_e_02_the_command_finds_the_named_tokens_and_no_other_secret() {
    let scene = Scene::new();
    scene.log_in();
    second_login(&scene, "lab");
    let (till, lab) = (token_of(&scene, "till"), token_of(&scene, "lab"));

    let one = exec(&scene, ["till", "--", "env"]).env("VAULT_TOKEN", "canary-vault").run().expect_code(0);
    let two = exec(&scene, ["--env", "A=till", "--env", "TF_VAR_b=lab", "--", "env"]).run().expect_code(0);
    let argv = exec(&scene, ["till", "--", "sh", "-c", "tr '\\0' ' ' </proc/$$/cmdline"]).run().expect_code(0);

    assert!(one.stdout.lines().any(|line| line == format!("ACCESS_TOKEN={till}")), "{one}");
    assert!(two.stdout.contains(&format!("A={till}\n")) && two.stdout.contains(&format!("TF_VAR_b={lab}\n")), "{two}");
    assert!(!two.stdout.contains("ACCESS_TOKEN="), "{two}");
    for outcome in [&one, &two] {
        assert_eq!(found_in(outcome.stdout.as_bytes(), &[KEY, SECRET, "canary-vault"]), Vec::<String>::new(), "{outcome}");
        assert!(!outcome.stdout.contains("TOKENSTRAP_KEY="), "{outcome}");
    }
    assert_eq!(found_in(argv.stdout.as_bytes(), &[&till, KEY, SECRET]), Vec::<String>::new(), "{argv}");
}

#[test]
fn e_02_a_secret_variable_stays_where_that_was_asked_for() {
    let scene = Scene::new();
    scene.log_in();

    let words = ["till", "--keep-env", "VAULT_TOKEN", "--", "env"];
    let kept = exec(&scene, words).env("VAULT_TOKEN", "canary-vault").run().expect_code(0);

    assert!(kept.stdout.contains("VAULT_TOKEN=canary-vault"), "{kept}");
    assert!(!kept.stdout.contains(KEY), "{kept}");
}

#[test]
fn e_03_only_descriptors_of_the_caller_reach_the_command() {
    let scene = Scene::new();
    scene.log_in();

    let plain = exec(&scene, ["till", "--", "sh", "-c", "ls /proc/$$/fd"]).run().expect_code(0);
    let passed = scene.home.program("sh").args(["-c", "exec 7<\"$HOME\"; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_tokenstrap")]);
    let passed = passed.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
    let passed = passed.args(["exec", "till", "--", "sh", "-c", "ls /proc/$$/fd"]).run().expect_code(0);

    let numbers =
        |text: &str| text.lines().filter(|line| line.parse::<u32>().is_ok_and(|number| number < 10)).collect::<Vec<_>>().join(" ");
    assert_eq!(numbers(&plain.stdout), "0 1 2", "{plain}");
    assert_eq!(numbers(&passed.stdout), "0 1 2 7", "{passed}");
}

#[test]
fn e_04_there_is_no_shell_and_the_path_is_the_users() {
    let scene = Scene::new();
    scene.log_in();
    let folder = scene.home.path("bin");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("plain"), "not a program").unwrap();
    fs::write(folder.join("mine"), "#!/bin/sh\necho mine \"$@\"\n").unwrap();
    fs::set_permissions(folder.join("mine"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());

    exec(&scene, ["till", "--", "echo hi; id"]).run().expect_code(127).expect_stdout("").expect_stderr("there is no command `echo hi; id`");
    exec(&scene, ["till", "--", "plain"]).env("PATH", &path).run().expect_code(126).expect_stdout("");
    exec(&scene, ["till", "--", "mine", "$(id)", "--json"]).env("PATH", &path).run().expect_code(0).expect_stdout("mine $(id) --json\n");
}

#[test]
fn e_05_code_signals_limits_and_process_are_the_commands_own() {
    let scene = Scene::new();
    scene.log_in();

    exec(&scene, ["till", "--", "sh", "-c", "exit 42"]).run().expect_code(42);
    let killed = exec(&scene, ["till", "--", "sh", "-c", "kill -TERM $$"]).run();
    assert_eq!(killed.signal, Some(15), "{killed}");
    let mut waiting = exec(&scene, ["till", "--", "sh", "-c", "echo $$; exec sleep 60"]).spawn();
    let pid = waiting.wait_for_line(Stream::Out, "");
    assert_eq!(pid, waiting.pid().as_raw_nonzero().to_string());
    waiting.signal(Signal::HUP);
    assert_eq!(waiting.finish().signal, Some(1));
    let show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"];
    let usual = scene.home.program(show[0]).args(&show[1..]).run().expect_code(0);
    let found = exec(&scene, ["till", "--"]).args(show).run().expect_code(0);
    assert_eq!(signals(&found.stdout), signals(&usual.stdout), "{found}");
    let limit = scene.home.program("sh").args(["-c", "ulimit -Sc 8 && exec \"$@\"", "sh", env!("CARGO_BIN_EXE_tokenstrap")]);
    let limit = limit.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
    limit.args(["exec", "till", "--", "sh", "-c", "ulimit -Sc"]).run().expect_code(0).expect_stdout("8\n");
}

#[test]
fn e_07_without_a_token_nothing_is_started() {
    let scene = Scene::new();
    let proof = scene.home.path("started");
    let touch = proof.display().to_string();

    exec(&scene, ["till", "--", "touch", &touch]).run().expect_code(125).expect_stderr("(code 3, login needed)");
    scene.log_in();
    scene.call(["exec", "till", "--", "true"]).env("TOKENSTRAP_KEY", "00").run().expect_code(125).expect_stderr("(code ");
    exec(&scene, ["--env", "A=till", "--env", "B=nobody", "--", "touch", &touch]).run().expect_code(125).expect_stdout("");
    exec(&scene, ["--", "touch", &touch]).run().expect_code(125).expect_stderr("no profile was given");
    exec(&scene, ["till", "--env", "A=till", "--env", "A=till", "--", "touch", &touch]).run().expect_code(125);

    for name in ["", "=till", "A=", "a b", "1A", "LD_PRELOAD", "DYLD_X=till", "PATH", "bash_env"] {
        exec(&scene, ["till", "--env", name, "--", "touch", &touch]).run().expect_code(125).expect_stderr("(code 2, usage)");
    }

    exec(&scene, ["till"]).run().expect_code(125).expect_stderr("(code 2, usage)");
    exec(&scene, ["till", "--no-such-flag", "--", "touch", &touch]).run().expect_code(125).expect_stdout("");

    assert!(!proof.exists());
}

#[test]
fn a_command_finds_a_token_that_lives_for_ten_minutes_or_half_of_its_life() {
    let scene = Scene::with(|builder| builder.expires_in(300));
    scene.log_in();

    let first = exec(&scene, ["till", "-v", "--", "true"]).run().expect_code(0).expect_stderr("the access token of till is good for");

    assert!(!first.stderr.contains("warning"), "{first}");
    assert_eq!(scene.server.token_requests(), 1);
}
