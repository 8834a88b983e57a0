//! The embedded authorization server: for `demo`, for `sandbox`, and for the tests.
//!
//! It behaves like Lightspeed O-Series as far as that is known (`state` demanded, `invalid_client` with 400, refresh tokens
//! that stay, a bare 500 page for a wrong redirect URI, nothing modern), or with [`Builder::strict`] like a server of today
//! (RFC 9700, RFC 9207, RFC 8414, OpenID Connect, RFC 7009, RFC 7662, RFC 8628, RFC 7591, RFC 9728). [`Faults`] make it fail to order.
//!
//! The endpoints are functions from a request and the state to an answer; the HTTP server, the clock and the pauses stay
//! outside. It opens no store and knows no profile. Whatever it issues begins with `mock-`, save ID tokens, which have a
//! form of their own and open nothing.

mod answer;
mod api;
mod authorize;
mod builder;
mod call;
mod client;
mod company;
mod device;
mod discovery;
mod drip;
mod faults;
mod grant;
mod journal;
mod ledger;
mod mint;
mod odd;
mod orders;
mod page;
mod robot;
mod routes;
mod running;
mod service;
mod settings;
mod shelf;
mod signature;
mod state;
mod token;
mod words;

pub use builder::Builder;
pub use company::{COMPANIES, Company, OWN_COMPANY};
pub use faults::{Failure, Faults, Refusing};
pub use journal::Logged;
pub use mint::PREFIX;
pub use odd::{ODD, Odd};
pub use orders::Payment;
pub use robot::{Arrival, Robot, approve};
pub use running::Running;
pub use settings::Decision;
pub use words::{BadOrder, WORDS, Word};

/// A sandbox, to be built.
#[derive(Debug)]
pub enum Sandbox {}

impl Sandbox {
    /// A server like O-Series on a free port of 127.0.0.1, with a client `demo` and a fresh secret.
    pub fn builder() -> Builder {
        Builder::new()
    }
}
