//! Faults by word, as a person orders them: `rotate`, `grace=30s`, `fail=503:2`.
//!
//! One row per word; help, completion and the parser read the table.

use super::{
    faults::{Failure, Faults, Refusing},
    odd::Odd,
};
use std::time::Duration;

/// One word of the order.
pub struct Word {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Form of what stands behind `=`; empty where nothing does.
    pub value: &'static str,
    /// One line of help.
    pub about: &'static str,
    set: fn(&mut Faults, &str) -> Option<()>,
}

/// An order that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrder {
    /// No such word.
    #[error("`{0}` is not a fault that can be ordered")]
    Unknown(String),
    /// The word is known, the value is not in its form.
    #[error("`{word}` is ordered as `{word}={form}`")]
    Value {
        /// The word.
        word: &'static str,
        /// What is expected behind it.
        form: &'static str,
    },
    /// The word takes no value.
    #[error("`{0}` takes no value")]
    NoValue(&'static str),
}

/// Every word.
pub static WORDS: &[Word] = &[
    word("rotate", "", "A refresh spends the refresh token and brings a new one", |f, _| put(&mut f.rotate, Some(true))),
    word("keep", "", "A refresh keeps the refresh token", |f, _| put(&mut f.rotate, Some(false))),
    word("grace", "DURATION", "A spent refresh token fetches the same pair for so long", |f, v| put(&mut f.grace, duration(v))),
    word("expires-in", "SECONDS", "How long access tokens live", |f, v| put(&mut f.expires_in, v.parse().ok().map(Some))),
    word("omit-refresh-token", "", "The exchange of a code brings no refresh token", |f, _| put(&mut f.omit_refresh_token, Some(true))),
    word("delay", "DURATION", "Wait before acting on a token request", |f, v| put(&mut f.delay_before, duration(v))),
    word("delay-after", "DURATION", "Wait between acting and answering", |f, v| put(&mut f.delay_after, duration(v))),
    word("drip", "DURATION", "Wait after each byte of a token answer", |f, v| put(&mut f.drip, duration(v))),
    word("lose", "COUNT", "Issue tokens, then reset the connection", |f, v| put(&mut f.lose, v.parse().ok())),
    word("cut", "BYTES", "Cut the next token answer after so many bytes", |f, v| put(&mut f.cut, v.parse().ok().map(Some))),
    word("fail", "STATUS[:COUNT[:RETRY-AFTER]]", "Fail token requests without any OAuth in the answer", |f, v| {
        put(&mut f.fail, fail(v).map(Some))
    }),
    word("refuse", "ERROR[:STATUS[:COUNT]]", "Refuse token requests with an OAuth error", |f, v| put(&mut f.refuse, refuse(v).map(Some))),
    word("odd", "NAME[:COUNT]", "Answer token requests oddly", |f, v| put(&mut f.odd, odd(v).map(Some))),
    word("slow-down", "COUNT", "Tell device polls to slow down", |f, v| put(&mut f.slow_down, v.parse().ok())),
    word("other-account", "", "Tokens belong to another company", |f, _| put(&mut f.other_account, Some(true))),
    word("verify", "STATUS", "Fail the verify endpoints", |f, v| put(&mut f.verify, status(v).map(Some))),
    word("iss", "TEXT", "Say another issuer in the redirect", |f, v| put(&mut f.iss, Some(Some(v.to_owned())))),
    word("refuse-authorization", "ERROR", "Come back from authorization with an error", |f, v| {
        put(&mut f.refuse_authorization, code(v).map(Some))
    }),
];

const fn word(name: &'static str, value: &'static str, about: &'static str, set: fn(&mut Faults, &str) -> Option<()>) -> Word {
    Word { name, value, about, set }
}

impl Faults {
    /// Orders one fault by word.
    ///
    /// # Errors
    /// [`BadOrder`]; nothing has changed then.
    pub fn order(&mut self, order: &str) -> Result<(), BadOrder> {
        let (name, value) = order.split_once('=').map_or((order, None), |(name, value)| (name, Some(value)));
        let word = WORDS.iter().find(|word| word.name == name).ok_or_else(|| BadOrder::Unknown(crate::text::printable(name)))?;
        let malformed = BadOrder::Value { word: word.name, form: word.value };
        match (word.value.is_empty(), value) {
            (true, Some(_)) => Err(BadOrder::NoValue(word.name)),
            (false, None | Some("")) => Err(malformed),
            (_, value) => (word.set)(self, value.unwrap_or_default()).ok_or(malformed),
        }
    }
}

fn put<T>(slot: &mut T, value: Option<T>) -> Option<()> {
    *slot = value?;
    Some(())
}

/// `250ms`, `30s`, `5m`, `1h`; one unit is enough for a rehearsal.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = text.split_at(end);
    let count: u64 = digits.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    count.checked_mul(millis).map(Duration::from_millis)
}

fn status(text: &str) -> Option<u16> {
    text.parse().ok().filter(|status| (200..=599).contains(status))
}

fn code(text: &str) -> Option<String> {
    let is_code = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
    is_code.then(|| text.to_owned())
}

fn fail(text: &str) -> Option<Failure> {
    let mut parts = text.splitn(3, ':');
    let status = status(parts.next()?)?;
    let left = parts.next().map_or(Some(1), |count| count.parse().ok())?;
    let retry_after = parts.next().map(str::to_owned);
    Some(Failure { status, left, retry_after, commits: false })
}

fn refuse(text: &str) -> Option<Refusing> {
    let mut parts = text.splitn(3, ':');
    let error = code(parts.next()?)?;
    let status = parts.next().map_or(Some(400), status)?;
    let left = parts.next().map_or(Some(1), |count| count.parse().ok())?;
    Some(Refusing { error, status, left })
}

fn odd(text: &str) -> Option<(&'static Odd, u32)> {
    let (name, count) = text.split_once(':').map_or((text, Some(1)), |(name, count)| (name, count.parse().ok()));
    Some((Odd::by_name(name)?, count?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_word_has_a_unique_kebab_case_name_and_a_help_line() {
        let mut seen = BTreeSet::new();
        for word in WORDS {
            assert!(seen.insert(word.name), "{} is there twice", word.name);
            assert!(word.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
            assert!(!word.about.is_empty() && !word.about.ends_with('.'));
        }
    }

    #[test]
    fn orders_are_read() {
        let mut faults = Faults::default();
        for order in
            ["rotate", "grace=30s", "delay=250ms", "lose=2", "cut=17", "fail=503:2:3", "refuse=invalid_grant", "odd=bom:3", "verify=500"]
        {
            assert_eq!(faults.order(order), Ok(()), "{order}");
        }

        assert!(faults.rotate);
        assert_eq!((faults.grace, faults.delay_before), (Duration::from_secs(30), Duration::from_millis(250)));
        assert_eq!((faults.lose, faults.cut, faults.verify), (2, Some(17), Some(500)));
        assert_eq!(faults.fail, Some(Failure { status: 503, left: 2, retry_after: Some("3".into()), commits: false }));
        assert_eq!(faults.refuse, Some(Refusing { error: "invalid_grant".into(), status: 400, left: 1 }));
        assert_eq!(faults.odd.map(|(odd, left)| (odd.name, left)), Some(("bom", 3)));
    }

    #[test]
    fn an_order_that_cannot_be_read_says_how_it_is_meant() {
        let mut faults = Faults::default();
        for order in ["grace", "grace=", "grace=30", "grace=x", "fail=99", "odd=nothing", "lose=-1", "rotate=yes", "weather", "refuse=a b"]
        {
            assert!(faults.order(order).is_err(), "{order}");
        }
        assert_eq!(faults.order("grace=x").map_err(|bad| bad.to_string()), Err("`grace` is ordered as `grace=DURATION`".to_owned()));
    }
}
