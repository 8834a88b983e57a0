//! What the user chose for a profile, as one TOML file keeps it. Never a secret.

use crate::oauth::{client_auth::Method, redirect_uri::RedirectUri};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Members that could hold a secret in clear text; a file that has one is refused by name (SECURITY C-03).
pub const FORBIDDEN: &[&str] = &["client_secret", "secret", "token", "access_token", "refresh_token", "password", "key"];

/// Choices for one profile. They propose; what a grant is bound to are its pins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Catalogue entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Values for the entry's variables, such as a tenant.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub variables: BTreeMap<String, String>,
    /// Server with a discovery document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Authorization endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_url: Option<String>,
    /// Token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_url: Option<String>,
    /// Revocation endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_url: Option<String>,
    /// This program as registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// Client authentication method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<Method>,
    /// Scopes to ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// Further parameters of the authorization request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, String>,
    /// Where the user agent comes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_uri: Option<RedirectUri>,
    /// Whether PKCE is left out, for a server that breaks on it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_pkce: bool,
    /// Hosts that helpers and requests may serve.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Environment variable that the client secret was read from; its name, so that programs we start do not get it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret_env: Option<String>,
    /// Store of the grant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// Random id of the grant; names its access-token cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
}

impl Settings {
    /// Whether nothing says which server is meant.
    pub fn names_no_server(&self) -> bool {
        self.provider.is_none() && self.issuer.is_none() && self.auth_url.is_none()
    }
}
