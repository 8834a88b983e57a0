//! Settings files, names and working directories, as an attacker would leave them for the built program.

use crate::{
    scene::Scene,
    support::{binary::Home, real},
};
use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
};

fn write(scene: &Scene, below: &str, text: &str) -> std::path::PathBuf {
    let file = scene.home.path(".config/tokenstrap").join(below);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

#[test]
fn x_10_a_program_that_outranks_its_caller_obeys_nobody() {
    const WHAT: &str = "a program with more rights than its caller";
    if !rustix::process::geteuid().is_root() || !real::programs(WHAT, &["setcap", "setpriv"]) {
        return real::left_out_anywhere(WHAT, "only root can make one");
    }
    let scene = Scene::new();
    scene.log_in();
    let folder = scene.home.root().join("shared");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(scene.home.root(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.join("tokenstrap");
    fs::copy(env!("CARGO_BIN_EXE_tokenstrap"), &program).unwrap();
    let started = |prefix: &[&str]| {
        let call = scene.home.program(prefix[0]).args(&prefix[1..]).arg(&program).args(["providers"]);
        call.env("HOME", &folder).env("TOKENSTRAP_CONFIG", "/nowhere").run()
    };
    let other = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let told = started(&other);
    assert!(!told.stderr.contains("more rights"), "{told}");

    let capable = std::process::Command::new("setcap").arg("cap_net_bind_service=+ep").arg(&program).status().unwrap();
    assert!(capable.success());
    started(&other).expect_code(6).expect_stdout("").expect_stderr("more rights than whoever started it");

    std::os::unix::fs::chown(&program, Some(65534), Some(65534)).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
    started(&["env"]).expect_code(6).expect_stderr("more rights than whoever started it");
}

#[test]
fn c_01_nothing_is_read_from_the_working_directory() {
    let scene = Scene::new();
    scene.log_in();
    let folder = scene.home.root().join("cwd");
    fs::create_dir_all(folder.join("profiles")).unwrap();
    fs::create_dir_all(folder.join(".config/tokenstrap/profiles")).unwrap();
    let names =
        [".tokenstrap.toml", "tokenstrap.toml", ".env", "config.toml", "profiles/till.toml", ".config/tokenstrap/profiles/till.toml"];
    for name in names {
        fs::write(folder.join(name), "token_url = \"http://127.0.0.1:1/\"\nTOKENSTRAP_STORE=nowhere\n").unwrap();
    }

    scene.call(["token", "till", "--force-refresh"]).run().expect_code(0);
    scene.call(["list"]).run().expect_code(0);
    // Without a home there is no place to look for settings, least of all here.
    let homeless = ["HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"];
    let call = homeless.iter().fold(scene.call(["token", "till"]), |call, name| call.env(name, ""));
    call.run().expect_stdout("");
    let call = homeless.iter().fold(scene.call(["token", "till"]), |call, name| call.env(name, "."));
    let outcome = call.run().expect_stdout("");
    assert_ne!(outcome.code, Some(0));
}

#[test]
fn c_02_settings_that_others_could_have_written_are_refused() {
    let scene = Scene::new();
    scene.log_in();
    let general = write(&scene, "config.toml", "access_token_cache = false\n");
    let own = scene.home.path(".config/tokenstrap/profiles/till.toml");
    for file in [general, own] {
        for mode in [0o666, 0o620, 0o602] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            scene.call(["token", "till"]).env("TOKENSTRAP_STORE", "").run().expect_code(6).expect_stdout("").expect_stderr("chmod");
        }
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let folder = file.parent().unwrap();
        for (mode, code) in [(0o777, 6), (0o703, 6), (0o1777, 0), (0o700, 0)] {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
            scene.call(["token", "till"]).run().expect_code(code);
        }
    }
    assert_eq!(scene.server.token_requests(), 1);
}

#[test]
fn what_names_a_place_and_cannot_be_followed_is_not_passed_over() {
    let scene = Scene::new();
    scene.log_in();
    let odd = OsStr::from_bytes(b"/nowhere/\xff");

    for name in ["TOKENSTRAP_STORE", "TOKENSTRAP_CONFIG", "TOKENSTRAP_KEY_FILE", "XDG_DATA_HOME", "XDG_STATE_HOME", "HOME", "VAULT_ADDR"] {
        let outcome = scene.call(["token", "till"]).env(name, odd).run().expect_code(2).expect_stdout("");
        assert!(outcome.stderr.contains(&format!("`{name}` is not UTF-8")), "{outcome}");
    }
    scene.call(["token", "till"]).env("SOMEBODY_ELSES", odd).run().expect_code(0);

    let missing = scene.home.path("missing.toml");
    for call in [scene.call(["token", "till", "--config"]).arg(&missing), scene.call(["token", "till"]).env("TOKENSTRAP_CONFIG", &missing)]
    {
        call.run().expect_code(2).expect_stdout("").expect_stderr("there is no settings file");
    }
}

#[test]
fn c_03_and_c_04_and_c_05_a_secret_a_command_and_a_typo_in_settings_are_refused_without_their_value() {
    let scene = Scene::new();
    for text in [
        "client_secret = \"CANARY\"",
        "token = \"CANARY\"",
        "refresh_token = \"CANARY\"",
        "cmd = [\"CANARY\"]",
        "tls_verify = \"CANARY\"",
        "store = [\"CANARY\"]",
        "store = \"CANARY",
    ] {
        let file = write(&scene, "config.toml", text);
        let outcome = scene.call(["token", "till"]).env("TOKENSTRAP_STORE", "").run().expect_code(2).expect_stdout("");
        assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
        fs::remove_file(file).unwrap();

        let file = write(&scene, "profiles/till.toml", text);
        for command in ["token", "show", "login", "check", "refresh"] {
            let outcome = scene.call([command, "till"]).run().expect_code(2).expect_stdout("");
            assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
        }
        fs::remove_file(file).unwrap();
    }
}

#[test]
fn c_06_and_c_08_names_that_lead_elsewhere_are_refused_by_every_command_and_make_nothing() {
    let home = Home::new();
    let long = "a".repeat(65);
    let names = [
        "../../.ssh/x",
        "a/b",
        "a\\b",
        ".",
        "..",
        "-v",
        "--all",
        "",
        &long,
        "con",
        "NUL.txt",
        "a.",
        "COM\u{b9}",
        "p%2e",
        "\u{e9}",
        "p\u{1b}[2J",
    ];
    for name in names {
        for command in ["login", "token", "refresh", "show", "check", "logout"] {
            for args in [&["--", name][..], &[name, "--"]] {
                if args[1] == "--" && name.starts_with('-') {
                    continue;
                }
                let outcome = home.tokenstrap().arg(command).args(args).run().expect_code(2).expect_stdout("");
                assert!(!outcome.stderr.contains('\u{1b}'), "{outcome}");
            }
        }
        home.tokenstrap().arg("login").env("TOKENSTRAP_PROFILE", name).run().expect_code(2);
    }
    for folder in [".config", ".local", ".cache", ".ssh"] {
        assert!(!home.path(folder).join("tokenstrap").exists() && !home.path(".ssh").exists());
    }
}

#[test]
fn c_07_names_that_differ_in_case_alone_clash() {
    let scene = Scene::new();
    let (authorize, token) = (scene.server.authorization_endpoint(), scene.server.token_endpoint());
    let urls = ["--client-only", "--client-id", "x", "--auth-url", &authorize, "--token-url", &token];

    scene.call(["login", "Prod"]).args(urls).run().expect_code(0);
    scene.call(["login", "prod"]).args(urls).run().expect_code(2).expect_stderr("Prod");
}

#[test]
fn c_09_a_catalogue_entry_of_ones_own_expands_nothing_and_shadows_nothing() {
    let scene = Scene::new();
    let entry = |name: &str, host: &str| {
        format!(
            "name = \"{name}\"\ntitle = \"x\"\nauthorize_url = \"https://{host}/a\"\ntoken_url = \"https://{host}/t\"\nclient_auth = \"none\"\n"
        )
    };
    let call = || scene.call(["login", "p", "--no-browser", "--client-id", "x", "--timeout", "0s", "--provider"]);

    for host in ["$HOME.evil", "${HOME}", "%HOME%"] {
        write(&scene, "providers/own.toml", &entry("own", host));
        let outcome = call().arg("own").run();
        assert!(matches!(outcome.code, Some(2 | 6)), "{outcome}");
    }
    write(&scene, "providers/github.toml", &entry("github", "evil.example"));
    call().arg("github").run().expect_code(6);
    write(&scene, "providers/own.toml", &"x".repeat(300 * 1024));
    call().arg("own").run().expect_code(2);
}

#[test]
fn o_02_what_a_terminal_would_obey_in_a_catalogue_entry_is_refused() {
    let scene = Scene::new();
    let proper = "name = \"own\"\ntitle = \"x\"\nauthorize_url = \"https://as.example/a\"\ntoken_url = \"https://as.example/t\"\nclient_auth = \"none\"\n";
    write(&scene, "providers/own.toml", proper);
    scene.call(["providers", "own"]).run().expect_code(0);
    for text in ["mismatch = \"x\\u001b[2J\"", "revoke_hint = \"\\u202e\"", "scopes = [\"a\\u0007\"]", "steps = [\"\\u009b31m\"]"] {
        write(&scene, "providers/own.toml", &format!("{proper}{text}\n"));
        for args in [&["providers", "own"][..], &["login", "own", "--no-browser", "--client-id", "x", "--timeout", "0s"]] {
            let outcome = scene.call(args.iter().copied()).run().expect_code(2).expect_stdout("");
            assert!(!outcome.stderr.contains(['\u{1b}', '\u{202e}', '\u{7}', '\u{9b}']), "{outcome}");
        }
    }
}

#[test]
fn a_pipe_in_the_place_of_settings_is_refused_at_once() {
    let scene = Scene::new();
    let general = write(&scene, "config.toml", "");
    fs::remove_file(&general).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &general, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();

    scene.call(["token", "till"]).env("TOKENSTRAP_STORE", "").run().expect_code(6).expect_stderr("not a regular file");
}

#[test]
fn a_value_for_a_variable_that_nothing_asks_for_is_refused() {
    let scene = Scene::new();

    let call = scene.call(["login", "x", "--provider", "microsoft", "--set", "tenent=contoso", "--no-browser", "--client-id", "y"]);

    call.run().expect_code(2).expect_stderr("`tenent`");
}
