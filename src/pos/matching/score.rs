//! How well one example answers a call, in points.
//!
//! Postman publishes the order of its rules and not their sizes; the sizes of path and query are those of a well-known
//! re-implementation (jordanwalsh23/postman-local-mock-server). Single fields and fallbacks are an addition of ours.

use super::{
    entry::{Entry, Wanted},
    pattern::{Loosened, Pattern},
};
use crate::pos::call::Call;

/// What every example starts with.
const START: i32 = 100;
const CASE: i32 = -10;
const SLASH: i32 = -5;
const IDS: i32 = -20;
const NEAR: i32 = -40;
/// The first wildcard, and each further one: of two patterns the one that says more wins.
const WILDCARD: i32 = -20;
const FURTHER_WILDCARD: i32 = -2;
/// A saved query that the call has wholly; of a part of it the call gets that share.
const QUERY: i32 = 10;
/// A field that tells examples apart has the saved value; more than five say no more.
const SAME_FIELD: i32 = 10;
const MOST_SAME: i32 = 50;
/// A fallback lies below whatever fits, and above whatever has another value in a field that counts.
const FALLBACK: i32 = -30;
const OTHER_FIELD: i32 = -50;
const FURTHER_OTHER: i32 = -10;
const MOST_OTHER: i32 = 5;

/// One reason, in words only once somebody wants to read it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Why<'a> {
    Path,
    Slash,
    Case,
    Ids,
    Near,
    Wildcards(usize),
    WholeQuery,
    PartOfQuery { same: usize, of: usize },
    MissingParameters(usize),
    SameField(&'a str),
    OtherField { name: &'a str, saved: &'a str },
    Fallback,
}

/// What a call sent, in order: many examples are compared with it, and none of them goes through all of it.
pub(super) struct Sent<'c> {
    query: Vec<(&'c str, &'c str)>,
    fields: Vec<(&'c str, &'c str)>,
}

impl<'c> Sent<'c> {
    pub(super) fn by(call: &'c Call) -> Self {
        let mut query: Vec<_> = call.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let mut fields: Vec<_> = call.fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
        query.sort_unstable();
        fields.sort_unstable();
        Self { query, fields }
    }
}

fn has_name(sent: &[(&str, &str)], name: &str) -> bool {
    sent.get(sent.partition_point(|(known, _)| *known < name)).is_some_and(|(known, _)| *known == name)
}

fn has(sent: &[(&str, &str)], name: &str, value: &str) -> bool {
    sent.binary_search(&(name, value)).is_ok()
}

/// The points of an example, each told to `note`; `None` where a field rules it out.
pub(super) fn score<'a>(
    entry: &'a Entry,
    pattern: &Pattern,
    (counting, strict): (&[usize], bool),
    sent: &Sent<'_>,
    path: (&[String], bool),
    note: &mut dyn FnMut(i32, Why<'a>),
) -> Option<i32> {
    let mut total = 0;
    let mut give = |points: i32, why: Why<'a>| {
        total += points;
        note(points, why);
    };
    give(START, Why::Path);
    path_points(pattern.loosened(path.0, path.1), &mut give);
    let mut ruled_out = false;
    if entry.is_fallback {
        give(FALLBACK, Why::Fallback);
    } else {
        query_points(entry, &sent.query, &mut give);
        ruled_out = field_points(entry, counting, &sent.fields, &mut give) && strict;
    }
    (!ruled_out).then_some(total)
}

fn path_points<'a>(loosened: Loosened, give: &mut dyn FnMut(i32, Why<'a>)) {
    let rules = [
        (loosened.slash, SLASH, Why::Slash),
        (loosened.case, CASE, Why::Case),
        (loosened.ids, IDS, Why::Ids),
        (loosened.near, NEAR, Why::Near),
    ];
    for (_, points, why) in rules.into_iter().filter(|(holds, ..)| *holds) {
        give(points, why);
    }
    if let Some(further) = loosened.open.checked_sub(1) {
        give(WILDCARD + FURTHER_WILDCARD * count(further), Why::Wildcards(loosened.open));
    }
}

/// Parameters that the example does not have cost nothing.
fn query_points<'a>(entry: &Entry, sent: &[(&str, &str)], give: &mut dyn FnMut(i32, Why<'a>)) {
    let of = entry.query.len();
    if of == 0 {
        return;
    }
    let (mut same, mut missing) = (0, 0);
    for (name, wanted) in &entry.query {
        let is_there = has_name(sent, name);
        missing += usize::from(!is_there);
        same += usize::from(wanted.text().map_or(is_there, |value| has(sent, name, value)));
    }
    match same {
        _ if same == of => give(QUERY, Why::WholeQuery),
        0 => {}
        _ => give(QUERY * count(same) / count(of), Why::PartOfQuery { same, of }),
    }
    if missing > 0 {
        give(-count(missing).min(10), Why::MissingParameters(missing));
    }
}

/// Whether a field that counts has another value.
fn field_points<'a>(entry: &'a Entry, counting: &[usize], sent: &[(&str, &str)], give: &mut dyn FnMut(i32, Why<'a>)) -> bool {
    let (mut same, mut other) = (0, 0);
    let fields = counting.iter().filter_map(|field| entry.fields.get(*field));
    for (name, saved) in fields.filter_map(|(name, wanted)| Some((name, wanted.text()?))) {
        if has(sent, name, saved) {
            give(if same < MOST_SAME { SAME_FIELD } else { 0 }, Why::SameField(name));
            same += SAME_FIELD;
        } else {
            let points = if other == 0 {
                OTHER_FIELD
            } else if other < MOST_OTHER {
                FURTHER_OTHER
            } else {
                0
            };
            give(points, Why::OtherField { name, saved });
            other += 1;
        }
    }
    other > 0
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX / 100)
}

impl Why<'_> {
    /// In words, with what the call had instead.
    pub(super) fn words(self, call: &Call) -> String {
        match self {
            Self::Path => "the path and the method are these".to_owned(),
            Self::Slash => "a slash at the end differs".to_owned(),
            Self::Case => "upper and lower case differ".to_owned(),
            Self::Ids => "an id in the path differs".to_owned(),
            Self::Near => "the path is nearly this".to_owned(),
            Self::Wildcards(1) => "a segment is a wildcard".to_owned(),
            Self::Wildcards(many) => format!("{many} segments are wildcards"),
            Self::WholeQuery => "the query has all saved parameters".to_owned(),
            Self::PartOfQuery { same, of } => format!("the query has {same} of {of} saved parameters"),
            Self::MissingParameters(1) => "the query lacks a saved parameter".to_owned(),
            Self::MissingParameters(many) => format!("the query lacks {many} saved parameters"),
            Self::SameField(name) => format!("`{name}` is the saved one"),
            Self::OtherField { name, saved } => match call.field(name) {
                Some(value) => format!("`{name}` is `{}`, saved is `{}`", short(value), short(saved)),
                None => format!("`{name}` is not there, saved is `{}`", short(saved)),
            },
            Self::Fallback => "it is the fallback of its request".to_owned(),
        }
    }
}

/// The head of a value: reasons are read in a table.
fn short(value: &str) -> String {
    if value.chars().count() <= 40 { value.to_owned() } else { value.chars().take(39).chain(['…']).collect() }
}

/// What the variables of query and body without a value matched, by name.
pub(super) fn captured(entry: &Entry, call: &Call) -> Vec<(String, String)> {
    let open = entry.fields.iter().filter_map(|(field, wanted)| match wanted {
        Wanted::Any(name) if !name.is_empty() => Some((name.clone(), call.field(field)?.to_owned())),
        _ => None,
    });
    open.collect()
}
