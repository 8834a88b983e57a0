//! Postman collections with their saved examples, format 2.1 and 2.0.
//!
//! The format is <https://schema.postman.com/json/collection/v2.1.0/> (older exports name the host `schema.getpostman.com`).
//! Only what an answer needs is read. Scripts (`event`) are ignored, bodies of the mode `file` are not opened, nothing is
//! fetched: a collection is data from a stranger (SECURITY K-05). What is odd is a remark, and the rest is served.

mod address;
mod body;
mod example;
mod fault;
mod header;
mod item;
mod variables;

pub use address::Address;
pub use body::SavedBody;
pub use example::{Example, Rendered, SavedRequest};
pub use fault::CollectionFault;
pub use variables::Variables;

use serde_json::Value;
use std::collections::BTreeSet;

/// Largest file, in bytes. Exports of very large APIs reach some 20 MiB; reading costs a few times a file's size in memory.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A collection as far as it is served.
#[derive(Debug, Clone, Default)]
pub struct Collection {
    /// Its name.
    pub name: String,
    /// Requests, with or without examples.
    pub requests: usize,
    /// The saved examples in the order of the file.
    pub examples: Vec<Example>,
    /// Its own variables.
    pub variables: Variables,
    /// What was left out or read otherwise, in words for a person; parts of it come from the file.
    pub remarks: Vec<String>,
    /// What the examples take, in bytes.
    bytes: usize,
}

impl Collection {
    /// Reads an exported collection, bare or wrapped as `{"collection": ...}`. A byte order mark is left out.
    ///
    /// Folders may nest as deep as the JSON reader goes, which is about sixty.
    ///
    /// # Errors
    /// [`CollectionFault`]: it is too large or no JSON, or another kind of file; which kind is said where it is known.
    pub fn read(bytes: &[u8]) -> Result<Self, CollectionFault> {
        let document = item::Document::read(bounded(bytes)?).map_err(|fault| fault::not_json(&fault))?;
        let members = Value::Object(document.members);
        if !document.has_items {
            return Err(fault::other_kind(&members));
        }
        let mut collection = Self {
            name: members.pointer("/info/name").and_then(Value::as_str).unwrap_or("collection").to_owned(),
            variables: Variables::of_collection(members.get("variable")),
            ..document.collection
        };
        let schema = members.pointer("/info/schema").and_then(Value::as_str).unwrap_or_default();
        if !["/v2.1.0/", "/v2.0.0/"].iter().any(|version| schema.contains(version)) {
            collection.remarks.insert(0, format!("the schema is `{schema}`, read as version 2.1"));
        }
        collection.remark_unknown_words();
        Ok(collection)
    }

    /// Says once which words that begin with `$` stay as they are.
    fn remark_unknown_words(&mut self) {
        const MOST: usize = 5;
        let words = self.examples.iter().flat_map(Example::words).filter(|word| word.is_unknown());
        let unknown: BTreeSet<_> = words.map(ToString::to_string).collect();
        if unknown.is_empty() {
            return;
        }
        let named: Vec<_> = unknown.iter().take(MOST).map(|word| format!("`{word}`")).collect();
        let more = unknown.len().checked_sub(MOST + 1).map(|_| format!(" and {} more", unknown.len() - MOST)).unwrap_or_default();
        self.remarks.push(format!("not known here, and left as they are: {}{more}", named.join(", ")));
    }
}

/// One JSON document of bounded size.
fn document(bytes: &[u8]) -> Result<Value, CollectionFault> {
    serde_json::from_slice(bounded(bytes)?).map_err(|fault| fault::not_json(&fault))
}

/// A file of bounded size without its byte order mark.
fn bounded(bytes: &[u8]) -> Result<&[u8], CollectionFault> {
    if bytes.len() > MOST_BYTES {
        return Err(CollectionFault::TooLarge);
    }
    Ok(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes))
}

/// A text that may be a number, a truth or nothing in a hand-made file.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Whether a member of a list is switched off.
fn is_disabled(member: &Value) -> bool {
    member.get("disabled").and_then(Value::as_bool).unwrap_or(false)
}

/// The members of a list that are switched on, as name and value.
fn pairs(list: Option<&Value>) -> Vec<(String, Option<String>)> {
    let members = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let on = members.iter().filter(|member| !is_disabled(member));
    on.filter_map(|member| Some((text(member.get("key"))?, text(member.get("value"))))).collect()
}

#[cfg(test)]
mod tests;
