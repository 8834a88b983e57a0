//! `none`: a public client names itself and proves nothing (RFC 6749 section 2.1); PKCE stands in for the secret.

use super::{ClientAuthentication, Form};
use crate::secret::Secret;

/// The method of clients without credentials.
pub(super) struct None;

impl ClientAuthentication for None {
    fn name(&self) -> &'static str {
        "none"
    }

    fn about(&self) -> &'static str {
        "No secret: a public client, protected by PKCE"
    }

    fn needs_secret(&self) -> bool {
        false
    }

    fn authenticate(&self, client_id: &str, _secret: Option<&Secret>, form: &mut Form) {
        form.add("client_id", client_id);
    }
}
