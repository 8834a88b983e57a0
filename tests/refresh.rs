//! The order of effects in a refresh, with a world that is played.

use crate::support::rig::{Rig, answer, lost, name};
use std::time::Duration;
use tokenstrap::{
    flow::{self, FlowError},
    oauth::grant::ProtocolError,
    ports::TokenStore,
};

const FRESH: &str = r#"{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1"}"#;
const ENDED: Duration = Duration::ZERO;

fn token_of(handed: &flow::Handed) -> &str {
    handed.tokens().unwrap().access_token.expose()
}

#[test]
fn a_fresh_token_is_handed_out_without_a_request() {
    let rig = Rig::new(|_, _| answer(500, ""));
    rig.grant(Some("refresh-0"), Duration::from_secs(3600));

    let handed = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();

    assert_eq!(token_of(&handed), "access-0");
    assert!(rig.sent.borrow().is_empty());
}

#[test]
fn t_14_a_rotated_token_is_stored_before_it_is_handed_over_and_spent_next() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);

    let handed = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();

    let stored = rig.record();
    assert_eq!((token_of(&handed), stored.generation), ("access-1", 2));
    assert!(stored.current.unwrap().tokens.refresh_token.unwrap().matches("refresh-1"));
    assert_eq!(*rig.saved_before_send.borrow(), [true], "an intent lies in the store while the request is out");
    assert!(rig.store.intent(&name()).unwrap().is_none());
    rig.now.set(rig.now.get() + Duration::from_secs(4000));
    flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();
    assert!(rig.sent.borrow()[1].1.contains("refresh_token=refresh-1"));
}

#[test]
fn t_17_invalid_grant_keeps_the_record_and_marks_it() {
    let rig = Rig::new(|_, _| answer(400, r#"{"error":"invalid_grant"}"#));
    rig.grant(Some("refresh-0"), ENDED);

    let error = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap_err();

    assert!(matches!(error, FlowError::Protocol(ProtocolError::Answer(_))), "{error}");
    let stored = rig.record();
    assert!(stored.mark.is_some());
    assert!(stored.current.unwrap().tokens.refresh_token.unwrap().matches("refresh-0"));
}

#[test]
fn t_30_a_mark_stops_automatic_calls_for_an_hour_and_no_explicit_one() {
    let rig = Rig::new(|_, count| if count == 0 { answer(400, r#"{"error":"invalid_grant"}"#) } else { answer(200, FRESH) });
    rig.grant(Some("refresh-0"), ENDED);

    for _ in 0..100 {
        flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap_err();
    }
    assert_eq!(rig.sent.borrow().len(), 1);

    let explicit = flow::Need { explicit: true, force: true, ..rig.need(60, false) };
    flow::access_token(&rig.world(), &name(), &explicit).unwrap();
    assert!(rig.record().mark.is_none());
}

#[test]
fn t_19_a_lost_answer_is_asked_for_once_more_with_the_same_refresh_token() {
    let rig = Rig::new(|_, count| if count == 0 { lost() } else { answer(200, FRESH) });
    rig.grant(Some("refresh-0"), ENDED);

    flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();

    let sent = rig.sent.borrow();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[0], sent[1]);
}

#[test]
fn t_16_trouble_leaves_the_record_as_it_was() {
    for status in [403, 404, 429, 500, 503] {
        let rig = Rig::new(move |_, _| answer(status, r#"{"error":"invalid_grant"}"#));
        rig.grant(Some("refresh-0"), ENDED);

        flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap_err();

        let stored = rig.record();
        assert!(stored.mark.is_none() && stored.generation == 1, "{status}");
    }
}

#[test]
fn a_live_token_is_served_with_a_warning_while_the_server_is_down() {
    let rig = Rig::new(|_, _| answer(500, ""));
    rig.grant(Some("refresh-0"), Duration::from_secs(30));

    let handed = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();

    assert_eq!(token_of(&handed), "access-0");
    assert_eq!(handed.warnings.len(), 1);
}

#[test]
fn t_29_a_flawed_answer_is_kept_aside_and_the_next_call_says_so() {
    let rig = Rig::new(|_, _| answer(200, r#"{"access_token":"a b","refresh_token":"refresh-1"}"#));
    rig.grant(Some("refresh-0"), ENDED);

    flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap_err();
    assert!(rig.record().suspect.unwrap().refresh_token.matches("refresh-1"));

    let error = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap_err();
    assert!(matches!(error, FlowError::SuspectWaits { .. }), "{error}");
    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn t_31_and_n_06_a_token_shorter_than_asked_for_costs_one_request_a_call() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);

    let handed = flow::access_token(&rig.world(), &name(), &rig.need(7200, false)).unwrap();

    assert_eq!((rig.sent.borrow().len(), handed.warnings.len()), (1, 1));
    // Whoever started before that request is served by it, forced or not.
    let earlier = flow::Need { called_at: rig.now.get() - Duration::from_secs(1), ..rig.need(7200, true) };
    flow::access_token(&rig.world(), &name(), &earlier).unwrap();
    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn n_04_and_n_05_a_clock_that_jumps_costs_one_request_a_call() {
    for jump in [-24 * 3600i64, 10 * 365 * 24 * 3600] {
        let rig = Rig::new(|_, _| answer(200, FRESH));
        rig.grant(Some("refresh-0"), Duration::from_secs(3600));
        let offset = Duration::from_secs(jump.unsigned_abs());
        rig.now.set(if jump < 0 { rig.now.get() - offset } else { rig.now.get() + offset });

        flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();
        assert_eq!(rig.sent.borrow().len(), 1, "{jump}");

        flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();
        assert_eq!(rig.sent.borrow().len(), 1, "{jump}");
    }
}

#[test]
fn a_token_that_is_over_at_once_is_refreshed_once_a_call() {
    let rig = Rig::new(|_, _| answer(200, r#"{"access_token":"access-1","expires_in":0}"#));
    rig.grant(Some("refresh-0"), ENDED);

    let handed = flow::access_token(&rig.world(), &name(), &rig.need(60, false)).unwrap();

    assert_eq!(rig.sent.borrow().len(), 1);
    assert!(!handed.warnings.is_empty());
}
