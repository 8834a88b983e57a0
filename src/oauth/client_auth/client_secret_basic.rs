//! `client_secret_basic`: id and secret, form-encoded, in the `Authorization` header (RFC 6749 section 2.3.1).

use super::{AuthType, ClientAuthentication};

/// The method that every server has to support.
pub(super) struct Basic;

impl ClientAuthentication for Basic {
    fn name(&self) -> &'static str {
        "client_secret_basic"
    }

    fn alias(&self) -> Option<&'static str> {
        Some("basic")
    }

    fn about(&self) -> &'static str {
        "Id and secret in the Authorization header"
    }

    fn needs_secret(&self) -> bool {
        true
    }

    fn placement(&self) -> AuthType {
        AuthType::BasicAuth
    }
}
