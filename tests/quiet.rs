//! What the program does not do: ask strangers, start threads on the warm path, repeat what a server says.

use crate::{
    scene::{KEY, SECRET, Scene, change_record},
    support::{real, running::Stream},
};
use std::{fs, time::Duration};
use tokenstrap::{
    oauth::token::{TokenSet, TokenType},
    profile::{Account, Current, Record, Registration},
    sandbox::{ODD, approve},
    secret::Secret,
};

/// Everything that rewrites what a person sees.
const EVIL: &str = "ok\u{1b}[2J\u{1b}]0;PWN\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{202e}\r\nfake: logged in";

fn is_harmful(character: char) -> bool {
    character != '\n' && character.is_control() || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[test]
fn m_05_whatever_a_server_answers_no_error_text_repeats_its_tokens() {
    for odd in ODD {
        let scene = Scene::new();
        scene.log_in();
        scene.server.faults(|faults| faults.answer_oddly(odd.name));

        let outcome = scene.call(["token", "till", "--force-refresh", "-vv"]).run();

        assert!(!outcome.stderr.contains("mock-"), "{}: {outcome}", odd.name);
        assert!(outcome.code != Some(1) && outcome.signal.is_none(), "{}: {outcome}", odd.name);
        assert!(outcome.code == Some(0) || outcome.stdout.is_empty(), "{}: {outcome}", odd.name);
    }
}

#[test]
fn o_02_lists_and_sheets_make_a_servers_words_visible() {
    let scene = Scene::new();
    scene.log_in();
    change_record(&scene.home, "till", |record| {
        let current = record.current.as_mut().unwrap();
        current.account =
            Some(Account { id: EVIL.into(), label: EVIL.into(), noun: EVIL.into(), facts: vec![EVIL.into()], verified: true });
        current.asked = vec![EVIL.into()];
        current.tokens.scope = Some(vec![EVIL.into()]);
    });

    for command in ["show till", "list", "show till --json", "list --json", "check till", "logout till"] {
        let outcome = scene.call(command.split(' ')).run();
        let shown = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(!shown.chars().any(is_harmful), "{command}: {shown:?}");
    }
}

#[test]
fn s_10_everything_of_a_grant_is_one_item() {
    let scene = Scene::new();
    scene.log_in();

    let grants = fs::read_dir(scene.home.path(".local/share/tokenstrap/grants")).unwrap();
    let names: Vec<_> =
        grants.map(|entry| entry.unwrap().file_name().into_string().unwrap()).filter(|name| name.contains("till")).collect();
    assert_eq!(names.len(), 1, "{names:?}");

    let mut record = Record::new("till".parse().unwrap(), "id".into(), Secret::new("key"));
    record.registration = Some(Registration { pins: crate::support::rig::pins(), client_secret: Some(Secret::new("secret-1")) });
    let tokens = TokenSet {
        access_token: Secret::new("access-1"),
        token_type: TokenType::Bearer,
        refresh_token: Some(Secret::new("refresh-1")),
        id_token: None,
        requested_at: std::time::SystemTime::UNIX_EPOCH,
        expires_at: None,
        scope: None,
    };
    record.current = Some(Current {
        tokens,
        asked: Vec::new(),
        account: None,
        consented_at: std::time::SystemTime::UNIX_EPOCH,
        rotations: 0,
        rotation: tokenstrap::oauth::pins::Rotation::Unknown,
        redirect_uri: None,
    });
    let text = record.encode();
    for part in ["secret-1", "access-1", "refresh-1", "\"generation\":0"] {
        assert!(text.expose().contains(part), "{part}");
    }
}

/// The system calls of a command, one a line.
fn traced(scene: &Scene, calls: &str, args: &[&str]) -> String {
    let log = scene.home.path("trace");
    let call =
        scene.home.program("strace").args(["-f", "-qq", "-e", calls, "-o"]).arg(&log).arg(env!("CARGO_BIN_EXE_tokenstrap")).args(args);
    call.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).run().expect_code(0);
    fs::read_to_string(log).unwrap()
}

#[test]
fn o_07_nobody_but_the_authorization_server_is_asked() {
    if !real::programs("a trace of connections", &["strace"]) {
        return;
    }
    let scene = Scene::new();
    scene.log_in();

    let trace = traced(&scene, "trace=connect", &["refresh", "till"]);

    let port = url::Url::parse(scene.server.url()).unwrap().port().unwrap();
    let connections: Vec<&str> = trace.lines().filter(|line| line.contains("AF_INET")).collect();
    assert!(!connections.is_empty());
    assert!(connections.iter().all(|line| line.contains(&format!("htons({port})"))), "{connections:#?}");
}

#[test]
fn a_stored_token_is_printed_without_thread_network_certificate_or_lock() {
    if !real::programs("a trace of the warm path", &["strace"]) {
        return;
    }
    let scene = Scene::new();
    scene.log_in();

    let trace = traced(&scene, "trace=clone,clone3,fork,vfork,socket,connect,flock,openat", &["token", "till"]);

    for call in ["clone", "fork", "socket(", "connect(", "flock(", "/etc/ssl", "resolv.conf", "/locks/"] {
        assert!(!trace.contains(call), "{call} in\n{trace}");
    }
}

#[test]
fn a_cached_token_is_printed_without_thread_network_certificate_lock_or_store() {
    if !real::programs("a trace of the warm path", &["strace"]) {
        return;
    }
    let scene = Scene::new();
    scene.log_in();
    let settings = scene.home.path(".config/tokenstrap/config.toml");
    fs::write(&settings, "store = \"file\"\n").unwrap();
    let log = scene.home.path("trace");
    let strace = scene.home.program("strace").args(["-f", "-qq", "-e", "trace=%process,%network,flock,openat", "-o"]).arg(&log);

    let call = strace.arg(env!("CARGO_BIN_EXE_tokenstrap")).args(["token", "till"]).env("TOKENSTRAP_KEY", KEY);
    call.run().expect_code(0);

    let trace = fs::read_to_string(log).unwrap();
    if trace.contains("till.grant") {
        return real::left_out("a trace of the cached path", "the kernel's keyring does not answer here");
    }
    for call in ["clone", "fork", "socket(", "connect(", "flock(", "/etc/ssl", "resolv.conf", "/locks/", "/grants"] {
        assert!(!trace.contains(call), "{call} in\n{trace}");
    }
}

#[test]
fn p_06_and_p_09_a_device_login_keeps_the_servers_pace_and_never_shows_the_device_code() {
    let scene = Scene::with(|builder| builder.strict().device(Duration::from_secs(60), Duration::from_secs(1)));
    let mut login = scene.login_with_openid().args(["--device", "-vv"]).spawn();
    login.expect(Stream::Err, "On any device, open");
    let page = login.wait_for_line(Stream::Err, "/device").trim().to_owned();
    login.expect(Stream::Err, "and type");
    let code = login.wait_for_line(Stream::Err, "-").trim().to_owned();

    approve(&format!("{page}?user_code={code}")).unwrap();
    let outcome = login.finish().expect_code(0);

    let log = scene.server.log();
    let device_code = log.iter().find_map(|logged| logged.member("device_code")).unwrap();
    assert!(!outcome.stdout.contains(device_code) && !outcome.stderr.contains(device_code));
    assert!(!outcome.stderr.contains("slow_down"));
}

#[test]
fn d_03_endpoints_on_another_host_are_told_and_refused_where_that_was_asked_for() {
    let elsewhere = serde_json::json!("http://localhost:9/userinfo");
    let scene = Scene::with(|builder| builder.strict().metadata("userinfo_endpoint", elsewhere));

    let login = || scene.login_with_openid().args(["--no-browser", "--timeout", "1s"]);

    login().arg("--same-host").run().expect_code(6).expect_stderr("localhost:9");
    login().run().expect_code(4).expect_stderr("userinfo_endpoint at localhost:9");
    assert_eq!(scene.server.token_requests(), 0);
}

#[test]
fn a_13_descriptors_that_the_caller_left_open_do_not_reach_the_browser() {
    let scene = Scene::new();
    let (browser, out) = scene.dumping_browser();
    let (authorize, token) = (scene.server.authorization_endpoint(), scene.server.token_endpoint());
    let shell = scene.home.program("sh").args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_tokenstrap")]);
    let login = shell
        .args(["login", "till", "--store", "file", "--client-id", "till", "--client-secret-env", "TILL_SECRET", "--timeout", "1s"])
        .args(["--auth-url", &authorize, "--token-url", &token])
        .env("TILL_SECRET", SECRET)
        .env("TOKENSTRAP_KEY", KEY)
        .env("BROWSER", browser);

    login.run().expect_code(4);

    let dumped = crate::scene::appeared(&out);
    let (_, descriptors) = dumped.split_once("\nFD\n").unwrap();
    assert!(descriptors.contains(" 0 -> ") && !descriptors.contains("/etc/passwd"), "{descriptors}");
}
