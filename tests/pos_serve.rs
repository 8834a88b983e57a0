//! `pos serve` as a register sees it: customers, gift cards, rewards, and answers by hand.

use crate::{
    pos_stand::{Stand, json, target},
    raw::{ask_and_end, talk_and_end},
    support::{binary::Home, running::Stream},
};
use serde_json::{Value, json};
use std::fs;

#[test]
fn a_search_finds_by_any_part_of_a_name_and_says_so_on_the_screen() {
    let mut stand = Stand::new([]);

    let found = stand.get("search?keyword=david+kent&company_id=1&site_id=1&register_id=1&order_id=111");
    assert_eq!(found["members"]["M-1001"]["first_name"], "David");
    assert_eq!(found["members"].as_object().unwrap().len(), 1);
    let row = stand.says("search");
    assert!(row.contains(r#""david kent"  order 111"#) && row.contains("1 member, David Kent, 340 points"), "{row}");

    for (keyword, member) in [("ZO%C3%8B", "M-1003"), ("o%27neill", "M-1003"), ("ines.okafor%40example.test", "M-1002")] {
        assert!(stand.get(&format!("search?keyword={keyword}"))["members"][member].is_object(), "{keyword}");
    }
    for keyword in ["zzz", "", "%00", "%ff%fe", "%3Cscript%3E", "%F0%9F%A6%86", "&keyword=zzz"] {
        assert_eq!(stand.get(&format!("search?keyword={keyword}")), json!({"members": {}}), "{keyword}");
    }
    stand.end();
}

#[test]
fn the_life_of_a_gift_card_from_balance_to_refund() {
    let stand = Stand::new([]);
    let balance = |stand: &Stand| stand.post("balance", "reference_id=GC-1001")["balance"].clone();

    assert_eq!(balance(&stand), json!(42.5));
    let written = stand.send("POST", &format!("{}/balance?reference_id=GC-1001", stand.prefix), "", "").body;
    assert!(written.contains("42.50"), "amounts have two places: {written}");
    assert_eq!(stand.post("checkout", "reference_id=GC-1001&amount=18.00&order_id=880417")["balance"], json!(24.5));
    let refused = stand.post("checkout", "reference_id=GC-1001&amount=24.51");
    assert!(refused["error"].is_string(), "{refused}");
    assert_eq!(balance(&stand), json!(24.5));
    assert_eq!(stand.post("topup", "keyword=GC-1001&topup_amount=10")["balance"], json!(34.5));
    assert_eq!(stand.post("refund", "reference_id=GC-1001&amount=-18.00")["balance"], json!(52.5));
    assert!(stand.post("balance", "reference_id=GC-9")["error"].is_string());
    for amount in ["-1", "1e9", "NaN", "0x10", "1.005", "99999999999999999999"] {
        let answer = stand.post("topup", &format!("reference_id=GC-1001&amount={amount}"));
        assert!(answer["error"].is_string(), "{amount}: {answer}");
    }
    assert_eq!(balance(&stand), json!(52.5));

    stand.set(["--reset"]).expect_code(0);
    assert_eq!(balance(&stand), json!(42.5));
    stand.end();
}

#[test]
fn fields_are_read_from_query_form_and_json_alike() {
    let stand = Stand::new([]);
    let at = |call: &str| format!("{}/{call}", stand.prefix);

    for (target, headers, body) in [
        (at("balance?reference_id=GC-1002"), "", ""),
        (at("balance"), "Content-Type: application/json\r\n", r#"{"reference_id":"GC-1002","order_id":9}"#),
        (at("balance"), "Content-Type: text/plain\r\n", r#"{"reference_id":"GC-1002"}"#),
        (at("Balance/"), "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n", "reference_id=GC-1002"),
    ] {
        assert_eq!(json(&stand.send("POST", &target, headers, body))["balance"], json!(5.0), "{target} {headers}");
    }
    stand.end();
}

#[test]
fn a_reward_is_redeemed_once_on_an_order_and_its_address_carries_the_order() {
    let mut stand = Stand::new([]);
    let placeholder = "%7B%7Border%7D%7D";

    let kept = stand.redeem_url("M-1001", placeholder);
    assert!(kept.query().unwrap().ends_with(&format!("order_id={placeholder}")), "{kept}");
    let url = stand.redeem_url("M-1001", "880417");
    assert_eq!((url.host_str(), url.port()), (Some("127.0.0.1"), Some(stand.port)));
    let redeem = |stand: &Stand| json(&stand.send("GET", target(&url), "", ""));

    assert_eq!(redeem(&stand), json!({"success": true}));
    let again = redeem(&stand);
    assert_eq!(again["success"], false);
    assert!(again["error"].as_str().unwrap().contains("redeemed"), "{again}");
    assert_eq!(stand.get("rewards?customer_id=M-1001")["member"]["current_points"], 220);
    assert!(stand.says("redeem").contains("success, 340 → 220 points"));
    stand.end();
}

#[test]
fn the_next_answers_are_set_from_the_shell_and_put_back() {
    let mut stand = Stand::new([]);

    stand.set(["checkout.amount=12.50", "search.outcome=none", "search.fault=html"]).expect_code(0).expect_stderr("12.50");
    let spoilt = stand.send("GET", &format!("{}/search?keyword=david", stand.prefix), "", "");
    assert_eq!((spoilt.status, spoilt.header("content-type")), (502, Some("text/html; charset=utf-8")));
    assert_eq!(stand.get("search?keyword=david"), json!({"members": {}}));
    assert_eq!(stand.post("checkout", "order_id=1")["amount"], json!(12.5));
    stand.says("the fault `html` was ordered");

    for (word, says) in [("serach.outcome=none", "search"), ("checkout.amount=lots", "amount"), ("nonsense", "WORD=VALUE")] {
        stand.set(["card.GC-1002=9", word]).expect_code(2).expect_stderr(says);
    }
    assert_eq!(stand.post("balance", "reference_id=GC-1002")["balance"], json!(5.0), "all words or none");

    stand.set(["--reset"]).expect_code(0);
    assert!(stand.get("search?keyword=david")["members"]["M-1001"].is_object());
    let home = stand.home.clone();
    let ended = stand.end();
    assert!(ended.stderr.contains("stopped"), "{ended}");
    home.tokenstrap().args(["pos", "set", "checkout.amount=1"]).run().expect_stderr("no `pos serve` runs here").expect_code(5);
}

#[test]
fn what_init_writes_is_served_again_and_read_again_when_it_changes() {
    let home = Home::new();
    let folder = home.path("own");
    let init = || home.tokenstrap().args(["pos", "init"]).arg(&folder).run();
    init().expect_code(0).expect_stderr("collection.json");
    let (collection, data) = (folder.join("collection.json"), folder.join("data.json"));
    let written = fs::read_to_string(&collection).unwrap();
    init().expect_code(2).expect_stderr("nothing was written");
    assert_eq!(fs::read_to_string(&collection).unwrap(), written);

    let (built_in, flags) = (Stand::new([]), ["--collection", collection.to_str().unwrap(), "--data", data.to_str().unwrap()]);
    let mut own = Stand::at(&home, flags);
    let ask = |stand: &Stand| -> Vec<Value> {
        let gets =
            ["search?keyword=david", "search?keyword=zzz", "redeem?reward=R-1&member=M-1001&order_id=5", "rewards?customer_id=M-1009"];
        let mut heard: Vec<_> = gets.iter().map(|call| stand.get(call)).collect();
        for (call, form) in
            [("balance", "reference_id=GC-1001"), ("checkout", "reference_id=GC-1001&amount=1.10"), ("topup", "reference_id=X")]
        {
            heard.push(stand.post(call, form));
        }
        heard
    };
    assert_eq!(ask(&own), ask(&built_in));

    fs::write(&data, fs::read_to_string(&data).unwrap().replace("\"David\"", "\"Davina\"")).unwrap();
    own.says("has changed and was read again");
    assert_eq!(own.get("search?keyword=davina")["members"]["M-1001"]["first_name"], "Davina");
    fs::write(&data, "{").unwrap();
    own.says("the old one stays");
    assert_eq!(own.get("search?keyword=davina")["members"]["M-1001"]["first_name"], "Davina");
    own.end();
    built_in.end();
}

#[test]
fn a_canned_answer_is_sent_as_it_stands_and_replaced_where_it_is_no_json() {
    let home = Home::new();
    let (good, bad) = (home.path("good.json"), home.path("bad.json"));
    fs::write(&good, r#"{"members": {"7": {"id": "7"}}}"#).unwrap();
    fs::write(&bad, "<h1>no</h1>").unwrap();
    let answers = [format!("search={}", good.display()), format!("balance={}", bad.display())];
    let mut stand = Stand::at(&home, ["--answer", answers[0].as_str(), "--answer", answers[1].as_str()]);

    let seen = stand.send("GET", &format!("{}/search?keyword=x", stand.prefix), "", "");
    assert_eq!((seen.status, seen.body.as_str()), (200, r#"{"members": {"7": {"id": "7"}}}"#));
    assert_eq!(stand.post("balance", "reference_id=GC-1001"), json!({"error": "The answer was not JSON"}));
    stand.says("this answer is not JSON");
    stand.end();

    for answer in ["serach=x", "search", "search=/nonexistent/file"] {
        home.tokenstrap().args(["pos", "serve", "--port", "0", "--answer", answer]).run().expect_code(2);
    }
}

#[test]
fn a_recording_holds_each_call_and_nothing_of_a_person_unless_it_was_asked_for() {
    for raw in [false, true] {
        let home = Home::new();
        let file = home.path("calls.jsonl");
        let flags = ["--record", file.to_str().unwrap()].into_iter().chain(raw.then_some("--record-raw"));
        let mut stand = Stand::at(&home, flags);

        stand.get("search?keyword=david+kent&order_id=111");
        stand.post("checkout", "reference_id=GC-1001&amount=18.00&order_id=880417");
        stand.says("checkout");
        let prefix = stand.prefix.clone();
        stand.end();

        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["call"], &lines[1]["call"]), (&json!("search"), &json!("checkout")));
        for personal in ["david", "Kent", "M-1001", "GC-1001"] {
            assert_eq!(text.contains(personal), raw, "{personal} in {text}");
        }
        assert!(text.contains("18.00") && text.contains("880417"), "{text}");
        assert!(!text.contains(&prefix), "{text}");
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions()) & 0o777, 0o600);
    }
}

#[test]
fn a_recording_holds_the_calls_that_came_right_before_the_end() {
    let home = Home::new();
    let file = home.path("calls.jsonl");

    for round in 1..=5 {
        let stand = Stand::at(&home, ["--record", file.to_str().unwrap()]);
        for _ in 0..5 {
            stand.get("search?keyword=kent");
        }
        stand.end();
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 5 * round);
    }
}

#[test]
fn a_signature_is_checked_and_reported_and_never_refused() {
    let home = Home::new();
    let program = home.tokenstrap().env("WEBHOOK_KEY", "Jefe");
    let mut stand = Stand::of(&home, program, ["--signature-key-env", "WEBHOOK_KEY", "--json"]);
    let body = "what do ya want for nothing?";
    let good = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";

    for (headers, verdict) in
        [(format!("X-Kounta-Signature: {good}\r\n"), "good"), ("X-Kounta-Signature: 00\r\n".into(), "bad"), (String::new(), "missing")]
    {
        let seen = stand.send("POST", &format!("{}/webhook", stand.prefix), &headers, body);
        assert_eq!(seen.status, 200);
        let line = stand.program.wait_for_line(Stream::Out, "webhook");
        let entry: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(entry["signature"], verdict, "{line}");
        assert!(!line.contains("Jefe"));
    }
    stand.end();
}

#[test]
fn faults_are_ordered_at_the_start_and_come_once() {
    let stand = Stand::new(["--fault", "search=empty", "--fault", "search=cut", "--fault", "search=broken", "--delay", "search=1ms"]);
    let request = format!("GET {}/search?keyword=david HTTP/1.1\r\nHost: localhost\r\n\r\n", stand.prefix);

    assert_eq!(ask_and_end(stand.port, &request).body, "");
    assert_eq!(talk_and_end(stand.port, &request), "");
    assert!(serde_json::from_str::<Value>(&ask_and_end(stand.port, &request).body).is_err());
    assert!(json(&ask_and_end(stand.port, &request))["members"]["M-1001"].is_object());
    stand.end();

    for flags in [["--fault", "search=fire"], ["--fault", "html"], ["--delay", "3"], ["--delay", "search=1h"]] {
        Home::new().tokenstrap().args(["pos", "serve", "--port", "0"]).args(flags).run().expect_code(2);
    }
}

#[test]
fn a_collection_of_ones_own_answers_by_matching_and_a_search_it_does_not_know_finds_nobody() {
    let home = Home::new();
    let file = home.path("own.json");
    let example = |keyword: &str, code: u16, body: &str| {
        let request = json!({"method": "GET", "url": format!("https://x.test/search?keyword={keyword}")});
        json!({"name": keyword, "originalRequest": request, "code": code, "body": body})
    };
    let responses = [example("ann", 200, r#"{"members":{"1":{}}}"#), example("bob", 200, "<h1>Bob</h1>")];
    let request = json!({"method": "GET", "url": "https://x.test/search"});
    let schema = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
    let collection =
        json!({"info": {"name": "own", "schema": schema}, "item": [{"name": "mine", "request": request, "response": responses}]});
    fs::write(&file, collection.to_string()).unwrap();
    let flags = ["--collection", file.to_str().unwrap(), "--strict"];

    let stand = Stand::at(&home, flags[..2].iter().copied());
    // A real call has parameters that the example has not.
    assert_eq!(stand.get("search?keyword=ann&company_id=1&order_id=7"), json!({"members": {"1": {}}}));
    assert_eq!(stand.get("search?keyword=bob"), json!({"members": {}}), "what is not JSON is replaced");
    stand.end();
    let by_field = Stand::at(&home, flags[..2].iter().copied().chain(["--match-field", "keyword"]));
    assert_eq!(by_field.get("search?keyword=zoe"), json!({"members": {}}));
    assert_eq!(by_field.get("search?keyword=ann")["members"]["1"], json!({}));
    by_field.end();
    let strict = Stand::at(&home, flags);
    let seen = strict.send("GET", &format!("{}/elsewhere", strict.prefix), "", "");
    assert_eq!((seen.status, json(&seen)["error"].is_string()), (404, true));
    strict.end();
    let as_saved = Stand::at(&home, ["--collection", flags[1], "--as-saved"]);
    assert_eq!(as_saved.send("GET", &format!("{}/search?keyword=bob", as_saved.prefix), "", "").body, "<h1>Bob</h1>");
    as_saved.end();

    fs::write(&file, r#"{"id":"1","name":"v1","order":[],"requests":[]}"#).unwrap();
    home.tokenstrap().args(["pos", "serve", "--port", "0"]).args(&flags[..2]).run().expect_code(2).expect_stderr("version 1;");
}
