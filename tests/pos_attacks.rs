//! `pos serve` under people who mean harm, and what it must not touch (SECURITY 1.15).

use crate::{
    pos_stand::{FORM, Stand, json, target},
    raw::{Seen, ask_and_end, connect, hear_one, talk_and_end},
    scene::{KEY, Scene},
    support::{binary::Home, real, running::Stream},
};
use rustix::process::Signal;
use std::{fs, io::Write, time::Instant};

#[test]
fn k_01_the_stand_in_listens_on_loopback_alone_unless_told_otherwise_and_warns() {
    let listens = |stand: &Stand| -> Vec<String> {
        let table = [fs::read_to_string("/proc/net/tcp"), fs::read_to_string("/proc/net/tcp6")].map(Result::unwrap_or_default).concat();
        let port = format!(":{:04X}", stand.port);
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.filter(|row| row.len() > 3 && row[1].ends_with(&port) && row[3] == "0A");
        rows.map(|row| row[1].trim_end_matches(&port).to_owned()).collect()
    };

    let usual = Stand::new([]);
    assert_eq!(listens(&usual), ["0100007F"]);
    assert!(!usual.end().stderr.contains("warning"));

    let shown = Stand::new(["--listen", "0.0.0.0"]);
    assert_eq!(listens(&shown), ["00000000"]);
    assert_eq!(shown.send_to("192.0.2.7", "GET", &format!("{}/search?keyword=x", shown.prefix), "", "").status, 421);
    assert!(shown.end().stderr.contains("warning: 0.0.0.0 shows this server to others"));
}

#[test]
fn k_02_the_stand_in_answers_to_its_own_names_and_lets_no_page_read_it() {
    let stand = Stand::new(["--public-url", "http://till.example.test"]);
    let search = format!("{}/search?keyword=david", stand.prefix);
    let evil = [
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "till.example.test.evil.test",
        "127.1",
        "0x7f000001",
        "2130706433",
        "[::ffff:127.0.0.1]",
        "till.example.test@evil.test",
        "127.0.0.1:x",
    ];

    for host in evil {
        let seen = stand.send_to(host, "GET", &search, "", "");
        assert!(matches!(seen.status, 400 | 421), "{host}: {seen:?}");
        assert!(json(&seen)["error"].is_string() && !seen.body.contains("evil"), "{host}: {seen:?}");
    }
    for host in ["till.example.test", "TILL.example.test:443", "localhost:1", "[::1]"] {
        assert!(json(&stand.send_to(host, "GET", &search, "", ""))["members"]["M-1001"].is_object(), "{host}");
    }
    for (method, headers) in
        [("GET", "Origin: http://evil.test\r\n"), ("OPTIONS", "Origin: http://evil.test\r\nAccess-Control-Request-Method: POST\r\n")]
    {
        let names = stand.send(method, &search, headers, "").header_names();
        assert!(!names.iter().any(|name| name.starts_with("access-control-")), "{names:?}");
    }
    assert_eq!(ask_and_end(stand.port, format!("GET http://evil.test{search} HTTP/1.1\r\nHost: evil.test\r\n\r\n")).status, 400);
    stand.end();
}

#[test]
fn k_03_the_stand_in_opens_neither_store_nor_settings_of_a_profile() {
    if !real::programs("a trace of the stand-in", &["strace"]) {
        return;
    }
    let scene = Scene::new();
    scene.log_in();
    let log = scene.home.path("trace");
    let program = scene.home.program("strace").args(["-f", "-qq", "-e", "trace=openat,open,connect,execve", "-o"]).arg(&log);
    let program = program.arg(env!("CARGO_BIN_EXE_tokenstrap")).env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY);
    let mut stand = Stand::of(&scene.home, program, []);

    let url = stand.redeem_url("M-1001", "880417");
    assert_eq!(json(&stand.send("GET", target(&url), "", ""))["success"], true);
    stand.post("checkout", "reference_id=GC-1001&amount=1");
    // strace holds back signals that are meant for it; the program itself is its only child.
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", stand.program.pid().as_raw_nonzero())).unwrap();
    let child = rustix::process::Pid::from_raw(children.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(child, Signal::INT).unwrap();
    let said = stand.program.outcome().expect_code(0);

    let trace = fs::read_to_string(log).unwrap();
    assert!(trace.contains("/pos/"), "{trace}");
    for touched in ["share/tokenstrap", "/.config/tokenstrap/profiles", "config.toml", "till", "AF_INET", "AF_UNIX"] {
        assert!(!trace.contains(touched), "{touched} in\n{trace}");
    }
    assert!(!said.stderr.contains("mock-"), "{said}");
}

#[test]
fn k_04_whatever_the_stand_in_refuses_is_json_that_reflects_nothing() {
    let stand = Stand::new([]);
    let (host, prefix) = (format!("Host: 127.0.0.1:{}\r\n", stand.port), &stand.prefix);
    let refused = |status: u16, request: String| {
        let seen = ask_and_end(stand.port, &request);
        assert_eq!(seen.status, status, "{request:.200} {seen:?}");
        assert_eq!(seen.header("x-content-type-options"), Some("nosniff"));
        assert!(json(&seen)["error"].is_string());
        for reflected in ["<script", "script>", "panicked", "src/", "backtrace"] {
            assert!(!seen.body.contains(reflected), "{seen:?}");
        }
    };

    refused(404, format!("GET /%3Cscript%3Ealert(1)%3C/script%3E HTTP/1.1\r\n{host}\r\n"));
    refused(404, format!("GET {prefix}/%3Cscript%3E HTTP/1.1\r\n{host}\r\n"));
    refused(405, format!("DELETE {prefix}/search HTTP/1.1\r\n{host}\r\n"));
    refused(405, format!("GET {prefix}/checkout HTTP/1.1\r\n{host}\r\n"));
    refused(400, "nonsense\r\n\r\n".to_owned());
    refused(400, format!("GET {prefix}/<script> HTTP/1.1\r\n{host}\r\n"));
    refused(400, format!("GET {prefix}/search HTTP/1.1\r\n\r\n"));
    refused(400, format!("POST {prefix}/checkout HTTP/1.1\r\n{host}Content-Length: five\r\n\r\nhello"));
    refused(413, format!("POST {prefix}/checkout HTTP/1.1\r\n{host}Content-Length: 900000000\r\n\r\n"));
    refused(414, format!("GET {prefix}/{} HTTP/1.1\r\n{host}\r\n", "a".repeat(9000)));
    refused(421, format!("GET {prefix}/search HTTP/1.1\r\nHost: evil.test\r\n\r\n"));
    refused(431, format!("GET {prefix}/search HTTP/1.1\r\n{host}{}\r\n", "X: y\r\n".repeat(2000)));
    stand.end();
}

#[test]
fn k_05_a_collection_that_wants_to_run_read_or_fetch_is_served_as_data() {
    let home = Home::new();
    let file = home.path("evil.json");
    let trap = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let fetch = format!(
        "pm.sendRequest('http://{0}/'); require('child_process').execSync('touch {1}/ran')",
        trap.local_addr().unwrap(),
        home.root().display()
    );
    let event = serde_json::json!([{"listen": "prerequest", "script": {"exec": [fetch]}}]);
    let request =
        serde_json::json!({"method": "GET", "url": "http://x.test/search", "body": {"mode": "file", "file": {"src": "/etc/passwd"}}});
    let body = r#"{"members":{},"a":"{{$env}}{{PATH}}{{CANARY}}{{$processEnv 'CANARY'}}","b":"{{a}}"}"#;
    let collection = serde_json::json!({
        "info": {"name": "x", "schema": "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},
        "event": event, "variable": [{"key": "a", "value": "{{b}}{{b}}"}, {"key": "b", "value": "{{a}}{{a}}"}],
        "item": [{"name": "search", "event": event, "request": request,
                  "response": [{"name": "one", "originalRequest": request, "code": 200, "body": body, "event": event}]}],
    });
    fs::write(&file, collection.to_string()).unwrap();
    let program = home.tokenstrap().env("CANARY", "canary-of-the-environment");
    let stand = Stand::of(&home, program, ["--collection", file.to_str().unwrap()]);

    let answer = stand.get("search?keyword=x").to_string();

    for secret in ["canary-of-the-environment", "/usr/bin", "root:"] {
        assert!(!answer.contains(secret), "{answer}");
    }
    assert!(answer.len() < 100_000);
    trap.set_nonblocking(true).unwrap();
    assert!(trap.accept().is_err(), "the collection called somebody");
    assert!(!home.root().join("ran").exists());
    stand.end();

    fs::write(&file, format!("{}{}", "[".repeat(200_000), "]".repeat(200_000))).unwrap();
    home.tokenstrap().args(["pos", "serve", "--port", "0", "--collection"]).arg(&file).run().expect_code(2);
    fs::File::create(&file).unwrap().set_len(1 << 32).unwrap();
    home.tokenstrap().args(["pos", "serve", "--port", "0", "--collection"]).arg(&file).run().expect_code(2).expect_stderr("larger than");
}

#[test]
fn k_06_connections_that_say_nothing_and_floods_do_not_keep_a_register_waiting() {
    let stand = Stand::new([]);
    let begun = Instant::now();

    let idle: Vec<_> = (0..400).map(|_| connect(stand.port)).collect();
    let slow: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(stand.port);
            // Whoever is shown out may be so before the second word.
            let _ = stream.write_all(
                format!("POST {}/checkout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx", stand.prefix).as_bytes(),
            );
            stream
        })
        .collect();
    for _ in 0..20 {
        assert!(stand.get("search?keyword=david")["members"]["M-1001"].is_object());
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(stand.send("POST", &format!("{}/checkout", stand.prefix), "Content-Type: application/json\r\n", &deep).status < 500);
    let many: String = (0..20_000).map(|number| format!("f{number}=1&")).collect();
    assert!(stand.send("POST", &format!("{}/checkout", stand.prefix), FORM, &many).status < 500);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
    drop((idle, slow));
    stand.end();
}

/// Everything that answers to the desk's path but the desk.
#[track_caller]
fn is_nowhere(seen: &Seen) {
    assert_eq!((seen.status, seen.body.as_str()), (404, r#"{"error":"There is nothing at this path"}"#), "{seen:?}");
    assert_eq!((seen.header("content-type"), seen.header("set-cookie")), (Some("application/json"), None));
}

#[test]
fn k_09_the_desk_is_closed_to_whoever_comes_through_the_tunnel_or_without_the_token() {
    let stand = Stand::new(["--public-url", "http://till.example.test"]);
    let local = format!("127.0.0.1:{}", stand.port);
    let (desk, way) = (stand.desk.as_str(), format!(".local/state/tokenstrap/pos/desk-{}", stand.port));
    let way: serde_json::Value = serde_json::from_str(&fs::read_to_string(stand.home.path(&way)).unwrap()).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", way["token"].as_str().unwrap());
    let set = |host: &str, headers: &str| {
        stand.send_to(
            host,
            "POST",
            "/_/set",
            &format!("{headers}Content-Type: application/json\r\n"),
            r#"{"set":[["search.outcome","none"]]}"#,
        )
    };

    is_nowhere(&stand.send_to("till.example.test", "GET", desk, "", ""));
    is_nowhere(&set("till.example.test", &bearer));
    for mark in [
        "X-Forwarded-For: 192.0.2.1",
        "X-Forwarded-Host: x",
        "X-Forwarded-Proto: https",
        "Forwarded: for=192.0.2.1",
        "Cf-Connecting-Ip: 192.0.2.1",
        "CF-Ray: 1",
        "Via: 1.1 x",
        "X-Real-Ip: 192.0.2.1",
        "ngrok-skip-browser-warning: 1",
        "x-forwarded-anything:",
    ] {
        is_nowhere(&stand.send("GET", desk, &format!("{mark}\r\n"), ""));
        is_nowhere(&set(&local, &format!("{mark}\r\n{bearer}")));
    }
    for (method, path) in [
        ("GET", "/_/"),
        ("GET", "/_/state"),
        ("GET", "/_/calls"),
        ("POST", "/_/set"),
        ("POST", "/_/resend"),
        ("GET", "/_"),
        ("GET", "/_/?t="),
        ("GET", "/_/state?t=x"),
        ("GET", "/./_/"),
        ("GET", "//_/"),
        ("GET", "/%5f/"),
    ] {
        is_nowhere(&stand.send(method, path, "", ""));
    }
    is_nowhere(&set(&local, "Authorization: Bearer nonsense\r\n"));
    is_nowhere(&set(&local, &format!("Cookie: tokenstrap-{}=nonsense\r\n", stand.port)));
    assert!(stand.get("search?keyword=david")["members"]["M-1001"].is_object(), "nobody has steered");

    // The printed address opens the desk once, for a cookie that leaves the token out of the address bar.
    let opened = stand.send("GET", desk, "", "");
    assert_eq!((opened.status, opened.header("location")), (303, Some("/_/")));
    let cookie = opened.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && cookie.contains("Path=/_/"), "{cookie}");
    is_nowhere(&stand.send("GET", desk, "", ""));
    let crumb = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    is_nowhere(&stand.send("GET", "/_/state", &format!("{crumb}X-Forwarded-For: 192.0.2.1\r\n"), ""));
    assert_eq!(stand.send("GET", "/_/state", &crumb, "").status, 200);
    assert_eq!(set(&local, &bearer).status, 200);
    assert_eq!(stand.get("search?keyword=david")["members"], serde_json::json!({}));
    stand.end();
}

#[test]
fn k_09_the_prefix_stays_the_same_between_starts_and_nothing_answers_beside_it() {
    let home = Home::new();
    let first = Stand::at(&home, []);
    let prefix = first.prefix.clone();
    first.end();
    let second = Stand::at(&home, []);

    assert_eq!(second.prefix, prefix);
    assert!(prefix.len() > 12);
    assert_ne!(Stand::new([]).prefix, prefix, "another home has another");
    for path in ["/search", "/redeem", &prefix.to_ascii_lowercase(), &format!("{prefix}x/search"), &format!("/x{prefix}/search")] {
        is_nowhere(&second.send("GET", path, "", ""));
    }
    second.end();
}

#[test]
fn o_02_what_a_register_sends_cannot_steer_the_terminal() {
    let mut stand = Stand::new([]);

    talk_and_end(stand.port, format!("GET {}/search?keyword=%1b%5b2J%07%e2%80%ae%c2%9b HTTP/1.1\r\nHost: localhost\r\n\r\n", stand.prefix));
    talk_and_end(stand.port, "GET / HTTP/1.1\r\nHost: ev\u{9b}il\r\n\r\n".as_bytes());
    stand.post("balance", "reference_id=end%1b%5d0;x%07");
    stand.program.wait_for_line(Stream::Err, "balance");

    let said = stand.end().stderr;
    assert!(!said.contains(['\u{1b}', '\u{7}', '\u{202e}', '\u{9b}']), "{said:?}");
}

#[test]
fn k_02_and_k_04_and_k_09_each_request_of_a_kept_connection_is_judged_by_itself() {
    let stand = Stand::new([]);
    let mut stream = connect(stand.port);
    let search = format!("{}/search?keyword=david", stand.prefix);
    let mut next = |target: &str, headers: &str| {
        stream.write_all(format!("GET {target} HTTP/1.1\r\n{headers}\r\n").as_bytes()).unwrap();
        let seen = hear_one(&mut stream);
        assert_eq!((seen.header("connection"), seen.header("keep-alive")), (Some("keep-alive"), Some("timeout=120")), "{seen:?}");
        assert_eq!((seen.header("content-type"), seen.header("x-content-type-options")), (Some("application/json"), Some("nosniff")));
        seen
    };

    let opened = next(&stand.desk, "Host: localhost\r\n");
    let crumb = format!("Cookie: {}\r\n", opened.header("set-cookie").unwrap().split(';').next().unwrap());
    assert_eq!(next(&search, "Host: localhost\r\n").status, 200);
    assert_eq!(next(&search, "Host: evil.test\r\n").status, 421);
    is_nowhere(&next("/_/state", "Host: localhost\r\n"));
    assert_eq!(next("/_/state", &format!("Host: localhost\r\n{crumb}")).status, 200);
    is_nowhere(&next("/_/state", &format!("Host: localhost\r\n{crumb}X-Forwarded-For: 192.0.2.1\r\n")));
    is_nowhere(&next("/_/state", "Host: localhost\r\n"));
    is_nowhere(&next("/search", "Host: localhost\r\n"));
    assert_eq!(next(&search, "Host: localhost\r\n").status, 200);
    stand.end();
}
