//! Amounts in cents: sums of money are never floating point numbers here.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use std::{fmt, str::FromStr};

/// An amount of money with two decimal places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Money(i64);

/// The text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an amount is written like 12.50")]
pub struct NoAmount;

/// Largest amount: ten million. More is a mistake, and no sum of a few of them overflows.
const MOST: i64 = 1_000_000_000;

impl Money {
    /// The amount in cents.
    pub const fn cents(self) -> i64 {
        self.0
    }

    /// The sum, or nothing where it would be more than an amount can be.
    pub fn plus(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).filter(|sum| sum.abs() <= MOST).map(Self)
    }

    /// What is left; nothing where that would be less than nothing.
    pub fn less(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).filter(|rest| *rest >= 0).map(Self)
    }

    /// The amount without its sign.
    #[must_use]
    pub fn abs(self) -> Self {
        Self(self.0.abs())
    }
}

impl FromStr for Money {
    type Err = NoAmount;

    /// Reads `12`, `12.5`, `12.50`, `-3.20`, and `12.500` where the rest is zeros.
    fn from_str(text: &str) -> Result<Self, NoAmount> {
        let text = text.trim();
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let numeric = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (part, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        if whole.is_empty() || whole.len() > 8 || !numeric(whole) || !numeric(part) || rest.bytes().any(|byte| byte != b'0') {
            return Err(NoAmount);
        }
        let whole: i64 = whole.parse().map_err(|_| NoAmount)?;
        let part: i64 = format!("{part:0<2}").parse().map_err(|_| NoAmount)?;
        let cents = whole * 100 + part;
        if cents > MOST { Err(NoAmount) } else { Ok(Self(if negative { -cents } else { cents })) }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let cents = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", cents / 100, cents % 100)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    /// A text or a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => text,
            other => other.to_string(),
        };
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_and_written_to_the_cent() {
        for (text, shown) in
            [("18", "18.00"), ("18.5", "18.50"), ("0.05", "0.05"), ("-3.20", "-3.20"), ("12.5000", "12.50"), (" 7 ", "7.00")]
        {
            assert_eq!(text.parse::<Money>().map(|money| money.to_string()), Ok(shown.to_owned()));
        }
        for text in ["", "-", ".5", "1e3", "12.345", "1,5", "999999999", "10000000.01", "٣", "0x1", "--1", "NaN"] {
            assert_eq!(text.parse::<Money>(), Err(NoAmount), "{text}");
        }
    }

    #[test]
    fn nothing_is_taken_below_zero_or_above_what_an_amount_can_be() {
        let money = |text: &str| text.parse::<Money>().expect("an amount");

        assert_eq!(money("5.00").less(money("5.01")), None);
        assert_eq!(money("5.00").less(money("5.00")), Some(money("0")));
        assert_eq!(money("10000000").plus(money("0.01")), None);
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(cents in -MOST..=MOST) {
            prop_assert_eq!(Money(cents).to_string().parse::<Money>(), Ok(Money(cents)));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[0-9.eE+-]{0,14}") {
            let _ = text.parse::<Money>();
        }
    }
}
