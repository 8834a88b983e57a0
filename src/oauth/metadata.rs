//! What a server says of itself (RFC 8414, and OpenID Connect Discovery 1.0).
//!
//! A document counts only where its `issuer` is the text that the user gave, byte for byte: that is what ties the
//! endpoints to the server that the user meant (RFC 8414 section 3.3). Fetching is somebody else's business; which
//! addresses to try, and which redirect a fetch may follow, is said here.

use super::{
    endpoint::{Endpoint, EndpointError, Reach},
    json::{self, JsonFault},
};
use serde_json::{Map, Value};
use url::Url;

/// Most redirects of one discovery GET. Token requests follow none.
pub const MAX_HOPS: usize = 3;

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

/// A server as it describes itself, every address checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Identical to what the user gave.
    pub issuer: String,
    /// Where the user agent goes.
    pub authorization_endpoint: Endpoint,
    /// Where codes and refresh tokens become tokens.
    pub token_endpoint: Endpoint,
    /// RFC 7009.
    pub revocation_endpoint: Option<Endpoint>,
    /// RFC 7662.
    pub introspection_endpoint: Option<Endpoint>,
    /// OpenID Connect Core section 5.3.
    pub userinfo_endpoint: Option<Endpoint>,
    /// RFC 8628.
    pub device_authorization_endpoint: Option<Endpoint>,
    /// Keys that sign ID tokens.
    pub jwks_uri: Option<Endpoint>,
    /// RFC 7591.
    pub registration_endpoint: Option<Endpoint>,
    /// PKCE methods (RFC 7636); `None` where the server says nothing, which does not mean that it has none.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// Client authentication methods; `None` means `client_secret_basic`.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// Signature algorithms of ID tokens.
    pub id_token_signing_alg_values_supported: Option<Vec<String>>,
    /// Scopes that may be asked for.
    pub scopes_supported: Option<Vec<String>>,
    /// Grant types.
    pub grant_types_supported: Option<Vec<String>>,
    /// Whether the redirect carries `iss` (RFC 9207).
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetadataFault {
    /// Not a JSON document that can be trusted.
    #[error("the server's metadata cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// JSON, but not an object.
    #[error("the server's metadata is not a JSON object")]
    NotAnObject,
    /// The issuer that the user gave is not an address that may be one.
    #[error("the issuer is not an address to trust: {0}")]
    BadIssuer(EndpointError),
    /// RFC 8414 section 2 forbids it in an issuer.
    #[error("the issuer has a query or a fragment")]
    IssuerQuery,
    /// Another server describes itself here.
    #[error("the metadata is that of `{0}`, another issuer")]
    OtherIssuer(String),
    /// A member is not there.
    #[error("the server's metadata names no `{0}`")]
    Missing(&'static str),
    /// A member is not of its type.
    #[error("`{0}` in the server's metadata is not what it should be")]
    Member(String),
    /// An address that must not see a secret.
    #[error("`{member}` in the server's metadata is refused: {cause}")]
    Address {
        /// Which one.
        member: String,
        /// Which rule.
        cause: EndpointError,
    },
}

/// Why a redirect of a discovery GET is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HopRefused {
    /// [`MAX_HOPS`] are behind us.
    #[error("the server redirects too often")]
    TooMany,
    /// Scheme, host or port differ.
    #[error("the server redirects to another origin")]
    OtherOrigin,
    /// No address that can be read.
    #[error("the server redirects to something that is no address")]
    NotAnAddress,
}

/// Checks the issuer that the user gave.
///
/// # Errors
/// [`MetadataFault::BadIssuer`] and [`MetadataFault::IssuerQuery`].
pub fn issuer(text: &str) -> Result<Endpoint, MetadataFault> {
    if text.contains(['?', '#']) {
        return Err(MetadataFault::IssuerQuery);
    }
    Endpoint::typed(text).map_err(MetadataFault::BadIssuer)
}

/// Checks an issuer that something on the network named: only what is on this machine may name another thing on it.
///
/// # Errors
/// As [`issuer`].
pub fn issuer_within(text: &str, reach: Reach) -> Result<Endpoint, MetadataFault> {
    let endpoint = issuer(text)?;
    if reach == Reach::Public && endpoint.is_loopback() {
        return Err(MetadataFault::BadIssuer(EndpointError::NotOnThisMachine(super::endpoint::shown(text))));
    }
    Ok(endpoint)
}

/// Where the metadata of an issuer may lie, in the order in which it is looked for (RFC 8414 sections 3.1 and 5).
///
/// The same order always: otherwise whoever controls one of the places could choose which document counts.
pub fn well_known(issuer: &Endpoint) -> Vec<Url> {
    let path = issuer.url().path().trim_end_matches('/');
    let mut paths = vec![format!("{OAUTH}{path}"), format!("{OPENID}{path}")];
    if !path.is_empty() {
        paths.push(format!("{path}{OPENID}"));
    }
    let place = |path: &String| {
        let mut url = issuer.url().clone();
        url.set_query(None);
        url.set_path(path);
        url
    };
    paths.iter().map(place).collect()
}

/// Where a discovery GET goes on after `hops` redirects: the same origin, at most [`MAX_HOPS`] times.
///
/// # Errors
/// [`HopRefused`].
pub fn next_hop(from: &Url, location: &str, hops: usize) -> Result<Url, HopRefused> {
    if hops >= MAX_HOPS {
        return Err(HopRefused::TooMany);
    }
    let mut to = from.join(location).map_err(|_| HopRefused::NotAnAddress)?;
    if to.origin() != from.origin() || !to.username().is_empty() || to.password().is_some() {
        return Err(HopRefused::OtherOrigin);
    }
    to.set_fragment(None);
    Ok(to)
}

impl ServerMetadata {
    /// Reads the document of the issuer that the user gave.
    ///
    /// Addresses of every `..._endpoint` and of `jwks_uri` are checked, those that are not used here included: a server
    /// that names one unsafe address is not one to log in at. `null` counts as absent.
    ///
    /// # Errors
    /// [`MetadataFault`]; texts in it are printable.
    pub fn read(body: &[u8], issuer_text: &str) -> Result<Self, MetadataFault> {
        let reach = issuer(issuer_text)?.reach();
        let Value::Object(members) = json::read(body)? else { return Err(MetadataFault::NotAnObject) };
        match members.get("issuer") {
            Some(Value::String(said)) if said == issuer_text => {}
            Some(Value::String(said)) => return Err(MetadataFault::OtherIssuer(crate::text::printable(said))),
            _ => return Err(MetadataFault::Missing("issuer")),
        }
        let document = Document { members, reach };
        document.check_addresses()?;
        document.metadata(issuer_text)
    }

    /// Members whose host is not the issuer's: to be shown before anything is sent there.
    pub fn hosts_elsewhere(&self) -> Vec<(&'static str, &Endpoint)> {
        let home = Url::parse(&self.issuer).ok();
        let home = home.as_ref().and_then(Url::host_str);
        let named = [
            ("authorization_endpoint", Some(&self.authorization_endpoint)),
            ("token_endpoint", Some(&self.token_endpoint)),
            ("revocation_endpoint", self.revocation_endpoint.as_ref()),
            ("introspection_endpoint", self.introspection_endpoint.as_ref()),
            ("userinfo_endpoint", self.userinfo_endpoint.as_ref()),
            ("device_authorization_endpoint", self.device_authorization_endpoint.as_ref()),
            ("jwks_uri", self.jwks_uri.as_ref()),
            ("registration_endpoint", self.registration_endpoint.as_ref()),
        ];
        let elsewhere = |(name, endpoint): (&'static str, Option<_>)| Some((name, endpoint?));
        named.into_iter().filter_map(elsewhere).filter(|(_, endpoint): &(_, &Endpoint)| endpoint.url().host_str() != home).collect()
    }
}

struct Document {
    members: Map<String, Value>,
    reach: Reach,
}

impl Document {
    fn metadata(&self, issuer: &str) -> Result<ServerMetadata, MetadataFault> {
        Ok(ServerMetadata {
            issuer: issuer.to_owned(),
            authorization_endpoint: self.required("authorization_endpoint")?,
            token_endpoint: self.required("token_endpoint")?,
            revocation_endpoint: self.endpoint("revocation_endpoint")?,
            introspection_endpoint: self.endpoint("introspection_endpoint")?,
            userinfo_endpoint: self.endpoint("userinfo_endpoint")?,
            device_authorization_endpoint: self.endpoint("device_authorization_endpoint")?,
            jwks_uri: self.endpoint("jwks_uri")?,
            registration_endpoint: self.endpoint("registration_endpoint")?,
            code_challenge_methods_supported: self.list("code_challenge_methods_supported")?,
            token_endpoint_auth_methods_supported: self.list("token_endpoint_auth_methods_supported")?,
            id_token_signing_alg_values_supported: self.list("id_token_signing_alg_values_supported")?,
            scopes_supported: self.list("scopes_supported")?,
            grant_types_supported: self.list("grant_types_supported")?,
            authorization_response_iss_parameter_supported: self.flag("authorization_response_iss_parameter_supported")?,
        })
    }

    fn present(&self, member: &str) -> Option<&Value> {
        self.members.get(member).filter(|value| !value.is_null())
    }

    fn check_addresses(&self) -> Result<(), MetadataFault> {
        let addresses = self.members.keys().filter(|name| name.ends_with("_endpoint") || *name == "jwks_uri");
        addresses.map(|name| self.endpoint(name)).try_for_each(|endpoint| endpoint.map(|_| ()))
    }

    fn required(&self, member: &'static str) -> Result<Endpoint, MetadataFault> {
        self.endpoint(member)?.ok_or(MetadataFault::Missing(member))
    }

    fn endpoint(&self, member: &str) -> Result<Option<Endpoint>, MetadataFault> {
        let shown = || crate::text::printable(member);
        let Some(value) = self.present(member) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| MetadataFault::Member(shown()))?;
        match Endpoint::parse(text, self.reach) {
            Ok(endpoint) => Ok(Some(endpoint)),
            Err(cause) => Err(MetadataFault::Address { member: shown(), cause }),
        }
    }

    fn list(&self, member: &'static str) -> Result<Option<Vec<String>>, MetadataFault> {
        let Some(value) = self.present(member) else { return Ok(None) };
        let texts = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
        texts.map(Some).ok_or_else(|| MetadataFault::Member(member.to_owned()))
    }

    fn flag(&self, member: &'static str) -> Result<bool, MetadataFault> {
        let Some(value) = self.present(member) else { return Ok(false) };
        value.as_bool().ok_or_else(|| MetadataFault::Member(member.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const HOME: &str = "https://as.example/t1";

    fn read(change: impl FnOnce(&mut Value)) -> Result<ServerMetadata, MetadataFault> {
        let mut document = json!({
            "issuer": HOME,
            "authorization_endpoint": "https://as.example/t1/authorize",
            "token_endpoint": "https://as.example/t1/token",
        });
        change(&mut document);
        ServerMetadata::read(document.to_string().as_bytes(), HOME)
    }

    fn set(member: &'static str, value: impl Into<Value>) -> impl FnOnce(&mut Value) {
        let value = value.into();
        move |document| {
            let members = document.as_object_mut().expect("an object");
            members.insert(member.to_owned(), value);
        }
    }

    #[test]
    fn d_01_the_issuer_is_compared_byte_for_byte() {
        assert!(read(|_| ()).is_ok());
        for other in ["https://as.example/t1/", "https://AS.example/t1", "https://as.example:443/t1", "https://as.example/t2", ""] {
            assert_eq!(read(set("issuer", other)), Err(MetadataFault::OtherIssuer(other.to_owned())));
        }
        assert_eq!(read(set("issuer", 7)), Err(MetadataFault::Missing("issuer")));
        assert_eq!(read(set("issuer", Value::Null)), Err(MetadataFault::Missing("issuer")));
    }

    #[test]
    fn d_02_every_address_is_https_also_those_that_are_not_used() {
        for member in ["token_endpoint", "jwks_uri", "registration_endpoint", "pushed_authorization_request_endpoint"] {
            for text in
                ["http://evil", "//evil", "javascript:alert(1)", "http://127.0.0.1/t", "https://u:p@as.example/", "https://as.example/#f"]
            {
                assert!(matches!(read(set(member, text)), Err(MetadataFault::Address { .. })), "{member} {text} was taken");
            }
            assert!(matches!(read(set(member, 7)), Err(MetadataFault::Member(_))));
        }
    }

    #[test]
    fn d_02_a_server_on_this_machine_may_name_addresses_on_this_machine() {
        let document =
            json!({"issuer": "http://127.0.0.1:9", "authorization_endpoint": "http://127.0.0.1:9/a", "token_endpoint": "http://[::1]:9/t"});

        assert!(ServerMetadata::read(document.to_string().as_bytes(), "http://127.0.0.1:9").is_ok());
    }

    #[test]
    fn d_03_addresses_on_another_host_are_named() {
        let metadata = read(set("token_endpoint", "https://evil.example/t")).expect("metadata");
        let elsewhere: Vec<_> = metadata.hosts_elsewhere().iter().map(|(name, endpoint)| format!("{name} {endpoint}")).collect();

        assert_eq!(elsewhere, ["token_endpoint https://evil.example/t"]);
    }

    #[test]
    fn d_04_a_discovery_get_follows_three_redirects_of_its_own_origin() {
        let from = Url::parse("https://as.example/a").expect("a URL");
        for (location, hops, outcome) in [
            ("/b", 2, Ok("https://as.example/b")),
            ("https://as.example:443/b#x", 0, Ok("https://as.example/b")),
            ("/b", 3, Err(HopRefused::TooMany)),
            ("//evil.example/", 0, Err(HopRefused::OtherOrigin)),
            ("http://as.example/a", 0, Err(HopRefused::OtherOrigin)),
            ("https://as.example:444/a", 0, Err(HopRefused::OtherOrigin)),
            ("https://u@as.example/", 0, Err(HopRefused::OtherOrigin)),
            ("javascript:alert(1)", 0, Err(HopRefused::OtherOrigin)),
            ("https://", 0, Err(HopRefused::NotAnAddress)),
        ] {
            assert_eq!(next_hop(&from, location, hops).as_ref().map(Url::as_str), outcome.as_ref().copied(), "{location}");
        }
    }

    #[test]
    fn d_05_places_are_tried_in_one_order() {
        let places = |text: &str| well_known(&issuer(text).expect("an issuer")).iter().map(Url::to_string).collect::<Vec<_>>();
        let both = ["https://as.example/.well-known/oauth-authorization-server", "https://as.example/.well-known/openid-configuration"];

        assert_eq!(places("https://as.example"), both);
        assert_eq!(places("https://as.example/"), both);
        assert_eq!(
            places("https://as.example/t1"),
            [
                "https://as.example/.well-known/oauth-authorization-server/t1",
                "https://as.example/.well-known/openid-configuration/t1",
                "https://as.example/t1/.well-known/openid-configuration",
            ]
        );
        assert_eq!(issuer("https://as.example/?x"), Err(MetadataFault::IssuerQuery));
        assert!(issuer("http://as.example").is_err());
    }

    #[test]
    fn lists_are_read_and_what_is_not_a_list_is_refused() {
        let metadata = read(set("scopes_supported", json!(["a", "b"]))).expect("metadata");

        assert_eq!(metadata.scopes_supported, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert!(read(set("scopes_supported", json!(["a", 1]))).is_err());
        assert!(read(set("authorization_response_iss_parameter_supported", "yes")).is_err());
        assert!(!read(|_| ()).expect("metadata").authorization_response_iss_parameter_supported);
    }

    proptest! {
        #[test]
        fn whatever_is_taken_has_our_issuer_and_safe_addresses(issuer in "https://as.example/t1|.{0,8}", address in "(https?|ftp)://[a-z.:0-9@/#]{1,12}|.{0,12}") {
            let said = issuer.clone();
            let outcome = read(|document| {
                set("issuer", said)(document);
                set("token_endpoint", address)(document);
            });
            if let Ok(metadata) = outcome {
                prop_assert_eq!(issuer, HOME);
                prop_assert_eq!(metadata.token_endpoint.url().scheme(), "https");
            }
        }
    }
}
