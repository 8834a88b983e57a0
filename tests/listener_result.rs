//! The listener's last minutes: the page that waits for the outcome, the headers on all pages, the port given back.

use crate::{
    listener::{GOOD, Login},
    raw::{Seen, ask, connect, hear, talk},
};
use std::{
    io::Write,
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};
use tokenstrap::redirect::Heard;

fn page_after(conclude: impl FnOnce(&Login)) -> Seen {
    let login = Login::waiting();
    login.succeeds();
    let mut browser = connect(login.port);
    browser.write_all(login.request("GET", "/done", "").as_bytes()).unwrap();
    conclude(&login);
    Seen::read(&hear(&mut browser)).unwrap()
}

#[test]
fn l_27_the_result_page_waits_for_the_outcome_and_tells_it() {
    let good = page_after(|login| login.running.conclude(true));
    let bad = page_after(|login| login.running.conclude(false));

    assert!(good.body.contains("logged in") && good.body.contains("stored"), "{}", good.body);
    assert!(bad.body.contains("did not work") && !bad.body.contains("logged in"), "{}", bad.body);
}

#[test]
fn l_27_without_an_outcome_the_page_promises_nothing() {
    let begun = Instant::now();

    let seen = page_after(|_| {});

    assert!((4..7).contains(&begun.elapsed().as_secs()));
    assert!(seen.body.contains("terminal") && !seen.body.contains("stored") && !seen.body.contains("logged in"), "{}", seen.body);
}

#[test]
fn l_27_nobody_fills_the_house_with_held_pages() {
    let login = Login::waiting();
    login.succeeds();
    let mut held: Vec<TcpStream> = (0..60).map(|_| connect(login.port)).collect();
    held.iter_mut().for_each(|stream| stream.write_all(login.request("GET", "/done", "").as_bytes()).unwrap());

    let begun = Instant::now();
    assert_eq!(login.get(GOOD).status, 303);
    assert_eq!(login.get("/done").status, 200);

    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn l_28_the_port_stays_until_the_result_was_shown_and_no_longer() {
    let login = Login::waiting();
    login.succeeds();
    let (port, request) = (login.port, login.request("GET", "/done", ""));
    login.running.conclude(true);
    let begun = Instant::now();
    let browser = std::thread::spawn(move || ask(port, request));

    login.running.finish();

    assert!(browser.join().unwrap().body.contains("stored"));
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
}

#[test]
fn l_28_a_browser_that_never_asks_for_the_result_keeps_nobody() {
    let login = Login::waiting();
    login.succeeds();
    login.running.conclude(true);
    let begun = Instant::now();

    login.running.finish();

    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, login.port)).is_err());
}

#[test]
fn l_28_l_29_held_connections_keep_nobody() {
    let login = Login::waiting();
    let mut held: Vec<TcpStream> = (0..50).map(|_| connect(login.port)).collect();
    held.iter_mut().for_each(|stream| stream.write_all(b"GET /cal").unwrap());
    let begun = Instant::now();

    login.running.finish();

    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, login.port)).is_err());
}

#[test]
fn l_28_a_failed_flow_shows_a_held_browser_the_way_to_the_terminal() {
    let login = Login::waiting();
    login.succeeds();
    let mut browser = connect(login.port);
    browser.write_all(login.request("GET", "/done", "").as_bytes()).unwrap();

    login.running.finish();

    assert!(Seen::read(&hear(&mut browser)).unwrap().body.contains("terminal"));
}

#[test]
fn l_30_the_flow_hears_of_the_end_from_a_browser_that_reads_nothing() {
    let login = Login::waiting();
    let mut deaf = connect(login.port);
    rustix::net::sockopt::set_socket_recv_buffer_size(&deaf, 1).unwrap();
    let begun = Instant::now();

    deaf.write_all(login.request("GET", GOOD, "").as_bytes()).unwrap();

    assert_eq!(login.heard.recv_timeout(Duration::from_secs(2)), Ok(Heard::Ended));
    assert!(begun.elapsed() < Duration::from_secs(2));
    login.running.finish();
    assert!(begun.elapsed() < Duration::from_secs(4));
}

/// One answer of each status that the listener gives.
fn one_of_each() -> Vec<Seen> {
    let login = Login::waiting();
    let long = "x".repeat(9_000);
    let mut seen = vec![
        login.get("/callback?state=wrong"),
        ask(login.port, login.request("GET", GOOD, "Sec-Fetch-Dest: image\r\n")),
        login.get("/zzz"),
        ask(login.port, login.request("PUT", "/callback", "")),
        ask(login.port, "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n"),
        ask(login.port, login.request("GET", &format!("/{long}"), "")),
        ask(login.port, login.request("GET", "/", &format!("A: {long}\r\nB: {long}\r\n"))),
        ask(login.port, "nonsense\r\n"),
        Seen::read(&talk(login.port, "GET /slow")).unwrap(),
    ];
    login.succeeds();
    seen.push(login.get(GOOD));
    seen.push(login.get("/callback?code=H&state=right"));
    login.running.conclude(true);
    seen.push(login.get("/done"));
    seen
}

#[test]
fn l_24_every_answer_carries_the_whole_set_of_headers_and_no_other() {
    let all = one_of_each();
    let statuses: Vec<u16> = all.iter().map(|seen| seen.status).collect();
    assert_eq!(statuses, [400, 403, 404, 405, 421, 414, 431, 400, 408, 303, 410, 200]);

    for seen in all {
        let policy = seen.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", "style-src 'sha256-"] {
            assert!(policy.contains(part), "{part} in {policy}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("content-type", "text/html; charset=utf-8"),
            ("connection", "close"),
        ] {
            assert_eq!(seen.header(name), Some(value), "{} on {}", name, seen.status);
        }
        let mut names = seen.header_names();
        names.retain(|name| !matches!(name.as_str(), "allow" | "location"));
        assert_eq!(names.len(), 8, "{names:?} on {}", seen.status);
        assert!(seen.status == 303 || seen.body.contains("<link rel=icon href=\"data:,\">"));
        assert!(!seen.body.contains("http:") && !seen.body.contains("https:") && !seen.body.contains("//"));
    }
}
