//! `header`: one line of HTTP (RFC 6750 section 2.1), as `curl -H @-` reads it.

use super::{Format, Handout};
use crate::secret::Secret;

/// For HTTP clients that read headers from a file.
pub(super) struct Header;

impl Format for Header {
    fn name(&self) -> &'static str {
        "header"
    }

    fn about(&self) -> &'static str {
        "A header line, for `curl -H @-`"
    }

    fn text(&self, handout: &Handout<'_>) -> Secret {
        Secret::new(format!("Authorization: Bearer {}", handout.token()))
    }
}
