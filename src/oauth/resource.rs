//! The resource that a token is for, and what it says of itself (RFC 8707, RFC 9728).
//!
//! The user knows the address of an API; the API names the authorization server that it trusts. Its word counts only where its
//! `resource` is the text that the user gave, byte for byte: otherwise one API could have tokens made out that another takes
//! (RFC 9728 section 3.3). Fetching is somebody else's business.

use super::{
    bound::Bound,
    endpoint::{Endpoint, EndpointError},
    json::{self, JsonFault},
    metadata,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use url::Url;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The address of an API, byte for byte as it is sent as `resource` (RFC 8707 section 2).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Resource {
    text: String,
    endpoint: Endpoint,
}

impl Resource {
    /// Reads an address that the user typed: absolute, without fragment, https or on this machine.
    ///
    /// # Errors
    /// As [`Endpoint::typed`] and [`Endpoint::without_secrets`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        // What a parser would mend in silence is not what the server compares.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(EndpointError::NotAbsolute(super::endpoint::shown(text)));
        }
        let endpoint = Endpoint::typed(text)?.without_secrets()?;
        Ok(Self { text: text.to_owned(), endpoint })
    }

    /// As it was typed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// As an address to call.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The place to which its tokens belong: its host, and only what lies below its path. `None` where the path says more than a
    /// bound place can.
    pub fn bound(&self) -> Option<Bound> {
        let mut url = self.endpoint.url().clone();
        url.set_query(None);
        let text = url.as_str();
        text.strip_prefix("https://").unwrap_or(text).parse().ok()
    }

    /// Where its metadata may lie (RFC 9728 section 3.1): the well-known path in front of its own path and query; and the root of
    /// its host, to be asked only where nothing lies at the first.
    pub fn well_known(&self) -> Vec<Url> {
        let mut own = self.endpoint.url().clone();
        let path = own.path().strip_suffix('/').filter(|rest| rest.is_empty()).unwrap_or(own.path()).to_owned();
        own.set_path(&format!("{WELL_KNOWN}{path}"));
        let mut root = own.clone();
        root.set_path(WELL_KNOWN);
        root.set_query(None);
        if own == root { vec![own] } else { vec![own, root] }
    }
}

impl TryFrom<String> for Resource {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::parse(&text)
    }
}

impl From<Resource> for String {
    fn from(resource: Resource) -> Self {
        resource.text
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a protected resource says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    /// The first of its authorization servers, checked as an issuer.
    pub issuer: String,
    /// How many more it names.
    pub further: usize,
    /// Scopes that its tokens may have, raw.
    pub scopes_supported: Vec<String>,
}

/// Why a document was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceFault {
    /// Not a JSON document that can be trusted.
    #[error("the resource's metadata cannot be read: {0}")]
    Json(#[from] JsonFault),
    /// JSON, but not an object.
    #[error("the resource's metadata is not a JSON object")]
    NotAnObject,
    /// Another resource describes itself here.
    #[error("the metadata is that of `{0}`, another resource")]
    OtherResource(String),
    /// A member is not there.
    #[error("the resource's metadata names no `{0}`")]
    Missing(&'static str),
    /// A member is not of its type.
    #[error("`{0}` in the resource's metadata is not what it should be")]
    Member(&'static str),
    /// The authorization server is none to trust.
    #[error("the authorization server that the resource names is refused: {0}")]
    Issuer(#[from] metadata::MetadataFault),
}

impl ProtectedResource {
    /// Reads the document of the resource that the user gave.
    ///
    /// A resource on the network cannot name an authorization server on this machine in clear text.
    ///
    /// # Errors
    /// [`ResourceFault`]; texts in it are printable.
    pub fn read(body: &[u8], resource: &Resource) -> Result<Self, ResourceFault> {
        let Value::Object(members) = json::read(body)? else { return Err(ResourceFault::NotAnObject) };
        match members.get("resource") {
            Some(Value::String(said)) if said == resource.as_str() => {}
            Some(Value::String(said)) => return Err(ResourceFault::OtherResource(crate::text::printable(said))),
            _ => return Err(ResourceFault::Missing("resource")),
        }
        let servers = texts(&members, "authorization_servers")?;
        let issuer = servers.first().ok_or(ResourceFault::Missing("authorization_servers"))?.clone();
        metadata::issuer_within(&issuer, resource.endpoint.reach())?;
        Ok(Self { issuer, further: servers.len() - 1, scopes_supported: texts(&members, "scopes_supported")? })
    }
}

/// The texts of a list; none where it is not there.
fn texts(members: &Map<String, Value>, member: &'static str) -> Result<Vec<String>, ResourceFault> {
    let Some(value) = members.get(member).filter(|value| !value.is_null()) else { return Ok(Vec::new()) };
    let texts = value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
    texts.ok_or(ResourceFault::Member(member))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn resource(text: &str) -> Resource {
        Resource::parse(text).expect("a resource")
    }

    fn read(text: &str, document: &Value) -> Result<ProtectedResource, ResourceFault> {
        ProtectedResource::read(document.to_string().as_bytes(), &resource(text))
    }

    #[test]
    fn t_25_a_resource_is_an_absolute_address_without_fragment_over_https() {
        for text in [
            "mcp.example",
            "//mcp.example/x",
            "http://mcp.example/",
            "https://mcp.example/#f",
            "https://mcp.example/#",
            "https://u:p@mcp.example/",
            "https://mcp.example/?access_token=x",
            "https:\\\\mcp.example\\x",
            " https://mcp.example/",
            "https://mcp.example/\n",
            "https://mcp.ex\u{e4}mple/",
            "urn:example:x",
            "",
        ] {
            assert!(Resource::parse(text).is_err(), "{text:?} was taken");
        }
        for text in ["https://MCP.example:443/x/", "https://mcp.example?tenant=7", "http://127.0.0.1:9/mcp", "http://localhost/mcp"] {
            assert_eq!(resource(text).as_str(), text);
        }
    }

    #[test]
    fn the_well_known_path_stands_in_front_of_path_and_query_and_the_root_comes_second() {
        let places = |text: &str| resource(text).well_known().iter().map(Url::to_string).collect::<Vec<_>>();

        assert_eq!(places("https://r.example"), ["https://r.example/.well-known/oauth-protected-resource"]);
        assert_eq!(places("https://r.example/"), ["https://r.example/.well-known/oauth-protected-resource"]);
        assert_eq!(
            places("https://r.example/a/b/"),
            ["https://r.example/.well-known/oauth-protected-resource/a/b/", "https://r.example/.well-known/oauth-protected-resource"]
        );
        assert_eq!(
            places("https://r.example:8443?k=v"),
            [
                "https://r.example:8443/.well-known/oauth-protected-resource?k=v",
                "https://r.example:8443/.well-known/oauth-protected-resource"
            ]
        );
    }

    #[test]
    fn t_25_the_resource_is_compared_byte_for_byte() {
        let said = |said: Value| read("https://r.example/mcp", &json!({"resource": said, "authorization_servers": ["https://as.example"]}));

        assert_eq!(said("https://r.example/mcp".into()).map(|found| found.issuer).as_deref(), Ok("https://as.example"));
        for other in
            ["https://r.example/mcp/", "https://R.example/mcp", "https://r.example:443/mcp", "https://r.example", "https://evil", ""]
        {
            assert_eq!(said(other.into()), Err(ResourceFault::OtherResource(other.to_owned())));
        }
        assert_eq!(said(Value::Null), Err(ResourceFault::Missing("resource")));
        assert_eq!(said(json!(["https://r.example/mcp"])), Err(ResourceFault::Missing("resource")));
    }

    #[test]
    fn t_25_a_resource_that_names_no_authorization_server_to_trust_is_refused() {
        let named = |resource: &str, servers: Value| read(resource, &json!({"resource": resource, "authorization_servers": servers}));

        for servers in [json!([]), Value::Null] {
            assert_eq!(named("https://r.example", servers), Err(ResourceFault::Missing("authorization_servers")));
        }
        for servers in [json!("https://as.example"), json!([7]), json!({"a": "https://as.example"})] {
            assert_eq!(named("https://r.example", servers), Err(ResourceFault::Member("authorization_servers")));
        }
        for server in [
            "http://as.example",
            "http://127.0.0.1:9",
            "https://localhost:9",
            "https://[::1]",
            "https://as.example?x=1",
            "https://as.example#",
            "javascript:x",
            "",
        ] {
            assert!(matches!(named("https://r.example", json!([server])), Err(ResourceFault::Issuer(_))), "{server}");
        }
        assert_eq!(named("http://127.0.0.1:8/mcp", json!(["http://127.0.0.1:9", "https://b.example"])).map(|found| found.further), Ok(1));
    }

    #[test]
    fn tokens_belong_below_the_path_of_the_resource() {
        let bound = |text: &str| resource(text).bound().map(|bound| bound.to_string());

        assert_eq!(bound("https://r.example/mcp/?x=1").as_deref(), Some("r.example/mcp"));
        assert_eq!(bound("https://r.example").as_deref(), Some("r.example"));
        assert_eq!(bound("http://127.0.0.1:9/mcp").as_deref(), Some("http://127.0.0.1:9/mcp"));
        assert_eq!(bound("https://r.example/a%2fb"), None);
    }
}
