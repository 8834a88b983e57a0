//! Whole logins of the built program against the embedded authorization server, by people and attackers.

use crate::{
    raw,
    scene::{SECRET, Scene, begun, listening_port, member},
    support::{binary::Home, running::Stream},
};
use rustix::process::Signal;
use std::{
    fs,
    io::Write,
    net::{Ipv4Addr, Ipv6Addr, TcpListener, TcpStream},
    time::{Duration, Instant},
};
use tokenstrap::{
    oauth::redirect_uri::RedirectUri,
    sandbox::{Robot, approve},
};

#[test]
fn a_login_stores_a_grant_whose_token_the_server_takes() {
    let scene = Scene::new();

    scene.log_in().expect_stdout("").expect_stderr("Connected to");

    let token = scene.call(["token", "till"]).run().expect_code(0).stdout;
    assert!(scene.server.is_live_access_token(token.trim_end_matches('\n')), "{token}");
    assert!(token.ends_with('\n') && token.lines().count() == 1);
    assert_eq!(scene.server.token_requests(), 1);
}

#[test]
fn a_18_unattended_logins_end_at_once_with_3_and_say_what_to_do() {
    let scene = Scene::new();
    for flags in [&[][..], &["--non-interactive"]] {
        let began = Instant::now();

        let outcome = scene.login().args(flags).run().expect_code(3).expect_stdout("");

        assert!(began.elapsed() < Duration::from_secs(2), "{:?}\n{outcome}", began.elapsed());
        for way in ["terminal", "$BROWSER", "--device", "--link", "--paste", "--no-browser"] {
            assert!(outcome.stderr.contains(way), "{way}\n{outcome}");
        }
    }
    // `$BROWSER` is no way where nothing may be opened.
    scene.login().arg("--non-interactive").env("BROWSER", "/bin/true").run().expect_code(3);
    assert_eq!(scene.server.requests(), 0);
}

#[test]
fn what_is_wrong_with_the_call_is_said_before_that_nobody_is_there() {
    let home = Home::new();
    let call = |args: &[&str]| home.tokenstrap().arg("login").args(args);
    let (authorize, token) = ("--auth-url=https://as.example/a", "--token-url=https://as.example/t");

    // Bad names and flags, then unattended, then missing values, then the store.
    call(&["../x", authorize, token]).run().expect_code(2);
    call(&["x", "--timeout", "5", authorize, token]).run().expect_code(2);
    call(&["x", "--redirect-uri", "http://192.0.2.1/cb", authorize, token]).run().expect_code(2);
    call(&["x"]).run().expect_code(3);
    call(&["x", authorize, token]).run().expect_code(3);
    call(&["x", "--no-browser"]).run().expect_code(2).expect_stderr("which server");
    call(&["x", "--no-browser", authorize, token]).run().expect_code(2).expect_stderr("--client-id");
    call(&["x", "--no-browser", authorize, token, "--client-id", "y", "--client-secret-env", "NOWHERE"]).run().expect_code(2);
    call(&["x", "--no-browser", authorize, token, "--client-id", "y"]).run().expect_code(5);
    call(&["x", "--param", "nothing"]).run().expect_code(2).expect_stderr("the value of --param <KEY=VALUE> is not one");
    for id in ["", "y\u{1b}[2J", "y\n", "\u{fc}"] {
        call(&["x", "--no-browser", authorize, token, "--client-id", id]).run().expect_code(2).expect_stderr("is not a client id");
    }
    let public = ["x", "--no-browser", authorize, token, "--client-id", "y", "--client-auth", "none", "--client-secret-stdin"];
    call(&public).stdin("canary").run().expect_code(2).expect_stderr("a client secret goes with no client");
    assert!(!home.path(".local/share/tokenstrap").exists());
}

/// 64 MiB of one request line, as far as anybody takes them.
fn endless_line(port: u16) {
    let mut stream = raw::connect(port);
    let chunk = vec![b'A'; 1024 * 1024];
    let refused = (0..64).any(|_| stream.write_all(&chunk).is_err());
    assert!(refused, "all of it was read");
}

/// The most memory that the process has had, in KiB.
fn peak_kib(pid: rustix::process::Pid) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn l_06_and_l_09_and_l_10_and_l_19_and_l_21_a_heckled_login_still_succeeds() {
    let scene = Scene::new();
    let (mut login, page) = begun(scene.login());
    let (port, state) = (listening_port(&page), member(&page, "state").unwrap());
    let path = url::Url::parse(&member(&page, "redirect_uri").unwrap()).unwrap().path().to_owned();
    let idle: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut stream = raw::connect(port);
            stream.write_all(b"G").unwrap();
            stream
        })
        .collect();
    let ask = |host: &str, target: &str| raw::ask(port, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;
    let own = format!("127.0.0.1:{port}");

    for query in ["code=EVIL&state=wrong", "code=EVIL", "code=EVIL&state=", "error=access_denied", "error=access_denied&state=x"] {
        for _ in 0..20 {
            assert_eq!(ask(&own, &format!("{path}?{query}")), 400, "{query}");
        }
    }
    for target in ["/favicon.ico", "/robots.txt", "/", "/zzz"] {
        assert_eq!(ask(&own, target), 404, "{target}");
    }
    for host in ["evil.example", &format!("evil.example:{port}"), "127.0.0.1"] {
        assert!(matches!(ask(host, &format!("{path}?code=EVIL&state={state}")), 403 | 421), "{host}");
    }
    endless_line(port);
    assert_eq!(scene.server.token_requests(), 0);
    let began = Instant::now();
    approve(&page).unwrap();
    let peak = peak_kib(login.pid());
    assert!(peak < 32 * 1024, "{peak} KiB");

    let outcome = login.outcome().expect_code(0);
    assert!(began.elapsed() < Duration::from_secs(5), "{outcome}");
    assert_eq!(scene.server.token_requests(), 1);
    assert!(!outcome.stderr.contains("EVIL"));
    drop(idle);
}

#[test]
fn l_03_a_taken_port_ends_with_5_and_the_name_of_its_holder_before_anything_opens() {
    let scene = Scene::new();
    let holder = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = holder.local_addr().unwrap().port();
    let (browser, out) = scene.dumping_browser();

    let login = scene.login().args(["--redirect-uri", &format!("http://127.0.0.1:{port}/cb")]).env("BROWSER", browser);
    let outcome = login.run().expect_code(5).expect_stderr(&port.to_string()).expect_stderr(&std::process::id().to_string());

    assert!(!out.exists(), "{outcome}");
}

#[test]
fn l_04_localhost_with_one_family_taken_ends_with_5() {
    let scene = Scene::new();
    let Ok(holder) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) else { return };
    let port = holder.local_addr().unwrap().port();
    let (browser, out) = scene.dumping_browser();

    scene.login().args(["--redirect-uri", &format!("http://localhost:{port}/cb")]).env("BROWSER", browser).run().expect_code(5);

    assert!(!out.exists());
}

#[test]
fn l_05_a_redirect_uri_elsewhere_needs_another_way_home() {
    let scene = Scene::new();
    for uri in [
        "http://192.0.2.1:80/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "https://app.example/cb",
        "http://0.0.0.0:1/cb",
        "http://[::]:1/cb",
    ] {
        scene.login().args(["--no-browser", "--redirect-uri", uri]).run().expect_code(2).expect_stdout("");
    }
    let listen = ["--no-browser", "--redirect-uri", "https://app.example/cb", "--listen", "0.0.0.0:0"];
    scene.login().args(listen).run().expect_code(2);
}

#[test]
fn l_28_the_listener_ends_with_the_login_however_that_ends() {
    let scene = Scene::new();
    let closed = |port: u16| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err();
    let (login, page) = begun(scene.login());
    approve(&page).unwrap();
    login.finish().expect_code(0);
    assert!(closed(listening_port(&page)), "after success");

    let (login, page) = begun(scene.login());
    Robot::default().denying().visit(&page).unwrap();
    login.finish().expect_code(3);
    assert!(closed(listening_port(&page)), "after a refusal");

    for signal in [Signal::INT, Signal::TERM] {
        let (mut login, page) = begun(scene.login());
        login.signal(signal);
        let outcome = login.outcome();
        assert_ne!(outcome.code, Some(0), "{outcome}");
        assert!(closed(listening_port(&page)), "{outcome}");
    }
}

#[test]
fn l_29_a_login_ends_in_time_with_4_while_connections_are_held() {
    let scene = Scene::new();
    let (mut login, page) = begun(scene.login().args(["--timeout", "1s"]));
    let held: Vec<TcpStream> = (0..50).map(|_| raw::connect(listening_port(&page))).collect();
    let began = Instant::now();

    let outcome = login.outcome().expect_code(4);

    assert!(began.elapsed() < Duration::from_secs(4), "{outcome}");
    assert!(outcome.stderr.contains("tokenstrap login till") && outcome.stderr.contains("redirect URI"), "{outcome}");
    drop(held);
}

#[test]
fn l_11_a_refused_consent_ends_by_its_kind() {
    for (error, code) in [("access_denied", 3), ("server_error", 4), ("temporarily_unavailable", 4), ("invalid_scope", 6)] {
        let scene = Scene::with(|builder| builder.faults(|faults| faults.refuse_authorization = Some(error.to_owned())));
        let (login, page) = begun(scene.login());

        approve(&page).unwrap();

        login.finish().expect_code(code).expect_stderr(error);
        assert_eq!(scene.server.token_requests(), 0, "{error}");
    }
}

#[test]
fn p_01_only_the_whole_redirect_url_of_this_login_is_taken_from_a_paste() {
    let scene = Scene::new();
    let (login, page) = begun(scene.login().arg("--paste").stdin_open());
    drop(login);
    let redirect = Robot::default().redirect_of(&page).unwrap();
    let code = member(&redirect, "code").unwrap();
    let own = redirect.split_once('?').unwrap().0;
    for pasted in [
        code.clone(),
        format!("code={code}"),
        format!("{own}?code={code}"),
        format!("{own}?code={code}&state=wrong"),
        redirect.replace("127.0.0.1", "evil.example"),
        redirect.clone(),
    ] {
        let outcome = scene.login().args(["--paste", "--no-browser"]).stdin(format!("{pasted}\n")).run().expect_code(6);
        assert!(!outcome.stderr.contains(&code), "{outcome}");
    }
    assert_eq!(scene.server.token_requests(), 0);
}

#[test]
fn p_03_and_p_04_the_redirect_url_comes_through_a_pipe_and_bombs_are_refused() {
    let scene = Scene::new();
    let (mut login, page) = begun(scene.login().arg("--paste").stdin_open());
    login.send(&format!("\u{1b}[200~{}\u{1b}[201~\n", Robot::default().redirect_of(&page).unwrap()));
    let outcome = login.finish().expect_code(0);
    assert!(!outcome.stderr.contains("code=mock-"), "{outcome}");

    for bomb in ["x".repeat(10 * 1024 * 1024), "http://127.0.0.1/\u{1b}]0;x\u{7}?code=a&state=b\n".to_owned()] {
        let outcome = scene.login().args(["--paste", "--no-browser"]).stdin(bomb).run().expect_code(6);
        assert!(outcome.stderr.len() < 4_000 && !outcome.stderr.contains('\u{1b}'), "{outcome}");
    }
}

#[test]
fn a_link_is_followed_by_somebody_else_and_finished_later() {
    let scene = Scene::new();
    let link = scene.login().arg("--link").run().expect_code(0).stdout;
    let redirect = Robot::default().redirect_of(link.trim()).unwrap();

    scene.call(["login", "till", "--finish"]).stdin("https://evil.example/?code=x&state=y\n").run().expect_code(6);
    let outcome = scene.call(["login", "till", "--finish"]).stdin(format!("{redirect}\n")).run().expect_code(0);

    assert!(!outcome.stderr.contains(SECRET));
    scene.call(["token", "till"]).run().expect_code(0);
    scene.call(["login", "till", "--finish"]).stdin(format!("{redirect}\n")).run().expect_code(2);
}

#[test]
fn l_33_a_terminal_takes_the_redirect_url_while_the_listener_waits_and_shows_none_of_it() {
    let scene = Scene::new();
    let mut login = scene.login().arg("--no-browser").at_terminal();
    let page = login.wait_for_line(Stream::Terminal, "/authorize?");
    let redirect = Robot::default().redirect_of(page.trim()).unwrap();
    login.expect(Stream::Terminal, "Waiting for consent");

    login.send("http://127.0.0.1/nonsense\r");
    login.expect(Stream::Terminal, "That is not it");
    login.send(&format!("{redirect}\r"));

    let outcome = login.outcome().expect_code(0);
    assert!(!outcome.terminal.contains(&member(&redirect, "code").unwrap()), "{outcome}");
}

#[test]
fn d_13_a_login_into_another_account_keeps_the_old_grant_until_it_is_told_otherwise() {
    let scene = Scene::with(|builder| builder.strict());
    let (login, page) = begun(scene.login_with_openid());
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let before = scene.call(["token", "till"]).run().expect_code(0).stdout;

    let (login, page) = begun(scene.login_with_openid());
    Robot::default().picking(5117).visit(&page).unwrap();
    login.finish().expect_code(6).expect_stderr("--replace");
    assert_eq!(scene.call(["token", "till"]).run().expect_code(0).stdout, before);

    scene.call(["login", "till", "--replace"]).run().expect_code(0).expect_stderr("5117");
    let after = scene.call(["token", "till"]).run().expect_code(0).stdout;
    assert_ne!(after, before);
    assert!(scene.server.is_live_access_token(after.trim_end()));
}

#[test]
fn l_05_an_https_redirect_behind_a_tunnel_of_ones_own_finishes_a_login() {
    let uri = "https://till.example.test/cb";
    let scene = Scene::with(|builder| builder.redirect_uri(RedirectUri::parse(uri).unwrap()));
    // Free a moment ago; a tunnel has to be told a number beforehand.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let (login, page) = begun(scene.login().args(["--redirect-uri", uri, "--listen", &format!("127.0.0.1:{port}")]));
    let redirect = Robot::default().redirect_of(&page).unwrap();
    let target = redirect.strip_prefix("https://till.example.test").unwrap();

    let ask = |host: &str| raw::ask(port, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).status;

    assert_eq!(ask(&format!("127.0.0.1:{port}")), 421);
    assert_eq!(ask("till.example.test"), 303);
    login.finish().expect_code(0).expect_stderr("Connected");
}
