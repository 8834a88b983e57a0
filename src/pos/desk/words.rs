//! The words by which the next answers are changed: `checkout.amount=12.50`, `search.outcome=none`, `card.GC-1001=50`.

use super::{ByHand, Desk};
use crate::pos::{
    faults::{BadOrder, Fault, LONGEST_DELAY, names},
    register,
    shop::{NoAmount, Unknown},
    template::Given,
};
use std::time::Duration;

/// Longest value, in bytes; a whole list of members is shorter.
const LONGEST: usize = 64 * 1024;

/// Most values that are set for one call.
const MOST_SET: usize = 64;

/// Most faults that wait for one call.
const MOST_FAULTS: usize = 100;

/// Calls whose amount the shop reckons with.
const WITH_AMOUNT: [&str; 3] = ["topup", "checkout", "refund"];

/// Why a word changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWord {
    /// Not of the form.
    #[error("`{0}` is not of the form CALL.NAME, card.ID or customer.ID")]
    Form(String),
    /// No call of the register.
    #[error("`{0}` is none of the calls: {calls}", calls = names())]
    Call(String),
    /// The collection has no such outcome.
    #[error("`{call}` has no outcome `{outcome}`: {known}")]
    Outcome {
        /// Which call.
        call: &'static str,
        /// What was asked for.
        outcome: String,
        /// What there is.
        known: String,
    },
    /// Not an amount.
    #[error(transparent)]
    Amount(#[from] NoAmount),
    /// Not a number of points.
    #[error("points are a whole number")]
    Points,
    /// Not a pause.
    #[error("a delay is written like 500ms or 3s, at most {} s", LONGEST_DELAY.as_secs())]
    Delay,
    /// Not a fault.
    #[error(transparent)]
    Fault(#[from] BadOrder),
    /// The shop does not know it.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// Longer, or more of them, than makes sense.
    #[error("that is more than can be set")]
    TooMuch,
}

impl Desk {
    /// Changes one thing; an empty value takes back what was set. Gives what it is now, in words.
    ///
    /// # Errors
    /// [`BadWord`]; nothing has changed then.
    pub fn set(&mut self, word: &str, value: &str) -> Result<String, BadWord> {
        let (subject, name) = word
            .split_once('.')
            .filter(|(subject, name)| !subject.is_empty() && !name.is_empty())
            .ok_or_else(|| BadWord::Form(word.to_owned()))?;
        if value.len() > LONGEST || word.len() > LONGEST {
            return Err(BadWord::TooMuch);
        }
        match subject {
            "card" => {
                let balance = value.parse()?;
                self.shop.set_balance(name, balance)?;
                return Ok(format!("card {name} holds {balance}"));
            }
            "customer" => {
                let points = value.parse().map_err(|_| BadWord::Points)?;
                self.shop.set_points(name, points)?;
                return Ok(format!("customer {name} has {points} points"));
            }
            _ => {}
        }
        let call = register::by_name(subject).ok_or_else(|| BadWord::Call(subject.to_owned()))?.name;
        match name {
            "outcome" => self.set_outcome(call, value)?,
            "fault" => self.order_fault(call, value)?,
            "delay" => self.by_hand(call).delay = delay(value)?,
            _ => self.set_value(call, name, value)?,
        }
        Ok(if name == "fault" && !value.is_empty() {
            format!("one {call} is answered wrong: {value}")
        } else if value.is_empty() {
            format!("{call}.{name} is as it was")
        } else {
            format!("{call}.{name} is {value} from now on")
        })
    }

    fn set_outcome(&mut self, call: &'static str, outcome: &str) -> Result<(), BadWord> {
        let known = self.answers.outcomes(call).join(", ");
        if !outcome.is_empty() && !self.answers.outcomes(call).contains(&outcome) {
            return Err(BadWord::Outcome { call, outcome: outcome.to_owned(), known });
        }
        self.by_hand(call).outcome = Some(outcome.to_owned()).filter(|outcome| !outcome.is_empty());
        Ok(())
    }

    fn order_fault(&mut self, call: &'static str, name: &str) -> Result<(), BadWord> {
        let ByHand { faults, .. } = self.by_hand(call);
        if name.is_empty() {
            faults.clear();
            return Ok(());
        }
        let fault = Fault::by_name(name)?;
        if faults.len() == MOST_FAULTS {
            return Err(BadWord::TooMuch);
        }
        faults.push_back(fault);
        Ok(())
    }

    fn set_value(&mut self, call: &'static str, name: &str, value: &str) -> Result<(), BadWord> {
        if name == "amount" && WITH_AMOUNT.contains(&call) && !value.is_empty() {
            value.parse::<crate::pos::shop::Money>()?;
        }
        let ByHand { set, .. } = self.by_hand(call);
        if value.is_empty() {
            set.remove(name);
        } else if set.len() == MOST_SET && !set.contains_key(name) {
            return Err(BadWord::TooMuch);
        } else {
            set.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }
}

/// What a person typed: JSON where it is JSON, else a text. `012` and `1.` are texts.
pub(super) fn given(value: &str) -> Given {
    if serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok() { Given::Json(value.to_owned()) } else { Given::Text(value.to_owned()) }
}

/// Reads `500ms` or `3s`; nothing is no delay.
fn delay(text: &str) -> Result<Duration, BadWord> {
    let number = |digits: &str| digits.parse::<u32>().map_err(|_| BadWord::Delay);
    let delay = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => Duration::from_millis(number(digits)?.into()),
        (None, Some(digits)) => Duration::from_secs(number(digits)?.into()),
        (None, None) if text.is_empty() => Duration::ZERO,
        (None, None) => return Err(BadWord::Delay),
    };
    if delay > LONGEST_DELAY { Err(BadWord::Delay) } else { Ok(delay) }
}
