//! The page of the desk in a real browser, and what keeps others off it.

use crate::{
    pos_stand::{Stand, json},
    support::{
        real::{TOP, programs, target},
        running::LIMIT,
    },
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
};

/// The cookie that the printed address gives.
fn cookie(stand: &Stand) -> String {
    let opened = stand.send("GET", &stand.desk, "", "");
    let crumb = opened.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap().to_owned();
    format!("Cookie: {crumb}\r\n")
}

#[test]
fn a_call_appears_on_the_page_and_what_is_changed_there_changes_the_next_answer() {
    if !programs("the page of the desk", &["node", "chromium"]) {
        return;
    }
    let stand = Stand::new([]);
    let script = format!("{TOP}/tests/browser/desk.mjs");
    let pictures = target("screenshots");
    let url = format!("http://127.0.0.1:{}{}", stand.port, stand.desk);
    let words = [&script, "--calls", &stand.base(), "--pictures", pictures.to_str().unwrap(), &url];

    let outcome = stand.home.program("node").args(words).run().expect_code(0);

    let seen: Value = serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"));
    assert_eq!(seen["error"], Value::Null, "{seen:#}");
    assert_eq!(seen["console"], json!([]));
    assert_eq!(seen["changed"]["amount"], json!(12.5));
    assert_eq!(seen["balance"], "17.50", "two payments of 12.50, of which one was sent again");
    assert_eq!(seen["markup"], 1, "a name in a search became markup");
    let own = format!("http://127.0.0.1:{}/_/", stand.port);
    assert_eq!(seen["href"], own);
    let asked = seen["requested"].as_array().unwrap().iter().filter_map(Value::as_str).filter(|url| !url.starts_with("data:"));
    assert!(asked.clone().all(|url| url.starts_with(&own)) && asked.count() > 5, "{seen:#}");
    for pair in seen["widths"].as_array().unwrap() {
        assert!(pair[1].as_u64() <= pair[0].as_u64(), "the page is wider than its window: {pair}");
    }
    for name in ["1280-light", "1280-dark", "390-light", "390-dark"] {
        assert!(pictures.join(format!("desk-{name}.png")).is_file());
    }
    stand.end();
}

#[test]
fn k_09_a_page_of_another_server_on_this_machine_cannot_steer_with_the_cookie() {
    let stand = Stand::new([]);
    let cookie = cookie(&stand);
    let set = |origin: &str| {
        let headers = format!("{cookie}{origin}Content-Type: text/plain\r\n");
        stand.send("POST", "/_/set", &headers, r#"{"set":[["checkout.amount","1.00"]]}"#).status
    };

    for origin in ["http://127.0.0.1:1", "http://localhost", "https://till.example.test", "null", ""] {
        assert_eq!(set(&format!("Origin: {origin}\r\n")), 404, "{origin}");
        assert_eq!(stand.send("GET", "/_/events", &format!("{cookie}Origin: {origin}\r\n"), "").status, 404, "{origin}");
    }
    let state = |stand: &Stand| json(&stand.send("GET", "/_/state", &cookie, ""));
    assert_eq!(state(&stand)["calls"]["checkout"]["set"], json!({}));
    assert_eq!(set(&format!("Origin: http://127.0.0.1:{}\r\n", stand.port)), 200);
    assert_eq!(state(&stand)["calls"]["checkout"]["set"]["amount"], "1.00");
    stand.end();
}

#[test]
fn the_page_comes_with_a_policy_that_lets_nothing_else_in() {
    let stand = Stand::new([]);
    let cookie = cookie(&stand);

    for (path, media_type) in [("/_/", "text/html"), ("/_/page.css", "text/css"), ("/_/page.js", "text/javascript")] {
        let file = stand.send("GET", path, &cookie, "");
        assert_eq!(file.status, 200, "{path}");
        assert!(file.header("content-type").is_some_and(|value| value.starts_with(media_type)), "{path}");
        let policy = file.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe") && file.header("x-content-type-options") == Some("nosniff"));
        assert_eq!(stand.send("GET", path, "", "").status, 404, "{path} without the cookie");
    }
    stand.end();
}

#[test]
fn calls_come_as_events_and_an_open_page_does_not_hold_the_end_up() {
    let stand = Stand::new([]);
    let mut stream = TcpStream::connect(("127.0.0.1", stand.port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /_/events HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}\r\n", stand.port, cookie(&stand)).unwrap();
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    assert!(lines.by_ref().any(|line| line.contains("text/event-stream")));
    assert!(lines.by_ref().any(|line| line.contains("retry: ")));

    stand.get("search?keyword=david");

    let line = lines.by_ref().find(|line| line.starts_with("data: ")).unwrap();
    let call: Value = serde_json::from_str(&line["data: ".len()..]).unwrap();
    assert_eq!((&call["call"], &call["number"], &call["status"]), (&"search".into(), &1.into(), &200.into()));
    stand.end();
    assert_eq!(lines.find(|line| line.starts_with("data: ")), None);
}
