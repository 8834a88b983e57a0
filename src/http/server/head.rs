//! The head of a request, read strictly (RFC 9112 sections 2, 3 and 5).
//!
//! Two readers that disagree about where a request ends are the root of request smuggling, so only one form is read: lines
//! that end in CR LF, no folding, no control characters, one `Host`, one length. Every byte is judged when it comes and by
//! itself, so the verdict does not depend on how the bytes were divided into packets, and nothing beyond a cap is kept.

use super::{Limits, Refusal};
use http::Uri;
use std::ops::Range;

/// What the bytes so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// Not enough to say.
    More,
    /// A sound head; what was read beyond it lies behind it.
    Complete,
    /// A TLS handshake record.
    Tls,
    /// Not a request, or too much of one.
    Refused(Refusal),
}

/// First byte of a TLS handshake record (RFC 8446 section 5.1); no method begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// Reads one head.
pub(super) struct Head {
    limits: Limits,
    bytes: Vec<u8>,
    /// Where the line that is being read begins.
    line: usize,
    /// The fields that are complete: where name and value lie.
    fields: Vec<(Range<usize>, Range<usize>)>,
    reading: Reading,
    before: Before,
    /// Where the head ends, once it is complete.
    end: usize,
}

/// What may stand before the request line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing.
    Nothing,
    /// One empty line, as some clients send it behind a body (RFC 9112 section 2.2).
    EmptyLine,
    /// Its second half.
    LineFeed,
}

impl Head {
    /// The first head of a connection.
    pub(super) fn new(limits: Limits) -> Self {
        let (bytes, fields) = (Vec::new(), Vec::new());
        Self { limits, bytes, line: 0, fields, reading: Reading::More, before: Before::Nothing, end: 0 }
    }

    /// The head behind another request; `rest` has been read already.
    pub(super) fn following(limits: Limits, rest: &[u8]) -> Self {
        let mut head = Self { before: Before::EmptyLine, ..Self::new(limits) };
        head.take(rest);
        head
    }

    /// Takes further bytes. After a verdict nothing changes it.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Reading {
        let mut rest = chunk;
        while self.reading == Reading::More {
            let plain = self.plain_run(rest);
            self.bytes.extend_from_slice(rest.get(..plain).unwrap_or_default());
            rest = rest.get(plain..).unwrap_or_default();
            let Some((byte, further)) = rest.split_first() else { break };
            self.reading = self.take_byte(*byte);
            rest = further;
        }
        if self.reading == Reading::Complete {
            self.bytes.extend_from_slice(rest);
        }
        self.reading
    }

    /// What is known by now.
    pub(super) fn reading(&self) -> Reading {
        self.reading
    }

    /// Whether nothing has come at all.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The head and what followed it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The three words of the request line of a complete head.
    pub(super) fn request_line(&self) -> Option<[Range<usize>; 3]> {
        let line = self.bytes.iter().position(|byte| *byte == b'\r')?;
        let mut blanks = self.bytes.get(..line)?.iter().enumerate().filter(|(_, byte)| **byte == b' ').map(|(at, _)| at);
        let (first, second) = (blanks.next()?, blanks.next()?);
        Some([0..first, first + 1..second, second + 1..line])
    }

    /// Where names and values of its fields lie.
    pub(super) fn fields(&self) -> &[(Range<usize>, Range<usize>)] {
        &self.fields
    }

    /// The bytes of a complete head, and those that came behind it.
    pub(super) fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.end).unwrap_or_default()
    }

    /// How many of these bytes are neither the end of a line nor a verdict.
    fn plain_run(&self, rest: &[u8]) -> usize {
        if self.before == Before::LineFeed && self.bytes.is_empty() || self.bytes.last() == Some(&b'\r') {
            return 0;
        }
        let most = if self.line == 0 { self.limits.request_line.min(self.limits.head_bytes) } else { self.limits.head_bytes };
        let room = most.saturating_sub(self.bytes.len()).min(rest.len());
        rest.iter().take(room).take_while(|byte| !byte.is_ascii_control() || **byte == b'\t').count()
    }

    fn take_byte(&mut self, byte: u8) -> Reading {
        if self.bytes.is_empty() {
            match (self.before, byte) {
                (_, TLS_HANDSHAKE) => return Reading::Tls,
                (Before::EmptyLine, b'\r') => {
                    self.before = Before::LineFeed;
                    return Reading::More;
                }
                (Before::LineFeed, b'\n') => {
                    self.before = Before::Nothing;
                    return Reading::More;
                }
                (Before::LineFeed, _) => return Reading::Refused(Refusal::BadRequest),
                _ => {}
            }
        }
        let after_return = self.bytes.last() == Some(&b'\r');
        if after_return != (byte == b'\n') || (byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t')) {
            return Reading::Refused(Refusal::BadRequest);
        }
        self.bytes.push(byte);
        if self.line == 0 && self.bytes.len() > self.limits.request_line {
            return Reading::Refused(Refusal::LineTooLong);
        }
        if self.bytes.len() > self.limits.head_bytes {
            return Reading::Refused(Refusal::HeadTooLarge);
        }
        if byte == b'\n' { self.end_line() } else { Reading::More }
    }

    fn end_line(&mut self) -> Reading {
        let line = self.bytes.get(self.line..self.bytes.len().saturating_sub(2)).unwrap_or_default();
        if self.line > 0 && line.is_empty() {
            self.end = self.bytes.len();
            return if self.is_sound() { Reading::Complete } else { Reading::Refused(Refusal::BadRequest) };
        }
        if self.line == 0 {
            if read_request_line(line).is_none() {
                return Reading::Refused(Refusal::BadRequest);
            }
        } else {
            let Some((name, value)) = read_field(line) else { return Reading::Refused(Refusal::BadRequest) };
            let at = self.line + line.len() - value.trim_start_matches([' ', '\t']).len();
            let value = at..at + value.trim_matches([' ', '\t']).len();
            self.fields.push((self.line..self.line + name.len(), value));
        }
        self.line = self.bytes.len();
        if self.fields.len() > self.limits.headers { Reading::Refused(Refusal::HeadTooLarge) } else { Reading::More }
    }

    /// Whether the fields of a head whose lines are sound agree with each other.
    fn is_sound(&self) -> bool {
        let (mut hosts, mut framings, mut host) = (0, 0, "");
        for (name, value) in self.fields.iter().filter_map(|(name, value)| Some((self.bytes.get(name.clone())?, value))) {
            if name.eq_ignore_ascii_case(b"host") {
                hosts += 1;
                host = self.bytes.get(value.clone()).and_then(|value| std::str::from_utf8(value).ok()).unwrap_or_default();
            // A length and a coding together, or either twice, is how one request becomes two.
            } else if name.eq_ignore_ascii_case(b"content-length") || name.eq_ignore_ascii_case(b"transfer-encoding") {
                framings += 1;
            }
        }
        let line = self.bytes.split(|byte| *byte == b'\r').next().unwrap_or_default();
        hosts == 1 && framings <= 1 && read_request_line(line).is_some_and(|target| target.names(host))
    }
}

/// The form of a request target (RFC 9112 section 3.2).
enum Target<'h> {
    /// A path, `*` or, for CONNECT, an authority: says nothing about the host.
    Local,
    /// A whole URL, as sent to proxies.
    Absolute(&'h str),
}

impl Target<'_> {
    /// Whether the `Host` field says the same.
    fn names(&self, host: &str) -> bool {
        match self {
            Self::Local => true,
            Self::Absolute(url) => url.parse::<Uri>().is_ok_and(|uri| uri.authority().is_some_and(|authority| authority.as_str() == host)),
        }
    }
}

fn read_request_line(line: &[u8]) -> Option<Target<'_>> {
    let text = std::str::from_utf8(line).ok()?;
    let mut words = text.split(' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    // A fragment never travels; a library that drops it silently would see another target than we do.
    let sound = words.next().is_none()
        && is_token(method)
        && target.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#')
        && matches!(version, "HTTP/1.1" | "HTTP/1.0");
    match target {
        _ if !sound => None,
        path if path.starts_with('/') => Some(Target::Local),
        url if url.starts_with("http://") => Some(Target::Absolute(url)),
        "*" if method == "OPTIONS" => Some(Target::Local),
        _ if method == "CONNECT" => Some(Target::Local),
        _ => None,
    }
}

/// Name and value of a field, blanks around the value included; `None` where there is no colon right behind the name, folded lines included.
fn read_field(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    is_token(name).then_some((name, value))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bytes: &[u8]) -> Reading {
        Head::new(Limits::default()).take(bytes)
    }

    #[test]
    fn a_sound_head_is_complete_and_what_follows_is_kept() {
        let mut head = Head::new(Limits::default());
        let request = b"GET /a?b HTTP/1.1\r\nHost: c\r\n\r\nmore";

        assert_eq!(head.take(request), Reading::Complete);
        assert_eq!(head.into_bytes(), request);
    }

    #[test]
    fn a_verdict_comes_with_the_byte_that_decides() {
        for bytes in [&b"GET / HTTP/1.1\rH"[..], b"GET / HTTP/1.1\n", b"G\0", b"\n", b"\r\n", b"GET /\r\n"] {
            assert_eq!(read(&bytes[..bytes.len() - 1]), Reading::More, "{bytes:?}");
            assert_eq!(read(bytes), Reading::Refused(Refusal::BadRequest), "{bytes:?}");
        }
        assert_eq!(read(&[TLS_HANDSHAKE]), Reading::Tls);
    }

    #[test]
    fn behind_another_request_one_empty_line_is_no_head() {
        let read = |bytes: &[u8]| {
            let head = Head::following(Limits::default(), bytes);
            (head.reading, head.is_empty())
        };

        assert_eq!(read(b"\r"), (Reading::More, true));
        assert_eq!(read(b"\r\n"), (Reading::More, true));
        assert_eq!(read(b"\r\nGET"), (Reading::More, false));
        assert_eq!(read(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), (Reading::Complete, false));
        for bytes in [&b"\r\n\r\n"[..], b"\rG", b"\n", b"\r\n\n"] {
            assert_eq!(read(bytes).0, Reading::Refused(Refusal::BadRequest), "{bytes:?}");
        }
    }

    #[test]
    fn caps_hold_to_the_byte() {
        let limits = Limits { request_line: 20, head_bytes: 40, headers: 2, ..Limits::default() };
        let verdict = |bytes: &str| Head::new(limits).take(bytes.as_bytes());

        assert_eq!(verdict(&"A".repeat(20)), Reading::More);
        assert_eq!(verdict(&"A".repeat(21)), Reading::Refused(Refusal::LineTooLong));
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(21))), Reading::More);
        assert_eq!(verdict(&format!("GET / HTTP/1.1\r\nA: {}", "b".repeat(22))), Reading::Refused(Refusal::HeadTooLarge));
        assert_eq!(verdict("GET / HTTP/1.1\r\nHost:a\r\nB:\r\n\r\n"), Reading::Complete);
        assert_eq!(verdict("GET / HTTP/1.1\r\nHost:a\r\nB:\r\nC:\r\n"), Reading::Refused(Refusal::HeadTooLarge));
    }

    proptest! {
        #[test]
        fn z1_the_verdict_does_not_depend_on_the_packets(
            parts in prop::collection::vec(prop_oneof![
                Just("GET /callback?code=a HTTP/1.1\r\n".to_owned()), Just("Host: a\r\n".to_owned()), Just("\r\n".to_owned()),
                Just(" ".to_owned()), Just("\r".to_owned()), "[ -~\t\r\n\0\u{16}]{0,20}",
            ], 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let bytes = parts.concat().into_bytes();
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let mut head = Head::new(Limits::default());
            for pair in places.windows(2) {
                head.take(&bytes[pair[0]..pair[1]]);
            }
            prop_assert_eq!(head.reading, read(&bytes));
            let mut slow = Head::new(Limits::default());
            bytes.iter().for_each(|byte| _ = slow.take(&[*byte]));
            prop_assert_eq!((head.reading, head.bytes), (slow.reading, slow.bytes));
        }

        #[test]
        fn z1_any_bytes_are_read_or_refused_within_the_cap(bytes in any::<Vec<u8>>()) {
            let mut head = Head::new(Limits { head_bytes: 64, request_line: 32, ..Limits::default() });
            let reading = head.take(&bytes);
            prop_assert!(reading == Reading::Complete || head.bytes.len() <= 65);
        }
    }
}
