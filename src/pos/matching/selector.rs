//! The headers with which a caller asks for one example, or for a closer look.

use super::choice::NoMatch;
use super::entry::{Entry, marked};
use crate::pos::{
    call::Call,
    collection::{SavedBody, Variables},
    fields::Origin,
    template::Rationed,
};
use serde_json::Value;

const CODE: &str = "x-mock-response-code";
const ID: &str = "x-mock-response-id";
const NAME: &str = "x-mock-response-name";
const MATCH_HEADERS: &str = "x-mock-match-request-headers";
const MATCH_BODY: &str = "x-mock-match-request-body";

/// Whether an entry is what the value of a header asks for.
type IsAsked = fn(&Entry, &str) -> bool;

/// The selectors in the order in which they rule out.
const SELECTORS: [(&str, IsAsked); 3] = [(CODE, has_code), (ID, has_id), (NAME, has_name)];

/// Whether a call has any of these headers.
pub(super) fn is_there(call: &Call) -> bool {
    call.headers.keys().any(|name| name.as_str().starts_with("x-mock-"))
}

/// Keeps the entries that the selector headers of the call ask for.
///
/// # Errors
/// [`NoMatch::Selector`] for the first header that leaves none.
pub(super) fn select<'a, T: Copy>(
    call: &Call,
    variables: &Variables,
    mut kept: Vec<T>,
    entry: impl Fn(T) -> &'a Entry,
) -> Result<Vec<T>, NoMatch> {
    let variables = &Rationed::for_call(variables);
    for (header, is_asked) in SELECTORS {
        let Some(value) = asked(call, header) else { continue };
        kept.retain(|candidate| is_asked(entry(*candidate), &value));
        if kept.is_empty() {
            return Err(NoMatch::Selector { header, value });
        }
    }
    if let Some(value) = asked(call, MATCH_HEADERS) {
        kept.retain(|candidate| value.split(',').all(|name| has_header(entry(*candidate), name.trim(), call, variables)));
        if kept.is_empty() {
            return Err(NoMatch::Selector { header: MATCH_HEADERS, value });
        }
    }
    if let Some(value) = asked(call, MATCH_BODY).filter(|value| value.eq_ignore_ascii_case("true")) {
        let sent = Body::of(call);
        kept.retain(|candidate| sent.is_that_of(entry(*candidate), variables));
        if kept.is_empty() {
            return Err(NoMatch::Selector { header: MATCH_BODY, value });
        }
    }
    Ok(kept)
}

/// The value of a header that is not empty; bytes that are no text are replaced.
fn asked(call: &Call, header: &str) -> Option<String> {
    let value = call.headers.get(header)?;
    Some(String::from_utf8_lossy(value.as_bytes()).trim().to_owned()).filter(|value| !value.is_empty())
}

fn has_code(entry: &Entry, value: &str) -> bool {
    entry.example.status.as_str() == value
}

/// The id alone, or `<user>-<id>` as Postman shows it.
fn has_id(entry: &Entry, value: &str) -> bool {
    let id = entry.example.id.as_str();
    !id.is_empty() && (value == id || value.strip_suffix(id).is_some_and(|before| before.ends_with('-')))
}

/// A header cannot carry every name as it is: a percent-encoded one counts as well.
fn has_name(entry: &Entry, value: &str) -> bool {
    entry.example.name.trim() == value || entry.example.name.trim() == crate::pos::call::decoded(value)
}

fn has_header(entry: &Entry, name: &str, call: &Call, variables: &Rationed<'_>) -> bool {
    let saved = entry.example.request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    let sent = call.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
    match (saved, sent) {
        (Some((_, saved)), Some(sent)) => marked(saved, variables).trim() == sent.trim(),
        (None, None) => true,
        _ => false,
    }
}

/// The body of a call, read once for all examples that are compared with it.
struct Body<'c> {
    bytes: &'c [u8],
    form: Vec<(&'c str, &'c str)>,
    json: Option<Value>,
}

impl<'c> Body<'c> {
    fn of(call: &'c Call) -> Self {
        let form = call.fields.iter().filter(|field| field.from == Origin::Form);
        let mut form: Vec<_> = form.map(|field| (field.name.as_str(), field.value.as_str())).collect();
        form.sort_unstable();
        Self { bytes: call.body.trim_ascii(), form, json: serde_json::from_slice(&call.body).ok() }
    }

    /// JSON is compared by what it says, a form by its members, anything else as a text.
    fn is_that_of(&self, entry: &Entry, variables: &Rationed<'_>) -> bool {
        match &entry.example.request.body {
            SavedBody::None => self.bytes.is_empty(),
            SavedBody::Form(members) => {
                let mut saved: Vec<_> = members.iter().map(|(name, value)| (name.as_str(), marked(value, variables))).collect();
                saved.sort_unstable();
                saved.iter().map(|(name, value)| (*name, value.as_str())).eq(self.form.iter().copied())
            }
            SavedBody::Raw(text) => {
                let saved = marked(text, variables);
                match (&self.json, serde_json::from_str::<Value>(&saved)) {
                    (Some(sent), Ok(saved)) => saved == *sent,
                    _ => saved.trim().as_bytes() == self.bytes,
                }
            }
        }
    }
}
