//! Cards and payments: amounts are numbers, and the books are kept.

use super::*;
use serde_json::Value;

const SHAPE: &str = "the answer holds the amount; its other fields are not documented";
const BOOKS: &str = "money neither appears nor goes";

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "balance-is-a-number",
        call: "balance",
        level: Must,
        certainty: Inferred,
        source: GIFT_CARDS,
        says: "`balance` is a number with at most two decimals",
        check: Good(|answer| not_money(answer, "balance")),
    },
    Rule {
        id: "amount-is-a-number",
        call: "checkout",
        level: Must,
        certainty: Documented,
        source: GUIDE,
        says: "`amount`, what was taken, is a number with at most two decimals",
        check: Good(|answer| not_money(answer, "amount")),
    },
    Rule {
        id: "amount-is-not-more-than-asked",
        call: "checkout",
        level: Must,
        certainty: Inferred,
        source: SHAPE,
        says: "no more is taken than is due, and something is",
        check: Told(|story| match scene(story, "a card pays") {
            Err(untried) => untried,
            Ok(answer) if !answer.is_good() => Broken(vec![format!(
                "{}; name a card that holds enough with --card",
                answer.error().map_or_else(|| answer.summary(), crate::text::printable)
            )]),
            Ok(answer) => match (answer.cents("amount"), due(story)) {
                (Some(taken), Some(due)) => {
                    holds(taken > 0 && taken <= due, || format!("{} was due, {} was taken", money(due), money(taken)))
                }
                _ => Untried("no amount was given".to_owned()),
            },
        }),
    },
    Rule {
        id: "payment-lowers-the-balance",
        call: "checkout",
        level: Must,
        certainty: Inferred,
        source: BOOKS,
        says: "after a payment the balance is lower by what was taken",
        check: Told(|story| {
            books(story, ("the balance after the top-up", "the balance of a card"), "a card pays", "the balance after the payment", -1)
        }),
    },
    Rule {
        id: "refund-raises-the-balance",
        call: "refund",
        level: Must,
        certainty: Inferred,
        source: BOOKS,
        says: "after a refund the balance is what it was before the payment",
        check: Told(|story| {
            if !story.of("the payment is refunded").is_some_and(Answer::is_good) {
                return Untried("nothing was refunded".to_owned());
            }
            let before = story.cents("the balance after the top-up", "balance");
            match (before, story.cents("the balance after the refund", "balance")) {
                (Some(before), Some(after)) => {
                    holds(before == after, || format!("{} before the payment, {} now", money(before), money(after)))
                }
                _ => Untried("no balance was given".to_owned()),
            }
        }),
    },
    Rule {
        id: "top-up-raises-the-balance",
        call: "topup",
        level: Must,
        certainty: Inferred,
        source: BOOKS,
        says: "after a top-up the balance is higher by the amount",
        check: Told(|story| {
            books(story, ("the balance of a card", "the balance of a card"), "a card is topped up", "the balance after the top-up", 1)
        }),
    },
    Rule {
        id: "unknown-card-is-refused",
        call: "checkout",
        level: Must,
        certainty: Inferred,
        source: "a card that is not there cannot pay",
        says: "an unknown card takes no money and gets an error text",
        check: Told(|story| match scene(story, "an unknown card pays") {
            Err(untried) => untried,
            Ok(answer) => {
                let took = answer.cents("amount").is_some_and(|taken| taken != 0);
                holds(!took && answer.error().is_some(), || if took { "it paid" } else { "there is no text `error`" }.to_owned())
            }
        }),
    },
    Rule {
        id: "unknown-card-has-no-balance",
        call: "balance",
        level: Must,
        certainty: Inferred,
        source: "a card that is not there has no balance",
        says: "the balance of an unknown card is an error text",
        check: Told(|story| match scene(story, "the balance of an unknown card") {
            Err(untried) => untried,
            Ok(answer) => holds(answer.error().is_some(), || "there is no text `error`".to_owned()),
        }),
    },
    Rule {
        id: "no-card-pays-more-than-it-holds",
        call: "checkout",
        level: Must,
        certainty: Inferred,
        source: BOOKS,
        says: "a card that holds too little pays what it holds, or is refused with an error text",
        check: Told(|story| match scene(story, "a card pays more than it holds") {
            Err(untried) => untried,
            Ok(answer) if answer.error().is_some() => Kept,
            Ok(answer) => match (answer.cents("amount"), story.cents("the balance at the end", "balance")) {
                (Some(taken), Some(left)) => {
                    let held = story.cents("the balance of a card", "balance").unwrap_or(taken);
                    holds(taken <= held && left >= 0, || format!("{} was taken, {} is left", money(taken), money(left)))
                }
                (taken, _) => Broken(vec![
                    taken.map_or_else(|| "neither an amount nor an error".to_owned(), |taken| format!("{} was taken", money(taken))),
                ]),
            },
        }),
    },
    Rule {
        id: "both-encodings-are-read",
        call: "balance",
        level: Should,
        certainty: Inferred,
        source: "the encoding of the register's POST is not documented",
        says: "a form and a JSON body get the same answer",
        check: Told(|story| match (scene(story, "the balance of a card"), scene(story, "the balance, asked in the other encoding")) {
            (Ok(form), Ok(json)) => holds(form.member("balance") == json.member("balance"), || {
                format!("{} by the one, {} by the other", shown(form), shown(json))
            }),
            (Err(untried), _) | (_, Err(untried)) => untried,
        }),
    },
];

fn not_money(answer: &Answer, name: &str) -> Option<String> {
    match answer.member(name) {
        None => Some(format!("there is no `{name}`")),
        Some(Value::String(_)) => Some(format!("`{name}` is a text")),
        Some(_) => answer.cents(name).is_none().then(|| format!("`{name}` is no amount of money")),
    }
}

fn due(story: &Story) -> Option<i64> {
    let amount: f64 = story.facts.get("amount")?.parse().ok()?;
    super::super::super::play::cents(&Value::from(amount))
}

/// Whether the balance moved by what the payment says, or by the amount that was asked for where it says nothing.
fn books(story: &Story, (before, instead): (&str, &str), payment: &str, after: &str, sign: i64) -> Verdict {
    let Some(paid) = story.of(payment).filter(|answer| answer.is_good()) else { return Untried(format!("`{payment}` did not succeed")) };
    let before = story.cents(before, "balance").or_else(|| story.cents(instead, "balance"));
    let amount = paid.cents("amount").or_else(|| due(story));
    match (before, amount, story.cents(after, "balance")) {
        (Some(before), Some(amount), Some(after)) => {
            holds(after == before + sign * amount, || format!("{} before, {} paid, {} after", money(before), money(amount), money(after)))
        }
        _ => Untried("no balance was given".to_owned()),
    }
}

fn money(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}

fn shown(answer: &Answer) -> String {
    answer.member("balance").map_or_else(|| answer.summary(), |balance| crate::text::printable(&balance.to_string()))
}
