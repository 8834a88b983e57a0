//! Requests that carry a secret or an access token, built from the grant's pins and from nothing else.

use super::{client_auth::basic_header, endpoint::Endpoint, form::Form, message::Request, pins::Pins, redirect_uri::RedirectUri};
use crate::secret::Secret;
use http::header;
use std::collections::BTreeMap;
use url::Url;

/// Parameters that this program sets itself; an endpoint or user that brings one of them would change what is asked.
const OWN: &[&str] =
    &["client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method", "response_type", "nonce", "scope", "client_secret"];

/// What an authorization request asks for (RFC 6749 section 4.1.1).
#[derive(Debug)]
pub struct AuthorizationRequest<'a> {
    /// Where the user agent comes back to.
    pub redirect_uri: &'a RedirectUri,
    /// Binds the response to it.
    pub state: &'a Secret,
    /// Its challenge is sent with method `S256`; the verifier itself stays.
    pub verifier: Option<&'a Secret>,
    /// Binds the ID token to it.
    pub nonce: Option<&'a Secret>,
    /// What is asked for.
    pub scopes: &'a [String],
    /// Stands between two scopes; a space by RFC 6749 section 3.3.
    pub scope_separator: &'a str,
    /// Further parameters of the provider or the user.
    pub params: &'a BTreeMap<String, String>,
}

/// The authorization endpoint or a further parameter sets what this program sets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is already set by the authorization endpoint or by a parameter")]
pub struct ParameterTaken(pub String);

impl AuthorizationRequest<'_> {
    /// The URL to open; the endpoint's own query stays.
    ///
    /// # Errors
    /// [`ParameterTaken`] where the endpoint's query or a further parameter names one of ours (SECURITY A-11).
    pub fn url(&self, pins: &Pins) -> Result<Url, ParameterTaken> {
        let endpoint = pins.authorization_endpoint.url();
        let taken = endpoint.query_pairs().map(|(name, _)| name.into_owned()).chain(self.params.keys().cloned());
        let is_own = |name: &String| OWN.contains(&name.as_str()) || pins.resource.is_some() && name == "resource";
        if let Some(name) = taken.into_iter().find(is_own) {
            return Err(ParameterTaken(name));
        }
        let client = oauth2::basic::BasicClient::new(oauth2::ClientId::new(pins.client_id.clone()))
            .set_auth_uri(oauth2::AuthUrl::from_url(endpoint.clone()));
        let redirect_uri =
            oauth2::RedirectUrl::new(self.redirect_uri.as_str().to_owned()).map_err(|_| ParameterTaken("redirect_uri".into()))?;
        let state = self.state.expose().to_owned();
        let mut request = client.authorize_url(|| oauth2::CsrfToken::new(state)).set_redirect_uri(std::borrow::Cow::Owned(redirect_uri));
        if !self.scopes.is_empty() {
            request = request.add_scope(oauth2::Scope::new(self.scopes.join(self.scope_separator)));
        }
        if let Some(verifier) = self.verifier {
            let verifier = oauth2::PkceCodeVerifier::new(verifier.expose().to_owned());
            request = request.set_pkce_challenge(oauth2::PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        }
        if let Some(nonce) = self.nonce {
            request = request.add_extra_param("nonce", nonce.expose().to_owned());
        }
        if let Some(resource) = &pins.resource {
            request = request.add_extra_param("resource", resource.as_str().to_owned());
        }
        for (name, value) in self.params {
            request = request.add_extra_param(name.clone(), value.clone());
        }
        Ok(request.url().0)
    }
}

/// A client at its server, able to build every request that proves who it is.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// What the grant is bound to.
    pub pins: &'a Pins,
    /// The secret of a confidential client.
    pub secret: Option<&'a Secret>,
}

impl Client<'_> {
    /// Exchanges an authorization code (RFC 6749 section 4.1.3).
    pub fn code_exchange(&self, code: &Secret, redirect_uri: &RedirectUri, verifier: Option<&Secret>) -> Request {
        let mut form = Form::of_grant("authorization_code");
        form.members.push(("code", code.clone()));
        form.add("redirect_uri", redirect_uri.as_str());
        form.members.extend(verifier.map(|verifier| ("code_verifier", verifier.clone())));
        self.ask(form, &self.pins.token_endpoint)
    }

    /// Spends a refresh token (RFC 6749 section 6). No scope is sent (SECURITY T-33).
    pub fn refresh(&self, refresh_token: &Secret, redirect_uri: Option<&RedirectUri>) -> Request {
        let mut form = Form::of_grant("refresh_token");
        form.members.push(("refresh_token", refresh_token.clone()));
        if let Some(uri) = redirect_uri.filter(|_| self.pins.redirect_uri_on_refresh) {
            form.add("redirect_uri", uri.as_str());
        }
        self.ask(form, &self.pins.token_endpoint)
    }

    /// Asks for a device code (RFC 8628 section 3.1).
    pub fn device_authorization(&self, endpoint: &Endpoint, scopes: &[String], separator: &str) -> Request {
        let mut form = Form::default();
        if !scopes.is_empty() {
            form.add("scope", &scopes.join(separator));
        }
        self.ask(form, endpoint)
    }

    /// Asks whether the device code has been approved (RFC 8628 section 3.4).
    pub fn device_token(&self, device_code: &Secret) -> Request {
        let mut form = Form::of_grant("urn:ietf:params:oauth:grant-type:device_code");
        form.members.push(("device_code", device_code.clone()));
        self.ask(form, &self.pins.token_endpoint)
    }

    /// Tells the server to forget a token (RFC 7009 section 2.1); `None` where it has no such endpoint.
    pub fn revocation(&self, token: &Secret, hint: &str) -> Option<Request> {
        self.about_token(self.pins.revocation_endpoint.as_ref()?, token, hint)
    }

    /// Asks the server what it knows of a token (RFC 7662 section 2.1); `None` where it has no such endpoint.
    pub fn introspection(&self, token: &Secret, hint: &str) -> Option<Request> {
        self.about_token(self.pins.introspection_endpoint.as_ref()?, token, hint)
    }

    /// A call with id and secret instead of a token, which some providers take for the client's own account.
    pub fn preflight(&self, endpoint: &Endpoint) -> Option<Request> {
        let value = basic_header(&self.pins.client_id, self.secret?);
        Some(Request::get(endpoint.url().clone()).with_secret_header(header::AUTHORIZATION, value.expose()))
    }

    /// Any call with id and secret in the place of a token; `None` where this server does not take that, or has no secret.
    pub fn basic_call(&self, request: Request) -> Option<Request> {
        let secret = self.secret.filter(|_| self.pins.basic_api)?;
        Some(request.with_secret_header(header::AUTHORIZATION, basic_header(&self.pins.client_id, secret).expose()))
    }

    fn about_token(&self, endpoint: &Endpoint, token: &Secret, hint: &str) -> Option<Request> {
        let mut form = Form::default();
        form.members.push(("token", token.clone()));
        form.add("token_type_hint", hint);
        Some(self.post(form, endpoint))
    }

    /// A request that leads to tokens says what they are for (RFC 8707 section 2).
    fn ask(&self, mut form: Form, endpoint: &Endpoint) -> Request {
        if let Some(resource) = &self.pins.resource {
            form.add("resource", resource.as_str());
        }
        self.post(form, endpoint)
    }

    fn post(&self, mut form: Form, endpoint: &Endpoint) -> Request {
        self.pins.client_auth.authenticate(&self.pins.client_id, self.secret, &mut form);
        form.post(endpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::{client_auth, resource::Resource};

    pub fn pins(authorization_endpoint: &str) -> Pins {
        let json = serde_json::json!({
            "authorization_endpoint": authorization_endpoint,
            "token_endpoint": "https://as.example/token",
            "client_id": "till",
            "client_auth": client_auth::Method::by_name("post").expect("a method"),
        });
        serde_json::from_value(json).expect("pins")
    }

    fn url(endpoint: &str, params: &[(&str, &str)]) -> Result<Url, ParameterTaken> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        request(&params, &pins(endpoint))
    }

    fn request(params: &BTreeMap<String, String>, pins: &Pins) -> Result<Url, ParameterTaken> {
        AuthorizationRequest {
            redirect_uri: &RedirectUri::parse("http://127.0.0.1:41000/cb?x=a%2Fb").expect("a redirect URI"),
            state: &Secret::new("st"),
            verifier: Some(&Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")),
            nonce: None,
            scopes: &["a".into(), "b".into()],
            scope_separator: " ",
            params,
        }
        .url(pins)
    }

    #[test]
    fn a_01_challenge_matches_rfc7636_appendix_b() {
        let url = url("https://as.example/authorize", &[]).expect("a URL");
        let pairs: BTreeMap<_, _> = url.query_pairs().into_owned().collect();

        assert_eq!(pairs["code_challenge"], "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
        assert_eq!(pairs["code_challenge_method"], "S256");
        assert_eq!(pairs["redirect_uri"], "http://127.0.0.1:41000/cb?x=a%2Fb");
        assert_eq!(pairs["scope"], "a b");
    }

    #[test]
    fn a_11_the_endpoints_own_query_is_kept_and_may_not_set_ours() {
        assert!(url("https://as.example/a?tenant=7", &[]).expect("a URL").as_str().contains("tenant=7"));
        assert!(url("https://as.example/a?client_id=evil&redirect_uri=https://evil", &[]).is_err());
        assert!(url("https://as.example/a", &[("state", "mine")]).is_err());
    }

    #[test]
    fn a_10_shell_characters_arrive_percent_encoded() {
        let url = url("https://h.example/a b/'&`id`;$(x)", &[("login_hint", "ü@x")]).expect("a URL");

        assert!(url.as_str().is_ascii() && !url.as_str().contains([' ', '`']));
        let url = self::url("https://h.example/|calc?a=b|c^{d}", &[]).expect("a URL");
        assert!(url.as_str().starts_with("https://h.example/%7Ccalc?a=b%7Cc%5E%7Bd%7D"), "{url}");
    }

    #[test]
    fn a_14_what_is_printed_was_written_again_and_holds_no_control() {
        let url = url("https://h.example/\u{1b}[2K\u{1b}[1AEVIL\u{202e}", &[]).expect("a URL");

        assert!(url.as_str().bytes().all(|byte| byte.is_ascii_graphic()), "{url}");
    }

    #[test]
    fn t_33_no_scope_is_sent_on_refresh() {
        let pins = pins("https://as.example/a");
        let request = Client { pins: &pins, secret: Some(&Secret::new("s")) }.refresh(&Secret::new("r+/"), None);

        let body = request.body.expect("a body");
        assert_eq!(body.expose(), "grant_type=refresh_token&refresh_token=r%2B%2F&client_id=till&client_secret=s");
    }

    #[test]
    fn t_25_the_resource_goes_with_every_request_for_a_token_and_with_no_other() {
        let mut pins = pins("https://as.example/a");
        pins.resource = Some(Resource::parse("https://r.example/mcp?x=1").expect("a resource"));
        let endpoint = Endpoint::typed("https://as.example/x").expect("an address");
        (pins.revocation_endpoint, pins.introspection_endpoint) = (Some(endpoint.clone()), Some(endpoint.clone()));
        let client = Client { pins: &pins, secret: None };
        let (token, uri) = (Secret::new("t"), RedirectUri::parse("http://127.0.0.1:1/cb").expect("a redirect URI"));
        let says =
            |request: Request| request.body.is_some_and(|body| body.expose().contains("resource=https%3A%2F%2Fr.example%2Fmcp%3Fx%3D1"));

        assert!(says(client.code_exchange(&token, &uri, None)));
        assert!(says(client.refresh(&token, None)));
        assert!(says(client.device_authorization(&endpoint, &[], " ")));
        assert!(says(client.device_token(&token)));
        assert!(!client.revocation(&token, "access_token").is_some_and(says));
        assert!(!client.introspection(&token, "access_token").is_some_and(says));
    }

    #[test]
    fn t_25_the_resource_stands_once_in_the_authorization_request_and_nothing_else_sets_it() {
        let with = |params: &[(&str, &str)], resource: Option<&str>, endpoint: &str| {
            let mut pins = pins(endpoint);
            pins.resource = resource.map(|text| Resource::parse(text).expect("a resource"));
            let params = params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            request(&params, &pins)
        };
        let said = with(&[], Some("https://r.example/mcp"), "https://as.example/a").expect("a URL");

        assert_eq!(said.query_pairs().filter(|(name, value)| name == "resource" && value == "https://r.example/mcp").count(), 1);
        assert!(with(&[("resource", "https://evil")], Some("https://r.example/mcp"), "https://as.example/a").is_err());
        assert!(with(&[], Some("https://r.example/mcp"), "https://as.example/a?resource=https://evil").is_err());
        assert!(with(&[("resource", "https://r.example/mcp")], None, "https://as.example/a").is_ok());
    }
}
