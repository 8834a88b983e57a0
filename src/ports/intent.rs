//! What a store holds while a refresh token is about to be spent.

use crate::{oauth::token::instant, profile::Record};
use std::time::SystemTime;

/// Proof that the store can be written, made before a refresh token is spent.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Intent {
    /// Generation that is about to be replaced.
    pub generation: u64,
    /// Hash of the refresh token that is about to be sent.
    pub refresh_token: String,
    /// When.
    #[serde(with = "instant")]
    pub at: SystemTime,
}

impl Intent {
    /// Whether the refresh may still have spent what `record` holds: for a store that leaves an intent where it lies.
    ///
    /// It has ended once the record has another refresh token, or went on to tokens that were requested since. A record
    /// that went on for another reason, such as a login that has begun, ends nothing.
    pub fn is_open(&self, record: Option<&Record>) -> bool {
        let Some(record) = record.filter(|record| record.holds(&self.refresh_token)) else { return false };
        let requested_at = record.current.as_ref().map(|current| current.tokens.requested_at);
        record.generation <= self.generation || requested_at.is_none_or(|requested_at| requested_at < self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        oauth::{
            pins::Rotation,
            token::{TokenSet, TokenType},
        },
        profile::{Current, Suspect},
        secret::Secret,
    };
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn record(generation: u64, refresh_token: &str, requested: u64) -> Record {
        let mut record = Record::new("till".parse().expect("a name"), "id".to_owned(), Secret::new("key"));
        record.generation = generation;
        record.current = Some(Current {
            tokens: TokenSet {
                access_token: Secret::new("access"),
                token_type: TokenType::Bearer,
                refresh_token: Some(Secret::new(refresh_token)),
                id_token: None,
                requested_at: at(requested),
                expires_at: None,
                scope: None,
            },
            asked: Vec::new(),
            account: None,
            consented_at: at(0),
            rotations: 0,
            rotation: Rotation::Unknown,
            redirect_uri: None,
        });
        record
    }

    /// Of a refresh in second 10 of what has lain there since second 5.
    fn intent() -> Intent {
        Intent { generation: 7, refresh_token: Secret::new("first").hash(), at: at(10) }
    }

    #[test]
    fn an_intent_is_open_beside_the_record_that_it_is_about() {
        assert!(intent().is_open(Some(&record(7, "first", 5))));
    }

    #[test]
    fn an_intent_has_ended_with_the_next_refresh_token() {
        assert!(!intent().is_open(Some(&record(8, "second", 10))));
    }

    #[test]
    fn an_intent_has_ended_with_newer_tokens_where_the_server_does_not_rotate() {
        for requested in [10, 11] {
            assert!(!intent().is_open(Some(&record(8, "first", requested))));
        }
        // A refresh right after another, within what the clock can tell, is about the newer one.
        assert!(Intent { generation: 8, ..intent() }.is_open(Some(&record(8, "first", 10))));
    }

    #[test]
    fn a_login_that_begins_and_a_mark_end_no_intent() {
        for generation in [8, 9] {
            assert!(intent().is_open(Some(&record(generation, "first", 5))));
        }
    }

    #[test]
    fn an_older_copy_that_was_brought_back_may_be_spent() {
        assert!(intent().is_open(Some(&record(6, "first", 5))));
    }

    #[test]
    fn an_intent_says_nothing_of_another_grant() {
        for generation in [1, 7, 9] {
            assert!(!intent().is_open(Some(&record(generation, "of another login", 5))));
        }
        assert!(!intent().is_open(None));
    }

    #[test]
    fn what_waits_for_a_person_may_be_spent_too() {
        let mut record = record(7, "current", 5);
        record.suspect =
            Some(Suspect { refresh_token: Secret::new("first"), access_token: None, reason: String::new(), requested_at: at(5) });

        assert!(intent().is_open(Some(&record)));
    }
}
