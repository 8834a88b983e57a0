//! What a grant is bound to.
//!
//! [`Pins`] are built once at login and stored with the grant. Every request that carries a secret or an access token
//! is built from them and from nothing else, so that a later change of a settings file or of the catalogue cannot send
//! a secret elsewhere (SECURITY D-09 and T-22).

use super::{client_auth, endpoint::Endpoint, resource::Resource};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is known of a server's refresh-token rotation (RFC 9700 section 4.14.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// The refresh token stays.
    None,
    /// Nobody knows: treated like [`Rotation::Always`].
    #[default]
    Unknown,
    /// Each refresh answers with a new one.
    Always,
}

/// The request that names the account of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verify {
    /// A GET with the access token.
    pub url: Endpoint,
    /// Member that identifies the account.
    pub id: String,
    /// Member that a person knows the account by.
    pub label: String,
    /// What the account is called in front of its id, such as `company`.
    pub noun: String,
    /// Counts worth telling: dotted path and the word behind the number.
    #[serde(default)]
    pub counts: Vec<(String, String)>,
}

/// Everything that decides where a secret of this grant may go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pins {
    /// As the server calls itself (RFC 8414 section 2), compared byte for byte.
    #[serde(default)]
    pub issuer: Option<String>,
    /// Where the user agent goes.
    pub authorization_endpoint: Endpoint,
    /// Where codes and refresh tokens become tokens.
    pub token_endpoint: Endpoint,
    /// RFC 7009.
    #[serde(default)]
    pub revocation_endpoint: Option<Endpoint>,
    /// RFC 7662.
    #[serde(default)]
    pub introspection_endpoint: Option<Endpoint>,
    /// OpenID Connect Core section 5.3.
    #[serde(default)]
    pub userinfo_endpoint: Option<Endpoint>,
    /// RFC 8628.
    #[serde(default)]
    pub device_authorization_endpoint: Option<Endpoint>,
    /// Keys that sign ID tokens.
    #[serde(default)]
    pub jwks_uri: Option<Endpoint>,
    /// Where this client was registered by itself (RFC 7591); none for one that a person registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<Endpoint>,
    /// The one resource that the tokens are for (RFC 8707); sent with every request for a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// The call that names the account.
    #[serde(default)]
    pub verify: Option<Verify>,
    /// What relative paths of API calls start from.
    #[serde(default)]
    pub api_base: Option<Endpoint>,
    /// Hosts that helpers and requests may serve.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// This program as registered.
    pub client_id: String,
    /// Its client authentication method.
    pub client_auth: client_auth::Method,
    /// Signature algorithms accepted in ID tokens.
    #[serde(default)]
    pub id_token_algs: Vec<String>,
    /// What the catalogue knows of rotation; later answers teach more.
    #[serde(default)]
    pub rotation: Rotation,
    /// How long a spent refresh token is still answered, in seconds; 0 where nobody promises it.
    #[serde(default)]
    pub grace_seconds: u64,
    /// Life of an access token whose answer names none, in seconds.
    #[serde(default)]
    pub default_expires_in: Option<u64>,
    /// Whether a `redirect_uri` is wanted on refresh, as a few servers do.
    #[serde(default)]
    pub redirect_uri_on_refresh: bool,
    /// Whether the API takes client id and secret as Basic in the place of a token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub basic_api: bool,
}

impl Pins {
    /// The replay window that the server is known to offer.
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }

    /// What a person knows the server by: its issuer, else the host of its authorization endpoint.
    pub fn server(&self) -> String {
        self.issuer.clone().unwrap_or_else(|| self.authorization_endpoint.authority())
    }
}
