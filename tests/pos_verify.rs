//! The rehearsal through the program: a good server is all green, and what is wrong with a wrong one is named.

use crate::{
    pos_stand::Stand,
    support::{
        binary::{Home, Outcome},
        till::{Fault, start},
    },
};
use serde_json::Value;
use std::fs;

/// Ours against a server of the tests, with whom and what it holds.
fn verify(home: &Home, base: &str, flags: &[&str]) -> Outcome {
    let own = ["pos", "verify", "--url", base, "--keyword", "ada", "--card", "C-1", "--amount", "3.20", "--within", "1s"];
    home.tokenstrap().args(own).args(flags).run()
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("not one document: {error}\n{outcome}"))
}

/// The rules with this verdict, by id.
fn ids(document: &Value, verdict: &str) -> Vec<String> {
    let rules = document["rules"].as_array().unwrap().iter().filter(|rule| rule["verdict"] == verdict);
    rules.map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn our_own_server_is_all_green_and_every_rule_is_tried() {
    let stand = Stand::new([]);
    let (home, base) = (&stand.home, stand.base());

    let outcome = home.tokenstrap().args(["pos", "verify", "--json", "--url", &base]).run().expect_code(0);

    let document = document(&outcome);
    assert_eq!(document["kept"].as_u64().map(|kept| kept as usize), document["rules"].as_array().map(Vec::len), "{outcome}");
    assert_eq!((&document["accepted"], &document["broken"]), (&Value::Bool(true), &0.into()));
    for encoding in ["--form", "--json-body"] {
        home.tokenstrap().args(["pos", "verify", encoding, "--url", &base]).run().expect_code(0).expect_stderr(" 0 broken");
    }
}

#[test]
fn the_books_of_our_own_server_are_what_they_were_before() {
    let stand = Stand::new([]);
    let (home, base) = (&stand.home, stand.base());
    let balance =
        || home.tokenstrap().args(["pos", "call", "balance", "--url", &format!("{base}/balance"), "keyword=GC-1001"]).run().stdout;

    let before = balance();
    home.tokenstrap().args(["pos", "verify", "--amount", "7.35", "--url", &base]).run().expect_code(0);

    assert_eq!(balance(), before);
    assert!(before.contains("42.5"), "{before}");
}

/// Each fault with the rules that it breaks, and no other.
const PLANTED: [(Fault, &[&str]); 17] = [
    (Fault::PageForNobody, &["answers-are-json", "content-type-is-json", "nobody-is-an-empty-object"]),
    (Fault::ArrayForNobody, &["members-is-an-object", "nobody-is-an-empty-object"]),
    (Fault::PointsAsNumber, &["points-are-text"]),
    (Fault::NoEmailAddress, &["members-have-names"]),
    (Fault::BreaksOnOddCharacters, &["no-server-error"]),
    (Fault::SilentOnLongText, &["answers-arrive"]),
    (Fault::RedirectsOnNothing, &["no-redirect"]),
    (Fault::OrderFromMemory, &["order-id-is-echoed"]),
    (Fault::RelativeRedeemUrl, &["redeem-url-is-absolute", "order-id-is-echoed"]),
    (Fault::RedeemSaysOk, &["redeem-says-success"]),
    (Fault::RefusalCostsPoints, &["refused-redeem-takes-no-points"]),
    (Fault::BalanceAsText, &["balance-is-a-number"]),
    (Fault::PaysFromNothing, &["payment-lowers-the-balance", "refund-raises-the-balance"]),
    (Fault::ForgetsRefunds, &["refund-raises-the-balance"]),
    (Fault::UnknownCardPays, &["unknown-card-is-refused"]),
    (Fault::Overdraws, &["no-card-pays-more-than-it-holds"]),
    (Fault::WrongContentType, &["content-type-is-json"]),
];

#[test]
fn every_planted_fault_is_found_by_the_name_of_its_rule_and_nothing_else_is_accused() {
    let home = Home::new();
    for (fault, broken) in PLANTED {
        let outcome = verify(&home, &start(fault), &["--json"]).expect_code(6);

        assert_eq!(ids(&document(&outcome), "broken"), broken, "{fault:?}\n{outcome}");
    }
}

#[test]
fn a_server_without_a_fault_is_green_and_what_only_surprises_fails_nothing() {
    let home = Home::new();

    let right = document(&verify(&home, &start(Fault::None), &["--json"]).expect_code(0));
    let wonders = document(&verify(&home, &start(Fault::FormsOnly), &["--json"]).expect_code(0));

    assert_eq!(right["kept"].as_u64().map(|kept| kept as usize), right["rules"].as_array().map(Vec::len), "{right:#}");
    assert_eq!(ids(&wonders, "advice"), ["both-encodings-are-read"]);
}

#[test]
fn a_person_reads_what_is_wrong_where_it_was_seen_and_where_the_rule_comes_from() {
    let outcome = verify(&Home::new(), &start(Fault::PageForNobody), &[]).expect_code(6).expect_stderr(" broken");

    for part in [
        "  ✗ every answer is JSON, whatever was asked\n      answers-are-json, documented: the vendor's guide\n",
        "      > nobody is found: 404 text/html that begins `<!doctype html>",
    ] {
        assert!(outcome.stdout.contains(part), "{part} is not in\n{outcome}");
    }
}

#[test]
fn ci_reads_the_result_as_junit_xml() {
    let home = Home::new();
    let file = home.path("pos.xml");

    let outcome = verify(&home, &start(Fault::ArrayForNobody), &["--junit", file.to_str().unwrap(), "--json"]).expect_code(6);

    let text = fs::read_to_string(&file).unwrap();
    let xml = roxmltree::Document::parse(&text).unwrap();
    let named = |name: &'static str| xml.descendants().filter(move |node| node.has_tag_name(name));
    let failed: Vec<_> = named("failure").filter_map(|node| node.parent()?.attribute("name")).collect();
    assert_eq!(failed, ["members-is-an-object", "nobody-is-an-empty-object"]);
    let suite = named("testsuite").next().unwrap();
    assert_eq!(suite.attribute("failures"), Some("2"));
    assert_eq!(suite.attribute("tests"), Some(named("testcase").count().to_string().as_str()));
    assert_eq!(named("testcase").count(), document(&outcome)["rules"].as_array().unwrap().len());
}

#[test]
fn calls_may_have_addresses_of_their_own_and_the_rest_is_not_tried() {
    let home = Home::new();
    let base = start(Fault::None);

    let outcome = verify(&home, &format!("search={base}/search?shop=1"), &["--json"]).expect_code(0);

    let document = document(&outcome);
    assert!(ids(&document, "kept").contains(&"search-finds".to_owned()), "{outcome}");
    assert!(ids(&document, "untried").contains(&"amount-is-a-number".to_owned()), "{outcome}");
    assert!(document["calls"].as_array().unwrap().iter().all(|call| call["call"] == "search"));
}

#[test]
fn a_server_that_is_not_there_is_tried_later_and_one_that_cannot_be_named_is_a_mistake() {
    let home = Home::new();
    let port = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();

    let outcome = verify(&home, &format!("http://127.0.0.1:{port}"), &["--json"]).expect_code(4);
    assert_eq!(document(&outcome)["error"]["code"], 4);
    for url in ["http://pos.example.test", "serach=https://pos.example.test", "/search", "https://a:CANARY@pos.example.test"] {
        let outcome = verify(&home, url, &[]).expect_code(2).expect_stdout("");
        assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
    }
}
