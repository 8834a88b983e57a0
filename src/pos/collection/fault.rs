//! Why a file is not a collection that can be served.

use serde_json::Value;

/// Why a file cannot be read. Nothing of the file is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CollectionFault {
    /// Larger than [`super::MOST_BYTES`].
    #[error("it is larger than {} MiB", super::MOST_BYTES / 1024 / 1024)]
    TooLarge,
    /// Not JSON in UTF-8.
    #[error("it is not JSON in UTF-8: line {line}, column {column}")]
    NotJson {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// Its examples, each with its request, are larger than they may be.
    #[error("its examples unfold to more than 128 MiB")]
    Unfolds,
    /// Nested deeper than the reader goes.
    #[error("it is nested deeper than 127 levels")]
    TooDeep,
    /// A collection of version 1, which no Postman of today writes.
    #[error("it is a Postman collection of version 1; import it into Postman and export it as version 2.1")]
    VersionOne,
    /// Something else that is known.
    #[error("it is {0}, not a Postman collection")]
    Other(&'static str),
    /// No list `item`.
    #[error("it has no list `item`, so it is no Postman collection")]
    NoItems,
    /// No list `values`.
    #[error("it has no list `values`, so it is no Postman environment")]
    NoValues,
}

/// What kind of file it is that has no `item`.
pub(super) fn other_kind(document: &Value) -> CollectionFault {
    let has = |name: &str| document.get(name).is_some();
    if has("requests") || has("order") {
        CollectionFault::VersionOne
    } else if has("openapi") || has("swagger") {
        CollectionFault::Other("an OpenAPI description")
    } else if has("values") {
        CollectionFault::Other("a Postman environment")
    } else if document.pointer("/log/entries").is_some() {
        CollectionFault::Other("an HTTP archive")
    } else {
        CollectionFault::NoItems
    }
}

pub(super) fn not_json(fault: &serde_json::Error) -> CollectionFault {
    // serde_json has no kind of its own for its limit of 128 levels.
    if fault.to_string().starts_with("recursion limit") {
        return CollectionFault::TooDeep;
    }
    if fault.to_string().starts_with(super::item::UNFOLDS) {
        return CollectionFault::Unfolds;
    }
    CollectionFault::NotJson { line: fault.line(), column: fault.column() }
}
