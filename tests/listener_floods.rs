//! The listener under people who mean harm: floods, slowness, requests that are two at once (SECURITY L-10, L-16 to L-20, L-31).

use crate::{
    listener::{GOOD, Login},
    raw::{Seen, ask, connect, hear, talk},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

#[test]
fn l_10_a_thousand_forged_responses_neither_end_the_wait_nor_fill_the_memory() {
    let login = Login::waiting();

    for number in 0..1_000 {
        assert_eq!(login.get(&format!("/callback?code=EVIL&state={number}")).status, 400);
    }

    assert!(login.heard.try_iter().count() < 100);
    login.ends_well();
}

/// Says `piece` until the other side has enough; returns how many bytes it took.
fn flood(stream: &mut TcpStream, piece: &[u8], most: usize) -> usize {
    let mut taken = 0;
    while taken < most {
        match stream.write(piece) {
            Ok(written) => taken += written,
            Err(_) => break,
        }
    }
    taken
}

#[test]
fn l_16_a_request_line_without_end_is_cut_off_at_the_cap() {
    const MOST: usize = 64 * 1024 * 1024;
    let login = Login::waiting();
    let mut stream = connect(login.port);

    let taken = flood(&mut stream, &[b'A'; 64 * 1024], MOST);

    // What the kernel buffers on both sides counts as taken, too; a server that reads on would take all.
    assert!(taken < MOST / 4, "{taken} bytes were taken");
    login.ends_well();
}

#[test]
fn l_16_a_request_line_over_the_cap_is_told_so() {
    let login = Login::waiting();

    assert_eq!(ask(login.port, login.request("GET", &format!("/{}", "a".repeat(8 * 1024)), "")).status, 414);
    assert_eq!(ask(login.port, "A".repeat(9 * 1024)).status, 414);
    login.ends_well();
}

#[test]
fn l_17_a_flood_of_header_lines_is_cut_off() {
    let login = Login::waiting();

    assert_eq!(ask(login.port, login.request("GET", GOOD, &"X: y\r\n".repeat(100_000))).status, 431);
    assert_eq!(ask(login.port, login.request("GET", GOOD, &"X: y\r\n".repeat(100))).status, 431);
    assert_eq!(ask(login.port, login.request("GET", GOOD, &format!("X: {}\r\n", "y".repeat(16 * 1024)))).status, 431);
    assert!(login.is_pending());
    assert_eq!(ask(login.port, login.request("GET", GOOD, &"X: y\r\n".repeat(99))).status, 303);
}

#[test]
fn l_18_a_body_is_neither_waited_for_nor_read() {
    for framing in ["Content-Length: 1000000000\r\n", "Transfer-Encoding: chunked\r\n", "Content-Length: 5\r\nExpect: 100-continue\r\n"] {
        let login = Login::waiting();
        let begun = Instant::now();

        let seen = ask(login.port, login.request("GET", GOOD, framing));

        assert_eq!(seen.status, 303, "{framing}");
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn l_18_an_endless_body_is_cut_off_and_the_answer_still_arrives() {
    let login = Login::waiting();
    let mut stream = connect(login.port);
    stream.write_all(login.request("POST", "/callback", "Transfer-Encoding: chunked\r\n").as_bytes()).unwrap();
    let mut other = stream.try_clone().unwrap();
    let begun = Instant::now();
    let talker = std::thread::spawn(move || flood(&mut other, &b"5\r\nhello\r\n".repeat(1_000), 64 * 1024 * 1024));

    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();

    assert_eq!(&answer, b"HTTP/1.1 405");
    assert!(talker.join().unwrap() < 16 * 1024 * 1024);
    assert!(begun.elapsed() < Duration::from_secs(2));
    login.ends_well();
}

#[test]
fn l_19_two_hundred_slow_connections_do_not_delay_the_redirect() {
    let login = Login::waiting();
    let mut slow: Vec<TcpStream> = (0..200).map(|_| connect(login.port)).collect();
    for byte in b"GET /c" {
        // The oldest have been sent away by now, which is the point.
        slow.iter_mut().for_each(|stream| drop(stream.write_all(&[*byte])));
    }
    let begun = Instant::now();

    login.succeeds();

    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[test]
fn l_19_whoever_stays_silent_is_sent_away_without_a_word() {
    let login = Login::waiting();
    let begun = Instant::now();

    assert_eq!(hear(&mut connect(login.port)), "");

    assert!(begun.elapsed() < Duration::from_secs(6));
}

#[test]
fn l_20_a_thousand_connections_at_once_do_not_lock_the_door() {
    let login = Login::waiting();
    let crowd: Vec<TcpStream> = (0..1_000).map(|_| connect(login.port)).collect();

    login.succeeds();

    let open = crowd.iter().filter(|stream| {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    });
    assert!(open.count() <= 64);
}

#[test]
#[ignore = "runs in a process of its own, see the test below"]
fn a_listener_with_few_descriptors() {
    let limit = rustix::process::Rlimit { current: Some(30), maximum: Some(30) };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let login = Login::waiting();
    writeln!(std::io::stdout(), "\nport {}", login.port).unwrap();
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn l_20_a_process_without_descriptors_left_goes_on_accepting() {
    let inner = ["--exact", "listener_floods::a_listener_with_few_descriptors", "--ignored", "--nocapture"];
    let mut process =
        Command::new(std::env::current_exe().unwrap()).args(inner).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let port = lines.by_ref().map(Result::unwrap).find_map(|line| line.strip_prefix("port ")?.parse().ok()).unwrap();
    let _crowd: Vec<TcpStream> = (0..100).map(|_| connect(port)).collect();

    let seen = ask(port, format!("GET {GOOD} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));

    drop(process.stdin.take());
    lines.for_each(drop);
    assert!(process.wait().unwrap().success());
    assert_eq!(seen.status, 303);
}

#[test]
fn l_31_what_follows_a_request_is_ignored() {
    let login = Login::waiting();
    let two = login.request("GET", "/callback?code=EVIL&state=wrong", "") + &login.request("GET", GOOD, "");

    let heard = talk(login.port, &two);

    assert_eq!(heard.matches("HTTP/1.1").count(), 1);
    assert_eq!(Seen::read(&heard).unwrap().status, 400);
    login.ends_well();
}

#[test]
fn l_31_requests_that_two_readers_may_read_differently_are_refused() {
    let login = Login::waiting();
    let host = format!("Host: {}", login.authority);

    for request in [
        format!("GET {GOOD} HTTP/1.1\r{host}\r\r"),
        format!("GET {GOOD} HTTP/1.1\n{host}\n\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nA: b\rC: d\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nA: \0\r\n\r\n"),
        format!("GET {GOOD}\0 HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\nA: b\r\n {host}\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n {host}\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{}\r\n\r\n", host.replace(':', " :")),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nnonsense\r\n\r\n"),
        format!("GET {GOOD}\r\n"),
        format!("GET {GOOD} HTTP/2.0\r\n{host}\r\n\r\n"),
        format!("GET  {GOOD} HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET {GOOD}#x HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET callback HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("\r\nGET {GOOD} HTTP/1.1\r\n{host}\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nContent-Length: -3\r\n\r\n"),
        format!("GET {GOOD} HTTP/1.1\r\n{host}\r\nTransfer-Encoding: gzip\r\n\r\n"),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let seen = ask(login.port, &request);
        assert_eq!(seen.status, 400, "{request:?}");
        assert!(seen.header("content-security-policy").is_some(), "{request:?}");
    }
    login.ends_well();
}

#[test]
fn z1_a_request_in_pieces_is_the_same_request() {
    let request = |login: &Login| login.request("GET", GOOD, "Accept: */*\r\n");
    for cut in (1..request(&Login::waiting()).len()).step_by(7) {
        let login = Login::waiting();
        let text = request(&login);
        let mut stream = connect(login.port);
        stream.set_nodelay(true).unwrap();

        for piece in [&text[..cut], &text[cut..]] {
            stream.write_all(piece.as_bytes()).unwrap();
        }

        assert_eq!(Seen::read(&hear(&mut stream)).unwrap().status, 303, "cut at {cut}");
        login.running.conclude(true);
        assert_eq!(login.get("/done").status, 200);
    }
}
