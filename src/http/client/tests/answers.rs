//! What comes back.

use super::*;
use http::StatusCode;

#[test]
fn a_good_answer_is_given_whole() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}");

    let answer = send(&peer).expect("an answer");

    assert_eq!((answer.status, answer.body.as_slice()), (StatusCode::OK, b"{\"a\":1}".as_slice()));
    assert_eq!(answer.media_type(), "application/json");
}

#[test]
fn a_compressed_answer_is_unpacked() {
    let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n".to_vec();
    bytes.extend(GZIP_HEAD);
    bytes.extend([0x01, 7, 0, 0xF8, 0xFF]);
    bytes.extend(b"{\"a\":1}");
    bytes.extend(0x561B_ACAF_u32.to_le_bytes());
    bytes.extend(7_u32.to_le_bytes());

    assert_eq!(send(&Peer::saying(bytes)).expect("an answer").body.as_slice(), b"{\"a\":1}");
}

#[test]
fn t_03_no_redirect_is_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        let location = elsewhere.url("/stolen");
        let peer = Peer::saying(format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"));

        let answer = send(&peer).expect("the redirect itself");

        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header(&http::header::LOCATION), Some(location.as_str()));
        assert!(elsewhere.seen().is_empty());
    }
}

const GZIP_HEAD: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

#[test]
fn t_04_a_compressed_bomb_is_cut_off_while_it_unpacks() {
    let peer = Peer::answering(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n\r\n");
        let _ = stream.write_all(&GZIP_HEAD);
        // A block with fixed codes (RFC 1951 section 3.2.6): one zero byte, then "258 times the last byte" without end.
        // Begin and literal take 11 bits, a repeat 13, so that bytes line up after one and then after every eight.
        let repeat = [true, true, false, false, false, true, false, true, false, false, false, false, false];
        let begin = [false, true, false, false, false, true, true, false, false, false, false];
        let _ = stream.write_all(&packed(&[&begin[..], &repeat[..]].concat()));
        let eight = packed(&repeat.repeat(8)).repeat(1000);
        // 32 times 13 KB unpack to 66 MB.
        for _ in 0..32 {
            if stream.write_all(&eight).is_err() {
                return;
            }
        }
    });

    assert!(matches!(send(&peer), Err(Undelivered::TooLarge { .. })));
}

fn packed(bits: &[bool]) -> Vec<u8> {
    bits.chunks(8).map(|eight| eight.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
}

/// Writes `head`, then `piece` until the client hangs up or 64 MB are gone, and tells how many bytes that took.
fn endless(head: &'static str, piece: &'static str) -> (Result<Response, Undelivered>, usize) {
    let written = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&written);
    let peer = Peer::answering(move |stream| {
        let block = piece.repeat(64);
        let _ = stream.write_all(head.as_bytes());
        while *counter.lock().expect("unpoisoned") < 64_000_000 && stream.write_all(block.as_bytes()).is_ok() {
            *counter.lock().expect("unpoisoned") += block.len();
        }
    });
    let outcome = send(&peer);
    drop(peer.seen());
    let written = *written.lock().expect("unpoisoned");
    (outcome, written)
}

const CHUNK: &str = "20\r\n0123456789abcdef0123456789abcdef\r\n";

#[test]
fn t_04_a_body_and_a_head_without_end_are_cut_off() {
    for (head, piece) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", CHUNK),
        ("HTTP/1.1 200 OK\r\n\r\n", CHUNK),
        ("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", CHUNK),
        ("HTTP/1.1 200 OK\r\n", "X-Filler: 0123456789abcdef0123456789abcdef\r\n"),
        ("HTTP/1.1 200 OK\r\nX-Filler: ", "0123456789abcdef0123456789abcdef"),
    ] {
        let (outcome, written) = endless(head, piece);

        assert!(matches!(outcome, Err(Undelivered::TooLarge { .. })), "{head}: {outcome:?}");
        // The rest is what the kernel's buffers take.
        assert!(written < 24_000_000, "{head}: {written} bytes were taken");
    }
}

#[test]
fn t_04_a_head_beyond_64_kib_is_too_large_though_it_ends() {
    let field = format!("X-Filler: {}\r\n", "x".repeat(70_000));

    let outcome = send(&Peer::saying(format!("HTTP/1.1 200 OK\r\n{field}Content-Length: 0\r\n\r\n")));

    assert!(matches!(outcome, Err(Undelivered::TooLarge { .. })), "{outcome:?}");
}

#[test]
fn t_04_a_body_of_1_mib_is_taken_and_one_byte_more_is_not() {
    for (size, taken) in [(1024 * 1024, true), (1024 * 1024 + 1, false)] {
        let peer = Peer::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size)));
        assert_eq!(send(&peer).is_ok(), taken, "{size}");
    }
}

#[test]
fn t_04_no_more_than_the_announced_length_is_read() {
    let answer = send(&Peer::saying(format!("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", "x".repeat(200_000))));

    assert_eq!(answer.expect("the ten bytes").body.len(), 10);
}

#[test]
fn f_14_an_answer_that_breaks_off_is_known_as_such() {
    for part in [
        "",
        "HTTP/1.",
        "HTTP/1.1 200 OK\r\nContent-Le",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"access_token\":",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"acc\r\n",
    ] {
        for rude in [false, true] {
            let peer = Peer::answering(move |stream| {
                let _ = stream.write_all(part.as_bytes());
                if rude {
                    reset(stream);
                }
            });

            let outcome = send(&peer);

            assert!(matches!(outcome, Err(Undelivered::PeerEnded { .. })), "{part:?}: {outcome:?}");
            assert_eq!(peer.seen().len(), 1, "sent again after {part:?}");
        }
    }
}

#[test]
fn f_14_an_answer_that_is_complete_counts_whatever_the_connection_does_then() {
    let peer = Peer::answering(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        let _ = stream.read(&mut [0; 16]);
        reset(stream);
    });

    assert_eq!(send(&peer).expect("an answer").body.as_slice(), b"{}");
}

#[test]
fn what_is_not_http_or_not_gzip_is_an_ended_exchange() {
    for answer in ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"] {
        let outcome = send(&Peer::saying(answer));
        assert!(matches!(outcome, Err(Undelivered::PeerEnded { .. })), "{answer:?}: {outcome:?}");
    }
}

#[test]
fn t_05_a_body_that_drips_ends_with_the_deadline() {
    let peer = Peer::answering(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        // The read waits for the client to go away, and its timeout is the drip.
        stream.set_read_timeout(Some(Duration::from_millis(20))).expect("a timeout");
        while stream.write_all(b"x").is_ok() && !matches!(stream.read(&mut [0]), Ok(0)) {}
    });
    let began = Instant::now();

    let outcome = Client::new(Options::default()).send(&post(peer.url("/")), began + Duration::from_millis(300));

    assert!(matches!(outcome, Err(Undelivered::TimedOut { .. })), "{outcome:?}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn t_05_silence_before_and_within_the_answer_ends_the_try_before_the_deadline() {
    for part in ["", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"] {
        let peer = Peer::answering(move |stream| {
            let _ = stream.write_all(part.as_bytes());
            let _ = stream.read(&mut [0]);
        });
        let client = Client { silence: Duration::from_millis(200), ..Client::new(Options::default()) };
        let began = Instant::now();

        let outcome = client.send(&post(peer.url("/")), soon());

        assert!(matches!(outcome, Err(Undelivered::TimedOut { .. })), "{part:?}: {outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(4));
    }
}
