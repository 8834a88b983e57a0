//! The HTTP server with bodies, faults and streams, as the sandbox and the register rehearsal use it.

use crate::raw::{Seen, ask, connect, talk};
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::{
    convert::Infallible,
    future::Future,
    io::{Read, Write},
    net::Ipv4Addr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokenstrap::http::server::{Answer, Answering, Bytes, Cut, Limits, Refusal, Service, Unending, full, serve};
use tokio::sync::oneshot;

/// Says the body back, or does what the path says.
struct Echo;

impl Service for Echo {
    fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answering {
        Box::pin(async move {
            let words: Vec<&str> = request.uri().path().split('/').skip(1).collect();
            match words[..] {
                ["cut", after] => {
                    let mut answer = Answer::new(full("0123456789"));
                    answer.extensions_mut().insert(Cut { after: after.parse().unwrap() });
                    answer
                }
                ["events"] => {
                    let mut answer = Answer::new(Ticks { left: 5, next: tick() }.boxed_unsync());
                    answer.extensions_mut().insert(Unending);
                    answer
                }
                ["panic"] => panic!("a mistake inside of a service"),
                ["never"] => std::future::pending().await,
                _ => Answer::new(full(request.into_body())),
            }
        })
    }

    fn refuse(&self, refusal: Refusal) -> Answer {
        let mut answer = Answer::new(full(format!("{{\"refused\":\"{refusal:?}\"}}")));
        *answer.status_mut() = refusal.status();
        answer
    }
}

/// Five words, one each fifth of a second.
struct Ticks {
    left: usize,
    next: Pin<Box<tokio::time::Sleep>>,
}

fn tick() -> Pin<Box<tokio::time::Sleep>> {
    Box::pin(tokio::time::sleep(Duration::from_millis(200)))
}

impl hyper::body::Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        ready!(self.next.as_mut().poll(cx));
        self.left -= 1;
        self.next = tick();
        Poll::Ready(Some(Ok(Frame::data("tick ".into()))))
    }
}

/// Bounds that a test does not wait for long.
pub(crate) const LIMITS: fn() -> Limits =
    || Limits { body: 1_000, head_time: Duration::from_millis(400), total_time: Duration::from_millis(600), ..Limits::default() };

/// A server on a thread of its own, until it is dropped.
pub(crate) struct Running {
    pub(crate) port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn begin() -> Self {
        Self::within(LIMITS())
    }

    pub(crate) fn within(limits: Limits) -> Self {
        let socket = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(socket).unwrap();
                serve(vec![listener], Arc::new(Echo), limits, async { drop(stopped.await) }).await;
            });
        });
        Self { port, stop: Some(stop), thread: Some(thread) }
    }

    fn post(&self, framing: &str, body: &str) -> Seen {
        ask(self.port, format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_body_arrives_whole_however_it_is_framed() {
    let server = Running::begin();

    assert_eq!(server.post("Content-Length: 5", "hello").body, "hello");
    assert_eq!(server.post("Transfer-Encoding: chunked", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n").body, "hello");
    assert_eq!(server.post("Content-Length: 1000", &"x".repeat(1_000)).body.len(), 1_000);
}

#[test]
fn k_06_a_body_over_the_limit_is_refused_in_the_dress_of_the_service() {
    let server = Running::begin();
    let refused = || (413, r#"{"refused":"BodyTooLarge"}"#.to_owned());

    for (framing, body) in [
        ("Content-Length: 1001", String::new()),
        ("Transfer-Encoding: chunked", format!("{:x}\r\n{}\r\n", 1_001, "x".repeat(1_001))),
        ("Content-Length: 4000000", "x".repeat(4_000_000)),
    ] {
        let seen = server.post(framing, &body);
        assert_eq!((seen.status, seen.body), refused(), "{framing}");
    }
}

#[test]
fn k_06_a_body_that_does_not_come_is_not_waited_for() {
    let server = Running::begin();
    let begun = Instant::now();

    let seen = server.post("Content-Length: 5", "hel");

    assert_eq!((seen.status, seen.body.as_str()), (408, r#"{"refused":"TooSlow"}"#));
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn k_06_a_get_has_no_body_whatever_it_says() {
    let server = Running::begin();

    let seen = ask(server.port, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");

    assert_eq!((seen.status, seen.body.as_str()), (200, ""));
}

#[test]
fn k_04_the_refusals_of_the_library_wear_the_dress_of_the_service() {
    let server = Running::begin();

    for framing in [
        "Content-Length: five",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: +5",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
    ] {
        let seen = server.post(framing, "hello");
        assert_eq!((seen.status, seen.body.as_str()), (400, r#"{"refused":"BadRequest"}"#), "{framing}");
    }
    assert_eq!(server.post("Transfer-Encoding: chunked", "zz\r\n").body, r#"{"refused":"BadRequest"}"#);
    assert_eq!(ask(server.port, "nonsense\r\n").body, r#"{"refused":"BadRequest"}"#);
}

#[test]
fn a_cut_answer_ends_at_the_byte_and_with_a_reset() {
    let server = Running::begin();

    for after in [0, 1, 17, 60] {
        let mut stream = connect(server.port);
        write!(stream, "GET /cut/{after} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut heard = Vec::new();
        let end = stream.read_to_end(&mut heard);

        assert_eq!(heard.len(), after);
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "after {after}");
    }
}

#[test]
fn a_stream_of_events_outlives_the_time_that_whole_answers_have() {
    let server = Running::begin();

    let heard = talk(server.port, "GET /events HTTP/1.1\r\nHost: a\r\n\r\n");

    assert_eq!(heard.matches("tick ").count(), 5, "{heard}");
    assert!(heard.ends_with("0\r\n\r\n"));
}

#[test]
fn an_answer_that_never_comes_is_not_waited_for() {
    let server = Running::begin();
    let begun = Instant::now();

    assert_eq!(talk(server.port, "GET /never HTTP/1.1\r\nHost: a\r\n\r\n"), "");

    assert!(begun.elapsed() < Duration::from_secs(2));
}
