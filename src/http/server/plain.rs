//! Requests and answers of the plain kind, read and written without the server library.
//!
//! Nearly every call is plain: HTTP/1.1, a path, no body or one with a length; and so is its answer, whole and with a length. Only
//! such a pair lets the connection go on to a next request, and only these few lines decide where one request ends and the
//! next begins (RFC 9112 section 6). Whatever is framed otherwise goes to the library, after which the connection ends.

use super::{Answer, Body, Bytes, Cut, Limits, Unending, head::Head};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header, response};
use http_body_util::BodyExt;
use hyper::body::Body as _;
use std::{io::Write, time::Duration};

/// Largest body that is written in one piece with its head.
const IN_ONE: usize = 16 * 1024;

/// A request whose end is known by its head.
pub(super) struct Plain {
    /// The request, its body left out.
    pub(super) request: Request<()>,
    /// Bytes of the body.
    pub(super) length: usize,
    /// Whether the client has said that it sends no further one.
    pub(super) is_last: bool,
}

/// Methods whose body nobody reads.
pub(super) fn has_no_body(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::CONNECT)
}

impl Plain {
    /// The request of a complete head; `None` where it is not plain.
    pub(super) fn of(head: &Head, limits: &Limits) -> Option<Self> {
        let bytes = Bytes::copy_from_slice(head.parts().0);
        let [method, target, version] = head.request_line()?;
        if bytes.get(version)? != b"HTTP/1.1" || !bytes.get(target.clone())?.starts_with(b"/") {
            return None;
        }
        let method = Method::from_bytes(bytes.get(method)?).ok().filter(|method| *method != Method::CONNECT)?;
        let mut headers = HeaderMap::with_capacity(head.fields().len());
        let (mut length, mut is_last) = (0, false);
        for (name, value) in head.fields() {
            let name = HeaderName::from_bytes(bytes.get(name.clone())?).ok()?;
            let value = HeaderValue::from_maybe_shared(bytes.slice(value.clone())).ok()?;
            match name {
                header::CONTENT_LENGTH => length = read_length(&value)?,
                header::CONNECTION => is_last |= says_close(&value)?,
                header::TRANSFER_ENCODING | header::EXPECT | header::UPGRADE => return None,
                _ => {}
            }
            headers.append(name, value);
        }
        if length > 0 && (has_no_body(&method) || limits.body == 0) {
            return None;
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_maybe_shared(bytes.slice(target)).ok()?;
        *request.headers_mut() = headers;
        Some(Self { request, length, is_last })
    }
}

/// The length of the body; `None` where it is said in another way than by plain digits.
fn read_length(length: &HeaderValue) -> Option<usize> {
    let digits = length.to_str().ok()?;
    let sound = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    digits.parse().ok().filter(|_| sound)
}

/// Whether `Connection` says `close`; `None` where it says anything else but `keep-alive`.
fn says_close(value: &HeaderValue) -> Option<bool> {
    let mut closes = false;
    for word in value.to_str().ok()?.split(',').map(str::trim) {
        match word {
            word if word.eq_ignore_ascii_case("close") => closes = true,
            word if word.eq_ignore_ascii_case("keep-alive") => {}
            _ => return None,
        }
    }
    Some(closes)
}

/// An answer that is there as a whole.
pub(super) struct Whole {
    parts: response::Parts,
    body: Bytes,
}

impl Whole {
    /// Takes an answer apart.
    ///
    /// # Errors
    /// The answer itself, where it is not plain.
    pub(super) async fn of(answer: Answer) -> Result<Self, Answer> {
        let status = answer.status();
        let framed = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::TRAILER];
        let special = answer.extensions().get::<Cut>().is_some() || answer.extensions().get::<Unending>().is_some();
        let bare = status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let Some(size) = answer.body().size_hint().exact() else { return Err(answer) };
        if special || bare || answer.version() != Version::HTTP_11 || answer.headers().keys().any(|name| framed.contains(name)) {
            return Err(answer);
        }
        let (parts, body) = answer.into_parts();
        let body = collected(body).await;
        // What a body says of its size and what it holds can only differ by a mistake in this program.
        debug_assert_eq!(u64::try_from(body.len()).ok(), Some(size));
        Ok(Self { parts, body })
    }

    /// Writes the head, and the body where that is short; gives back what is left of the body. `kept` is how long the connection
    /// is kept for a next request.
    pub(super) fn write(self, method: &Method, kept: Option<Duration>, wire: &mut Vec<u8>) -> Bytes {
        let Self { parts, body } = self;
        wire.reserve(256 + 64 * parts.headers.len() + body.len().min(IN_ONE));
        wire.extend_from_slice(b"HTTP/1.1 ");
        wire.extend_from_slice(parts.status.as_str().as_bytes());
        wire.push(b' ');
        wire.extend_from_slice(parts.status.canonical_reason().unwrap_or("<none>").as_bytes());
        for (name, value) in &parts.headers {
            for piece in [b"\r\n", name.as_str().as_bytes(), b": ", value.as_bytes()] {
                wire.extend_from_slice(piece);
            }
        }
        // Writing to memory cannot fail.
        let _ = match kept {
            Some(kept) => write!(wire, "\r\nconnection: keep-alive\r\nkeep-alive: timeout={}", kept.as_secs()),
            None => write!(wire, "\r\nconnection: close"),
        };
        // As the library has it: nothing is said of an empty body that is not sent.
        if method != Method::HEAD || !body.is_empty() {
            let _ = write!(wire, "\r\ncontent-length: {}", body.len());
        }
        wire.extend_from_slice(b"\r\n\r\n");
        if method == Method::HEAD {
            return Bytes::new();
        }
        if body.len() > IN_ONE {
            return body;
        }
        wire.extend_from_slice(&body);
        Bytes::new()
    }
}

/// The bytes of a body that is there as a whole; most come in one piece.
async fn collected(mut body: Body) -> Bytes {
    let mut whole = Bytes::new();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(piece) = frame.into_data() else { continue };
        whole = if whole.is_empty() { piece } else { [whole, piece].concat().into() };
    }
    whole
}
