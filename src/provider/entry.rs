//! The form of a catalogue entry.

use super::{
    BadProvider,
    template::{BadTemplate, Template, Variable, Variables},
};
use crate::oauth::{
    client_auth::Method,
    endpoint::Endpoint,
    pins::{Rotation, Verify},
    redirect_uri::RedirectUri,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of one authorization server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// As typed after `--provider`.
    pub name: String,
    /// Further names.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// As people know it.
    pub title: String,
    /// Authorization endpoint.
    pub authorize_url: Template,
    /// Token endpoint.
    pub token_url: Template,
    /// Revocation endpoint (RFC 7009).
    #[serde(default)]
    pub revocation_url: Option<Template>,
    /// Introspection endpoint (RFC 7662).
    #[serde(default)]
    pub introspection_url: Option<Template>,
    /// UserInfo endpoint (OpenID Connect Core section 5.3).
    #[serde(default)]
    pub userinfo_url: Option<Template>,
    /// Device authorization endpoint (RFC 8628).
    #[serde(default)]
    pub device_url: Option<Template>,
    /// Issuer, as the server writes it in `iss`.
    #[serde(default)]
    pub issuer: Option<Template>,
    /// Keys of the issuer.
    #[serde(default)]
    pub jwks_url: Option<Template>,
    /// What the addresses leave open.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// Client authentication method.
    pub client_auth: Method,
    /// Whether PKCE is sent.
    #[serde(default)]
    pub pkce: Pkce,
    /// What stands between scopes in the authorization request.
    #[serde(default = "blank")]
    pub scope_separator: String,
    /// Scopes that are asked for where the user names none.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Further parameters of the authorization request.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Which redirect URIs the server takes.
    #[serde(default)]
    pub redirect: Redirect,
    /// Whether a refresh answers with a new refresh token.
    #[serde(default)]
    pub rotation: Rotation,
    /// How long a spent refresh token is still answered, in seconds; 0 where nobody promises it.
    #[serde(default)]
    pub grace_seconds: u64,
    /// Life of an access token whose answer names none, in seconds.
    #[serde(default)]
    pub default_expires_in: Option<u64>,
    /// Whether a refresh needs the redirect URI.
    #[serde(default)]
    pub redirect_uri_on_refresh: bool,
    /// The call that names the account.
    #[serde(default)]
    pub verify: Option<VerifyCall>,
    /// The call that tries id and secret before any browser opens.
    #[serde(default)]
    pub preflight: Option<Preflight>,
    /// What relative paths of API calls start from.
    #[serde(default)]
    pub api_base: Option<Template>,
    /// Whether the API takes client id and secret as Basic in the place of a token.
    #[serde(default)]
    pub basic_api: bool,
    /// Hosts that helpers and requests may serve, proposed at login.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// What a person does at the vendor before the login, line by line; `{redirect_uri}` stands for the redirect URI.
    /// Labels marked ° come from older pages and may read differently today.
    #[serde(default)]
    pub steps: Vec<String>,
    /// What the vendor shows where the redirect URI differs from the registered one.
    #[serde(default)]
    pub mismatch: Option<String>,
    /// How a grant ends where the server cannot revoke.
    #[serde(default)]
    pub revoke_hint: Option<String>,
    /// Why this server may refuse a grant that was good, as far as that is known.
    #[serde(default)]
    pub refused_grant: Vec<String>,
    /// What is known, and how surely, by the field it stands behind.
    #[serde(default)]
    pub facts: BTreeMap<String, Fact>,
}

/// Whether PKCE (RFC 7636) is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pkce {
    /// The server breaks on it.
    Off,
    /// It is sent; the server may ignore it.
    #[default]
    Optional,
    /// The server insists on it.
    Required,
}

/// Which redirect URIs a server takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Redirect {
    /// `127.0.0.1`, `[::1]` or `localhost`: some servers take only one of them.
    pub host: String,
    /// A fixed port where the server compares it; 0 means a free one.
    pub port: u16,
    /// A fixed path; without it the rule for paths decides.
    pub path: Option<String>,
    /// How the server compares.
    #[serde(rename = "match")]
    pub matching: RedirectMatch,
}

impl Default for Redirect {
    fn default() -> Self {
        Self { host: "127.0.0.1".into(), port: 0, path: None, matching: RedirectMatch::Exact }
    }
}

/// How a server compares redirect URIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RedirectMatch {
    /// Byte for byte.
    Exact,
    /// The port may differ (RFC 8252 section 7.3).
    AnyPort,
}

/// The request that names the account of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyCall {
    /// A GET with the access token.
    pub url: Template,
    /// Member that identifies the account.
    pub id: String,
    /// Member that a person knows the account by.
    pub label: String,
    /// What the account is called, such as `company`.
    pub noun: String,
    /// Counts worth telling: dotted path and the word behind the number.
    #[serde(default)]
    pub counts: Vec<(String, String)>,
}

/// A GET with id and secret in the Basic header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Preflight {
    /// Where.
    pub url: Template,
}

/// Something that is known, and how surely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What is known, where the field itself does not say it.
    #[serde(default)]
    pub says: Option<String>,
    /// How surely.
    pub sure: Sure,
    /// Where it was read.
    pub source: String,
}

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sure {
    /// Read in the vendor's own documentation.
    #[serde(rename = "O")]
    Official,
    /// Read in the code of other clients.
    #[serde(rename = "C")]
    Client,
    /// Inferred.
    #[serde(rename = "I")]
    Inferred,
    /// Known from memory, not looked up.
    #[serde(rename = "P")]
    Prior,
}

impl Sure {
    /// In words.
    pub fn says(self) -> &'static str {
        match self {
            Self::Official => "vendor's documentation",
            Self::Client => "other clients' code",
            Self::Inferred => "inferred",
            Self::Prior => "from memory, not looked up",
        }
    }
}

fn blank() -> String {
    " ".to_owned()
}

fn shows_harm(value: &toml::Value) -> bool {
    match value {
        toml::Value::String(text) => text.chars().any(crate::text::is_harmful),
        toml::Value::Array(values) => values.iter().any(shows_harm),
        toml::Value::Table(table) => table.iter().any(|(name, value)| name.chars().any(crate::text::is_harmful) || shows_harm(value)),
        _ => false,
    }
}

impl Provider {
    /// Reads an entry and checks everything in it.
    ///
    /// # Errors
    /// [`BadProvider`]; an unknown field is one.
    pub fn read(text: &str) -> Result<Self, BadProvider> {
        let form = |fault: toml::de::Error| BadProvider::Form(crate::text::printable(fault.message()));
        // What a terminal would obey never gets further than here: its texts are shown as they stand (SECURITY O-02).
        if shows_harm(&toml::Value::Table(toml::from_str(text).map_err(form)?)) {
            return Err(BadProvider::Form("a text in it holds a character that a terminal would obey".to_owned()));
        }
        let entry: Self = toml::from_str(text).map_err(form)?;
        entry.check()?;
        Ok(entry)
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.name).chain(&self.aliases).map(String::as_str)
    }

    /// Every address in it, by the name of its field.
    pub fn addresses(&self) -> Vec<(&'static str, &Template)> {
        let named = [
            ("authorize_url", Some(&self.authorize_url)),
            ("token_url", Some(&self.token_url)),
            ("revocation_url", self.revocation_url.as_ref()),
            ("introspection_url", self.introspection_url.as_ref()),
            ("userinfo_url", self.userinfo_url.as_ref()),
            ("device_url", self.device_url.as_ref()),
            ("issuer", self.issuer.as_ref()),
            ("jwks_url", self.jwks_url.as_ref()),
            ("verify", self.verify.as_ref().map(|call| &call.url)),
            ("preflight", self.preflight.as_ref().map(|call| &call.url)),
            ("api_base", self.api_base.as_ref()),
        ];
        named.into_iter().filter_map(|(name, template)| Some((name, template?))).collect()
    }

    /// The address that a template of this entry stands for.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn fill(&self, template: &Template, values: &Variables) -> Result<Endpoint, BadTemplate> {
        template.fill(&self.variables, values)
    }

    /// The call that names the account, ready to be pinned.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn verify(&self, values: &Variables) -> Result<Option<Verify>, BadTemplate> {
        let Some(call) = &self.verify else { return Ok(None) };
        let (id, label, noun) = (call.id.clone(), call.label.clone(), call.noun.clone());
        Ok(Some(Verify { url: self.fill(&call.url, values)?, id, label, noun, counts: call.counts.clone() }))
    }

    /// The hosts that helpers and requests may serve.
    ///
    /// # Errors
    /// [`BadTemplate`].
    pub fn hosts(&self, values: &Variables) -> Result<Vec<String>, BadTemplate> {
        self.hosts.iter().map(|host| Template::new(host).fill_host(&self.variables, values)).collect()
    }

    /// What a person does at the vendor before the login.
    pub fn steps(&self, redirect_uri: &RedirectUri) -> Vec<String> {
        self.steps.iter().map(|line| line.replace("{redirect_uri}", redirect_uri.as_str())).collect()
    }

    /// The redirect URI that the entry proposes; `path` is what the rule for paths says, where the entry fixes none.
    ///
    /// # Errors
    /// [`BadProvider::Field`] where host or path are none.
    pub fn redirect_uri(&self, path: &str) -> Result<RedirectUri, BadProvider> {
        let Redirect { host, port, path: fixed, .. } = &self.redirect;
        let text = format!("http://{host}:{port}{}", fixed.as_deref().unwrap_or(path));
        let refused = |reason: String| BadProvider::Field { field: "redirect".into(), reason };
        let uri = RedirectUri::parse(&text).map_err(|cause| refused(cause.to_string()))?;
        if uri.loopback().is_none() || !fixed.as_deref().unwrap_or(path).starts_with('/') {
            return Err(refused("it is not on the loopback interface".into()));
        }
        Ok(uri)
    }

    fn check(&self) -> Result<(), BadProvider> {
        for name in self.names() {
            if !is_kebab(name) {
                return Err(BadProvider::Name(crate::text::printable(name)));
            }
        }
        let field = |field: &str, reason: BadTemplate| BadProvider::Field { field: field.to_owned(), reason: reason.to_string() };
        for (name, variable) in &self.variables {
            if variable.default.as_deref().is_some_and(|value| !variable.rule.allows(value)) {
                return Err(BadProvider::Field { field: crate::text::printable(name), reason: variable.rule.says().to_owned() });
            }
        }
        // A variable without a default is tried with a value that every rule allows.
        let values = self.variables.keys().map(|name| (name.clone(), "example".to_owned())).collect();
        for (name, template) in self.addresses() {
            self.fill(template, &values).map_err(|reason| field(name, reason))?;
        }
        self.hosts(&values).map_err(|reason| field("hosts", reason))?;
        self.redirect_uri("/callback").map(|_| ())
    }
}

/// `[a-z0-9]` in groups with single hyphens between them.
fn is_kebab(name: &str) -> bool {
    name.len() <= 64
        && name.split('-').all(|group| !group.is_empty() && group.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}
