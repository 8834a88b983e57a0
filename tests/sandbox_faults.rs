//! Faults to order, as a client sees them.

use crate::{
    raw,
    rehearsal::{as_client, authorization, code, exchange, get, json, log_in, parameter, port, post_bytes, refresh, text},
};
use std::{thread, time::Duration};
use tokenstrap::sandbox::{ODD, Robot, Running, Sandbox};

/// A sandbox with a login behind it, and its refresh token.
fn logged_in(strict: bool) -> (Running, String) {
    let builder = Sandbox::builder();
    let sandbox = if strict { builder.strict() } else { builder }.start().unwrap();
    let token = text(&log_in(&sandbox, &[]), "refresh_token").to_owned();
    (sandbox, token)
}

fn refresh_bytes(sandbox: &Running, token: &str) -> String {
    let grant = [("grant_type", "refresh_token"), ("refresh_token", token)];
    raw::talk(port(sandbox), post_bytes(sandbox, "/v1/token.json", &as_client(sandbox, &grant)))
}

#[test]
fn a_lost_answer_has_issued_its_tokens_and_within_the_grace_window_they_come_again() {
    let (sandbox, token) = logged_in(true);
    sandbox.faults(|faults| (faults.lose, faults.grace) = (2, Duration::from_secs(30)));

    assert_eq!(refresh_bytes(&sandbox, &token), "");
    assert!(!sandbox.is_live_refresh_token(&token));
    assert_eq!(sandbox.live_refresh_tokens(), 1);
    assert_eq!(refresh_bytes(&sandbox, &token), "");
    let (third, fourth) = (json(&refresh(&sandbox, &token)), json(&refresh(&sandbox, &token)));

    assert_eq!(text(&third, "refresh_token"), text(&fourth, "refresh_token"));
    assert_eq!(text(&third, "access_token"), text(&fourth, "access_token"));
    assert_eq!((sandbox.live_refresh_tokens(), sandbox.reuse_events()), (1, 0));
}

#[test]
fn without_a_grace_window_a_lost_answer_costs_the_family() {
    let (sandbox, token) = logged_in(true);
    sandbox.faults(|faults| faults.lose = 1);

    assert_eq!(refresh_bytes(&sandbox, &token), "");
    let replay = refresh(&sandbox, &token);

    assert_eq!((replay.status, &json(&replay)["error"]), (400, &"invalid_grant".into()));
    assert_eq!((sandbox.live_refresh_tokens(), sandbox.reuse_events()), (0, 1));
}

#[test]
fn an_answer_is_cut_after_as_many_bytes_as_ordered_and_the_next_one_is_whole() {
    let (sandbox, token) = logged_in(false);
    for after in [1, 17, 200] {
        sandbox.faults(|faults| faults.cut = Some(after));
        assert_eq!(refresh_bytes(&sandbox, &token).len(), after);
        assert_eq!(refresh(&sandbox, &token).status, 200);
    }
}

#[test]
fn failing_answers_carry_retry_after_issue_nothing_and_wear_off() {
    let (sandbox, token) = logged_in(true);
    sandbox.faults(|faults| faults.order("fail=503:2:7")).unwrap();

    for _ in 0..2 {
        let seen = refresh(&sandbox, &token);
        assert_eq!((seen.status, seen.header("retry-after")), (503, Some("7")));
    }
    assert!(sandbox.is_live_refresh_token(&token));
    assert_eq!(refresh(&sandbox, &token).status, 200);
}

#[test]
fn a_failing_answer_may_have_issued_its_tokens_all_the_same() {
    let (sandbox, token) = logged_in(true);
    sandbox.faults(|faults| {
        faults.fail_next(1, 502);
        faults.fail.as_mut().unwrap().commits = true;
    });

    assert_eq!(refresh(&sandbox, &token).status, 502);
    assert!(!sandbox.is_live_refresh_token(&token));
}

#[test]
fn a_refusal_is_sent_with_the_status_that_was_ordered() {
    let (sandbox, token) = logged_in(false);
    sandbox.faults(|faults| faults.refuse_next("unauthorized_client", 401));

    let seen = refresh(&sandbox, &token);

    assert_eq!((seen.status, &json(&seen)["error"]), (401, &"unauthorized_client".into()));
    assert_eq!(refresh(&sandbox, &token).status, 200);
}

#[test]
fn every_odd_answer_arrives_and_only_those_that_commit_spend_the_refresh_token() {
    for odd in ODD {
        let (sandbox, token) = logged_in(true);
        assert!(sandbox.faults(|faults| faults.answer_oddly(odd.name)));

        assert!(refresh_bytes(&sandbox, &token).starts_with("HTTP/1.1 "), "{}", odd.name);

        assert_eq!(sandbox.is_live_refresh_token(&token), !odd.commits, "{}", odd.name);
    }
}

#[test]
fn tokens_for_another_account_show_another_company() {
    let (sandbox, token) = logged_in(false);
    sandbox.faults(|faults| faults.other_account = true);

    let tokens = json(&refresh(&sandbox, &token));

    let seen = get(&sandbox, "/v1/companies/me.json", &format!("Authorization: Bearer {}\r\n", text(&tokens, "access_token")));
    assert_eq!(json(&seen)["id"], 5117);
}

#[test]
fn the_verify_endpoint_fails_to_order() {
    let sandbox = Sandbox::builder().start().unwrap();
    let token = log_in(&sandbox, &[]);
    sandbox.faults(|faults| faults.verify = Some(503));

    let seen = get(&sandbox, "/v1/companies/me.json", &format!("Authorization: Bearer {}\r\n", text(&token, "access_token")));

    assert_eq!(seen.status, 503);
}

#[test]
fn an_exchange_may_bring_no_refresh_token_and_a_short_life() {
    let sandbox = Sandbox::builder().expires_in(0).faults(|faults| faults.omit_refresh_token = true).start().unwrap();

    let tokens = log_in(&sandbox, &[]);

    assert!(tokens.get("refresh_token").is_none());
    assert_eq!(tokens["expires_in"], 0);
    assert!(!sandbox.is_live_access_token(text(&tokens, "access_token")));
}

#[test]
fn a_delayed_answer_is_under_way_before_it_comes() {
    let (sandbox, token) = logged_in(true);
    sandbox.faults(|faults| faults.delay_after = Duration::from_millis(300));

    thread::scope(|scope| {
        let answer = scope.spawn(|| refresh(&sandbox, &token).status);
        assert!(sandbox.wait_for_token_requests(2, Duration::from_secs(5)));
        assert_eq!(sandbox.log().last().unwrap().status, None);
        assert_eq!(answer.join().unwrap(), 200);
    });

    assert!(sandbox.wait_for(Duration::from_secs(5), |log| log.last().unwrap().status == Some(200)));
}

#[test]
fn a_dripping_answer_is_whole_in_the_end() {
    let (sandbox, token) = logged_in(false);
    sandbox.faults(|faults| faults.drip = Duration::from_millis(1));

    assert!(sandbox.is_live_access_token(text(&json(&refresh(&sandbox, &token)), "access_token")));
}

#[test]
fn l_15_the_redirect_says_another_issuer_when_told_to() {
    let sandbox = Sandbox::builder().strict().start().unwrap();
    let iss = |sandbox| parameter(&Robot::default().redirect_of(&authorization(sandbox, &[])).unwrap(), "iss");

    assert_eq!(iss(&sandbox).as_deref(), Some(sandbox.issuer()));
    sandbox.faults(|faults| faults.order("iss=https://evil.example")).unwrap();
    assert_eq!(iss(&sandbox).as_deref(), Some("https://evil.example"));
    sandbox.faults(|faults| faults.iss = Some(String::new()));
    assert_eq!(iss(&sandbox), None);
}

#[test]
fn an_authorization_comes_back_with_the_error_that_was_ordered() {
    let sandbox = Sandbox::builder().start().unwrap();
    sandbox.faults(|faults| faults.order("refuse-authorization=temporarily_unavailable")).unwrap();

    let redirect = Robot::default().redirect_of(&authorization(&sandbox, &[])).unwrap();

    assert_eq!(parameter(&redirect, "error").as_deref(), Some("temporarily_unavailable"));
}

#[test]
fn a_storm_of_clients_is_counted_to_the_last_one() {
    let (sandbox, token) = logged_in(false);

    thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| assert_eq!(refresh(&sandbox, &token).status, 200));
        }
    });

    assert_eq!(sandbox.token_requests(), 33);
    assert_eq!(exchange(&sandbox, &code(&sandbox, &[])).status, 200);
}
