//! Client authentication methods (RFC 6749 section 2.3), by their IANA names.
//!
//! A method is one file and one line in [`METHODS`]; the command line, the negotiation with a server's metadata and the
//! records read the table.

mod client_secret_basic;
mod client_secret_post;
mod none;

pub use client_secret_basic::header as basic_header;

use super::form::Form;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a client proves to the token endpoint who it is.
pub trait ClientAuthentication: Sync {
    /// The name registered with IANA.
    fn name(&self) -> &'static str;
    /// What people type instead.
    fn alias(&self) -> Option<&'static str> {
        None
    }
    /// One line of help.
    fn about(&self) -> &'static str;
    /// Whether it cannot be done without a client secret.
    fn needs_secret(&self) -> bool;
    /// Puts the credentials where this method wants them.
    fn authenticate(&self, client_id: &str, secret: Option<&Secret>, form: &mut Form);
}

/// Every method, the one that is preferred where the server offers several first.
pub static METHODS: &[&dyn ClientAuthentication] = &[&client_secret_basic::Basic, &client_secret_post::Post, &none::None];

/// A method of the table.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Method(&'static dyn ClientAuthentication);

/// No method has that name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a client authentication method that is known here")]
pub struct UnknownMethod(String);

impl Method {
    /// The method of that name or short form.
    ///
    /// # Errors
    /// Where there is none.
    pub fn by_name(name: &str) -> Result<Self, UnknownMethod> {
        let known = METHODS.iter().find(|method| method.name() == name || method.alias() == Some(name));
        known.map(|method| Self(*method)).ok_or_else(|| UnknownMethod(crate::text::printable(name)))
    }

    /// The first of our methods that a server offers (`token_endpoint_auth_methods_supported`) and the client can do.
    ///
    /// A server that says nothing means `client_secret_basic` (RFC 8414 section 2).
    pub fn negotiate(offered: Option<&[String]>, has_secret: bool) -> Option<Self> {
        let basic = ["client_secret_basic".to_owned()];
        let offered = offered.unwrap_or(&basic);
        let fits = |method: &&&dyn ClientAuthentication| {
            method.needs_secret() == has_secret && (!has_secret || offered.iter().any(|name| name == method.name()))
        };
        METHODS.iter().find(fits).map(|method| Self(*method))
    }
}

impl std::ops::Deref for Method {
    type Target = dyn ClientAuthentication;

    fn deref(&self) -> &Self::Target {
        self.0
    }
}

impl PartialEq for Method {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Method {}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl TryFrom<String> for Method {
    type Error = UnknownMethod;

    fn try_from(name: String) -> Result<Self, UnknownMethod> {
        Self::by_name(&name)
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_method_has_a_unique_name_and_a_help_line() {
        let mut seen = BTreeSet::new();
        for method in METHODS {
            assert!(seen.insert(method.name()), "{} is registered twice", method.name());
            assert!(method.alias().is_none_or(|alias| seen.insert(alias)));
            assert!(!method.about().is_empty() && !method.about().ends_with('.'));
        }
    }

    #[test]
    fn a_server_that_says_nothing_means_basic() {
        assert_eq!(Method::negotiate(None, true).map(|m| m.name()), Some("client_secret_basic"));
        assert_eq!(Method::negotiate(None, false).map(|m| m.name()), Some("none"));
        assert_eq!(Method::negotiate(Some(&["client_secret_post".into()]), true).map(|m| m.name()), Some("client_secret_post"));
        assert!(Method::negotiate(Some(&["tls_client_auth".into()]), true).is_none());
    }
}
