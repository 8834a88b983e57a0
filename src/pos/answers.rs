//! The saved examples that answer, and which one answers what.
//!
//! Where the shop has decided a call of the register, the example answers that is named for the outcome and lies in the request named for
//! the call. A collection of the user's own that has no such example answers by matching alone.

use super::{
    call::Call,
    collection::{Collection, CollectionFault, Example, Rendered, Variables},
    matching::{Book, Chosen, NoMatch, Rules, Trial},
    register,
    shop::Values,
    template::Scope,
};
use crate::{platform::entropy::SystemEntropy, ports::Clock};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The built-in examples as a file.
pub const SAMPLE: &str = include_str!("sample/collection.json");

/// Most characters of one reason: a page asks for those of many calls at once (SECURITY K-06).
const MOST_TOLD: usize = 2000;

/// A collection that is served.
#[derive(Debug)]
pub struct Answers {
    book: Book,
    /// Whether it is the user's own.
    pub is_own: bool,
    /// The examples below a request that is named for one of the register's calls, whatever else there is.
    by_call: BTreeMap<&'static str, Vec<Arc<Example>>>,
    /// The calls that the shop decides.
    shop: BTreeSet<&'static str>,
}

/// An answer out of the collection, and how it came about.
pub struct Saved {
    /// Name of the example, with its folders.
    pub example: String,
    /// Why that one, unless it was weighed against others, see [`Answers::reasons`].
    pub why: Vec<String>,
    /// The answer.
    pub rendered: Rendered,
    /// What was odd about it.
    pub remarks: Vec<String>,
}

impl Answers {
    /// The built-in examples.
    pub fn built_in() -> Self {
        let collection = Collection::read(SAMPLE.as_bytes()).expect("the built-in collection is sound, which a test holds");
        Self::new(collection, Variables::default(), Rules::default(), false)
    }

    /// A collection of the user's own; variables of environments named later win.
    ///
    /// # Errors
    /// [`CollectionFault`].
    pub fn read(collection: &[u8], environments: Vec<Variables>, rules: Rules) -> Result<Self, CollectionFault> {
        let environment = environments.into_iter().reduce(|lower, upper| upper.over(&lower)).unwrap_or_default();
        Ok(Self::new(Collection::read(collection)?, environment, rules, true))
    }

    fn new(collection: Collection, environment: Variables, rules: Rules, is_own: bool) -> Self {
        let book = Book::new(collection, environment, rules);
        let mut by_call: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for example in book.examples() {
            if let Some(call) = example.place.last().and_then(|place| register::by_name(place)) {
                by_call.entry(call.name).or_default().push(Arc::clone(example));
            }
        }
        let built_in = is_own.then(Self::built_in);
        let knows =
            |call: &str, name: &String| built_in.as_ref().is_none_or(|known| known.outcomes(call).iter().any(|known| known == name));
        let decided = by_call.iter().filter(|(call, examples)| examples.iter().any(|example| knows(call, &example.name)));
        Self { shop: decided.map(|(call, _)| *call).collect(), book, is_own, by_call }
    }

    /// How many examples there are, and what was odd about the file.
    pub fn remarks(&self) -> (usize, &[String]) {
        (self.book.examples().count(), self.book.remarks())
    }

    /// Names of the outcomes of one of the register's calls.
    pub fn outcomes(&self, call: &str) -> Vec<&str> {
        self.by_call.get(call).into_iter().flatten().map(|example| example.name.as_str()).collect()
    }

    /// Whether the shop decides what this call is answered: there is an example that is named for one of its outcomes.
    pub fn follow_the_shop(&self, call: &str) -> bool {
        self.shop.contains(call)
    }

    /// The answer for an outcome of one of the register's calls.
    pub fn of_outcome(&self, name: &str, outcome: &str, call: &Call, given: &Values) -> Option<Saved> {
        let example = self.by_call.get(name)?.iter().find(|example| example.name == outcome)?;
        let why = vec![format!("the shop decided `{outcome}`"), format!("the example of that name below `{name}`")];
        Some(self.render(example, why, call, given, &[]))
    }

    /// The answer that matching chooses, or why there is none.
    ///
    /// # Errors
    /// [`NoMatch`].
    pub fn of_match(&self, call: &Call, given: &Values) -> Result<Saved, NoMatch> {
        let Chosen { example, captured, .. } = self.book.pick(call)?;
        Ok(self.render(&example, Vec::new(), call, given, &captured))
    }

    /// Why matching chooses what it does, score by score, the best examples first.
    pub fn reasons(&self, call: &Call) -> Vec<String> {
        self.book.choose(call).trials.iter().map(told).collect()
    }

    /// Whether the files give this variable a value.
    pub fn has_variable(&self, name: &str) -> bool {
        self.book.variables().get(name).is_some()
    }

    fn render(&self, example: &Example, why: Vec<String>, call: &Call, given: &Values, captured: &[(String, String)]) -> Saved {
        let now = crate::platform::clock::SystemClock.now();
        let mut remarks = Vec::new();
        let scope = Scope { call, given, captured, variables: self.book.variables(), now, entropy: &SystemEntropy };
        let rendered = example.render(&scope, &mut remarks);
        Saved { example: example.title(), why, rendered, remarks }
    }
}

/// One example that was weighed, in one line.
fn told(trial: &Trial) -> String {
    let marks: Vec<_> = trial.marks.iter().map(ToString::to_string).collect();
    let mut line = match trial.points {
        Some(points) => format!("{}: {points} points ({})", trial.title, marks.join(", ")),
        None => format!("{}: ruled out ({})", trial.title, marks.join(", ")),
    };
    if let Some((end, _)) = line.char_indices().nth(MOST_TOLD) {
        line.truncate(end);
        line.push('…');
    }
    line
}

/// What is sent where there is nothing better: what a register can take without harm.
pub fn safe(name: Option<&str>, why: &str) -> Value {
    match name {
        Some("search") => serde_json::json!({ "members": {} }),
        Some("redeem") => serde_json::json!({ "success": false, "error": why }),
        _ => serde_json::json!({ "error": why }),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::shop, *};
    use hyper::body::Bytes;

    fn call() -> Call {
        Call::read(&http::Request::get("/").body(Bytes::new()).expect("a request"))
    }

    #[test]
    fn every_built_in_example_is_json_as_it_stands_so_that_it_can_be_imported_elsewhere() {
        let answers = Answers::built_in();
        assert_eq!(answers.remarks(), (24, [].as_slice()));
        for name in register::CALLS.iter().map(|call| call.name) {
            for outcome in answers.outcomes(name) {
                let saved = answers.of_outcome(name, outcome, &call(), &shop::Values::new()).expect("an example");
                assert!(serde_json::from_slice::<Value>(&saved.rendered.body).is_ok_and(|body| body.is_object()), "{name} {outcome}");
                assert_eq!(saved.remarks, Vec::<String>::new(), "{name} {outcome}");
            }
        }
    }

    #[test]
    fn k_06_a_reason_is_told_in_bounded_words() {
        let (title, path) = ("é".repeat(100_000), "x".repeat(100_000));
        let file = serde_json::json!({"item": [{"name": title, "request": format!("/{path}"), "response": [{"name": "one"}]}]});
        let answers = Answers::read(file.to_string().as_bytes(), Vec::new(), Rules::default()).expect("a collection");

        let reasons =
            answers.reasons(&Call::read(&http::Request::get("/y").body(Bytes::new()).expect("a request")).at(&format!("/{path}")));

        assert_eq!(reasons.iter().map(|reason| reason.chars().count()).collect::<Vec<_>>(), [MOST_TOLD + 1]);
    }

    #[test]
    fn every_outcome_that_the_shop_can_decide_has_an_example() {
        let answers = Answers::built_in();
        let sources = [include_str!("shop/loyalty.rs"), include_str!("shop/payments.rs")].concat();
        let known: Vec<_> = register::CALLS.iter().flat_map(|call| answers.outcomes(call.name)).collect();
        for begin in ["Outcome::new(\"", "Outcome::refused(\""] {
            for (at, _) in sources.match_indices(begin) {
                let name = sources[at + begin.len()..].split('"').next().expect("a name");
                assert!(known.contains(&name), "{name}");
            }
        }
    }
}
