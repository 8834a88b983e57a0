//! What the user chose for a profile, as one TOML file keeps it. Never a secret.

use crate::oauth::{client_auth::Method, redirect_uri::RedirectUri, resource::Resource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Members that could hold a secret in clear text; a file that has one is refused by name (SECURITY C-03).
pub const FORBIDDEN: &[&str] =
    &["client_secret", "secret", "token", "access_token", "refresh_token", "password", "key", "secret_id", "jwt"];

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
    /// The resource that the tokens are for. Where nothing else names the server, it says which one it trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
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
        self.provider.is_none() && self.issuer.is_none() && self.auth_url.is_none() && self.resource.is_none()
    }

    /// The resource that has to say which server is meant, since nothing else does.
    pub fn only_resource(&self) -> Option<&Resource> {
        let is_named = self.provider.is_some() || self.issuer.is_some() || self.auth_url.is_some();
        self.resource.as_ref().filter(|_| !is_named)
    }
}

/// Where the shared store is, and how one signs in there. What signs in is named, never written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// The server; else `VAULT_ADDR`.
    pub address: Option<String>,
    /// Namespace of everything below; else `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// Where the key-value engine (version 2) is mounted; else `secret`.
    pub mount: Option<String>,
    /// Folder of the records in it; else `tokenstrap`.
    pub path: Option<String>,
    /// How one signs in; else with a token.
    pub login: VaultLogin,
    /// Where the login method is mounted; else the method's own name.
    pub login_mount: Option<String>,
    /// Role to sign in as; with AppRole its id.
    pub role: Option<String>,
    /// Variable that holds the token, the secret id or the JWT.
    pub credential_env: Option<String>,
    /// File that holds it.
    pub credential_file: Option<std::path::PathBuf>,
}

/// How one signs in at the shared store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VaultLogin {
    /// With a token that is there already.
    #[default]
    Token,
    /// With role id and secret id.
    AppRole,
    /// With a JWT, such as the OIDC token of a CI job.
    Jwt,
    /// With the token of a Kubernetes service account.
    Kubernetes,
}
