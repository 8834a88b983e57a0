//! The whole rehearsal against an integrator's own server, judged rule by rule.
//!
//! First the scenes are played, then the rules look at the answers. A rule is one entry in a table: what it says, whether a register
//! fails without it, how sure that is and where it was read. Rules are pure; only [`scenes::play`] sends.

mod report;
mod rules;
mod scenes;

pub use report::{Report, Row, Totals};
pub use scenes::{Facts, Progress, play};

use super::{play::Answer, register::Certainty};
use crate::oauth::message::Undelivered;
use std::{collections::BTreeMap, time::Duration};

/// What it means to break a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A register fails, or money is wrong.
    Must,
    /// It works, but a person at the till would wonder.
    Should,
}

/// One rule.
pub struct Rule {
    /// Unique, in kebab case.
    pub id: &'static str,
    /// The call that it is about; `every` for all of them.
    pub call: &'static str,
    /// What it means to break it.
    pub level: Level,
    /// How sure the rule is.
    pub certainty: Certainty,
    /// Where it was read, or what it was concluded from.
    pub source: &'static str,
    /// The rule, as a sentence without its full stop.
    pub says: &'static str,
    /// How it is held against the answers.
    pub check: Check,
}

/// How a rule looks.
pub enum Check {
    /// At each answer of its call by itself; gives what is wrong.
    Each(fn(&Answer) -> Option<String>),
    /// At each good answer of its call by itself.
    Good(fn(&Answer) -> Option<String>),
    /// At the answers together.
    Story(fn(&Story) -> Verdict),
}

/// What a rule finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing wrong.
    Kept,
    /// What is wrong, each with the scene where it was seen.
    Broken(Vec<String>),
    /// Why it could not be tried.
    Untried(String),
}

/// All answers, by the scene they belong to.
#[derive(Debug, Default)]
pub struct Story {
    answers: Vec<Answer>,
    /// What was asked for, that answers are compared with.
    pub facts: BTreeMap<&'static str, String>,
    /// How long an answer may take.
    pub within: Duration,
}

impl Story {
    /// The answer of a scene, where it was played.
    pub fn of(&self, scene: &str) -> Option<&Answer> {
        self.answers.iter().find(|answer| answer.scene == scene)
    }

    /// The answers of a call; of all with `every`.
    pub fn answers<'a>(&'a self, call: &'a str) -> impl Iterator<Item = &'a Answer> {
        self.answers.iter().filter(move |answer| call == "every" || answer.call == call)
    }

    /// Why no answer came at all, where that is so.
    pub fn silence(&self) -> Option<&Undelivered> {
        let first = self.answers.first()?.trouble.as_ref()?;
        self.answers.iter().all(|answer| answer.trouble.is_some()).then_some(first)
    }

    /// Adds an answer.
    pub fn add(&mut self, answer: Answer) {
        self.answers.push(answer);
    }

    /// An amount of a scene's answer, in hundredths.
    pub fn cents(&self, scene: &str, member: &str) -> Option<i64> {
        self.of(scene)?.cents(member)
    }
}

/// Every rule, in the order of the report.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    rules::TABLES.iter().flat_map(|table| table.iter())
}

/// What a register would choke on in this one answer; the rules that need no other answer.
pub fn faults_of(answer: &Answer) -> Vec<(&'static Rule, String)> {
    rules()
        .filter(|rule| rule.call == "every" || rule.call == answer.call)
        .filter_map(|rule| look(rule, answer).map(|fault| (rule, fault)))
        .collect()
}

fn look(rule: &Rule, answer: &Answer) -> Option<String> {
    match rule.check {
        Check::Each(check) => check(answer),
        Check::Good(check) if answer.is_good() => check(answer),
        Check::Good(_) | Check::Story(_) => None,
    }
}

/// Holds one rule against the story.
pub fn judge(rule: &Rule, story: &Story) -> Verdict {
    let seen: Vec<&Answer> = match rule.check {
        Check::Story(check) => return check(story),
        Check::Each(_) => story.answers(rule.call).collect(),
        Check::Good(_) => story.answers(rule.call).filter(|answer| answer.is_good()).collect(),
    };
    if seen.is_empty() {
        let asked = story.answers(rule.call).next().is_some();
        return Verdict::Untried(if asked { "no answer was good" } else { "the call has no address" }.to_owned());
    }
    let faults: Vec<String> =
        seen.iter().filter_map(|answer| look(rule, answer).map(|fault| format!("{}: {fault}", answer.scene))).collect();
    if faults.is_empty() { Verdict::Kept } else { Verdict::Broken(faults) }
}

#[cfg(test)]
mod tests {
    use super::{super::register, *};
    use std::collections::BTreeSet;

    #[test]
    fn every_rule_has_a_unique_id_a_call_and_a_source() {
        let mut seen = BTreeSet::new();
        for rule in rules() {
            assert!(seen.insert(rule.id), "{} stands twice", rule.id);
            assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.id);
            assert!(rule.call == "every" || register::by_name(rule.call).is_some_and(|call| call.name == rule.call), "{}", rule.id);
            assert!(!rule.says.ends_with('.') && !rule.source.is_empty(), "{}", rule.id);
        }
        assert!(seen.len() >= 25);
    }
}
