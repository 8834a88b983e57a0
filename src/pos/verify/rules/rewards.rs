//! Reward look-up: what a customer can redeem, and where.

use super::{super::scenes::OTHER_PLACEHOLDER, *};
use serde_json::Value;
use url::Url;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "rewards-are-listed",
        call: "rewards",
        level: Must,
        certainty: Seen,
        source: REDEEM,
        says: "a customer has an object `member` with its id and an array `rewards`",
        check: Told(|story| match scene(story, "rewards of a customer") {
            Err(untried) => untried,
            Ok(answer) if !answer.is_good() => Broken(vec![answer.summary()]),
            Ok(answer) => {
                let member = answer.member("member").and_then(|member| member.get("id")).is_some_and(Value::is_string);
                holds(member && rewards(answer).is_some(), || {
                    if member { "`rewards` is no array" } else { "`member` has no id" }.to_owned()
                })
            }
        }),
    },
    Rule {
        id: "rewards-are-whole",
        call: "rewards",
        level: Must,
        certainty: Seen,
        source: REDEEM,
        says: "every reward has `id`, `title`, `redeem_url` as texts and `points_required` as a whole number",
        check: Good(|answer| {
            each_reward(answer, |reward| {
                let text = ["id", "title", "redeem_url"].iter().find(|name| !reward.get(**name).is_some_and(Value::is_string));
                let points = reward.get("points_required").is_some_and(Value::is_i64);
                text.copied()
                    .or((!points).then_some("points_required"))
                    .map(|name| format!("`{name}` of a reward is missing or of another kind"))
            })
        }),
    },
    Rule {
        id: "member-points-are-a-number",
        call: "rewards",
        level: Must,
        certainty: Seen,
        source: REDEEM,
        says: "`current_points` of the member is a whole number here",
        check: Good(|answer| {
            let points = answer.member("member")?.get("current_points")?;
            (!points.is_i64()).then(|| "it is no whole number".to_owned())
        }),
    },
    Rule {
        id: "redeem-url-is-absolute",
        call: "rewards",
        level: Must,
        certainty: Documented,
        source: LOYALTY,
        says: "`redeem_url` is an absolute address",
        check: Good(|answer| {
            each_reward(answer, |reward| {
                let is_absolute = redeem_url(reward).is_some_and(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
                (!is_absolute).then(|| "it is none".to_owned())
            })
        }),
    },
    Rule {
        id: "order-id-is-echoed",
        call: "rewards",
        level: Must,
        certainty: Documented,
        source: REDEEM,
        says: "`redeem_url` carries the order id of the request unchanged, so that the register can put the real one in its place",
        check: Told(|story| {
            let mut faults = Vec::new();
            let mut seen = 0;
            for (name, order) in
                [("rewards of a customer", super::super::super::play::PLACEHOLDER), ("rewards for another order", OTHER_PLACEHOLDER)]
            {
                for reward in story.of(name).and_then(rewards).into_iter().flatten() {
                    seen += 1;
                    let carried = redeem_url(reward)
                        .and_then(|url| url.query_pairs().find(|(name, _)| name == "order_id").map(|(_, id)| id.into_owned()));
                    if carried.as_deref() != Some(order) {
                        faults.push(format!(
                            "{name}: asked with order {order}, it carries {}",
                            carried.map_or_else(|| "none".to_owned(), |id| crate::text::printable(&id))
                        ));
                    }
                }
            }
            faults.dedup();
            match (seen, faults.is_empty()) {
                (0, _) => Untried("no reward was listed".to_owned()),
                (_, true) => Kept,
                (_, false) => Broken(faults),
            }
        }),
    },
    Rule {
        id: "nobody-has-no-rewards",
        call: "rewards",
        level: Should,
        certainty: Documented,
        source: REDEEM,
        says: "a customer who is not known gets an error text or no rewards",
        check: Told(|story| match scene(story, "rewards of nobody") {
            Err(untried) => untried,
            Ok(answer) => {
                let none = answer.error().is_some() || rewards(answer).is_some_and(Vec::is_empty);
                holds(none, || "there are rewards, or neither an error nor a list".to_owned())
            }
        }),
    },
];

fn rewards(answer: &Answer) -> Option<&Vec<Value>> {
    answer.member("rewards")?.as_array()
}

fn each_reward(answer: &Answer, fault: impl Fn(&Value) -> Option<String>) -> Option<String> {
    rewards(answer)?.iter().find_map(fault)
}

fn redeem_url(reward: &Value) -> Option<Url> {
    Url::parse(reward.get("redeem_url")?.as_str()?).ok()
}
