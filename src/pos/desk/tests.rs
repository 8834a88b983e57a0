//! What the words do.

use super::*;
use crate::pos::{shop::Data, template::Given};

fn desk() -> Desk {
    Desk::new(Shop::new(Data::sample()), Answers::built_in())
}

#[test]
fn what_is_set_stays_until_it_is_taken_back() {
    let mut desk = desk();

    assert_eq!(desk.set("checkout.amount", "12.50"), Ok("checkout.amount is 12.50 from now on".into()));
    assert_eq!(desk.amount("checkout"), "12.50".parse().ok());
    let mut values = Values::from([("amount".into(), Given::Json("18.00".into()))]);
    desk.lay_over("checkout", &mut values);
    assert_eq!(values.get("amount"), Some(&Given::Json("12.50".into())));
    assert!(desk.set("checkout.amount", "").is_ok());
    assert_eq!(desk.amount("checkout"), None);
}

#[test]
fn outcomes_cards_and_customers_are_set_by_their_names() {
    let mut desk = desk();

    assert!(desk.set("customers.outcome", "none").is_ok());
    assert_eq!(desk.outcome("search").as_deref(), Some("none"));
    assert_eq!(desk.set("card.GC-1003", "50"), Ok("card GC-1003 holds 50.00".into()));
    assert_eq!(desk.set("customer.M-1002", "7"), Ok("customer M-1002 has 7 points".into()));
    desk.reset();
    assert_eq!((desk.outcome("search"), desk.shop.data()), (None, &Data::sample()));
}

#[test]
fn a_fault_is_due_once_and_a_delay_each_time() {
    let mut desk = desk();
    desk.set("search.fault", "html").expect("a fault");
    desk.set("search.delay", "500ms").expect("a delay");

    let (first, second) = (desk.due("search"), desk.due("search"));

    assert_eq!((first.fault, second.fault), (Some(Fault::Html), None));
    assert_eq!((first.delay, second.delay), (Duration::from_millis(500), Duration::from_millis(500)));
}

#[test]
fn a_word_that_is_none_changes_nothing_and_says_what_there_is() {
    let mut desk = desk();
    let before = desk.document();

    for (word, value, says) in [
        ("amount", "1", "not of the form"),
        ("checkout.", "1", "not of the form"),
        ("serach.outcome", "none", "none of the calls"),
        ("search.outcome", "nobody", "has no outcome `nobody`: found, none"),
        ("checkout.amount", "lots", "an amount is written"),
        ("card.GC-1", "1", "there is no card"),
        ("customer.M-1001", "-1", "whole number"),
        ("search.delay", "3", "500ms or 3s"),
        ("search.delay", "301s", "at most 300 s"),
        ("search.fault", "fire", "there is no fault"),
    ] {
        let error = desk.set(word, value).expect_err(word).to_string();
        assert!(error.contains(says), "{word}: {error}");
    }
    assert_eq!(desk.document(), before);
}
