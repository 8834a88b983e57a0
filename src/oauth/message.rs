//! HTTP messages as plain values.
//!
//! The protocol builds [`Request`]s and reads [`Response`]s; who carries them is not its business. What did not arrive
//! is an [`Undelivered`], sorted by the one question that matters after it: may the server have acted?

use crate::secret::Secret;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::{fmt, time::Duration};
use url::Url;
use zeroize::Zeroizing;

/// A request that is ready to be sent. Its `Debug` shows neither query, headers nor body.
#[derive(Clone)]
pub struct Request {
    /// GET or POST in all that OAuth asks for.
    pub method: Method,
    /// Where it goes; never with a secret in it (RFC 6749 section 2.3.1).
    pub url: Url,
    /// Values that carry credentials are marked sensitive.
    pub headers: HeaderMap,
    /// The body, wiped after use.
    pub body: Option<Secret>,
}

impl Request {
    /// A GET that asks for JSON.
    pub fn get(url: Url) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        Self { method: Method::GET, url, headers, body: None }
    }

    /// Adds a header whose value is a secret, marked so that nobody prints it.
    ///
    /// A value that is not allowed in a header (RFC 9110 section 5.5) is left out; token texts are checked when they
    /// are read, so that does not happen to them.
    #[must_use]
    pub fn with_secret_header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.insert(name, value);
        }
        self
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}{}", self.method, self.url.origin().ascii_serialization(), self.url.path())
    }
}

/// A complete answer. Its `Debug` shows the status and the length of the body.
#[derive(Clone)]
pub struct Response {
    /// Decides before the body does.
    pub status: StatusCode,
    /// As received.
    pub headers: HeaderMap,
    /// At most 1 MiB after decompression; wiped after use.
    pub body: Zeroizing<Vec<u8>>,
}

impl Response {
    /// The media type without parameters, in lower case; empty where there is none.
    pub fn media_type(&self) -> String {
        let value = self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// The header's text, if it has one.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} bytes", self.status.as_u16(), self.body.len())
    }
}

/// Why there is no complete answer. Texts in here are short, printable and hold no secret.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Undelivered {
    /// Name, connection or TLS handshake failed: not one byte of the request was written.
    #[error("{host} cannot be reached ({detail})")]
    NotSent {
        /// Where it was to go.
        host: String,
        /// What the system says.
        detail: String,
    },
    /// The server's certificate was refused; nothing was written.
    #[error("the certificate of {host} was refused ({detail})")]
    CertificateRefused {
        /// Whose certificate.
        host: String,
        /// Why.
        detail: String,
    },
    /// No certificate authorities are installed here; nothing was written.
    #[error("this machine has no certificate authorities to check {host} with ({detail})")]
    NoRoots {
        /// Whose certificate could not be checked.
        host: String,
        /// What the system says.
        detail: String,
    },
    /// The request went out, then the peer ended the exchange before a complete answer.
    #[error("{host} ended the exchange before its answer was complete")]
    PeerEnded {
        /// Who hung up.
        host: String,
    },
    /// The request went out and our patience ended first: it may still be running.
    #[error("{host} did not answer in {} s", after.as_secs())]
    TimedOut {
        /// Who was silent.
        host: String,
        /// How long we waited.
        after: Duration,
    },
    /// The answer is larger than an answer of this kind can be (1 MiB), or its head is (64 KiB).
    #[error("{host} sent more than an answer can be")]
    TooLarge {
        /// Who sent it.
        host: String,
    },
    /// The target is one we never talk to: cleartext off this machine, or an address that is barred.
    #[error("{host} is not a safe address to talk to ({detail})")]
    Barred {
        /// Where it was to go.
        host: String,
        /// Which rule.
        detail: String,
    },
}

impl Undelivered {
    /// Whether it is certain that the server saw nothing.
    pub fn is_unsent(&self) -> bool {
        matches!(self, Self::NotSent { .. } | Self::CertificateRefused { .. } | Self::NoRoots { .. } | Self::Barred { .. })
    }
}
