//! Connections that are kept for a next request: how long, for whom, and that no request hides in another.

use crate::{
    http_server::{LIMITS, Running},
    raw::{Seen, connect, hear, hear_one, talk, talk_and_end},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use tokenstrap::http::server::Limits;

fn keeping() -> Running {
    Running::within(Limits { keep: Some(Duration::from_secs(60)), ..LIMITS() })
}

const ONE: &str = "POST /one HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\none";
const LAST: &str = "POST /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nlast";

/// A connection that has been answered once.
fn kept(server: &Running) -> TcpStream {
    let mut stream = connect(server.port);
    stream.write_all(ONE.as_bytes()).unwrap();
    let seen = hear_one(&mut stream);
    assert_eq!((seen.body.as_str(), seen.header("connection")), ("one", Some("keep-alive")), "{seen:?}");
    stream
}

/// What another request on a connection that is kept gets, until the end of the connection.
fn second(server: &Running, request: &str) -> String {
    let mut stream = kept(server);
    // Whoever is refused early may see the connection reset while it still speaks.
    let _ = stream.write_all(request.as_bytes());
    hear(&mut stream)
}

/// The answers in what was heard, by their lengths.
fn answers(mut heard: &str) -> Vec<Seen> {
    let mut answers = Vec::new();
    while let Some(mut seen) = Seen::read(heard) {
        let length: usize = seen.header("content-length").map_or(seen.body.len(), |length| length.parse().unwrap());
        heard = &heard[heard.find("\r\n\r\n").unwrap() + 4 + length..];
        seen.body.truncate(length);
        answers.push(seen);
    }
    assert_eq!(heard, "");
    answers
}

#[test]
fn a_connection_is_kept_longer_than_was_announced_and_ends_without_a_word() {
    let server = Running::within(Limits { keep: Some(Duration::from_secs(1)), ..LIMITS() });
    let mut stream = connect(server.port);
    stream.write_all(ONE.as_bytes()).unwrap();
    let begun = Instant::now();

    assert_eq!(hear_one(&mut stream).header("keep-alive"), Some("timeout=1"));

    assert_eq!(hear(&mut stream), "");
    let kept = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(9)).contains(&kept), "{kept:?}");
}

#[test]
fn without_a_time_for_it_no_connection_is_kept() {
    let server = Running::within(LIMITS());

    let seen = answers(&talk(server.port, [ONE, ONE].concat()));

    assert_eq!((seen.len(), seen[0].header("connection"), seen[0].header("keep-alive")), (1, Some("close"), None));
}

#[test]
fn requests_that_come_at_once_are_answered_in_order_however_they_are_cut() {
    let server = keeping();
    let many: String = (0..60).map(|number| format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{number:02}")).collect();
    let bytes = [many.as_str(), "GET /x HTTP/1.1\r\nHost: a\r\n\r\n", LAST, ONE].concat();
    let expected: Vec<String> = (0..60).map(|number| format!("{number:02}")).chain([String::new(), "last".to_owned()]).collect();

    for cut in [bytes.len(), 1, 7, 61, 500] {
        let mut stream = connect(server.port);
        stream.set_nodelay(true).unwrap();
        bytes.as_bytes().chunks(cut).for_each(|piece| drop(stream.write_all(piece)));
        let heard: Vec<_> = answers(&hear(&mut stream)).into_iter().map(|seen| seen.body).collect();
        assert_eq!(heard, expected, "in pieces of {cut}");
    }
}

#[test]
fn an_empty_line_behind_a_body_is_no_request() {
    let server = keeping();

    let seen = answers(&talk(server.port, [ONE, "\r\n", LAST].concat()));
    assert_eq!(seen.iter().map(|seen| seen.status).collect::<Vec<_>>(), [200, 200]);

    assert_eq!(answers(&second(&server, &["\r\n\r\n", LAST].concat()))[0].status, 400);
    assert_eq!(answers(&talk_and_end(server.port, ["\r\n", LAST].concat()))[0].status, 400);
}

/// A request that is odd, followed by what must never be taken for one.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn k_06_a_request_that_two_readers_may_end_differently_is_the_last_of_its_connection() {
    let server = keeping();
    let framings = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", "0\r\n\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5", "hello", 400),
        ("Content-Length: 5\r\nContent-Length: 0", "hello", 400),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n", 400),
        ("Content-Length: 5, 5", "hello", 400),
        ("Content-Length: +5", "hello", 400),
        ("Content-Length: -0", "", 400),
        ("Content-Length: 0x5", "hello", 400),
        ("Content-Length: ", "hello", 400),
        ("Content-Length: 5 5", "hello", 400),
        ("Content-Length : 5", "hello", 400),
        ("Content-Length:\r\n 5", "hello", 400),
        ("X: y\n", "", 400),
        ("X: y\rContent-Length: 5", "hello", 400),
        ("Transfer-Encoding: gzip", "hello", 400),
        ("Transfer-Encoding: chunked, gzip", "0\r\n\r\n", 400),
        ("Transfer-Encoding: xchunked", "0\r\n\r\n", 400),
        ("Transfer-Encoding:\u{b}chunked", "0\r\n\r\n", 400),
        // What is read in one way only, and still ends the connection.
        ("Content-Length: 005", "hello", 200),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: chunked", "5;a=\"\r\nhello\r\n0\r\n\r\n", 200),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\nX: y\r\n\r\n", 200),
        ("Content-Length: 5\r\nUpgrade: h2c\r\nConnection: upgrade", "hello", 200),
        ("Content-Length: 5\r\nConnection: close", "hello", 200),
        ("Content-Length: 5\r\nConnection: keep-alive, Close", "hello", 200),
        ("Content-Length: 5\r\nConnection: content-length", "hello", 200),
    ];
    for (framing, body, status) in framings {
        let heard = second(&server, &format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}{HIDDEN}"));
        let seen = answers(&heard);
        assert_eq!((seen.len(), seen[0].status, seen[0].header("connection")), (1, status, Some("close")), "{framing}: {heard}");
    }
}

#[test]
fn k_06_a_body_that_is_not_read_is_never_taken_for_a_request() {
    let server = keeping();
    let length = HIDDEN.len();

    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let heard = second(&server, &format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{HIDDEN}"));
        assert_eq!(heard.matches("HTTP/1.1 ").count(), 1, "{method}: {heard}");
        assert!(heard.contains("\r\nconnection: close\r\n"), "{method}: {heard}");
    }
    for line in ["POST / HTTP/1.0", "GET /hidden HTTP/1.1 HTTP/1.1", "GET / HTTP/2.0", "GET http://a/ HTTP/1.1", "CONNECT /x HTTP/1.1"] {
        let heard = second(&server, &format!("{line}\r\nHost: a\r\n\r\n{HIDDEN}"));
        assert!(heard.matches("HTTP/1.").count() <= 1 && !heard.contains("keep-alive"), "{line}: {heard}");
    }
}

#[test]
fn k_06_the_limits_hold_for_each_request_and_a_refused_one_is_the_last() {
    let server = keeping();
    let long = "a".repeat(9_000);

    for (request, refusal) in [
        (format!("GET /{long} HTTP/1.1\r\n"), "LineTooLong"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n{HIDDEN}", "X: y\r\n".repeat(101)), "HeadTooLarge"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\nA: {long}\r\nB: {long}\r\n\r\n{HIDDEN}"), "HeadTooLarge"),
        (format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n{HIDDEN}"), "BodyTooLarge"),
        ("GET / HTTP/1.1\r\nHost: a\r\n\r".to_owned(), "TooSlow"),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel".to_owned(), "TooSlow"),
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), "BadRequest"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_owned(), "BadRequest"),
    ] {
        let begun = Instant::now();
        let seen = answers(&second(&server, &request));
        assert_eq!((seen.len(), seen[0].body.clone()), (1, format!("{{\"refused\":\"{refusal}\"}}")));
        assert_eq!(seen[0].header("connection"), Some("close"));
        assert!(begun.elapsed() < Duration::from_secs(3), "{refusal}");
    }
    assert_eq!(second(&server, "\u{16}\u{3}\u{1}"), "", "TLS has no answer");
    assert_eq!(second(&server, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"), "", "an answer that does not come in time");
}

#[test]
fn k_06_time_that_nobody_uses_does_not_count_and_time_counts_from_the_first_byte() {
    let server = keeping();
    let mut stream = kept(&server);
    stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();

    // Longer than a head, and a whole answer, may take.
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(ONE.as_bytes()).unwrap();
    assert_eq!(hear_one(&mut stream).body, "one");
    let begun = Instant::now();
    stream.write_all(b"G").unwrap();
    assert_eq!(answers(&hear(&mut stream))[0].status, 408);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn k_06_a_full_house_sends_away_who_has_waited_longest_and_answers_the_others() {
    let server = Running::within(Limits { keep: Some(Duration::from_secs(60)), connections: 4, ..LIMITS() });
    let mut waiting: Vec<_> = (0..4).map(|_| kept(&server)).collect();
    // The first has been answered last.
    waiting[0].write_all(ONE.as_bytes()).unwrap();
    hear_one(&mut waiting[0]);

    assert_eq!(answers(&talk(server.port, LAST))[0].body, "last");

    assert_eq!(hear(&mut waiting[1]), "");
    for at in [0, 2, 3] {
        waiting[at].write_all(ONE.as_bytes()).unwrap();
        assert_eq!(hear_one(&mut waiting[at]).body, "one", "{at}");
    }
}

#[test]
fn k_06_a_thousand_kept_connections_do_not_lock_the_door() {
    let server = keeping();

    let all: Vec<_> = (0..1000).map(|_| kept(&server)).collect();

    assert_eq!(answers(&talk(server.port, LAST))[0].body, "last");
    drop(all);
}

#[test]
fn the_end_of_the_server_is_the_end_of_connections_that_wait() {
    let server = keeping();
    let mut waiting = kept(&server);
    let mut served = kept(&server);
    served.write_all(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let begun = Instant::now();

    drop(server);

    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((hear(&mut waiting), hear(&mut served)), (String::new(), String::new()));
}

#[test]
fn what_goes_wrong_inside_ends_its_connection_and_not_the_server() {
    let server = keeping();
    let mut others: Vec<_> = (0..5).map(|_| kept(&server)).collect();

    for _ in 0..10 {
        assert_eq!(talk(server.port, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"), "");
        assert_eq!(second(&server, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n"), "");
    }

    for other in &mut others {
        other.write_all(ONE.as_bytes()).unwrap();
        assert_eq!(hear_one(other).body, "one");
    }
}

#[test]
fn answers_of_a_special_kind_end_a_connection_as_they_do_elsewhere() {
    let server = keeping();

    let heard = second(&server, &format!("GET /events HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}"));
    assert_eq!((heard.matches("tick ").count(), heard.matches("HTTP/1.1").count()), (5, 1), "{heard}");
    assert!(heard.contains("\r\nconnection: close\r\n") && heard.ends_with("0\r\n\r\n"), "{heard}");
    for after in [0, 17] {
        let mut stream = kept(&server);
        write!(stream, "GET /cut/{after} HTTP/1.1\r\nHost: a\r\n\r\n{HIDDEN}").unwrap();
        let mut heard = Vec::new();
        let end = stream.read_to_end(&mut heard);
        assert_eq!((heard.len(), end.unwrap_err().kind()), (after, std::io::ErrorKind::ConnectionReset));
    }
}

#[test]
fn an_answer_is_the_same_whether_its_connection_is_kept_or_not() {
    let (keeping, closing) = (keeping(), Running::within(LIMITS()));
    let long = "x".repeat(1_000);
    let way = |heard: String| {
        let lines = heard.split_inclusive("\r\n").filter(|line| !line.starts_with("connection: ") && !line.starts_with("keep-alive: "));
        lines.collect::<String>()
    };

    for (line, framing, body) in [
        ("GET / HTTP/1.1", "", ""),
        ("HEAD /x?y=1 HTTP/1.1", "", ""),
        ("POST / HTTP/1.1", "Content-Length: 5\r\n", "hello"),
        ("POST / HTTP/1.1", "Content-Length: 0\r\n", ""),
        ("POST / HTTP/1.1", "", ""),
        ("PUT /\u{e9} HTTP/1.1", "Content-Length: 1000\r\n", long.as_str()),
        ("POST /a HTTP/1.1", "Content-Length: 1001\r\n", ""),
        ("PROPFIND /%00 HTTP/1.1", "A:\r\nB: \t \r\nC: \u{e9}\r\n", ""),
        ("POST / HTTP/1.1", "Content-Length: 9\r\n", "short"),
        ("GET //x HTTP/1.1", "Connection: Keep-Alive\r\n", ""),
        ("GET /\" HTTP/1.1", "", ""),
    ] {
        let request = format!("{line}\r\nHost: a\r\n{framing}\r\n{body}");
        assert_eq!(way(talk_and_end(keeping.port, &request)), way(talk_and_end(closing.port, &request)), "{request:?}");
    }
}
