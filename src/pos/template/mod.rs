//! `{{variables}}` in saved answers: a user's own, Postman's dynamic ones, and those that speak of the call.
//!
//! Where a text has none, it stays what it is byte for byte. Variables come from the files that the user named and from
//! nowhere else: not from the environment of this process, not from another file (SECURITY K-05). What a caller sent is
//! put into JSON as JSON, so that a quote in a name cannot break the answer. What is not known stays as it is.

mod parse;
mod ration;
mod word;

pub use ration::Rationed;
pub use word::Word;

use super::{call::Call, collection::Variables};
use crate::{oauth::json, ports::Entropy};
use hyper::body::Bytes;
use parse::{Hole, Place};
use std::{collections::BTreeMap, time::SystemTime};

/// Largest text that variables may make, in bytes. Variables can name each other, and a small file could ask for any
/// amount; a register's answer has a few hundred bytes.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Most variables that are filled in for one text, those inside of variables included.
const MOST_HOLES: usize = 100_000;

/// Most remarks on one answer; nobody reads more, and each is looked for among the others.
const MOST_REMARKS: usize = 20;

/// How deep variables may name each other.
const MOST_DEPTH: usize = 8;

/// A text with places for values, taken apart once.
#[derive(Debug, Clone, Default)]
pub struct Template {
    text: Bytes,
    holes: Vec<Hole>,
}

/// A value that is set from outside of the files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A text. In JSON it is written as a JSON string where it does not stand in one.
    Text(String),
    /// A JSON document. It is written as it is, and as a text inside of a JSON string.
    Json(String),
}

/// Where values come from, the first that has one wins: given, captured, then the variables of the files.
pub struct Scope<'a> {
    /// The call that is answered.
    pub call: &'a Call,
    /// Values set by the service.
    pub given: &'a BTreeMap<String, Given>,
    /// What the wildcards of the example's URL matched.
    pub captured: &'a [(String, String)],
    /// The variables of environment and collection.
    pub variables: &'a Variables,
    /// The time of the answer.
    pub now: SystemTime,
    /// Dice for `{{$guid}}` and its like.
    pub entropy: &'a dyn Entropy,
}

/// One value and how far it can be trusted to be JSON where it stands in JSON.
pub(super) enum Filling {
    /// Anything: what a caller sent.
    Foreign(String),
    /// A JSON document.
    Json(String),
    /// Written by the owner of the file, for this place.
    Own(String),
}

impl Template {
    /// Takes a text apart. Every text is a template; most have no variable.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let holes = parse::holes(&text);
        Self { text: text.into(), holes }
    }

    /// The text as it was saved.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.text).unwrap_or_default()
    }

    /// Whether there is anything to fill in.
    pub fn is_plain(&self) -> bool {
        self.holes.is_empty()
    }

    /// The variables, in order, doubles included.
    pub fn words(&self) -> impl Iterator<Item = &Word> {
        self.holes.iter().map(|hole| &hole.word)
    }

    /// The text before the first variable and behind the last, and the variable where there is but one.
    pub(super) fn edges(&self) -> Option<(&str, Option<&Word>, &str)> {
        let (first, last) = (self.holes.first()?, self.holes.last()?);
        let word = (self.holes.len() == 1).then_some(&first.word);
        Some((self.text().get(..first.range.start)?, word, self.text().get(last.range.end..)?))
    }

    /// The text with its values. What has none stays as it is and is named in `remarks`.
    pub fn render(&self, scope: &Scope<'_>, remarks: &mut Vec<String>) -> Bytes {
        if self.is_plain() {
            return self.text.clone();
        }
        let mut render = Render { scope, remarks, bytes: 0, holes: 0 };
        render.text(self, 0).into()
    }

    /// The text with the values of `variables` alone; all other variables are left for `open` to decide on, and stay as
    /// they are where it has nothing to say.
    pub(super) fn resolve(&self, variables: &Rationed<'_>, open: &mut dyn FnMut(&Word) -> Option<Filling>) -> String {
        self.resolve_at(0, variables, open)
    }

    fn resolve_at(&self, depth: usize, variables: &Rationed<'_>, open: &mut dyn FnMut(&Word) -> Option<Filling>) -> String {
        self.fill(|word| {
            let value = word.name().and_then(|name| variables.get(name));
            if !variables.take(value.map_or(0, str::len)) {
                return None;
            }
            let Some(value) = value.map(Self::new) else { return open(word) };
            let whole = value.is_plain() || depth >= MOST_DEPTH;
            Some(Filling::Own(if whole { value.text().to_owned() } else { value.resolve_at(depth + 1, variables, open) }))
        })
    }

    /// Writes the text, each hole as `value` says.
    fn fill(&self, mut value: impl FnMut(&Word) -> Option<Filling>) -> String {
        let text = self.text();
        let mut filled = String::with_capacity(text.len());
        let mut at = 0;
        for hole in &self.holes {
            filled.push_str(text.get(at..hole.range.start).unwrap_or_default());
            match value(&hole.word) {
                Some(value) if filled.len() < MOST_BYTES => filled.push_str(&fitting(value, hole.place)),
                _ => filled.push_str(text.get(hole.range.clone()).unwrap_or_default()),
            }
            at = hole.range.end;
        }
        filled.push_str(text.get(at..).unwrap_or_default());
        filled
    }
}

/// A value as it has to be written at its place.
fn fitting(value: Filling, place: Place) -> String {
    match (value, place) {
        (Filling::Own(text), Place::InString) if is_inside_of_string(&text) => text,
        (Filling::Own(text) | Filling::Json(text) | Filling::Foreign(text), Place::InString) => inside_of_string(&text),
        (Filling::Foreign(text), Place::Bare) if json::read(text.as_bytes()).is_err() => format!("\"{}\"", inside_of_string(&text)),
        (Filling::Own(text) | Filling::Json(text) | Filling::Foreign(text), _) => text,
    }
}

fn inside_of_string(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned()
}

/// Whether the text could stand in a JSON string as it is, escapes included.
fn is_inside_of_string(text: &str) -> bool {
    serde_json::from_str::<String>(&format!("\"{text}\"")).is_ok()
}

/// One text on its way, with what it has cost until now.
struct Render<'a, 'b> {
    scope: &'a Scope<'a>,
    remarks: &'b mut Vec<String>,
    bytes: usize,
    holes: usize,
}

impl Render<'_, '_> {
    fn text(&mut self, template: &Template, depth: usize) -> String {
        template.fill(|word| {
            self.holes += 1;
            if self.holes > MOST_HOLES || self.bytes > MOST_BYTES || depth > MOST_DEPTH {
                self.remark("the variables name each other without end");
                return None;
            }
            let filling = self.value(word, depth);
            match &filling {
                Some(Filling::Foreign(text) | Filling::Json(text) | Filling::Own(text)) => self.bytes += text.len(),
                None => self.remark(&format!("`{word}` has no value and stays as it is")),
            }
            filling
        })
    }

    fn value(&mut self, word: &Word, depth: usize) -> Option<Filling> {
        let Some(name) = word.name() else { return word.value(self.scope) };
        match self.scope.given.get(name) {
            Some(Given::Text(text)) => return Some(Filling::Foreign(text.clone())),
            Some(Given::Json(text)) => return Some(Filling::Json(text.clone())),
            None => {}
        }
        if let Some((_, text)) = self.scope.captured.iter().find(|(captured, _)| captured == name) {
            return Some(Filling::Foreign(text.clone()));
        }
        let value = Template::new(self.scope.variables.get(name)?);
        Some(Filling::Own(if value.is_plain() { value.text().to_owned() } else { self.text(&value, depth + 1) }))
    }

    fn remark(&mut self, remark: &str) {
        if self.remarks.len() < MOST_REMARKS && !self.remarks.iter().any(|known| known == remark) {
            self.remarks.push(remark.to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
