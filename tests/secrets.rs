//! No secret of any command is seen where it must not be: on standard error, in files, in arguments, in the browser.

use crate::{
    scene::{KEY, SECRET, Scene, appeared, begun},
    support::{
        binary::{Home, Outcome},
        canary::{Sampler, found_below, found_in},
        running::Stream,
    },
};
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tokenstrap::sandbox::{ODD, PREFIX, Robot, approve};

/// A secret that somebody typed in the wrong place.
const CANARY: &str = "canary-4711-typed";

/// Everything that the server issues begins alike, so that one search finds it all.
#[track_caller]
fn tells_nothing(text: &str, whence: &dyn std::fmt::Display) {
    assert!(!text.contains(PREFIX), "something that the server issued is in\n{whence}");
    assert!(found_in(text.as_bytes(), &[SECRET, KEY]).is_empty(), "{whence}");
}

#[track_caller]
fn silent(outcome: Outcome) -> Outcome {
    tells_nothing(&outcome.stderr, &outcome);
    outcome
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            files.extend(files_below(&path));
        }
        files.push(path);
    }
    files
}

#[track_caller]
fn nothing_in_files(home: &Home) {
    assert_eq!(found_below(home.root(), &[SECRET, KEY]), Vec::<String>::new());
    for file in files_below(home.root()).iter().filter(|path| path.is_file()) {
        let bytes = fs::read(file).unwrap();
        tells_nothing(&String::from_utf8_lossy(&bytes), &file.display());
    }
}

#[test]
fn a_06_and_x_02_and_o_03_no_command_shows_or_keeps_a_secret_in_clear() {
    let scene = Scene::with(|builder| builder.strict().metadata("revocation_endpoint", serde_json::Value::Null));
    let (browser, out) = scene.dumping_browser();
    let mut login = scene.login_with_openid().arg("-vv").env("BROWSER", browser).spawn();
    let sampler = Sampler::over(login.pid());
    let dump = appeared(&out);
    let page = dump.lines().nth(1).unwrap().to_owned();
    approve(&page).unwrap();
    let login = silent(login.outcome().expect_code(0));
    for line in sampler.finish() {
        tells_nothing(&line, &line);
    }
    tells_nothing(&dump, &"what the browser was given");
    let state = crate::scene::member(&page, "state").unwrap();
    assert!(!login.stderr.contains(&state) && !login.stderr.contains("code_challenge"), "{login}");

    for format in ["raw", "json", "header", "env"] {
        let outcome = silent(scene.call(["token", "till", "-vv", "--format", format]).run().expect_code(0));
        assert!(outcome.stdout.contains(PREFIX));
    }
    for (args, code) in [
        (&["token", "till", "--force-refresh", "-vv"][..], 0),
        (&["refresh", "till", "-vv"], 0),
        (&["refresh", "--all", "-vv"], 0),
        (&["show", "till", "-vv"], 0),
        (&["show", "till", "-vv", "--json"], 0),
        (&["list", "-vv"], 0),
        (&["list", "-vv", "--json"], 0),
        (&["check", "till", "-vv"], 0),
        (&["providers", "-vv"], 0),
        (&["store", "status", "-vv"], 0),
        (&["logout", "till", "--revoke", "-vv"], 2),
    ] {
        let outcome = silent(scene.call(args.iter().copied()).run().expect_code(code));
        assert!(args[0] == "token" || !outcome.stdout.contains(PREFIX), "{outcome}");
        tells_nothing(if args[0] == "token" { "" } else { &outcome.stdout }, &outcome);
    }
    for odd in ODD {
        assert!(scene.server.faults(|faults| faults.answer_oddly(odd.name)));
        silent(scene.call(["refresh", "till", "--accept-suspect", "-vv"]).run());
    }
    nothing_in_files(&scene.home);

    silent(scene.call(["logout", "till", "-vv"]).run().expect_code(0));
    assert!(files_below(scene.home.root()).iter().all(|path| !path.to_string_lossy().contains("till")), "logout left something");
    nothing_in_files(&scene.home);
}

#[test]
fn a_13_the_browser_inherits_no_secret_and_no_descriptor() {
    let scene = Scene::new();
    let (browser, out) = scene.dumping_browser();
    let secrets = [("VAULT_TOKEN", CANARY), ("TOKENSTRAP_GRANT", CANARY), ("ANOTHER", "kept")];
    let login = secrets.iter().fold(scene.login(), |login, (name, value)| login.env(name, value));

    login.env("BROWSER", browser).args(["--timeout", "0s"]).run().expect_code(4);

    let dump = appeared(&out);
    let (before, descriptors) = dump.split_once("\nFD\n").unwrap();
    assert!(before.contains("ANOTHER=kept") && !before.contains(CANARY), "{dump}");
    tells_nothing(&dump, &dump);
    assert!(!before.contains("TILL_SECRET") && !before.contains("TOKENSTRAP_KEY"), "{dump}");
    // What the caller of the tests left open for everybody is none of ours.
    let callers = scene.home.program("ls").args(["-l", "/proc/self/fd"]).run().stdout;
    let targets = |list: &str| list.lines().filter_map(|line| Some(line.split_once(" -> ")?.1.to_owned())).collect::<Vec<_>>();
    for target in targets(descriptors).iter().filter(|target| !targets(&callers).contains(target)) {
        assert!(target.starts_with("/dev/null") || target.contains("/browser"), "{target} in {descriptors}");
    }
}

#[test]
fn x_01_a_secret_typed_as_an_argument_is_refused_and_never_echoed() {
    let home = Home::new();
    for args in [
        &["login", "x", "--client-secret", CANARY][..],
        &["login", "x", "--client-secret=canary-4711-typed"],
        &["login", "x", "--client-secret-stdin=canary-4711-typed"],
        &["login", "x", "--client-secret-env", CANARY, "--no-browser", "--provider", "github", "--client-id", "y"],
        &["login", "x", CANARY],
        &["login", "x", "--token", CANARY],
        &["login", "x", "--param", CANARY],
        &["login", "x", "--listen", CANARY],
        &["login", "x", "--client-auth", CANARY],
        &["login", "x", "--timeout", CANARY],
        &["token", "x", "--refresh-token", CANARY],
        &["token", "x", CANARY],
        &["token", "x", "--format", CANARY],
        &["token", "x", "--min-ttl", CANARY],
        &["refresh", "x", CANARY],
    ] {
        for json in [&[][..], &["--json"]] {
            let outcome = home.tokenstrap().args(args).args(json).run().expect_code(2);
            assert!(!outcome.stderr.contains(CANARY) && !outcome.stdout.contains(CANARY), "{outcome}");
        }
    }
    let url = ["--auth-url=https://as.example/a", "--token-url=https://as.example/t", "--client-id=y", "--no-browser"];
    let call = home.tokenstrap().args(["login", "x", "--param", "client_secret=canary-4711-typed"]).args(url);
    let outcome = call.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).run().expect_code(6);
    assert!(!outcome.stderr.contains(CANARY), "{outcome}");
}

#[test]
fn x_03_a_secret_from_standard_input_is_taken_as_it_is() {
    for secret in [" two  blanks, \u{fc} and one at the end ", "plain"] {
        for end in ["", "\n", "\r\n"] {
            let scene = Scene::with(|builder| builder.client("till", secret));
            let login = scene.call(["login", "till", "--client-id", "till", "--client-secret-stdin"]);
            let login = login.args(["--auth-url", &scene.server.authorization_endpoint(), "--token-url", &scene.server.token_endpoint()]);
            let (login, page) = begun(login.stdin(format!("{secret}{end}")));
            approve(&page).unwrap();
            login.finish().expect_code(0);
        }
    }
}

#[test]
fn x_03_a_secret_that_is_too_long_or_typed_in_the_open_is_refused() {
    let scene = Scene::new();
    let flags = ["--client-secret-stdin", "--no-browser", "--client-id", "till"];
    let urls = ["--auth-url", "https://as.example/a", "--token-url", "https://as.example/t"];

    let outcome = scene.call(["login", "till"]).args(flags).args(urls).stdin("x".repeat(10 * 1024 * 1024)).run().expect_code(2);
    assert!(outcome.stderr.len() < 1_000, "{outcome}");
    scene.call(["login", "till"]).args(flags).args(urls).stdin("\n").run().expect_code(2);
    let mut typed = scene.call(["login", "till"]).args(flags).args(urls).at_terminal();
    typed.expect(Stream::Terminal, "would show the secret");
    typed.outcome().expect_code(2);
}

#[test]
fn x_07_the_env_format_survives_eval() {
    let scene = Scene::new();
    scene.log_in();
    let script = format!("eval \"$('{}' token till --format env --env TILL)\"; printf %s \"$TILL\"", env!("CARGO_BIN_EXE_tokenstrap"));
    for shell in ["sh", "bash"] {
        let call = scene.home.program(shell).args(["-c", &script]).env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
        let token = call.run().expect_code(0).stdout;
        assert!(scene.server.is_live_access_token(&token), "{shell}");
    }
}

#[test]
fn s_01_without_a_keychain_a_login_ends_with_5_and_writes_no_secret_anywhere() {
    let scene = Scene::new();
    let (browser, out) = scene.dumping_browser();

    let login = scene.login().env_remove("TOKENSTRAP_STORE").env("BROWSER", browser).run().expect_code(5).expect_stdout("");

    assert!(login.stderr.contains("store init file") || login.stderr.contains("--store file"), "{login}");
    assert!(!out.exists(), "the browser was opened before the store was known to be good");
    assert_eq!(scene.server.requests(), 0);
    nothing_in_files(&scene.home);
    assert!(!scene.home.path(".local/share/tokenstrap").exists() && !scene.home.path(".config/tokenstrap").exists());
}

#[test]
fn s_03_whatever_is_written_is_private_under_any_umask_and_stays_so() {
    let scene = Scene::new();
    let program = env!("CARGO_BIN_EXE_tokenstrap");
    let (authorize, token) = (scene.server.authorization_endpoint(), scene.server.token_endpoint());
    let script = format!(
        "umask 000; exec '{program}' login till --client-id till --client-secret-env TILL_SECRET --auth-url '{authorize}' --token-url '{token}' --link"
    );
    let with_store = |args: [&str; 2]| {
        let call = scene.home.program("sh").args(args).env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
        call.env("TILL_SECRET", SECRET)
    };
    let link = with_store(["-c", &script]).run().expect_code(0).stdout;
    let redirect = Robot::default().redirect_of(link.trim()).unwrap();
    scene.call(["login", "till", "--finish"]).stdin(redirect).run().expect_code(0);
    for _ in 0..3 {
        with_store(["-c", &format!("umask 000; exec '{program}' refresh till")]).run().expect_code(0);
    }
    with_store(["-c", &format!("umask 000; exec '{program}' token till")]).run().expect_code(0);

    for path in files_below(&scene.home.path("")).iter().filter(|path| path.to_string_lossy().contains("tokenstrap/")) {
        let mode = fs::metadata(path).unwrap().mode() & 0o7777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

#[test]
fn s_04_a_store_that_others_may_write_to_is_refused_with_the_way_to_mend_it() {
    let scene = Scene::new();
    scene.log_in();
    for below in [".local/share/tokenstrap", ".local/share/tokenstrap/grants", ".local/share"] {
        let folder = scene.home.path(below);
        let set = |mode| fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
        set(0o777);

        scene.call(["token", "till"]).run().expect_code(6).expect_stdout("").expect_stderr("chmod");
        scene.call(["refresh", "till"]).run().expect_code(6).expect_stderr("chmod");

        set(0o700);
    }
    assert_eq!(scene.server.token_requests(), 1);
    scene.call(["token", "till"]).run().expect_code(0);
}
