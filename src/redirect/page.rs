//! The pages of the listener. They are made before the first request comes, and no byte of a request ever enters one.

use crate::http::server::{Answer, Bytes, full};
use data_encoding::BASE64;
use http::{HeaderValue, StatusCode, header};
use ring::digest::{SHA256, digest};

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The token is stored.
    Stored,
    /// It came to nothing.
    NotStored,
    /// Nobody knows yet.
    LookAtTerminal,
    /// Away from the URL with the code.
    SeeResult,
    BadRequest,
    Forbidden,
    NotFound,
    WrongMethod,
    TooSlow,
    Gone,
    BodyTooLarge,
    LineTooLong,
    Misdirected,
    HeadTooLarge,
}

/// Calm in both colour schemes, readable at arm's length and on a phone.
const STYLE: &str = ":root{color-scheme:light dark;--paper:#f6f5f2;--ink:#1d1d1b;--soft:#5c5b57}\
@media(prefers-color-scheme:dark){:root{--paper:#191918;--ink:#ecebe6;--soft:#a3a29c}}\
*{margin:0;box-sizing:border-box}\
body{min-height:100vh;display:grid;place-items:center;padding:2rem 1.5rem;background:var(--paper);color:var(--ink);\
font:1.0625rem/1.6 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{width:100%;max-width:30rem;padding-bottom:12vh}\
small{display:block;margin-bottom:2rem;color:var(--soft);font:.875rem/1.4 ui-monospace,Menlo,Consolas,monospace}\
h1{margin-bottom:.75rem;font-size:1.625rem;font-weight:600;line-height:1.25;letter-spacing:-.01em;text-wrap:balance}\
p{color:var(--soft);text-wrap:pretty}";

const STORED: (&str, &str) = ("You are logged in", "The token is stored. You can close this tab and go back to the terminal.");
const NOT_STORED: (&str, &str) = ("The login did not work", "The terminal says what happened and what helps.");
const LOOK: (&str, &str) = ("Back to the terminal", "The browser has done its part. The terminal says how the login goes on.");
const GONE: (&str, &str) = ("This login is over", "Another answer came before this one. The terminal says how it ended.");
const STRANGER: (&str, &str) =
    ("Not what was expected", "This page only takes the answer to a login that was begun in the terminal. Nothing has happened.");

impl Page {
    fn status(self) -> StatusCode {
        match self {
            Self::Stored | Self::NotStored | Self::LookAtTerminal => StatusCode::OK,
            Self::SeeResult => StatusCode::SEE_OTHER,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Gone => StatusCode::GONE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::LineTooLong => StatusCode::URI_TOO_LONG,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        }
    }
}

/// All pages, ready to be sent.
pub(super) struct Pages {
    result: &'static str,
    policy: HeaderValue,
    stored: Bytes,
    not_stored: Bytes,
    look: Bytes,
    gone: Bytes,
    stranger: Bytes,
}

impl Pages {
    /// The pages of a listener whose result page lies at `result`.
    pub(super) fn new(result: &'static str) -> Self {
        Self {
            result,
            policy: policy(),
            stored: html(STORED),
            not_stored: html(NOT_STORED),
            look: html(LOOK),
            gone: html(GONE),
            stranger: html(STRANGER),
        }
    }

    /// Path of the result page.
    pub(super) fn result(&self) -> &'static str {
        self.result
    }

    /// The page with its status and its hardening (SECURITY L-24).
    pub(super) fn answer(&self, page: Page) -> Answer {
        let body = match page {
            Page::Stored => self.stored.clone(),
            Page::NotStored => self.not_stored.clone(),
            Page::LookAtTerminal => self.look.clone(),
            Page::SeeResult => Bytes::new(),
            Page::Gone => self.gone.clone(),
            _ => self.stranger.clone(),
        };
        let mut answer = Answer::new(full(body));
        *answer.status_mut() = page.status();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
        match page {
            Page::SeeResult => headers.insert(header::LOCATION, HeaderValue::from_static(self.result)),
            Page::WrongMethod => headers.insert(header::ALLOW, HeaderValue::from_static("GET")),
            _ => None,
        };
        answer
    }
}

/// Nothing may be loaded, framed or sent anywhere. Our own style is known by its hash, and the empty icon is the one image.
fn policy() -> HeaderValue {
    let hash = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    let nothing = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    let text = format!("{nothing}; style-src 'sha256-{hash}'; img-src data:");
    HeaderValue::from_str(&text).expect("base64 is visible ASCII")
}

/// The empty icon spares the browser a request for one.
fn html((heading, text): (&str, &str)) -> Bytes {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>tokenstrap</title>\n\
         <link rel=icon href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n\
         <body><main><small>tokenstrap</small><h1>{heading}</h1><p>{text}</p></main></body>\n</html>\n"
    )
    .into()
}
