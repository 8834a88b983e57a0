//! What was chosen and why, score by score.

use crate::pos::collection::Example;
use http::{Method, StatusCode};
use serde::Serialize;
use std::{fmt, sync::Arc};

/// The outcome of one search.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The example that answers, or why there is none.
    pub outcome: Result<Chosen, NoMatch>,
    /// The examples that were weighed, the best first; at most [`Choice::MOST_TRIALS`].
    pub trials: Vec<Trial>,
    /// How many were weighed.
    pub weighed: usize,
}

/// The example that answers.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The example.
    pub example: Arc<Example>,
    /// Its points.
    pub points: i32,
    /// What the wildcards of path, query and body matched, by name.
    pub captured: Vec<(String, String)>,
}

/// One example that was weighed.
#[derive(Debug, Clone, Serialize)]
pub struct Trial {
    /// Folders, request and name.
    pub title: String,
    /// The status that it would answer.
    pub status: u16,
    /// Its points; none where something rules it out.
    pub points: Option<i32>,
    /// How they came about.
    pub marks: Vec<Mark>,
}

/// One reason, with the points that it gave or took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// Points; 0 for a reason that rules out.
    pub points: i32,
    /// In words for a person; parts of them come from outside.
    pub why: String,
}

/// Why no example answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoMatch {
    /// No example has this path.
    Path {
        /// A path that is nearly the same.
        near: Option<String>,
    },
    /// The path is there, but not with this method.
    Method {
        /// The methods that are there.
        allowed: Vec<Method>,
    },
    /// No example of this path is the one that a header asks for.
    Selector {
        /// The header.
        header: &'static str,
        /// What it asked for.
        value: String,
    },
    /// Fields, headers or body rule out every example of this path, and there is no fallback.
    Fields,
}

impl Choice {
    /// Most trials that are told.
    pub const MOST_TRIALS: usize = 5;

    pub(super) fn none(why: NoMatch) -> Self {
        Self { outcome: Err(why), trials: Vec::new(), weighed: 0 }
    }
}

impl NoMatch {
    /// The status that fits.
    pub fn status(&self) -> StatusCode {
        if matches!(self, Self::Method { .. }) { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND }
    }
}

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path { near: None } => f.write_str("no saved example has this path"),
            Self::Path { near: Some(near) } => write!(f, "no saved example has this path; meant {near}?"),
            Self::Method { allowed } => {
                let allowed: Vec<_> = allowed.iter().map(Method::as_str).collect();
                write!(f, "this path is saved for {} only", allowed.join(", "))
            }
            Self::Selector { header, value } => write!(f, "no saved example of this path fits `{header}: {value}`"),
            Self::Fields => f.write_str("no saved example of this path has the same fields, and none is its fallback"),
        }
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.points == 0 { f.write_str(&self.why) } else { write!(f, "{:+} {}", self.points, self.why) }
    }
}
