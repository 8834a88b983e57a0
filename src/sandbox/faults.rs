//! Faults to order: all of them data, each changeable while the server runs.
//!
//! A fault with a number wears off: it holds for the next so many token requests. The command line orders faults by word, see
//! [`super::words`].

use super::odd::Odd;
use std::time::Duration;

/// What goes wrong, and how this server treats refresh tokens.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// A refresh answers with a new refresh token and spends the old one.
    pub rotate: bool,
    /// How long a spent refresh token still fetches the pair that it bought; zero for not at all.
    pub grace: Duration,
    /// Life of access tokens in seconds; an hour where nothing is said.
    pub expires_in: Option<u64>,
    /// The exchange of a code brings no refresh token either.
    pub omit_refresh_token: bool,
    /// Pause before a token request is acted on.
    pub delay_before: Duration,
    /// Pause between the act and the answer.
    pub delay_after: Duration,
    /// Pause between two bytes of a token answer's body; zero for none.
    pub drip: Duration,
    /// Token answers that are lost: the tokens are issued, the connection is reset.
    pub lose: u32,
    /// The next token answer is cut after so many bytes, head included.
    pub cut: Option<usize>,
    /// Token requests that fail with a status of the server's own.
    pub fail: Option<Failure>,
    /// Token requests that are refused with an OAuth error.
    pub refuse: Option<Refusing>,
    /// Token requests that are answered oddly.
    pub odd: Option<(&'static Odd, u32)>,
    /// Device polls that are told to slow down (RFC 8628 section 3.5).
    pub slow_down: u32,
    /// Tokens belong to somebody else than who consented.
    pub other_account: bool,
    /// Status with which `companies/me` and `userinfo` fail.
    pub verify: Option<u16>,
    /// What the redirect says in `iss` instead of the truth; empty for nothing.
    pub iss: Option<String>,
    /// Error with which the next authorization requests come back at once.
    pub refuse_authorization: Option<String>,
}

/// Failures without any OAuth in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// HTTP status.
    pub status: u16,
    /// How many more.
    pub left: u32,
    /// `Retry-After`, as it stands.
    pub retry_after: Option<String>,
    /// Whether the tokens are issued all the same.
    pub commits: bool,
}

/// Error responses (RFC 6749 section 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusing {
    /// Error code.
    pub error: String,
    /// HTTP status.
    pub status: u16,
    /// How many more.
    pub left: u32,
}

/// What the faults make of one token request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Untouched,
    /// A failing status.
    Fail(Failure),
    /// An OAuth error.
    Refuse(Refusing),
}

impl Faults {
    /// The next `left` token requests fail with `status`; nothing is issued.
    pub fn fail_next(&mut self, left: u32, status: u16) {
        self.fail = Some(Failure { status, left, retry_after: None, commits: false });
    }

    /// The next token request is refused with `error`.
    pub fn refuse_next(&mut self, error: &str, status: u16) {
        self.refuse = Some(Refusing { error: error.to_owned(), status, left: 1 });
    }

    /// The next token request is answered oddly. Whether there is such an answer.
    pub fn answer_oddly(&mut self, name: &str) -> bool {
        self.odd = Odd::by_name(name).map(|odd| (odd, 1));
        self.odd.is_some()
    }

    /// Takes one failing or refusing turn off the account.
    pub(super) fn next_fate(&mut self) -> Fate {
        if let Some(failure) = self.fail.as_mut().filter(|failure| failure.left > 0) {
            failure.left -= 1;
            return Fate::Fail(failure.clone());
        }
        if let Some(refusing) = self.refuse.as_mut().filter(|refusing| refusing.left > 0) {
            refusing.left -= 1;
            return Fate::Refuse(refusing.clone());
        }
        Fate::Untouched
    }

    /// Takes one odd answer off the account.
    pub(super) fn next_odd(&mut self) -> Option<&'static Odd> {
        let (odd, left) = self.odd.as_mut()?;
        *left = left.checked_sub(1)?;
        Some(odd)
    }

    /// Where the next token answer is cut: at 0 where it is lost.
    pub(super) fn next_cut(&mut self) -> Option<usize> {
        if self.lose > 0 {
            self.lose -= 1;
            return Some(0);
        }
        self.cut.take()
    }

    /// Whether the next device poll is told to slow down.
    pub(super) fn next_slow_down(&mut self) -> bool {
        let slow = self.slow_down > 0;
        self.slow_down = self.slow_down.saturating_sub(1);
        slow
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_with_a_number_wears_off() {
        let mut faults = Faults { lose: 1, cut: Some(9), ..Faults::default() };
        faults.fail_next(1, 503);
        faults.refuse_next("invalid_grant", 400);
        assert!(faults.answer_oddly("bom"));

        assert!(matches!(faults.next_fate(), Fate::Fail(failure) if failure.status == 503));
        assert!(matches!(faults.next_fate(), Fate::Refuse(refusing) if refusing.error == "invalid_grant"));
        assert_eq!(faults.next_fate(), Fate::Untouched);
        assert_eq!((faults.next_cut(), faults.next_cut(), faults.next_cut()), (Some(0), Some(9), None));
        assert_eq!(faults.next_odd().map(|odd| odd.name), Some("bom"));
        assert!(faults.next_odd().is_none());
    }
}
