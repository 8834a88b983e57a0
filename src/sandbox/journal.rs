//! What was asked, for tests and for a person who watches.

use super::call::Call;
use http::header;
use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::mpsc::Sender,
};

/// Entries that are kept; the counters go on. A storm of 512 clients over 50 rounds needs a few thousand.
const MOST_ENTRIES: usize = 10_000;

/// Paths that are counted; strangers may ask for any.
const MOST_PATHS: usize = 500;

/// One request. Its `Debug` shows no query and no member.
#[derive(Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its method.
    pub method: String,
    /// Its path.
    pub path: String,
    /// Its query, in order.
    pub query: Vec<(String, String)>,
    /// Members of its body, secrets included: they are this server's own.
    pub form: Vec<(String, String)>,
    /// Its `Authorization` header.
    pub authorization: Option<String>,
    /// Status of the answer, once there is one.
    pub status: Option<u16>,
    serial: u64,
}

impl Logged {
    /// The first member of the body with that name.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The first parameter of the query with that name.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, crate::text::printable(&self.path))?;
        self.status.map_or(Ok(()), |status| write!(f, " -> {status}"))
    }
}

/// All requests, counted, and the last of them in full.
#[derive(Debug, Default)]
pub(super) struct Journal {
    entries: VecDeque<Logged>,
    counts: BTreeMap<String, u64>,
    total: u64,
    watcher: Option<Sender<Logged>>,
}

impl Journal {
    /// A journal that tells each answered request to `watcher`.
    pub(super) fn told_to(watcher: Option<Sender<Logged>>) -> Self {
        Self { watcher, ..Self::default() }
    }

    /// Notes a request when it arrives; the number names it.
    pub(super) fn arrived(&mut self, call: &Call) -> u64 {
        self.total += 1;
        if self.counts.len() < MOST_PATHS || self.counts.contains_key(&call.path) {
            *self.counts.entry(call.path.clone()).or_default() += 1;
        }
        if self.entries.len() == MOST_ENTRIES {
            self.entries.pop_front();
        }
        self.entries.push_back(Logged {
            method: call.method.to_string(),
            path: call.path.clone(),
            query: call.query.clone(),
            form: call.form.clone(),
            authorization: call.header(header::AUTHORIZATION).map(str::to_owned),
            status: None,
            serial: self.total,
        });
        self.total
    }

    /// Notes how it was answered.
    pub(super) fn answered(&mut self, serial: u64, status: u16) {
        let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.serial == serial) else { return };
        entry.status = Some(status);
        if let Some(watcher) = &self.watcher
            && watcher.send(entry.clone()).is_err()
        {
            self.watcher = None;
        }
    }

    /// How many requests there were.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How many requests there were to a path.
    pub(super) fn to(&self, path: &str) -> u64 {
        self.counts.get(path).copied().unwrap_or_default()
    }

    /// The last requests, oldest first.
    pub(super) fn entries(&self) -> Vec<Logged> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::body::Bytes;

    #[test]
    fn debug_shows_neither_query_nor_members() {
        let request = http::Request::post("/v1/token.json?q=CANARY")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", "Bearer CANARY")
            .body(Bytes::from("refresh_token=CANARY"));
        let mut journal = Journal::default();

        let serial = journal.arrived(&Call::read(&request.expect("a request")));
        journal.answered(serial, 200);

        assert_eq!(format!("{:?}", journal.entries()), "[POST /v1/token.json -> 200]");
        assert_eq!(journal.entries().first().and_then(|entry| entry.member("refresh_token").map(str::to_owned)), Some("CANARY".to_owned()));
    }

    #[test]
    fn a_flood_of_paths_does_not_fill_the_memory() {
        let mut journal = Journal::default();
        for number in 0..MOST_ENTRIES + 1 {
            let request = http::Request::get(format!("/{number}")).body(Bytes::new());
            journal.arrived(&Call::read(&request.expect("a request")));
        }

        assert_eq!(journal.total(), 10_001);
        assert_eq!((journal.entries.len(), journal.counts.len()), (MOST_ENTRIES, MOST_PATHS));
    }
}
