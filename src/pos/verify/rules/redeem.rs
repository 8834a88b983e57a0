//! Redeem: the call after which the integrator's server changes the order.

use super::*;
use serde_json::Value;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "redeem-says-success",
        call: "redeem",
        level: Must,
        certainty: Documented,
        source: REDEEM,
        says: "the answer has `success`, true or false",
        check: Each(|answer| {
            (answer.json.is_some() && !answer.member("success").is_some_and(Value::is_boolean))
                .then(|| "`success` is missing, or neither true nor false".to_owned())
        }),
    },
    Rule {
        id: "redeem-says-why-not",
        call: "redeem",
        level: Must,
        certainty: Documented,
        source: REDEEM,
        says: "where `success` is false, `error` says why",
        check: Each(|answer| {
            (answer.member("success") == Some(&Value::Bool(false)) && answer.error().is_none())
                .then(|| "there is no text `error`".to_owned())
        }),
    },
    Rule {
        id: "redeem-takes-points",
        call: "redeem",
        level: Should,
        certainty: Inferred,
        source: "a reward that costs points and takes none can be had for ever",
        says: "after a reward was redeemed the customer has fewer points",
        check: Told(|story| {
            match (
                points(story, "rewards of a customer"),
                points(story, "rewards after the first"),
                succeeded(story, "a reward is redeemed"),
            ) {
                (Some(before), Some(after), true) => holds(after < before, || format!("{before} before, {after} after")),
                _ => Untried("no reward was redeemed, or no points were shown".to_owned()),
            }
        }),
    },
    Rule {
        id: "refused-redeem-takes-no-points",
        call: "redeem",
        level: Must,
        certainty: Inferred,
        source: "points are taken for a reward that was given, and for nothing else",
        says: "where the same reward is refused the second time, it takes no points the second time",
        check: Told(|story| match (points(story, "rewards after the first"), points(story, "rewards after the second")) {
            (Some(first), Some(second)) if succeeded(story, "a reward is redeemed") => {
                holds(second == first || succeeded(story, "it is redeemed again"), || {
                    format!("it was refused, with {first} points before and {second} after")
                })
            }
            _ => Untried("no reward was redeemed, or no points were shown".to_owned()),
        }),
    },
];

fn points(story: &Story, scene: &str) -> Option<i64> {
    story.of(scene)?.member("member")?.get("current_points")?.as_i64()
}

fn succeeded(story: &Story, scene: &str) -> bool {
    story.of(scene).and_then(|answer| answer.member("success")) == Some(&Value::Bool(true))
}
