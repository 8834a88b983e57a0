//! `env`: an assignment for `eval` in sh, dash, bash and zsh.
//!
//! Between single quotes a shell knows no escapes and no expansion, so a quote inside is the only thing to be rewritten:
//! close, a quoted quote, open again. Line ends and controls never come here. The fish shell reads backslashes between
//! single quotes; no promise is made for it.

use super::{Format, Handout};
use crate::secret::Secret;

/// For `eval "$(...)"`.
pub(super) struct Env;

impl Format for Env {
    fn name(&self) -> &'static str {
        "env"
    }

    fn about(&self) -> &'static str {
        "An assignment, for `eval` in a shell"
    }

    fn text(&self, handout: &Handout<'_>) -> Secret {
        Secret::new(format!("export {}='{}'", handout.variable, handout.token().replace('\'', r"'\''")))
    }
}
