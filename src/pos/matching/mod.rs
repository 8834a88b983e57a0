//! Choosing the saved example that answers a call.
//!
//! The order is Postman's: method, selector headers, path, query, and headers or body where the caller asks for it; of
//! equals one that answers 2xx. What its users ask for in vain is here too: single fields of query, form or JSON body
//! tell examples apart, parameters that nobody saved do no harm, and an example whose name contains `fallback` answers
//! where no other of its request fits. A choice looks only at examples of the same path, however many there are.

mod choice;
mod entry;
mod index;
mod pattern;
mod score;
mod selector;
mod tree;

pub use choice::{Choice, Chosen, Mark, NoMatch, Trial};

use super::{
    call::{Call, decoded, segments},
    collection::{Collection, Example, Variables},
    template::Rationed,
};
use entry::Entry;
use http::Method;
use index::Index;
use pattern::Pattern;
use score::{Sent, score};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tree::Tree;

/// Fields that tell no examples apart unless the user says so: a register sends another one with each sale.
const CHANGING: [&str; 1] = ["order_id"];

/// How examples of one path are told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// By which fields of query, form or JSON body.
    pub fields: ByField,
    /// Whether a path that is nearly a saved one is answered, as Postman does, where none is the same.
    pub near: bool,
}

/// Which fields tell examples of one path apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ByField {
    /// Those whose saved values differ; an example with another value comes last.
    #[default]
    Differing,
    /// These; an example with another value does not answer.
    Listed(Vec<String>),
    /// None, as Postman has it.
    Nothing,
}

impl Default for Rules {
    fn default() -> Self {
        Self { fields: ByField::Differing, near: true }
    }
}

/// A collection made ready to answer.
#[derive(Debug)]
pub struct Book {
    entries: Vec<Entry>,
    tree: Tree,
    groups: Vec<Group>,
    variables: Variables,
    rules: Rules,
    remarks: Vec<String>,
}

/// The examples of one method and one path; paths that differ in case or in ids count as one.
#[derive(Debug, Default)]
struct Group {
    members: Vec<Member>,
    index: Index,
}

/// An example by one of its paths.
#[derive(Debug)]
struct Member {
    entry: usize,
    pattern: Pattern,
    /// Which of its fields tell it apart, by number.
    counting: Vec<usize>,
}

/// An example on its way through one choice: group and member, by number.
type Candidate = (usize, usize);

impl Book {
    /// Makes a book of a collection; the variables of `environment` win over its own.
    pub fn new(collection: Collection, environment: Variables, rules: Rules) -> Self {
        let variables = environment.over(&collection.variables);
        // A variable that is empty says nothing about a URL: exported collections leave their base and ids blank.
        let of_urls: Variables =
            variables.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let mut book =
            Self { entries: Vec::new(), tree: Tree::default(), groups: Vec::new(), variables, rules, remarks: collection.remarks };
        let of_urls = Rationed::for_file(&of_urls);
        for example in collection.examples {
            book.add(example, &of_urls);
        }
        if of_urls.is_spent() {
            book.remarks.push("the variables of its requests unfold without end; some stay as they are".to_owned());
        }
        for group in &mut book.groups {
            let names = counting(&book.rules.fields, group.members.iter().filter_map(|member| book.entries.get(member.entry)));
            for member in &mut group.members {
                member.counting = book.entries.get(member.entry).map(|entry| entry.fields_of(&names)).unwrap_or_default();
            }
            group.index = Index::of(&group.members, |member| book.entries.get(member.entry));
        }
        book
    }

    fn add(&mut self, example: Example, variables: &Rationed<'_>) {
        let patterns = Pattern::of(&example.request.address, variables);
        if patterns.is_empty() {
            self.remarks.push(format!("`{}` is left out: its path has more than {} segments", example.title(), pattern::MOST_SEGMENTS));
        }
        for pattern in patterns {
            let groups = self.tree.groups_of(&pattern);
            let known = groups.iter().find(|(method, _)| *method == example.request.method).map(|(_, group)| *group);
            let group = known.unwrap_or_else(|| {
                groups.push((example.request.method.clone(), self.groups.len()));
                self.groups.push(Group::default());
                self.groups.len() - 1
            });
            if let Some(group) = self.groups.get_mut(group) {
                group.members.push(Member { entry: self.entries.len(), pattern, counting: Vec::new() });
            }
        }
        self.entries.push(Entry::new(example, variables));
    }

    /// The examples, in the order of the file.
    pub fn examples(&self) -> impl Iterator<Item = &Arc<Example>> {
        self.entries.iter().map(|entry| &entry.example)
    }

    /// The variables of environment and collection.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// What was left out or read otherwise, in words for a person.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The example that answers a call, or why there is none, with all that was weighed for it.
    pub fn choose(&self, call: &Call) -> Choice {
        let path: Vec<_> = segments(&call.path).map(decoded).collect();
        match self.groups(call, &path) {
            Ok(groups) => self.weigh(call, &path, self.members(&groups)),
            Err(why) => Choice::none(why),
        }
    }

    /// The outcome of [`Book::choose`] without its reasons, which costs less where one path has many examples.
    ///
    /// # Errors
    /// [`NoMatch`].
    pub fn pick(&self, call: &Call) -> Result<Chosen, NoMatch> {
        let path: Vec<_> = segments(&call.path).map(decoded).collect();
        let groups = self.groups(call, &path)?;
        let candidates = if selector::is_there(call) {
            selector::select(call, &self.variables, self.members(&groups), |candidate| self.look_up(candidate).1)?
        } else {
            let fitting = |group: &usize| self.groups.get(*group).map(|known| known.index.fitting(call, &path)).unwrap_or_default();
            groups.iter().flat_map(|group| fitting(group).into_iter().map(|member| (*group, member))).collect()
        };
        let ranked = self.rank(&Scale::of(self, call, &path), candidates, 1);
        self.outcome(&ranked, call, &path)
    }

    /// The groups that a call belongs to.
    fn groups(&self, call: &Call, path: &[String]) -> Result<Vec<usize>, NoMatch> {
        let mut found = Vec::new();
        self.tree.find(path, &mut found);
        if found.is_empty() {
            let mut near = self.tree.find_near(path);
            near.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            if !self.rules.near || near.is_empty() {
                return Err(NoMatch::Path { near: near.into_iter().next().map(|(path, _)| path) });
            }
            found = near.into_iter().map(|(_, groups)| groups).collect();
        }
        let of = |wanted: &Method| -> Vec<usize> {
            found.iter().copied().flatten().filter(|(method, _)| method == wanted).map(|(_, group)| *group).collect()
        };
        // Where nothing is saved for HEAD, GET answers it (RFC 9110 section 9.3.2).
        let groups = Some(of(&call.method)).filter(|groups| !groups.is_empty() || call.method != Method::HEAD);
        let groups = groups.unwrap_or_else(|| of(&Method::GET));
        if groups.is_empty() {
            let allowed: BTreeMap<_, _> = found.into_iter().flatten().map(|(method, _)| (method.as_str(), method)).collect();
            return Err(NoMatch::Method { allowed: allowed.into_values().cloned().collect() });
        }
        Ok(groups)
    }

    /// All examples of these groups.
    fn members(&self, groups: &[usize]) -> Vec<Candidate> {
        let members = |group: usize| (0..self.groups.get(group).map_or(0, |known| known.members.len())).map(move |member| (group, member));
        groups.iter().flat_map(|group| members(*group)).collect()
    }

    fn look_up(&self, (group, member): Candidate) -> (&Member, &Entry) {
        let group = self.groups.get(group).expect("a candidate's group is in the book");
        let member = group.members.get(member).expect("a candidate is in its group");
        (member, self.entries.get(member.entry).expect("a member's entry is in the book"))
    }

    fn weigh(&self, call: &Call, path: &[String], candidates: Vec<Candidate>) -> Choice {
        let weighed = candidates.len();
        let candidates = match selector::select(call, &self.variables, candidates, |candidate| self.look_up(candidate).1) {
            Ok(candidates) => candidates,
            Err(why) => return Choice { weighed, ..Choice::none(why) },
        };
        let scale = Scale::of(self, call, path);
        let ranked = self.rank(&scale, candidates, Choice::MOST_TRIALS);
        let trials = ranked.iter().map(|(total, candidate)| {
            let example = &self.look_up(*candidate).1.example;
            let mut marks = Vec::new();
            scale.points(*candidate, &mut |points, why| marks.push(Mark { points, why: why.words(call) }));
            Trial { title: example.title(), status: example.status.as_u16(), points: *total, marks }
        });
        Choice { trials: trials.collect(), outcome: self.outcome(&ranked, call, path), weighed }
    }

    /// The best, one for each example. Taking them out one by one is cheaper than bringing all into order.
    fn rank(&self, scale: &Scale<'_>, candidates: Vec<Candidate>, most: usize) -> Vec<(Option<i32>, Candidate)> {
        let place = |candidate: Candidate| {
            let (member, entry) = self.look_up(candidate);
            let points = scale.points(candidate, &mut |_, _| {});
            (std::cmp::Reverse(points), !entry.example.status.is_success(), member.entry, candidate)
        };
        let mut places: Vec<_> = candidates.into_iter().map(place).collect();
        let mut best = Vec::new();
        while best.len() < most
            && let Some(first) = places.iter().min_by_key(|(points, fails, entry, _)| (*points, *fails, *entry)).copied()
        {
            best.push((first.0.0, first.3));
            if best.len() < most {
                places.retain(|place| place.2 != first.2);
            }
        }
        best
    }

    fn outcome(&self, ranked: &[(Option<i32>, Candidate)], call: &Call, path: &[String]) -> Result<Chosen, NoMatch> {
        match ranked.first() {
            Some((Some(points), candidate)) => Ok(self.chosen(*candidate, *points, call, path)),
            _ => Err(NoMatch::Fields),
        }
    }

    fn chosen(&self, candidate: Candidate, points: i32, call: &Call, path: &[String]) -> Chosen {
        let (member, entry) = self.look_up(candidate);
        let mut captured = member.pattern.captured(path);
        captured.extend(score::captured(entry, call));
        Chosen { example: entry.example.clone(), points, captured }
    }
}

/// One call as examples are weighed for it.
struct Scale<'a> {
    book: &'a Book,
    sent: Sent<'a>,
    path: (&'a [String], bool),
}

impl<'a> Scale<'a> {
    fn of(book: &'a Book, call: &'a Call, path: &'a [String]) -> Self {
        Self { book, sent: Sent::by(call), path: (path, call.path.ends_with('/')) }
    }

    fn points(&self, candidate: Candidate, note: &mut dyn FnMut(i32, score::Why<'a>)) -> Option<i32> {
        let (member, entry) = self.book.look_up(candidate);
        // A field that the user named rules out.
        let strict = matches!(self.book.rules.fields, ByField::Listed(_));
        score(entry, &member.pattern, (&member.counting, strict), &self.sent, self.path, note)
    }
}

/// The fields that count in a group.
fn counting<'a>(fields: &ByField, entries: impl Iterator<Item = &'a Entry>) -> BTreeSet<String> {
    match fields {
        ByField::Nothing => BTreeSet::new(),
        ByField::Listed(names) => names.iter().cloned().collect(),
        ByField::Differing => differing(&entries.collect::<Vec<_>>()),
    }
}

/// The fields that have two values or more; where there is a fallback also those in which an example differs from it.
fn differing(entries: &[&Entry]) -> BTreeSet<String> {
    let has_fallback = entries.iter().any(|entry| entry.is_fallback);
    let mut values: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for entry in entries {
        for (name, value) in entry.fields.iter().filter_map(|(name, wanted)| Some((name, wanted.text()?))) {
            values.entry(name).or_default().insert(value);
        }
    }
    let counts = |name: &str, values: &BTreeSet<&str>| {
        let is_missing_in_fallback = || entries.iter().any(|entry| entry.is_fallback && entry.value(name).is_none());
        !CHANGING.contains(&name) && (values.len() > 1 || has_fallback && is_missing_in_fallback())
    };
    values.into_iter().filter(|(name, values)| counts(name, values)).map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests;
