//! `client_secret_post`: id and secret among the members of the body (RFC 6749 section 2.3.1).

use super::{ClientAuthentication, Form};
use crate::secret::Secret;

/// What servers that read no header want.
pub(super) struct Post;

impl ClientAuthentication for Post {
    fn name(&self) -> &'static str {
        "client_secret_post"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("post")
    }

    fn about(&self) -> &'static str {
        "Id and secret in the body of the request"
    }

    fn needs_secret(&self) -> bool {
        true
    }

    fn authenticate(&self, client_id: &str, secret: Option<&Secret>, form: &mut Form) {
        form.add("client_id", client_id);
        if let Some(secret) = secret {
            form.members.push(("client_secret", secret.clone()));
        }
    }
}
