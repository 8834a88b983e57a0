//! `raw`: the token and nothing else.

use super::{Format, Handout};
use crate::secret::Secret;

/// For a pipe.
pub(super) struct Raw;

impl Format for Raw {
    fn name(&self) -> &'static str {
        "raw"
    }

    fn about(&self) -> &'static str {
        "The token and nothing else"
    }

    fn text(&self, handout: &Handout<'_>) -> Secret {
        Secret::new(handout.token())
    }
}
