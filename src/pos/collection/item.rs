//! The file from the outside in, read as it comes: what a request's examples are made of is let go of at the request's end, so
//! that a large collection never lies in memory as JSON, which takes many times its size.

use super::{Collection, Example, SavedRequest, text};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;

/// Most bytes of all examples, each with its request and the folders above it. Many examples can share one large request, or lie in a
/// folder with a long name, and each has its own copy (SECURITY K-05).
const MOST_BYTES: usize = 128 * 1024 * 1024;

/// What an example takes beside its texts, in bytes.
const EACH: usize = 512;

/// What the reader says of more than [`MOST_BYTES`].
pub(super) const UNFOLDS: &str = "the examples unfold";

/// A file as far as it is kept.
#[derive(Debug, Default)]
pub(super) struct Document {
    /// What stands beside the items; no more than the names where nothing is read.
    pub members: Map<String, Value>,
    /// Whether there is a list of items.
    pub has_items: bool,
    /// What the items hold.
    pub collection: Collection,
    /// What it is wrapped around.
    inner: Option<Box<Document>>,
}

impl Document {
    /// Reads a file, and what it is wrapped around in place of it. The JSON reader bounds the depth.
    pub fn read(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut document = Self::default();
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        Part::Document(&mut document).deserialize(&mut reader)?;
        reader.end()?;
        Ok(document.inner.take().map_or(document, |inner| *inner))
    }

    fn take<'de, A: MapAccess<'de>>(&mut self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "item" => self.has_items = members.next_value_seed(Part::Items(&mut self.collection, &mut Vec::new()))?,
                "collection" => {
                    let mut inner = Box::<Self>::default();
                    if members.next_value_seed(Part::Document(&mut inner))? {
                        self.inner = Some(inner);
                    }
                }
                "info" | "variable" | "log" => drop(self.members.insert(name, members.next_value()?)),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                    self.members.insert(name, Value::Null);
                }
            }
        }
        Ok(())
    }
}

/// What is read next, with where it goes: items with the names of the folders above them. Reading says whether it was there,
/// and passes over what is of another kind.
enum Part<'c> {
    Document(&'c mut Document),
    Items(&'c mut Collection, &'c mut Vec<String>),
    Item(&'c mut Collection, &'c mut Vec<String>),
}

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        match self {
            Self::Document(document) => document.take(members)?,
            Self::Item(collection, place) => item(collection, place, members)?,
            Self::Items(..) => {
                while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<bool, A::Error> {
        let Self::Items(collection, place) = self else {
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(false);
        };
        while list.next_element_seed(Part::Item(collection, place))?.is_some() {}
        Ok(true)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// A folder, with all below it, or a request.
fn item<'de, A: MapAccess<'de>>(collection: &mut Collection, place: &mut Vec<String>, mut members: A) -> Result<(), A::Error> {
    let (first, level) = (collection.examples.len(), place.len());
    let (mut request, mut responses, mut is_folder) = (None, Value::Null, false);
    place.push(String::new());
    while let Some(member) = members.next_key::<String>()? {
        if member == "item" {
            is_folder |= members.next_value_seed(Part::Items(collection, place))?;
            continue;
        }
        match member.as_str() {
            "name" => {
                place.truncate(level);
                place.push(text(Some(&members.next_value()?)).unwrap_or_default());
            }
            "request" => request = Some(members.next_value()?),
            "response" => responses = members.next_value()?,
            _ => drop(members.next_value::<IgnoredAny>()?),
        }
    }
    if let Some(request) = request.filter(|_| !is_folder) {
        collection.requests += 1;
        examples(&request, responses, place, collection).ok_or_else(|| Error::custom(UNFOLDS))?;
    }
    // The name of a folder may stand behind what is in it.
    let name = place.pop().unwrap_or_default();
    let Collection { examples, bytes, .. } = collection;
    for known in examples.iter_mut().skip(first).filter_map(|example| example.place.get_mut(level)).filter(|known| **known != name) {
        *bytes += name.len();
        if *bytes > MOST_BYTES {
            return Err(Error::custom(UNFOLDS));
        }
        name.clone_into(known);
    }
    Ok(())
}

/// Takes the examples of a request; `None` where they are too much.
fn examples(request: &Value, responses: Value, place: &[String], collection: &mut Collection) -> Option<()> {
    // A lone object instead of a list is what some tools write.
    let responses = match responses {
        Value::Array(list) => list,
        one => vec![one],
    };
    for response in responses.iter().filter(|response| response.is_object()) {
        let told = collection.remarks.len();
        let original = response.get("originalRequest").filter(|original| original.is_object() || original.is_string());
        match SavedRequest::read(original.unwrap_or(request)) {
            Ok(request) => {
                let example = Example::read(response, place.to_vec(), request, &mut collection.remarks);
                collection.bytes += EACH + example.size();
                collection.examples.push(example);
            }
            Err(fault) => collection.remarks.push(format!("an example of `{}` is left out: {fault}", place.join(" / "))),
        }
        collection.bytes += collection.remarks.iter().skip(told).map(String::len).sum::<usize>();
        if collection.bytes > MOST_BYTES {
            return None;
        }
    }
    Some(())
}
