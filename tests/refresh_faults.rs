//! What becomes of a grant where server, store and other programs get in each other's way; with a world that is played.

use crate::support::rig::{Rig, answer, lost, name};
use std::time::Duration;
use tokenstrap::{
    flow::{self, Budget, FlowError, Handed, Need},
    oauth::{
        grant::ProtocolError,
        message::{Response, Undelivered},
    },
    ports::{Intent, Spool, TokenStore},
    profile::{Pending, Record, Suspect},
    secret::Secret,
    store::memory::Memory,
};

const FRESH: &str = r#"{"access_token":"access-1","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-1"}"#;
const NEXT: &str = r#"{"access_token":"access-2","token_type":"Bearer","expires_in":3600,"refresh_token":"refresh-2"}"#;
const ENDED: Duration = Duration::ZERO;
const ALIVE: Duration = Duration::from_secs(30);

fn silent() -> Result<Response, Undelivered> {
    Err(Undelivered::TimedOut { host: "as.example".into(), after: Duration::from_secs(10) })
}

fn token_of(handed: &Handed) -> &str {
    handed.tokens().unwrap().access_token.expose()
}

fn refresh_token(record: &Record) -> String {
    record.current.as_ref().unwrap().tokens.refresh_token.as_ref().unwrap().expose().to_owned()
}

fn asked(rig: &Rig, force: bool) -> Result<Handed, FlowError> {
    // Calls that begin in the very millisecond of a refresh would be served by it.
    rig.now.set(rig.now.get() + Duration::from_millis(5));
    flow::access_token(&rig.world(), &name(), &rig.need(60, force))
}

/// Changes the stored record as another program would.
fn change(store: &Memory, change: impl FnOnce(&mut Record)) {
    let mut record = store.load(&name()).unwrap().unwrap();
    change(&mut record);
    record.generation += 1;
    store.save(&record).unwrap();
}

fn begin_a_login(record: &mut Record) {
    record.pending = Some(Pending { registration: record.registration.clone().unwrap(), attempt: None, granted: None });
}

fn log_in_anew(record: &mut Record) {
    let current = record.current.as_mut().unwrap();
    current.consented_at += Duration::from_secs(1);
    current.tokens.refresh_token = Some(Secret::new("refresh-of-login"));
    current.tokens.access_token = Secret::new("access-of-login");
    current.tokens.requested_at += Duration::from_secs(9);
}

#[test]
fn f_21_a_note_that_is_saved_during_a_refresh_does_not_cost_the_new_refresh_token() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| change(store, begin_a_login)));

    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-1");

    let stored = rig.record();
    assert_eq!((refresh_token(&stored).as_str(), stored.generation, stored.pending.is_some()), ("refresh-1", 3, true));
}

#[test]
fn f_21_a_login_that_ends_during_a_refresh_wins_and_a_logout_stays_final() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| change(store, log_in_anew)));
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-of-login");
    assert_eq!(refresh_token(&rig.record()), "refresh-of-login");

    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| store.delete(&name()).unwrap()));
    assert!(matches!(asked(&rig, true), Err(FlowError::NoGrant(_))));
    assert!(rig.store.load(&name()).unwrap().is_none());
}

#[test]
fn f_21_a_grant_of_the_same_name_that_was_made_anew_is_not_overwritten() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| {
        let mut other = store.load(&name()).unwrap().unwrap();
        other.id = "another".into();
        log_in_anew(&mut other);
        store.delete(&name()).unwrap();
        other.generation = 1;
        store.save(&other).unwrap();
    }));

    asked(&rig, false).unwrap();

    assert_eq!((rig.record().id.as_str(), refresh_token(&rig.record()).as_str()), ("another", "refresh-of-login"));
}

#[test]
fn f_21_a_flawed_answer_is_kept_aside_even_where_the_record_was_changed_meanwhile() {
    let rig = Rig::new(|_, _| answer(200, r#"{"access_token":"a b","refresh_token":"refresh-1"}"#));
    rig.grant(Some("refresh-0"), ENDED);
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| change(store, begin_a_login)));

    asked(&rig, false).unwrap_err();

    assert!(rig.record().suspect.unwrap().refresh_token.matches("refresh-1"));
}

#[test]
fn f_09_what_the_store_refused_is_adopted_by_the_next_call_however_fresh_the_stored_token_is() {
    let rig = Rig::new(|_, count| answer(200, if count == 0 { FRESH } else { NEXT }));
    rig.grant(Some("refresh-0"), Duration::from_secs(3600));
    rig.refuses.set((true, false));
    let handed = asked(&rig, true).unwrap();
    assert_eq!((token_of(&handed), handed.warnings.len(), handed.unsaved), ("access-1", 1, false));

    // While the store still refuses, nothing newer is asked for.
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-1");
    assert!(matches!(asked(&rig, true), Err(FlowError::Store(_))));
    assert_eq!(rig.sent.borrow().len(), 1);

    rig.refuses.set((false, false));
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-1");
    assert_eq!(refresh_token(&rig.record()), "refresh-1");
    assert!(rig.spooled.borrow().is_none() && rig.store.intent(&name()).unwrap().is_none());
}

#[test]
fn f_09_a_login_that_was_begun_in_between_does_not_cost_what_waits_in_the_spool() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    rig.refuses.set((true, false));
    asked(&rig, false).unwrap();
    rig.refuses.set((false, false));
    change(&rig.store, begin_a_login);

    asked(&rig, false).unwrap();

    assert_eq!((refresh_token(&rig.record()).as_str(), rig.record().pending.is_some()), ("refresh-1", true));
    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn f_23_a_spool_that_is_older_than_a_login_is_thrown_away() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    rig.refuses.set((true, false));
    asked(&rig, false).unwrap();
    rig.refuses.set((false, false));
    change(&rig.store, log_in_anew);
    change(&rig.store, begin_a_login);

    let _ = asked(&rig, false);

    assert!(rig.spooled.borrow().is_none());
    assert!(rig.sent.borrow().iter().skip(1).all(|(_, body)| body.contains("refresh-of-login")));
}

#[test]
fn f_09_a_save_that_somebody_makes_while_the_spool_is_brought_home_does_not_cost_it() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    rig.refuses.set((true, false));
    asked(&rig, false).unwrap();
    rig.refuses.set((false, false));
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| change(store, begin_a_login)));

    asked(&rig, false).unwrap();

    assert_eq!((refresh_token(&rig.record()).as_str(), rig.record().pending.is_some()), ("refresh-1", true));
    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn f_11_a_record_that_was_kept_though_the_store_said_no_counts_as_saved() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    rig.keeps_in_secret.set(true);

    let handed = asked(&rig, false).unwrap();

    assert_eq!((handed.refreshed, handed.warnings.len()), (true, 0));
    assert!(rig.spooled.borrow().is_none() && rig.store.intent(&name()).unwrap().is_none());
}

#[test]
fn an_older_note_of_an_interrupted_refresh_outlives_a_call_that_sends_nothing() {
    let rig = Rig::new(|_, _| answer(503, ""));
    rig.grant(Some("refresh-0"), ENDED);
    let at = rig.now.get() - Duration::from_secs(100);
    let intent = Intent { generation: 1, refresh_token: Secret::new("refresh-0").hash(), at };
    rig.store.begin(&name(), &intent).unwrap();

    let short = Need { budget: Budget::starting(rig.began, Some(Duration::from_secs(5))), ..rig.need(60, false) };
    assert!(matches!(flow::access_token(&rig.world(), &name(), &short), Err(FlowError::NoTime)));
    asked(&rig, false).unwrap_err();

    assert_eq!(rig.store.intent(&name()).unwrap().unwrap().at, at);
}

#[test]
fn the_note_of_a_refresh_stays_exactly_where_the_server_may_have_acted() {
    let refused = r#"{"error":"invalid_client"}"#;
    type Case = (fn() -> Result<Response, Undelivered>, bool);
    let cases: [Case; 8] = [
        (lost, true),
        (silent, true),
        (|| answer(500, ""), true),
        (|| answer(504, ""), true),
        (|| answer(503, ""), false),
        (|| answer(429, ""), false),
        (|| answer(404, ""), false),
        (|| answer(401, r#"{"error":"invalid_client"}"#), false),
    ];
    for (index, (script, stays)) in cases.into_iter().enumerate() {
        let rig = Rig::new(move |_, _| script());
        rig.grant(Some("refresh-0"), ENDED);
        asked(&rig, false).unwrap_err();
        assert_eq!(rig.store.intent(&name()).unwrap().is_some(), stays, "case {index}");
    }
    // What an earlier try did is not known any better after a refusal of the client.
    let rig = Rig::new(move |_, count| if count == 0 { lost() } else { answer(401, refused) });
    rig.grant(Some("refresh-0"), ENDED);
    asked(&rig, false).unwrap_err();
    assert!(rig.store.intent(&name()).unwrap().is_some());
}

#[test]
fn t_19_silence_is_waited_out_and_asked_once_more_and_a_live_token_is_served_at_once() {
    let rig = Rig::new(|_, count| if count == 0 { answer(504, "") } else { answer(200, FRESH) });
    rig.grant(Some("refresh-0"), ENDED);
    asked(&rig, false).unwrap();
    assert_eq!((rig.sent.borrow().len(), rig.slept.get()), (2, Duration::from_secs(15)));

    let rig = Rig::new(|_, _| answer(504, ""));
    rig.grant(Some("refresh-0"), ALIVE);
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-0");
    assert_eq!((rig.sent.borrow().len(), rig.slept.get()), (1, Duration::ZERO));
    assert!(rig.store.intent(&name()).unwrap().is_some());
}

#[test]
fn f_12_mixed_trouble_costs_two_requests_at_a_server_of_unknown_rotation() {
    for statuses in [[500, 503, 500], [503, 500, 503], [504, 503, 500], [502, 504, 503]] {
        let rig = Rig::new(move |_, count| answer(statuses[count.min(2)], ""));
        rig.grant(Some("refresh-0"), ENDED);
        asked(&rig, false).unwrap_err();
        assert_eq!(rig.sent.borrow().len(), 2, "{statuses:?}");
    }
}

#[test]
fn nothing_is_sent_with_less_than_ten_seconds_left() {
    let rig = Rig::new(|_, _| {
        let mut busy = answer(503, "").unwrap();
        busy.headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("8"));
        Ok(busy)
    });
    rig.grant(Some("refresh-0"), ENDED);
    let need = Need { budget: Budget::starting(rig.began, Some(Duration::from_secs(15))), ..rig.need(60, false) };

    flow::access_token(&rig.world(), &name(), &need).unwrap_err();

    assert_eq!(rig.sent.borrow().len(), 1);
}

#[test]
fn f_08_a_live_token_is_served_where_lock_store_or_time_stand_in_the_way() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ALIVE);
    rig.locked.set(true);
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-0");
    rig.locked.set(false);
    rig.refuses.set((true, true));
    assert_eq!(token_of(&asked(&rig, false).unwrap()), "access-0");
    rig.refuses.set((false, false));
    let short = Need { budget: Budget::starting(rig.began, Some(Duration::from_secs(5))), ..rig.need(60, false) };
    assert_eq!(token_of(&flow::access_token(&rig.world(), &name(), &short).unwrap()), "access-0");
    assert!(rig.sent.borrow().is_empty());

    rig.locked.set(true);
    assert!(matches!(asked(&rig, true), Err(FlowError::Lock(_))));
}

#[test]
fn a_strict_caller_is_not_served_by_what_a_less_strict_one_fetched() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    let strict = Need { strict: true, ..rig.need(7200, false) };
    asked(&rig, false).unwrap();

    assert!(matches!(flow::access_token(&rig.world(), &name(), &strict), Err(FlowError::TooShort)));
}

/// A world whose server says `invalid_grant` once, while somebody else makes a change.
fn refused_while(meanwhile: fn(&mut Record)) -> std::rc::Rc<std::cell::OnceCell<Rig>> {
    let cell = std::rc::Rc::new(std::cell::OnceCell::<Rig>::new());
    let inner = std::rc::Rc::clone(&cell);
    let script = move |_: &tokenstrap::oauth::message::Request, count: usize| {
        if count > 0 {
            return answer(200, NEXT);
        }
        change(&inner.get().unwrap().store, meanwhile);
        answer(400, r#"{"error":"invalid_grant"}"#)
    };
    cell.get_or_init(|| Rig::new(script)).grant(Some("refresh-0"), ENDED);
    cell
}

#[test]
fn t_17_invalid_grant_is_no_token_where_only_a_note_is_newer_and_a_newer_grant_is_used() {
    let cell = refused_while(begin_a_login);
    let rig = cell.get().unwrap();
    let error = asked(rig, false).unwrap_err();
    assert!(matches!(error, FlowError::Protocol(ProtocolError::Answer(_))), "{error}");
    assert!(rig.record().mark.is_some() && rig.record().pending.is_some());

    let cell = refused_while(log_in_anew);
    let rig = cell.get().unwrap();
    assert_eq!(token_of(&asked(rig, false).unwrap()), "access-2");
    assert!(rig.sent.borrow()[1].1.contains("refresh-of-login"));
}

#[test]
fn f_21_a_logout_that_the_store_refuses_keeps_what_waits_in_the_spool() {
    let rig = Rig::new(|_, _| answer(200, FRESH));
    rig.grant(Some("refresh-0"), ENDED);
    rig.refuses.set((true, false));
    asked(&rig, false).unwrap();

    flow::logout(&rig.world(), &name(), false, false).unwrap_err();

    let key = rig.record().spool_key;
    assert!(rig.waiting(&name(), "rig", &key).is_some());
}

#[test]
fn a_suspect_is_accepted_in_so_many_words_only() {
    let rig = Rig::new(|_, _| answer(200, NEXT));
    rig.grant(Some("refresh-0"), ENDED);
    let requested_at = rig.now.get();
    let refresh_token = Secret::new("refresh-of-suspect");
    change(&rig.store, |record| {
        record.suspect = Some(Suspect { refresh_token, access_token: None, reason: "flawed".into(), requested_at });
    });
    assert!(matches!(asked(&rig, true), Err(FlowError::SuspectWaits { .. })));
    *rig.meanwhile.borrow_mut() = Some(Box::new(|store| change(store, begin_a_login)));

    let accepted = Need { accept_suspect: true, explicit: true, ..rig.need(60, true) };
    flow::access_token(&rig.world(), &name(), &accepted).unwrap();

    assert!(rig.sent.borrow()[0].1.contains("refresh-of-suspect"));
    assert_eq!((refresh_token_of(&rig), rig.record().suspect.is_none()), ("refresh-2".to_owned(), true));
}

fn refresh_token_of(rig: &Rig) -> String {
    refresh_token(&rig.record())
}
