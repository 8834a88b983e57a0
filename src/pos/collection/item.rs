//! Folders and requests, from the outside in.

use super::{Collection, Example, SavedRequest, text};
use serde_json::Value;

/// Takes the examples of these items and of all below. The JSON reader has bounded the depth. Each item is let go of once it
/// has been read: what is made of it finds room there.
pub(super) fn walk(items: Vec<Value>, place: &mut Vec<String>, collection: &mut Collection) {
    for mut item in items {
        place.push(text(item.get("name")).unwrap_or_default());
        if let Some(Value::Array(inner)) = item.get_mut("item").map(Value::take) {
            walk(inner, place, collection);
        } else if let Some(request) = item.get("request") {
            collection.requests += 1;
            examples(&item, request, place, collection);
        }
        place.pop();
    }
}

fn examples(item: &Value, request: &Value, place: &[String], collection: &mut Collection) {
    // A lone object instead of a list is what some tools write.
    let responses = match item.get("response") {
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    for response in responses.iter().filter(|response| response.is_object()) {
        let original = response.get("originalRequest").filter(|original| original.is_object() || original.is_string());
        match SavedRequest::read(original.unwrap_or(request)) {
            Ok(request) => {
                let example = Example::read(response, place.to_vec(), request, &mut collection.remarks);
                collection.examples.push(example);
            }
            Err(fault) => collection.remarks.push(format!("an example of `{}` is left out: {fault}", place.join(" / "))),
        }
    }
}
