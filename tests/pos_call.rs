//! Playing the register through the program: one call, or a recording again.

use crate::{
    pos_stand::Stand,
    support::{
        binary::{Home, Invocation},
        running::LIMIT,
        till::{Fault, start},
    },
};
use serde_json::Value;
use std::fs;

fn call(home: &Home, words: &[&str]) -> Invocation {
    home.tokenstrap().args(["pos", "call"]).args(words)
}

#[test]
fn every_call_is_answered_by_our_own_server() {
    let stand = Stand::new([]);
    let (home, base) = (&stand.home, stand.base());
    let at = |name: &str| format!("{base}/{name}");

    let found = call(home, &["customers", "--url", &at("search"), "keyword=david"]).run().expect_code(0);
    assert!(found.stdout.contains("\n      \"first_name\": \"David\",\n"), "{found}");
    let rewards = call(home, &["rewards", "--url", &at("rewards"), "customer_id=M-1001"]).run().expect_code(0);
    let rewards: Value = serde_json::from_str(&rewards.stdout).unwrap();
    let redeem = rewards["rewards"][0]["redeem_url"].as_str().unwrap();
    call(home, &["redeem", "--url", redeem]).run().expect_code(0).expect_stdout("{\n  \"success\": true\n}\n");
    for (name, fields) in
        [("topup", &["topup_amount=5.00"][..]), ("checkout", &["amount=5.00"]), ("refund", &["amount=5.00"]), ("balance", &[])]
    {
        for encoding in ["--form", "--json-body"] {
            let outcome = call(home, &[name, encoding, "--url", &at(name), "reference_id=GC-1001"]).args(fields).run().expect_code(0);
            assert!(outcome.stdout.contains("GC-1001"), "{outcome}");
        }
    }
}

#[test]
fn what_a_register_would_choke_on_is_said_and_is_an_exit_code() {
    let home = Home::new();
    let base = start(Fault::PointsAsNumber);

    let outcome = call(&home, &["search", "--url", &format!("{base}/search"), "keyword=ada"]).run().expect_code(6);
    assert!(outcome.stderr.contains("✗ points-are-text: `current_points` is no text"), "{outcome}");
    let outcome = call(&home, &["search", "--json", "--url", &format!("{base}/search"), "keyword=ada"]).run().expect_code(6);
    let document: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!((&document["faults"][0]["rule"], &document["status"]), (&"points-are-text".into(), &200.into()));
    let page = format!("{}/search", start(Fault::PageForNobody));
    call(&home, &["search", "--url", &page, "keyword=x"]).run().expect_code(4).expect_stdout("<!doctype html><title>404</title>\n");
}

#[test]
fn calls_are_signed_with_the_key_of_a_variable_and_the_key_is_shown_nowhere() {
    let home = Home::new();
    let serve = home.tokenstrap().env("KEY", "CANARY-KEY");
    let mut stand = Stand::of(&home, serve, ["--signature-key-env", "KEY"]);
    let url = format!("{}/balance", stand.base());
    let words = ["balance", "--url", &url, "keyword=GC-1001"];
    let signed = |key: &str| call(&home, &words).args(["--signature-key-env", "KEY"]).env("KEY", key).run();

    let right = signed("CANARY-KEY").expect_code(0);
    call(&home, &words).run().expect_code(0);
    stand.says("there is no signature");
    signed("another").expect_code(0);
    stand.says("the signature does not fit");
    signed("").expect_code(2).expect_stdout("");
    let ended = stand.end();

    assert_eq!(ended.stderr.matches("the signature does not fit").count(), 1, "{ended}");
    assert!(!right.to_string().contains("CANARY") && !ended.to_string().contains("CANARY"), "{right}\n{ended}");
}

#[test]
fn a_recording_is_sent_again_call_by_call() {
    let home = Home::new();
    let file = home.path("calls.jsonl");
    let file = file.to_str().unwrap();
    let mut first = Stand::at(&home, ["--record", file, "--record-raw"]);
    for (name, fields) in [("search", &["keyword=david"][..]), ("checkout", &["reference_id=GC-1001", "amount=40.00"])] {
        call(&home, &[name, "--url", &format!("{}/{name}", first.base())]).args(fields).run().expect_code(0);
        first.says(name);
    }
    first.end();
    assert_eq!(fs::read_to_string(file).unwrap().lines().count(), 2);

    let mut second = Stand::at(&home, []);
    let base = second.base();
    let again = call(&home, &["--replay", file, "--url", &base]).run().expect_code(0);
    assert_eq!(again.stdout.matches("the same answer").count(), 2, "{again}");
    second.says("\"david\"");
    second.says("42.50 → 2.50");
    let third = call(&home, &["checkout", "--json", "--replay", file, "--url", &base]).run().expect_code(0);
    let third: Value = serde_json::from_str(&third.stdout).unwrap();
    assert_eq!(third["calls"].as_array().map(Vec::len), Some(1));
    assert_eq!(third["calls"][0]["same"], false);
}

#[test]
fn a_file_that_is_no_recording_is_refused_and_not_quoted() {
    let home = Home::new();
    let file = home.path("calls.jsonl");
    for text in ["", "CANARY\n", "{\"v\":1}\n", "[]"] {
        fs::write(&file, text).unwrap();
        let outcome = call(&home, &["--replay", file.to_str().unwrap(), "--url", "http://127.0.0.1:1"]).run().expect_code(2);
        assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
    }
}

#[test]
fn a_server_that_never_answers_is_left_in_time() {
    let home = Home::new();
    let began = std::time::Instant::now();
    let url = format!("{}/search", start(Fault::SilentOnLongText));
    let keyword = format!("keyword={}", "x".repeat(600));

    call(&home, &["search", "--within", "1s", "--url", &url, &keyword]).run().expect_code(4).expect_stderr("did not answer in 1 s");

    assert!(began.elapsed() < LIMIT);
    call(&home, &["search", "--within", "1h", "--url", &url, &keyword]).run().expect_code(2);
}

#[test]
fn names_and_cards_never_travel_in_clear_text() {
    let home = Home::new();
    for url in ["http://pos.example.test/search", "http://192.0.2.1/search", "ftp://127.0.0.1/search"] {
        call(&home, &["search", "--url", url, "keyword=david"]).run().expect_code(2).expect_stderr("is not https");
    }
}
