//! The shop's rules on plain values.

use super::*;
use hyper::body::Bytes;

fn shop() -> Shop {
    Shop::new(Data::sample())
}

fn decide(shop: &mut Shop, name: &str, query: &str) -> Outcome {
    let request = http::Request::get(format!("/{name}?{query}")).body(Bytes::new()).expect("a request");
    let call = Call::read(&request);
    let order = call.field("order_id").unwrap_or_default().to_owned();
    let redeem_url = |reward: &Reward, customer: &Customer| format!("http://x/{}/{}?order_id={order}", reward.id, customer.id);
    shop.decide(name, &Ask { call: &call, order: &order, amount: None, redeem_url: &redeem_url }).expect("a call of the register")
}

fn said(shop: &mut Shop, name: &str, query: &str) -> (String, String) {
    let outcome = decide(shop, name, query);
    (outcome.name.into_owned(), outcome.answered)
}

#[test]
fn every_word_of_a_search_has_to_fit_and_an_empty_one_finds_nobody() {
    let mut shop = shop();

    assert_eq!(said(&mut shop, "search", "keyword=david+KENT&order_id=111").1, "1 member, David Kent, 340 points");
    assert_eq!(said(&mut shop, "search", "keyword=example.test").1, "3 members");
    assert_eq!(said(&mut shop, "search", "reference_id=M-1002").0, "found");
    assert_eq!(said(&mut shop, "search", "keyword=zo%C3%AB+o%27neill").0, "found");
    for nobody in ["", "keyword=", "keyword=+++", "keyword=david+okafor", "keyword=%00%22%3C", "reference_id="] {
        assert_eq!(said(&mut shop, "search", nobody).0, "none", "{nobody}");
    }
}

#[test]
fn rewards_are_those_that_the_points_buy_and_redeeming_takes_the_points_once_for_an_order() {
    let mut shop = shop();

    assert_eq!(said(&mut shop, "rewards", "reference_id=M-1001&order_id=111").1, "2 rewards, order id carried");
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=7").1, "success, 340 → 220 points");
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=7").0, "already-redeemed");
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=8").0, "success");
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=9").0, "not-enough-points");
    assert_eq!(said(&mut shop, "redeem", "reward=R-9&member=M-1001&order_id=9").0, "unknown-reward");
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-9&order_id=9").0, "unknown-customer");

    shop.reset();
    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=7").1, "success, 340 → 220 points");
}

#[test]
fn what_could_not_be_put_on_the_order_gives_the_points_back_once() {
    let mut shop = shop();
    let redeemed = decide(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=7").redeemed.expect("a redemption");

    shop.take_back(&redeemed);
    shop.take_back(&redeemed);

    assert_eq!(said(&mut shop, "redeem", "reward=R-1&member=M-1001&order_id=7").1, "success, 340 → 220 points");
}

#[test]
fn the_life_of_a_gift_card() {
    let mut shop = shop();
    let card = "reference_id=gc-1003&order_id=1";

    assert_eq!(said(&mut shop, "balance", card).1, "balance 0.00");
    assert_eq!(said(&mut shop, "checkout", &format!("{card}&amount=0.01")).0, "not-enough");
    assert_eq!(said(&mut shop, "topup", &format!("{card}&topup_amount=20")).1, "card 0.00 → 20.00");
    assert_eq!(said(&mut shop, "checkout", &format!("{card}&amount=18.00")).1, "amount 18.00, card 20.00 → 2.00");
    assert_eq!(said(&mut shop, "refund", &format!("{card}&amount=-18")).1, "amount 18.00, card 2.00 → 20.00");
    shop.reset();
    assert_eq!(said(&mut shop, "balance", card).1, "balance 0.00");
}

#[test]
fn amounts_that_are_none_move_nothing() {
    let mut shop = shop();
    let before = shop.data().clone();

    for (name, amount) in
        [("topup", "0"), ("topup", "-5"), ("topup", "x"), ("topup", ""), ("checkout", "-1"), ("checkout", "1e9"), ("refund", "NaN")]
    {
        assert_eq!(said(&mut shop, name, &format!("reference_id=GC-1001&amount={amount}")).0, "no-amount", "{name} {amount}");
    }
    for name in ["topup", "balance", "checkout", "refund"] {
        assert_eq!(said(&mut shop, name, "reference_id=GC-9&amount=1").0, "unknown-card", "{name}");
    }
    assert_eq!(shop.data(), &before);
}

#[test]
fn a_payment_without_a_card_always_succeeds() {
    let mut shop = shop();

    assert_eq!(said(&mut shop, "checkout", "amount=18&order_id=880417"), ("paid".to_owned(), "amount 18.00".to_owned()));
    assert_eq!(said(&mut shop, "checkout", "").0, "paid");
    assert_eq!(said(&mut shop, "refund", "amount=18"), ("refunded".to_owned(), "amount 18.00".to_owned()));
}
