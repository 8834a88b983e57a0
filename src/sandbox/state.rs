//! Everything that changes while a sandbox runs, and one visit to it.

use super::{
    authorize::{Code, Ticket},
    client::Client,
    device::DeviceLogin,
};
use super::{
    call::Call, faults::Faults, journal::Journal, ledger::Ledger, orders::Orders, settings::Settings, shelf::Shelf, signature::SigningKey,
};
use std::time::SystemTime;

/// What is remembered. It lies behind one lock; whoever holds it decides one request from beginning to end.
#[derive(Debug)]
pub(super) struct State {
    pub faults: Faults,
    pub ledger: Ledger,
    pub journal: Journal,
    /// Authorization requests that wait for a decision.
    pub tickets: Shelf<Ticket>,
    /// Codes, spent ones too, so that a replay is noticed.
    pub codes: Shelf<Code>,
    /// Clients that registered themselves.
    pub clients: Shelf<Client>,
    /// Device logins.
    pub devices: Shelf<DeviceLogin>,
    /// Payments on orders.
    pub orders: Orders,
    /// Signs ID tokens.
    pub key: SigningKey,
}

/// One request on its way through the endpoints: what was asked, of whom, and when.
pub(super) struct Visit<'a> {
    pub settings: &'a Settings,
    pub state: &'a mut State,
    pub call: &'a Call,
    pub now: SystemTime,
    /// Scheme, host and port; also the issuer.
    pub origin: &'a str,
}

impl Visit<'_> {
    /// An address of this server.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}
