//! The desk: everything about the next answers that can be changed while the server runs.
//!
//! From the shell, from the page and from the command line at the start the same words are used: `checkout.amount=12.50`.

mod words;

pub use words::BadWord;

use super::{
    answers::Answers,
    faults::{Fault, LONGEST_DELAY},
    register,
    shop::{Money, Shop, Values},
};
use hyper::body::Bytes;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// What is decided by hand for one call of the register.
#[derive(Debug, Clone, Default)]
pub struct ByHand {
    /// Values that stand in place of the shop's.
    set: BTreeMap<String, String>,
    /// The outcome that is answered, whatever the shop would say.
    outcome: Option<String>,
    /// Wrong answers, each sent once.
    faults: VecDeque<Fault>,
    /// How long each answer is held back.
    delay: Duration,
    /// One answer for all, from a file.
    pub canned: Option<Bytes>,
    /// The integrator's own server, which answers in place of the shop.
    pub forward: Option<Url>,
}

/// The state behind the answers.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The shop.
    pub shop: Shop,
    /// The examples.
    pub answers: Arc<Answers>,
    by_hand: BTreeMap<&'static str, ByHand>,
}

/// What is due for one call.
#[derive(Debug, Clone, Copy)]
pub struct Due {
    /// A wrong answer, now taken from the list.
    pub fault: Option<Fault>,
    /// How long the answer is held back.
    pub delay: Duration,
}

impl Due {
    /// Nothing.
    pub const NONE: Self = Self { fault: None, delay: Duration::ZERO };
}

impl Desk {
    /// A desk with nothing set.
    pub fn new(shop: Shop, answers: Answers) -> Self {
        Self { shop, answers: Arc::new(answers), by_hand: BTreeMap::new() }
    }

    /// What is decided by hand for a call.
    pub fn by_hand(&mut self, call: &'static str) -> &mut ByHand {
        self.by_hand.entry(call).or_default()
    }

    /// Takes what is due for the next answer of a call.
    pub fn due(&mut self, call: &'static str) -> Due {
        let by_hand = self.by_hand(call);
        let fault = by_hand.faults.pop_front();
        let slow = if fault == Some(Fault::Slow) { Duration::from_secs(30) } else { Duration::ZERO };
        Due { fault, delay: by_hand.delay + slow }
    }

    /// The amount that is set for a call.
    pub fn amount(&self, call: &str) -> Option<Money> {
        self.by_hand.get(call)?.set.get("amount")?.parse().ok()
    }

    /// The outcome that is set for a call.
    pub fn outcome(&self, call: &str) -> Option<String> {
        self.by_hand.get(call)?.outcome.clone()
    }

    /// Puts the values that are set in place of the shop's.
    pub fn lay_over(&self, call: &str, values: &mut Values) {
        let Some(by_hand) = self.by_hand.get(call) else { return };
        values.extend(by_hand.set.iter().map(|(name, value)| (name.clone(), words::given(value))));
    }

    /// Everything as at the start: points, balances, and nothing set. Files and forwards stay.
    pub fn reset(&mut self) {
        self.shop.reset();
        for by_hand in self.by_hand.values_mut() {
            *by_hand = ByHand { canned: by_hand.canned.take(), forward: by_hand.forward.take(), ..ByHand::default() };
        }
    }

    /// Everything that can be seen and set, for the page.
    pub fn document(&self) -> Value {
        let calls: BTreeMap<_, _> = register::CALLS.iter().map(|call| (call.name, self.of_call(call.name))).collect();
        json!({ "calls": calls, "shop": self.shop.data() })
    }

    fn of_call(&self, call: &'static str) -> Value {
        let by_hand = self.by_hand.get(call).cloned().unwrap_or_default();
        json!({
            "set": by_hand.set,
            "outcome": by_hand.outcome,
            "outcomes": self.answers.outcomes(call),
            "faults": by_hand.faults.iter().map(|fault| fault.name()).collect::<Vec<_>>(),
            "delay_ms": u64::try_from(by_hand.delay.min(LONGEST_DELAY).as_millis()).unwrap_or(u64::MAX),
            "canned": by_hand.canned.is_some(),
            "forward": by_hand.forward.map(|url| url.origin().ascii_serialization()),
        })
    }
}

#[cfg(test)]
mod tests;
