//! A register's customer search crashes on anything but JSON: ten thousand requests of every kind get JSON.

use crate::{
    pos_stand::Stand,
    raw::{Seen, talk_and_end},
};
use serde_json::Value;
use std::thread;

/// Requests in all, and how many are in flight.
const REQUESTS: u64 = 10_000;
const IN_FLIGHT: u64 = 16;

/// A small generator (xorshift64*), so that a failure comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        usize::try_from(self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33).unwrap() % most
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// Bytes without line ends, which would make two requests of one.
    fn noise(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| u8::try_from(self.below(256)).unwrap()).filter(|byte| !b"\r\n".contains(byte)).collect()
    }

    fn path(&mut self, prefix: &str) -> Vec<u8> {
        let begin = [prefix, prefix, prefix, prefix, "", "/_", "//", "/..", "*", "http://x.test"][self.below(10)];
        let call = self.one(&[
            "search",
            "rewards",
            "redeem",
            "topup",
            "balance",
            "checkout",
            "refund",
            "webhook",
            "serach",
            "",
            "search/",
            "%73earch",
            "../search",
            "search\\",
            "SEARCH",
            "search;x=1",
        ]);
        let query = self.one(&[
            "",
            "?",
            "?keyword=david",
            "?keyword=%",
            "?keyword=%ff%00",
            "?keyword[]=1&keyword=2",
            "?reference_id=GC-1001&amount=1.00",
            "?reward=R-1&member=M-1001&order_id=1",
            "?t=x",
            "?a=1&a=2&&&=&",
        ]);
        let mut path = format!("{begin}/{call}{query}").into_bytes();
        if self.below(4) == 0 {
            path.extend(self.noise(40));
        }
        if self.below(100) == 0 {
            path.extend(std::iter::repeat_n(b'a', 10_000));
        }
        path
    }

    fn body(&mut self) -> Vec<u8> {
        match self.below(8) {
            0 => Vec::new(),
            1 => b"reference_id=GC-1001&amount=1.00".to_vec(),
            2 => br#"{"reference_id":"GC-1001","amount":1e400,"a":{"b":[null,true,"\ud800"]}}"#.to_vec(),
            3 => b"{\"reference_id\":".to_vec(),
            4 => "[".repeat(self.below(5000)).into_bytes(),
            5 => "a=1&".repeat(self.below(3000)).into_bytes(),
            6 => b"--x\r\nContent-Disposition: form-data; name=\"keyword\"\r\n\r\ndavid\r\n--x--".to_vec(),
            _ => self.noise(2000),
        }
    }

    /// One whole request, sound or not.
    fn request(&mut self, prefix: &str, port: u16) -> Vec<u8> {
        let method =
            self.one(&["GET", "HEAD", "POST", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND", "get", "G\u{e9}T", ""]);
        let version = self.one(&["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9", "HTTPS/1.1", ""]);
        let mut request = format!("{method} ").into_bytes();
        request.extend(self.path(prefix));
        request.extend(format!(" {version}\r\n").bytes());
        let host = format!("127.0.0.1:{port}");
        let host = self.one(&[&host, &host, &host, &host, "localhost", "evil.test", "", "a b", "[::1", "127.0.0.1:99999"]);
        request.extend(format!("Host: {host}\r\n").bytes());
        let kind = self.one(&[
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "multipart/form-data",
            "text/plain; charset=utf-7",
            "application/json; charset=\"",
            ";",
            "\u{1F986}",
        ]);
        request.extend(format!("Content-Type: {kind}\r\n").bytes());
        request.extend(
            self.one(&[
                "",
                "",
                "",
                "Accept-Encoding: gzip\r\n",
                "Accept: text/html\r\n",
                "Content-Encoding: gzip\r\n",
                "Expect: 100-continue\r\n",
                "Host: twice\r\n",
                "X-Forwarded-For: x\r\n",
                "Upgrade: h2c\r\nConnection: upgrade\r\n",
                "Range: bytes=0-1\r\n",
                "If-None-Match: *\r\n",
                " folded\r\n",
                "no colon\r\n",
            ])
            .bytes(),
        );
        if self.below(50) == 0 {
            request.extend("X: y\r\n".repeat(500).bytes());
        }
        if self.below(20) == 0 {
            request.extend(b"X-Noise: ");
            request.extend(self.noise(200));
            request.extend(b"\r\n");
        }
        let body = self.body();
        match self.below(12) {
            0 => request.extend(b"Content-Length: 99999999999\r\n\r\n"),
            1 => request.extend(b"Content-Length: -1\r\n\r\n"),
            2 => request.extend(b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            3 => {
                request.extend(format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n", body.len().max(1)).bytes());
                request.extend(if body.is_empty() { b"x" } else { body.as_slice() });
                request.extend(b"\r\n0\r\n\r\n");
            }
            _ => {
                request.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                request.extend(body);
            }
        }
        request
    }
}

#[test]
fn ten_thousand_requests_of_every_kind_get_ten_thousand_answers_in_json() {
    let stand = Stand::new([]);
    let (port, prefix) = (stand.port, stand.prefix.as_str());

    let statuses: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = (0..IN_FLIGHT)
            .map(|number| {
                scope.spawn(move || {
                    let mut dice = Dice(0x9E37_79B9_7F4A_7C15 ^ (number + 1));
                    (0..REQUESTS / IN_FLIGHT).map(|_| answered(port, &dice.request(prefix, port))).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });

    assert_eq!(statuses.len(), 10_000);
    for status in [200, 400, 404, 405, 413, 414, 421, 431] {
        assert!(statuses.contains(&status), "the dice never threw {status}");
    }
    assert!(statuses.iter().all(|status| *status < 500));
    assert!(stand.get("search?keyword=david")["members"]["M-1001"].is_object());
    let said = stand.end();
    assert!(!said.stderr.contains("panicked"), "{said}");
}

/// Sends it and holds that JSON comes back, whatever it was.
fn answered(port: u16, request: &[u8]) -> u16 {
    let heard = talk_and_end(port, request).replacen("HTTP/1.0 ", "HTTP/1.1 ", 1);
    let heard = heard.strip_prefix("HTTP/1.1 100 Continue\r\n\r\n").unwrap_or(&heard);
    let shown = || format!("{heard:?} to {:?}", String::from_utf8_lossy(&request[..request.len().min(800)]));
    let seen = Seen::read(heard).unwrap_or_else(|| panic!("no answer but {}", shown()));
    assert_eq!(seen.header("content-type"), Some("application/json"), "{}", shown());
    let is_json = serde_json::from_str::<Value>(&seen.body).is_ok_and(|body| body.is_object());
    assert!(is_json || (request.starts_with(b"HEAD ") && seen.body.is_empty()), "{}", shown());
    seen.status
}
