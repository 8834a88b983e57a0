//! What a login will be bound to: flags over the profile's settings over the catalogue over discovery.

use super::settings::Settings;
use crate::{
    oauth::{
        attempt::ExpectedIssuer,
        client_auth::{Method, UnknownMethod},
        endpoint::{Endpoint, EndpointError},
        jws,
        metadata::ServerMetadata,
        pins::Pins,
        redirect_uri::{RedirectUri, RedirectUriError},
        resource::Resource,
    },
    provider::{Provider, redirect_path},
};
use std::collections::BTreeMap;

/// A login as far as it is known before a port is bound.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the grant will be bound to.
    pub pins: Pins,
    /// Where the user agent comes back to; its port may be open.
    pub redirect_uri: RedirectUri,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Stands between two scopes.
    pub scope_separator: String,
    /// Further parameters of the authorization request.
    pub params: BTreeMap<String, String>,
    /// What `iss` has to be.
    pub expected_issuer: ExpectedIssuer,
    /// A call that takes id and secret.
    pub preflight: Option<Endpoint>,
    /// Whether the server's metadata rules PKCE out.
    pub pkce_unsupported: bool,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing says which server is meant.
    #[error("nothing says which server is meant")]
    NoServer,
    /// A client id has to be known by then.
    #[error("there is no client id")]
    NoClientId,
    /// An address breaks a rule.
    #[error("the {what}: {cause}")]
    Address {
        /// Which one.
        what: &'static str,
        /// Which rule.
        cause: EndpointError,
    },
    /// The redirect URI breaks a rule.
    #[error("the redirect URI: {0}")]
    Redirect(#[from] RedirectUriError),
    /// A variable of the catalogue entry is missing or breaks its rule.
    #[error("{0}")]
    Entry(String),
    /// The server and this client share no client authentication method.
    #[error("the server offers no client authentication method that is known here")]
    NoMethod,
    /// No method has that name.
    #[error(transparent)]
    Method(#[from] UnknownMethod),
}

/// Makes the plan. `has_secret` decides between confidential and public where nothing else does.
///
/// # Errors
/// [`PlanError`].
pub fn plan(settings: &Settings, entry: Option<&Provider>, metadata: Option<&ServerMetadata>, has_secret: bool) -> Result<Plan, PlanError> {
    let mut pins = endpoints(settings, entry, metadata)?;
    pins.client_id = settings.client_id.clone().unwrap_or_default();
    pins.client_auth = method(settings, entry, metadata, has_secret)?;
    pins.hosts = settings.hosts.clone();
    if let Some(entry) = entry {
        from_entry(&mut pins, settings, entry)?;
    }
    if let Some(resource) = &settings.resource {
        for_resource(&mut pins, resource);
    }
    if let Some(metadata) = metadata {
        pins.id_token_algs = jws::pinned(metadata.id_token_signing_alg_values_supported.as_deref());
    }
    let iss = metadata.is_some_and(|metadata| metadata.authorization_response_iss_parameter_supported);
    let params = entry.map(|entry| entry.params.clone()).unwrap_or_default().into_iter().chain(settings.params.clone()).collect();
    Ok(Plan {
        redirect_uri: redirect_uri(settings, entry, iss, &pins)?,
        scopes: settings.scopes.clone().or_else(|| entry.map(|entry| entry.scopes.clone())).unwrap_or_default(),
        scope_separator: entry.map_or_else(|| " ".to_owned(), |entry| entry.scope_separator.clone()),
        params,
        expected_issuer: match (&pins.issuer, iss) {
            (Some(issuer), true) => ExpectedIssuer::Required(issuer.clone()),
            (Some(issuer), false) => ExpectedIssuer::IfPresent(issuer.clone()),
            (None, _) => ExpectedIssuer::Unknown,
        },
        preflight: match entry.and_then(|entry| entry.preflight.as_ref().map(|call| entry.fill(&call.url, &settings.variables))) {
            Some(endpoint) => Some(endpoint.map_err(|error| PlanError::Entry(error.to_string()))?),
            None => None,
        },
        pkce_unsupported: metadata
            .and_then(|metadata| metadata.code_challenge_methods_supported.as_ref())
            .is_some_and(|methods| !methods.iter().any(|method| method == "S256")),
        pins,
    })
}

fn endpoints(settings: &Settings, entry: Option<&Provider>, metadata: Option<&ServerMetadata>) -> Result<Pins, PlanError> {
    let typed = |what, text: &Option<String>| {
        let endpoint = |text| Endpoint::typed(text).and_then(Endpoint::without_secrets);
        text.as_deref().map(|text| endpoint(text).map_err(|cause| PlanError::Address { what, cause })).transpose()
    };
    let fill = |template: Option<&crate::provider::Template>| match (entry, template) {
        (Some(entry), Some(template)) => {
            entry.fill(template, &settings.variables).map(Some).map_err(|error| PlanError::Entry(error.to_string()))
        }
        _ => Ok(None),
    };
    let authorization = typed("authorization endpoint", &settings.auth_url)?
        .or(metadata.map(|metadata| metadata.authorization_endpoint.clone()))
        .or(fill(entry.map(|entry| &entry.authorize_url))?);
    let token = typed("token endpoint", &settings.token_url)?
        .or(metadata.map(|metadata| metadata.token_endpoint.clone()))
        .or(fill(entry.map(|entry| &entry.token_url))?);
    let (Some(authorization_endpoint), Some(token_endpoint)) = (authorization, token) else { return Err(PlanError::NoServer) };
    let issuer = match (metadata, entry.and_then(|entry| entry.issuer.as_ref().map(|issuer| (entry, issuer)))) {
        (Some(metadata), _) => Some(metadata.issuer.clone()),
        (None, Some((entry, issuer))) => {
            Some(issuer.fill_text(&entry.variables, &settings.variables).map_err(|error| PlanError::Entry(error.to_string()))?)
        }
        (None, None) => None,
    };
    let found = |own: fn(&ServerMetadata) -> &Option<Endpoint>| metadata.and_then(|metadata| own(metadata).clone());
    Ok(Pins {
        issuer,
        authorization_endpoint,
        token_endpoint,
        revocation_endpoint: typed("revocation endpoint", &settings.revocation_url)?
            .or(found(|metadata| &metadata.revocation_endpoint))
            .or(fill(entry.and_then(|entry| entry.revocation_url.as_ref()))?),
        introspection_endpoint: found(|metadata| &metadata.introspection_endpoint)
            .or(fill(entry.and_then(|entry| entry.introspection_url.as_ref()))?),
        userinfo_endpoint: found(|metadata| &metadata.userinfo_endpoint).or(fill(entry.and_then(|entry| entry.userinfo_url.as_ref()))?),
        device_authorization_endpoint: found(|metadata| &metadata.device_authorization_endpoint)
            .or(fill(entry.and_then(|entry| entry.device_url.as_ref()))?),
        jwks_uri: found(|metadata| &metadata.jwks_uri).or(fill(entry.and_then(|entry| entry.jwks_url.as_ref()))?),
        registration_endpoint: None,
        resource: None,
        verify: None,
        api_base: None,
        hosts: Vec::new(),
        client_id: String::new(),
        client_auth: Method::by_name("none")?,
        id_token_algs: jws::pinned(None),
        rotation: crate::oauth::pins::Rotation::Unknown,
        grace_seconds: 0,
        default_expires_in: None,
        redirect_uri_on_refresh: false,
        basic_api: false,
    })
}

fn method(settings: &Settings, entry: Option<&Provider>, metadata: Option<&ServerMetadata>, has_secret: bool) -> Result<Method, PlanError> {
    if let Some(method) = settings.client_auth {
        return Ok(method);
    }
    match entry {
        Some(entry) if has_secret == entry.client_auth.needs_secret() => Ok(entry.client_auth),
        _ => {
            let offered = metadata.and_then(|metadata| metadata.token_endpoint_auth_methods_supported.as_deref());
            Method::negotiate(offered, has_secret).ok_or(PlanError::NoMethod)
        }
    }
}

fn from_entry(pins: &mut Pins, settings: &Settings, entry: &Provider) -> Result<(), PlanError> {
    let refused = |error: &dyn std::fmt::Display| PlanError::Entry(error.to_string());
    let values = &settings.variables;
    pins.verify = entry.verify(values).map_err(|error| refused(&error))?;
    pins.api_base = entry.api_base.as_ref().map(|base| entry.fill(base, values)).transpose().map_err(|error| refused(&error))?;
    if pins.hosts.is_empty() {
        pins.hosts = entry.hosts(values).map_err(|error| refused(&error))?;
    }
    pins.rotation = entry.rotation;
    pins.grace_seconds = entry.grace_seconds;
    pins.default_expires_in = entry.default_expires_in;
    pins.redirect_uri_on_refresh = entry.redirect_uri_on_refresh;
    pins.basic_api = entry.basic_api;
    Ok(())
}

/// Tokens for a resource are meant to be shown there.
fn for_resource(pins: &mut Pins, resource: &Resource) {
    pins.resource = Some(resource.clone());
    // Nothing can be put behind a query; and where the provider's API takes the client's secret, no other place is that API.
    let base = Some(resource.endpoint()).filter(|endpoint| endpoint.url().query().is_none() && !pins.basic_api);
    pins.api_base = pins.api_base.take().or_else(|| base.cloned());
    if let Some(bound) = resource.bound().map(|bound| bound.to_string()).filter(|bound| !pins.hosts.contains(bound)) {
        pins.hosts.push(bound);
    }
}

fn redirect_uri(settings: &Settings, entry: Option<&Provider>, iss: bool, pins: &Pins) -> Result<RedirectUri, PlanError> {
    if let Some(uri) = &settings.redirect_uri {
        return Ok(uri.clone());
    }
    let path = redirect_path(iss, entry.map(|entry| entry.name.as_str()), pins.authorization_endpoint.url());
    match entry {
        Some(entry) => entry.redirect_uri(&path).map_err(|error| PlanError::Entry(error.to_string())),
        None => Ok(RedirectUri::parse(&format!("http://127.0.0.1:0{path}"))?),
    }
}

/// Where the settings name another server or client than a grant is bound to (SECURITY D-09).
pub fn differs(settings: &Settings, pins: &Pins) -> Option<&'static str> {
    let other = |text: &Option<String>, pinned: &str| {
        // Two spellings of one address are one address.
        text.as_deref()
            .is_some_and(|text| text != pinned && Endpoint::typed(text).map_or(true, |endpoint| endpoint.url().as_str() != pinned))
    };
    if other(&settings.token_url, pins.token_endpoint.url().as_str()) {
        return Some("token endpoint");
    }
    if other(&settings.auth_url, pins.authorization_endpoint.url().as_str()) {
        return Some("authorization endpoint");
    }
    if settings.issuer.is_some() && settings.issuer != pins.issuer {
        return Some("issuer");
    }
    if settings.client_id.as_ref().is_some_and(|id| *id != pins.client_id) {
        return Some("client id");
    }
    if settings.client_auth.is_some_and(|method| method != pins.client_auth) {
        return Some("client authentication method");
    }
    if settings.resource.is_some() && settings.resource != pins.resource {
        return Some("resource");
    }
    let pinned = pins.revocation_endpoint.as_ref().map(|endpoint| endpoint.url().to_string()).unwrap_or_default();
    other(&settings.revocation_url, &pinned).then_some("revocation endpoint")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_22_a_resource_becomes_no_api_that_takes_the_clients_secret() {
        let json = serde_json::json!({
            "authorization_endpoint": "https://as.example/a", "token_endpoint": "https://as.example/t", "client_id": "x", "client_auth": "none",
        });
        let base = |resource: &str, basic_api: bool| {
            let mut pins: Pins = serde_json::from_value(json.clone()).expect("pins");
            pins.basic_api = basic_api;
            for_resource(&mut pins, &Resource::parse(resource).expect("a resource"));
            pins.api_base.map(|base| base.to_string())
        };

        assert_eq!(base("https://r.example/mcp", false).as_deref(), Some("https://r.example/mcp"));
        assert_eq!(base("https://r.example/mcp", true), None);
        assert_eq!(base("https://r.example/mcp?x=1", false), None);
    }
}
