//! Customer search: the answer that crashes a register when it is wrong.

use super::*;
use serde_json::{Map, Value};

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "search-finds",
        call: "search",
        level: Must,
        certainty: Documented,
        source: SEARCH,
        says: "a customer who is there is found, in an object `members` with status 200",
        check: Told(|story| match scene(story, "a customer is found") {
            Err(untried) => untried,
            Ok(answer) if answer.status != Some(200) => Broken(vec![answer.summary()]),
            Ok(answer) => match members(answer) {
                None => Broken(vec!["there is no object `members`".to_owned()]),
                Some(members) => holds(!members.is_empty(), || "nobody was found; name somebody who is there with --keyword".to_owned()),
            },
        }),
    },
    Rule {
        id: "members-is-an-object",
        call: "search",
        level: Must,
        certainty: Documented,
        source: SEARCH,
        says: "`members` is an object, keyed by the id of the member",
        check: Good(|answer| match (answer.member("members"), members(answer)) {
            (Some(Value::Array(_)), _) => Some("`members` is an array".to_owned()),
            (_, None) => Some("there is no object `members`".to_owned()),
            (_, Some(members)) => members
                .iter()
                .find(|(key, member)| member.get("id").and_then(Value::as_str) != Some(key))
                .map(|(key, _)| format!("the member under `{}` has another id", crate::text::printable(key))),
        }),
    },
    Rule {
        id: "members-have-names",
        call: "search",
        level: Must,
        certainty: Documented,
        source: SEARCH,
        says: "every member has `id`, `first_name` and `email_address`, as texts",
        check: Good(|answer| each_member(answer, |member| missing_text(member, &["id", "first_name", "email_address"]))),
    },
    Rule {
        id: "points-are-text",
        call: "search",
        level: Must,
        certainty: Documented,
        source: SEARCH,
        says: "`current_points` of a member is a text here, not a number",
        check: Good(|answer| each_member(answer, |member| not_a(member, "current_points", Value::is_string, "text"))),
    },
    Rule {
        id: "params-are-labels",
        call: "search",
        level: Should,
        certainty: Documented,
        source: SEARCH,
        says: "`params` is an object of label and value",
        check: Good(|answer| each_member(answer, |member| not_a(member, "params", Value::is_object, "object"))),
    },
    Rule {
        id: "icon-has-an-address",
        call: "search",
        level: Should,
        certainty: Inferred,
        source: "a register has no other way to load a picture",
        says: "`icon_url` is an absolute https address",
        check: Good(|answer| {
            each_member(answer, |member| {
                let icon = member.get("icon_url")?.as_str().unwrap_or("?");
                (!icon.is_empty() && !icon.starts_with("https://")).then(|| "`icon_url` is none".to_owned())
            })
        }),
    },
    Rule {
        id: "nobody-is-an-empty-object",
        call: "search",
        level: Must,
        certainty: Inferred,
        source: "the answer's documented shape, with nobody in it",
        says: "where nobody is found, `members` is an empty object",
        check: Told(|story| match scene(story, "nobody is found") {
            Err(untried) => untried,
            Ok(answer) if answer.error().is_some() => Kept,
            Ok(answer) => match members(answer) {
                Some(members) => holds(members.is_empty(), || "somebody was found".to_owned()),
                None => Broken(vec!["`members` is no object".to_owned()]),
            },
        }),
    },
];

fn members(answer: &Answer) -> Option<&Map<String, Value>> {
    answer.member("members")?.as_object()
}

fn each_member(answer: &Answer, fault: impl Fn(&Value) -> Option<String>) -> Option<String> {
    members(answer)?.values().find_map(fault)
}

fn missing_text(member: &Value, names: &[&str]) -> Option<String> {
    let missing = names.iter().find(|name| member.get(**name).and_then(Value::as_str).is_none_or(str::is_empty));
    missing.map(|name| format!("a member has no text `{name}`"))
}

fn not_a(member: &Value, name: &str, is: fn(&Value) -> bool, kind: &str) -> Option<String> {
    member.get(name).is_some_and(|value| !is(value) && !value.is_null()).then(|| format!("`{name}` is no {kind}"))
}
