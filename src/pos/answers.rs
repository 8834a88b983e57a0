//! The saved examples that answer, and which one answers what.
//!
//! Where the shop has decided a call of the register, the example answers that is named for the outcome and lies in the request named for
//! the call. A collection of the user's own that has no such example answers by matching alone.

use super::{
    call::Call,
    collection::{Collection, CollectionFault, Example, Rendered, Variables},
    shop::Values,
    template::Scope,
};
use crate::{platform::entropy::SystemEntropy, ports::Clock};
use serde_json::Value;

/// The built-in examples as a file.
pub const SAMPLE: &str = include_str!("sample/collection.json");

/// A collection that is served.
#[derive(Debug)]
pub struct Answers {
    collection: Collection,
    variables: Variables,
    /// Whether it is the user's own.
    pub is_own: bool,
}

/// An answer out of the collection, and how it came about.
pub struct Saved {
    /// Name of the example, with its folders.
    pub example: String,
    /// Why that one.
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
        Self { variables: collection.variables.clone(), collection, is_own: false }
    }

    /// A collection of the user's own; variables of environments named later win.
    ///
    /// # Errors
    /// [`CollectionFault`].
    pub fn read(collection: &[u8], environments: Vec<Variables>) -> Result<Self, CollectionFault> {
        let collection = Collection::read(collection)?;
        let variables = environments.into_iter().fold(collection.variables.clone(), |lower, upper| upper.over(&lower));
        Ok(Self { collection, variables, is_own: true })
    }

    /// How many examples there are, and what was odd about the file.
    pub fn remarks(&self) -> (usize, &[String]) {
        (self.collection.examples.len(), &self.collection.remarks)
    }

    /// Names of the outcomes of one of the register's calls.
    pub fn outcomes<'a>(&'a self, call: &'a str) -> Vec<&'a str> {
        self.of_call(call).map(|example| example.name.as_str()).collect()
    }

    /// The answer for an outcome of one of the register's calls.
    pub fn of_outcome(&self, name: &str, outcome: &str, call: &Call, given: &Values) -> Option<Saved> {
        let example = self.of_call(name).find(|example| example.name == outcome)?;
        let why = vec![format!("the shop decided `{outcome}`"), format!("the example of that name below `{name}`")];
        Some(self.render(example, why, call, given, &[]))
    }

    fn of_call<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Example> {
        self.collection.examples.iter().filter(move |example| example.place.last().is_some_and(|place| place == name))
    }

    fn render(&self, example: &Example, why: Vec<String>, call: &Call, given: &Values, captured: &[(String, String)]) -> Saved {
        let now = crate::platform::clock::SystemClock.now();
        let mut remarks = Vec::new();
        let scope = Scope { call, given, captured, variables: &self.variables, now, entropy: &SystemEntropy };
        let rendered = example.render(&scope, &mut remarks);
        Saved { example: example.title(), why, rendered, remarks }
    }
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
    use super::{
        super::{register, shop},
        *,
    };
    use hyper::body::Bytes;

    fn call() -> Call {
        Call::read(&http::Request::get("/").body(Bytes::new()).expect("a request"))
    }

    #[test]
    fn every_built_in_example_is_json_as_it_stands_so_that_it_can_be_imported_elsewhere() {
        let answers = Answers::built_in();
        assert_eq!(answers.remarks(), (25, [].as_slice()));
        for name in register::CALLS.iter().map(|call| call.name) {
            for outcome in answers.outcomes(name) {
                let saved = answers.of_outcome(name, outcome, &call(), &shop::Values::new()).expect("an example");
                assert!(serde_json::from_slice::<Value>(&saved.rendered.body).is_ok_and(|body| body.is_object()), "{name} {outcome}");
                assert_eq!(saved.remarks, Vec::<String>::new(), "{name} {outcome}");
            }
        }
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
