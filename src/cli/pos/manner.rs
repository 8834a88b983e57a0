//! How the register is played: what `pos call` and `pos verify` have in common.

use super::{Context, Exit, Failure, signature_key};
use crate::{
    cli::{render::read_span, terminal},
    http::client::{Client, Observer, Options},
    oauth::message::Undelivered,
    pos::{
        play::{AddressError, Answer, Encoding, Player},
        register::Certainty,
        verify::{Level, Rule},
    },
    secret::Secret,
};
use clap::Args;
use serde_json::{Value, json};
use std::time::Duration;

/// Longest time for an answer. The client gives a silent server up after the same time.
const LONGEST: Duration = Duration::from_secs(10);

#[derive(Args)]
pub(super) struct Manner {
    /// Send the fields of a POST as a form; so it does without this flag too, since the vendor does not say
    #[arg(long, conflicts_with = "json_body")]
    form: bool,
    /// Send the fields of a POST as JSON
    #[arg(long)]
    json_body: bool,
    /// Sign each POST with the key in this environment variable
    #[arg(long, value_name = "VAR")]
    signature_key_env: Option<String>,
    /// How long an answer may take, 10s at most
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = patience)]
    within: Duration,
}

fn patience(text: &str) -> Result<Duration, String> {
    let span = read_span(text)?;
    if span.is_zero() || span > LONGEST { Err("it is between 1s and 10s".to_owned()) } else { Ok(span) }
}

/// A register with its client and key.
pub(super) struct Register {
    client: Client,
    key: Option<Secret>,
    patience: Duration,
}

impl Manner {
    pub fn encoding(&self) -> Encoding {
        if self.json_body { Encoding::Json } else { Encoding::Form }
    }

    pub fn register(&self, context: &Context) -> Result<Register, Failure> {
        let observer = (context.globals.verbose > 0).then(|| -> Observer { Box::new(terminal::line) });
        let client = Client::new(Options { bar_link_local: true, observer, ..Options::default() });
        Ok(Register { client, key: signature_key(self.signature_key_env.as_deref())?, patience: self.within })
    }
}

impl Register {
    pub fn player(&self) -> Player<'_> {
        Player { transport: &self.client, key: self.key.as_ref(), patience: self.patience }
    }
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let failure = Self::usage("the value of --url is not one that it takes").because(&error);
        match error {
            AddressError::Name(_) => failure.hint("a call of its own address is written like --url search=https://pos.example.test/find"),
            AddressError::Twice(_) => failure,
            AddressError::Address(_) => failure.hint("use https, or http for a server on this machine"),
        }
    }
}

/// How it ends where no answer came.
pub(super) fn exit_of_trouble(trouble: &Undelivered) -> Exit {
    Failure::from(trouble.clone()).exit
}

/// How it ends by the status alone: 403, 404, 429 and 5xx may be otherwise later, everything else is refused.
pub(super) fn exit_of_status(status: u16) -> Exit {
    match status {
        200..300 => Exit::Done,
        403 | 404 | 429 | 500.. => Exit::Later,
        _ => Exit::Refused,
    }
}

/// How it ends by the answer: its status first, then what a register would choke on.
pub(super) fn exit_of(answer: &Answer, faults: &[(&'static Rule, String)]) -> Exit {
    match (&answer.trouble, answer.status) {
        (Some(trouble), _) => exit_of_trouble(trouble),
        (None, Some(status)) if exit_of_status(status) != Exit::Done => exit_of_status(status),
        _ if faults.iter().any(|(rule, _)| rule.level == Level::Must) => Exit::Refused,
        _ => Exit::Done,
    }
}

/// One line for each fault.
pub(super) fn tell_faults(faults: &[(&'static Rule, String)], mut say: impl FnMut(&str)) {
    for (rule, finding) in faults {
        say(&format!("{} {}: {finding}", mark(rule), rule.id));
        say(&format!("    {} ({})", rule.says, origin(rule.certainty, rule.source)));
    }
}

/// The faults as part of a document.
pub(super) fn faults_document(faults: &[(&'static Rule, String)]) -> Value {
    let entry = |(rule, finding): &(&Rule, String)| json!({ "rule": rule.id, "finding": finding, "certainty": rule.certainty.word(), "source": rule.source, "must": rule.level == Level::Must });
    faults.iter().map(entry).collect()
}

/// `documented: the vendor's guide`.
pub(super) fn origin(certainty: Certainty, source: &str) -> String {
    format!("{}: {source}", certainty.word())
}

fn mark(rule: &Rule) -> char {
    if rule.level == Level::Must { '✗' } else { '!' }
}
