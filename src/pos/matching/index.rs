//! Which examples of one path can answer a call at all, without weighing the others.
//!
//! Examples of the same *shape* differ in nothing but some values: ids of the path, parameters, fields. All of a shape that share
//! none of these values with a call have the same points, so of them only the first by rank can be chosen. What is left to
//! be weighed is that one of each shape, and those that share a value. The choice is the one that weighing all would make.

use super::{
    Member,
    entry::Entry,
    pattern::{Segment, is_id, lower},
};
use crate::pos::call::Call;
use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, RandomState},
};

/// Examples of one shape from which an index is worth its memory. Below, weighing all of them costs less.
const WORTH: usize = 16;

/// Where a value stands, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Slot {
    /// An id in the path, by the number of its segment.
    Id(usize),
    /// A parameter of the query.
    Parameter(String),
    /// A field that counts.
    Field(String),
}

/// What examples of one shape have in common.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shape {
    /// Segments of the path that are no ids, as they are told apart.
    path: Vec<String>,
    is_fallback: bool,
    slots: Vec<Slot>,
    /// Parameters that take anything.
    open: Vec<String>,
}

/// All examples of one shape.
#[derive(Debug, Default)]
struct Alike {
    /// By rank: among equals the first one is chosen.
    members: Vec<usize>,
    /// The slots in which they differ, with who has which value. Of a value its hash is kept: should two have the same one, more
    /// is weighed than has to be.
    slots: Vec<(Slot, HashMap<u64, Vec<usize>>)>,
}

/// The examples of one group, by shape.
#[derive(Debug, Default)]
pub(super) struct Index {
    alike: Vec<Alike>,
    /// Those of rare shapes.
    others: Vec<usize>,
    hashes: RandomState,
}

impl Index {
    /// Of the members of one group, in their order.
    pub(super) fn of<'a>(members: &[Member], entry: impl Fn(&Member) -> Option<&'a Entry>) -> Self {
        let mut shapes: BTreeMap<Shape, Vec<(usize, Vec<&str>)>> = BTreeMap::new();
        let mut index = Self::default();
        if members.len() < WORTH {
            index.others.extend(0..members.len());
            return index;
        }
        for (number, member) in members.iter().enumerate() {
            if let Some((shape, values)) = entry(member).map(|entry| taken_apart(member, entry)) {
                shapes.entry(shape).or_default().push((number, values));
            }
        }
        for (shape, alike) in shapes {
            if alike.len() < WORTH {
                index.others.extend(alike.into_iter().map(|(number, _)| number));
                continue;
            }
            let slots = shape.slots.into_iter().enumerate();
            let slots = slots.filter_map(|(at, slot)| Some((slot, by_hash(&alike, at, &index.hashes)?))).collect();
            let mut ranked: Vec<_> = alike.into_iter().map(|(number, _)| number).collect();
            ranked.sort_by_key(|number| {
                let member = members.get(*number);
                let fails = member.and_then(&entry).is_none_or(|entry| !entry.example.status.is_success());
                (fails, member.map(|member| member.entry), *number)
            });
            index.alike.push(Alike { members: ranked, slots });
        }
        index
    }

    /// The members that have to be weighed for a call, in their order.
    pub(super) fn fitting(&self, call: &Call, path: &[String]) -> Vec<usize> {
        let mut fitting = self.others.clone();
        self.alike.iter().for_each(|alike| alike.fitting(call, path, &self.hashes, &mut fitting));
        fitting.sort_unstable();
        fitting
    }
}

impl Alike {
    fn fitting(&self, call: &Call, path: &[String], hashes: &RandomState, fitting: &mut Vec<usize>) {
        let mut touched: Vec<usize> = Vec::new();
        let mut asked = 0;
        for (slot, values) in &self.slots {
            let mut ask = |value: &str| {
                asked += 1;
                if touched.len() + asked <= self.members.len() {
                    touched.extend(values.get(&hashes.hash_one(value)).into_iter().flatten());
                }
            };
            match slot {
                Slot::Id(at) => path.get(*at).into_iter().for_each(|text| ask(&lower(text))),
                Slot::Parameter(name) => call.query.iter().filter(|(known, _)| known == name).for_each(|(_, value)| ask(value)),
                Slot::Field(name) => call.fields.all(name).for_each(ask),
            }
        }
        if touched.len() + asked > self.members.len() {
            // Weighing all is the cheaper way then.
            return fitting.extend(&self.members);
        }
        touched.sort_unstable();
        touched.dedup();
        fitting.extend(self.members.iter().find(|number| touched.binary_search(number).is_err()));
        fitting.extend(touched);
    }
}

/// Shape and values of one example; a value for each slot.
fn taken_apart<'a>(member: &'a Member, entry: &'a Entry) -> (Shape, Vec<&'a str>) {
    let (mut path, mut slots, mut open, mut values) = (vec![member.pattern.slash.to_string()], Vec::new(), Vec::new(), Vec::new());
    for (at, segment) in member.pattern.segments.iter().enumerate() {
        match segment {
            // An id with upper case is told apart from one without, so it is no mere value.
            Segment::Literal(text) if is_id(text) && lower(text) == *text => {
                slots.push(Slot::Id(at));
                values.push(text.as_str());
            }
            segment => path.push(format!("{at} {segment:?}")),
        }
    }
    for (name, wanted) in &entry.query {
        if let Some(text) = wanted.text() {
            slots.push(Slot::Parameter(name.clone()));
            values.push(text);
        } else {
            open.push(name.clone());
        }
    }
    for (name, wanted) in member.counting.iter().filter_map(|field| entry.fields.get(*field)) {
        if let Some(text) = wanted.text() {
            slots.push(Slot::Field(name.clone()));
            values.push(text);
        }
    }
    (Shape { path, is_fallback: entry.is_fallback, slots, open }, values)
}

/// Who has which value in one slot; `None` where all have the same.
fn by_hash(alike: &[(usize, Vec<&str>)], at: usize, hashes: &RandomState) -> Option<HashMap<u64, Vec<usize>>> {
    let values = || alike.iter().filter_map(|(number, values)| Some((*number, *values.get(at)?)));
    let (_, first) = values().next()?;
    if values().all(|(_, value)| value == first) {
        return None;
    }
    let mut by_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    values().for_each(|(number, value)| by_hash.entry(hashes.hash_one(value)).or_default().push(number));
    Some(by_hash)
}
