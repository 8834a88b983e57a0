//! Plays the register: builds its requests, sends them to any server, and keeps what comes back.
//!
//! It is as strict as a register is known to be and no stricter: no redirect is followed, nothing is sent twice, `http` goes only to
//! this machine. How a real register encodes the body of a POST is not known, so both ways can be played.

mod addresses;
mod answer;
mod request;

pub use addresses::{AddressError, Addresses};
pub use answer::{Answer, cents};
pub use request::{Encoding, again, request, with_order};

use super::signature;
use crate::{oauth::message::Request, ports::Transport, secret::Secret};
use http::HeaderName;
use std::time::{Duration, Instant};

/// The order id that stands in for the order until a reward is redeemed.
pub const PLACEHOLDER: &str = "111";

/// A made-up order, company, site and register, for fields that nobody names.
pub const DEFAULTS: [(&str, &str); 4] = [("order_id", "880417"), ("company_id", "5042"), ("site_id", "1"), ("register_id", "1")];

/// A register that sends through this transport.
pub struct Player<'a> {
    /// Carries the requests.
    pub transport: &'a dyn Transport,
    /// Signs each POST, where the user has given a key.
    pub key: Option<&'a Secret>,
    /// How long an answer may take.
    pub patience: Duration,
}

impl Player<'_> {
    /// Sends a request and keeps what became of it.
    pub fn send(&self, call: &'static str, scene: &str, mut request: Request) -> Answer {
        if let (Some(key), Some(body)) = (self.key, &request.body) {
            let signature = signature::sign(key, body);
            request = request.with_secret_header(HeaderName::from_static(signature::HEADER), &signature);
        }
        let began = Instant::now();
        let outcome = self.transport.send(&request, began + self.patience);
        Answer::new(call, scene, outcome, began.elapsed())
    }
}
