//! The head of a request, read strictly (RFC 9112 sections 2, 3 and 5).
//!
//! Two readers that disagree about where a request ends are the root of request smuggling, so only one form is read: lines
//! that end in CR LF, no folding, no control characters, one `Host`, one length. Every byte is judged when it comes and by
//! itself, so the verdict does not depend on how the bytes were divided into packets, and nothing beyond a cap is kept.

use super::{Limits, Refusal};
use http::Uri;

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
    /// Lines that are complete.
    lines: usize,
    reading: Reading,
}

impl Head {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, bytes: Vec::new(), line: 0, lines: 0, reading: Reading::More }
    }

    /// Takes further bytes. After a verdict nothing changes it.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Reading {
        let mut rest = chunk.iter();
        while self.reading == Reading::More {
            let Some(byte) = rest.next() else { break };
            self.reading = self.take_byte(*byte);
        }
        if self.reading == Reading::Complete {
            self.bytes.extend(rest);
        }
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

    fn take_byte(&mut self, byte: u8) -> Reading {
        if self.bytes.is_empty() && byte == TLS_HANDSHAKE {
            return Reading::Tls;
        }
        let after_return = self.bytes.last() == Some(&b'\r');
        if after_return != (byte == b'\n') || (byte.is_ascii_control() && !matches!(byte, b'\r' | b'\n' | b'\t')) {
            return Reading::Refused(Refusal::BadRequest);
        }
        self.bytes.push(byte);
        if self.lines == 0 && self.bytes.len() > self.limits.request_line {
            return Reading::Refused(Refusal::LineTooLong);
        }
        if self.bytes.len() > self.limits.head_bytes {
            return Reading::Refused(Refusal::HeadTooLarge);
        }
        if byte == b'\n' { self.end_line() } else { Reading::More }
    }

    fn end_line(&mut self) -> Reading {
        let line = self.bytes.get(self.line..self.bytes.len().saturating_sub(2)).unwrap_or_default();
        if self.lines > 0 && line.is_empty() {
            return if is_sound(&self.bytes) { Reading::Complete } else { Reading::Refused(Refusal::BadRequest) };
        }
        let sound = if self.lines == 0 { read_request_line(line).is_some() } else { read_field(line).is_some() };
        if !sound {
            return Reading::Refused(Refusal::BadRequest);
        }
        self.lines += 1;
        self.line = self.bytes.len();
        if self.lines > self.limits.headers + 1 { Reading::Refused(Refusal::HeadTooLarge) } else { Reading::More }
    }
}

/// Whether the fields of a head whose lines are sound agree with each other.
fn is_sound(head: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(head) else { return false };
    let mut lines = text.split("\r\n");
    let target = lines.next().and_then(|line| read_request_line(line.as_bytes()));
    let fields: Vec<(&str, &str)> = lines.filter_map(|line| read_field(line.as_bytes())).collect();
    let values =
        |wanted: &str| fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value).collect::<Vec<_>>();
    let [host] = values("host")[..] else { return false };
    // A length and a coding together, or either twice, is how one request becomes two.
    let framings = values("content-length").len() + values("transfer-encoding").len();
    framings <= 1 && target.is_some_and(|target| target.names(host))
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

/// Name and value of a field; `None` where there is no colon right behind the name, folded lines included.
fn read_field(line: &[u8]) -> Option<(&str, &str)> {
    let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
    is_token(name).then(|| (name, value.trim_matches([' ', '\t'])))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}
