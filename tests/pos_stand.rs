//! A `pos serve` that runs, and a register that calls it: what the tests of the stand-in share.

use crate::{
    raw::{Seen, ask_and_end},
    support::{
        binary::{Home, Invocation, Outcome},
        running::{Running, Stream},
    },
};
use rustix::process::Signal;
use serde_json::Value;
use url::Url;

/// The stand-in on a free port.
pub(crate) struct Stand {
    pub(crate) home: Home,
    pub(crate) program: Running,
    pub(crate) port: u16,
    /// What the paths of calls begin with, such as `/k5YpbFREeXBAutsq`.
    pub(crate) prefix: String,
    /// The printed address of the desk: path and query.
    pub(crate) desk: String,
}

impl Stand {
    /// In a home of its own.
    #[track_caller]
    pub(crate) fn new<'a>(flags: impl IntoIterator<Item = &'a str>) -> Self {
        Self::at(&Home::new(), flags)
    }

    /// In a home that is there.
    #[track_caller]
    pub(crate) fn at<'a>(home: &Home, flags: impl IntoIterator<Item = &'a str>) -> Self {
        Self::of(home, home.tokenstrap(), flags)
    }

    /// With variables or a wrapper of the caller's own.
    #[track_caller]
    pub(crate) fn of<'a>(home: &Home, program: Invocation, flags: impl IntoIterator<Item = &'a str>) -> Self {
        let mut stand = Self::begun(home, program, flags);
        stand.is_open();
        stand
    }

    /// The same, right after it has said where it is; it may still look at its public address.
    #[track_caller]
    pub(crate) fn begun<'a>(home: &Home, program: Invocation, flags: impl IntoIterator<Item = &'a str>) -> Self {
        let mut program = program.args(["pos", "serve", "--port", "0"]).args(flags).spawn();
        program.wait_for_line(Stream::Err, "Your side of Loyalty and Payments");
        let line = program.wait_for_line(Stream::Err, "Watch and steer");
        let desk = Url::parse(line.split_once("http").map(|(_, rest)| format!("http{rest}")).unwrap().as_str()).unwrap();
        let prefix = std::fs::read_to_string(home.path(".local/state/tokenstrap/pos/prefix")).unwrap();
        let target = desk[url::Position::BeforePath..].to_owned();
        Self { home: home.clone(), program, port: desk.port().unwrap(), prefix: format!("/{prefix}"), desk: target }
    }

    /// What the addresses of calls begin with.
    pub(crate) fn base(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.prefix)
    }

    /// Waits until everything of the start has been said.
    #[track_caller]
    pub(crate) fn is_open(&mut self) {
        self.program.wait_for_line(Stream::Err, " rewards. ");
    }

    /// Waits for a line on the screen.
    #[track_caller]
    pub(crate) fn says(&mut self, text: &str) -> String {
        self.program.wait_for_line(Stream::Err, text)
    }

    /// Any request to this machine's own name; `headers` are whole lines.
    #[track_caller]
    pub(crate) fn send(&self, method: &str, target: &str, headers: &str, body: &str) -> Seen {
        self.send_to(&format!("127.0.0.1:{}", self.port), method, target, headers, body)
    }

    /// The same, to a host of the caller's own.
    #[track_caller]
    pub(crate) fn send_to(&self, host: &str, method: &str, target: &str, headers: &str, body: &str) -> Seen {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        ask_and_end(self.port, format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{headers}{length}\r\n{body}"))
    }

    /// A call of the register with its fields in the query.
    #[track_caller]
    pub(crate) fn get(&self, call: &str) -> Value {
        json(&self.send("GET", &format!("{}/{call}", self.prefix), "", ""))
    }

    /// A call of the register with its fields in a form.
    #[track_caller]
    pub(crate) fn post(&self, call: &str, form: &str) -> Value {
        json(&self.send("POST", &format!("{}/{call}", self.prefix), FORM, form))
    }

    /// The first `redeem_url` that a customer is offered for an order.
    #[track_caller]
    pub(crate) fn redeem_url(&self, member: &str, order: &str) -> Url {
        let rewards = self.get(&format!("rewards?customer_id={member}&order_id={order}"));
        Url::parse(rewards["rewards"][0]["redeem_url"].as_str().unwrap()).unwrap()
    }

    /// `pos set` in the same home.
    #[track_caller]
    pub(crate) fn set<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Outcome {
        self.home.tokenstrap().args(["pos", "set"]).args(words).run()
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    pub(crate) fn end(mut self) -> Outcome {
        self.program.signal(Signal::INT);
        self.program.outcome().expect_code(0)
    }
}

/// The header of a form.
pub(crate) const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

/// The body as JSON, with the content type that a register needs.
#[track_caller]
pub(crate) fn json(seen: &Seen) -> Value {
    assert_eq!(seen.header("content-type"), Some("application/json"), "{seen:?}");
    serde_json::from_str(&seen.body).unwrap_or_else(|error| panic!("{error}: {seen:?}"))
}

/// Path and query of a URL.
pub(crate) fn target(url: &Url) -> &str {
    &url[url::Position::BeforePath..]
}
