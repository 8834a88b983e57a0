//! Addresses that may see a secret.
//!
//! An endpoint is absolute and `https` (RFC 6749 sections 3.1 and 3.2); `http` is only for the loopback interface, and
//! only where the address that the user typed is itself on it, so that a server on the internet cannot send secrets to
//! a program on this machine. `localhost` counts as loopback and is resolved by us.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use url::{Host, Url};

/// Where the address that the user typed lies; it decides whether `http` is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// On the network: every address is https.
    Public,
    /// On this machine: `http` to the loopback interface is allowed.
    Loopback,
}

impl Reach {
    /// The reach of an address that the user typed.
    pub fn of(url: &Url) -> Self {
        if is_loopback(url) { Self::Loopback } else { Self::Public }
    }
}

/// Parameters of token requests that are secrets.
const SECRETS: [&str; 8] =
    ["client_secret", "client_assertion", "refresh_token", "access_token", "token", "code", "code_verifier", "password"];

/// An address that passed [`Endpoint::parse`], in the form in which it is used.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(Url);

/// Why an address was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Not an absolute URL with a host.
    #[error("`{0}` is not an absolute URL")]
    NotAbsolute(String),
    /// A scheme that carries secrets in clear text, or starts something else than a web page.
    #[error("`{0}` is not https")]
    NotHttps(String),
    /// `http` on this machine, though the server is on the network.
    #[error("`{0}` is on this machine, but the server is not")]
    NotOnThisMachine(String),
    /// A user name or password in the address.
    #[error("`{0}` carries a user name or password")]
    Userinfo(String),
    /// A fragment, which RFC 6749 sections 3.1 and 3.2 forbid.
    #[error("`{0}` has a fragment")]
    Fragment(String),
    /// A secret in the query, where every log on the way keeps it.
    #[error("`{0}` carries a secret in its query")]
    Secret(String),
    /// A host with characters that no host has, such as a variable that somebody hoped would be filled in.
    #[error("`{0}` is not the name of a host")]
    Host(String),
}

/// Characters that the URL standard leaves as they are in a path or a query, and RFC 3986 has in neither: among them those that
/// start something in a shell (SECURITY A-10).
const ALIEN: &AsciiSet = &CONTROLS.add(b'|').add(b'^').add(b'`').add(b'{').add(b'}').add(b'[').add(b']').add(b'\\');

/// The same address with those characters percent-encoded, too.
fn in_ascii_of_uris(mut url: Url) -> Url {
    let path = utf8_percent_encode(url.path(), ALIEN).to_string();
    let query = url.query().map(|query| utf8_percent_encode(query, ALIEN).to_string());
    if path != url.path() || query.as_deref() != url.query() {
        url.set_path(&path);
        url.set_query(query.as_deref());
    }
    url
}

impl Endpoint {
    /// Reads an address for a server of the given reach.
    ///
    /// # Errors
    /// One [`EndpointError`] for each rule; the text in it is printable and without its query.
    pub fn parse(text: &str, reach: Reach) -> Result<Self, EndpointError> {
        let shown = || shown(text);
        let url = Url::parse(text).map_err(|_| EndpointError::NotAbsolute(shown()))?;
        let written_with_authority =
            text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://") && !rest.starts_with(":///"));
        match (url.scheme(), is_loopback(&url), reach) {
            _ if !matches!(url.scheme(), "https" | "http") => return Err(EndpointError::NotHttps(shown())),
            _ if !written_with_authority || url.host().is_none() => return Err(EndpointError::NotAbsolute(shown())),
            ("https", _, _) | ("http", true, Reach::Loopback) => {}
            ("http", true, Reach::Public) => return Err(EndpointError::NotOnThisMachine(shown())),
            _ => return Err(EndpointError::NotHttps(shown())),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Userinfo(format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default())));
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment(shown()));
        }
        match url.host() {
            // The URL standard lets more into a name (`$`, `*`, `'`) than any host has.
            Some(Host::Domain(name)) if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) => {
                Err(EndpointError::Host(crate::text::printable(name)))
            }
            _ => Ok(Self(in_ascii_of_uris(url))),
        }
    }

    /// Reads an address that the user typed: its own place decides whether `http` is allowed.
    ///
    /// # Errors
    /// As [`Endpoint::parse`].
    pub fn typed(text: &str) -> Result<Self, EndpointError> {
        let reach = Url::parse(text).map_or(Reach::Public, |url| Reach::of(&url));
        Self::parse(text, reach)
    }

    /// The same address, unless its query has a parameter that belongs into the body (SECURITY A-06).
    ///
    /// # Errors
    /// [`EndpointError::Secret`].
    pub fn without_secrets(self) -> Result<Self, EndpointError> {
        let has_secret = self.0.query_pairs().any(|(name, _)| SECRETS.contains(&&*name.to_ascii_lowercase()));
        if has_secret { Err(EndpointError::Secret(shown(self.0.as_str()))) } else { Ok(self) }
    }

    /// The address, percent-encoded ASCII.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Host and, where it is not the scheme's own, port.
    pub fn authority(&self) -> String {
        authority(&self.0)
    }

    /// Whether it lies on the loopback interface.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Its place, for addresses that are named by the server behind it.
    pub fn reach(&self) -> Reach {
        Reach::of(&self.0)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, EndpointError> {
        Self::typed(&text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0.into()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What an error shows of an address that was refused: printable, and without user name, password, query or fragment.
pub fn shown(text: &str) -> String {
    let head = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, place) = head.split_at(head.find("//").map_or(0, |at| at + 2));
    match place.rsplit_once('@') {
        Some((_, host)) => crate::text::printable(&format!("{scheme}…@{host}")),
        // What looks like the query may be the end of a password.
        None if text.contains('@') && (place.contains(':') || !place.contains('/')) => crate::text::printable(&format!("{scheme}…")),
        None => crate::text::printable(head),
    }
}

/// Host and, where it is not the scheme's own, port.
pub fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether the host is a loopback literal or `localhost`. Nothing is looked up.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_shown_without_a_secret() {
        for (typed, seen) in [
            ("https://u:SECRET@h/x?a=SECRET#SECRET", "https://…@h/x"),
            ("https://u:SEC@RET@h", "https://…@h"),
            ("https://u:SEC?RET@h/x", "https://…"),
            ("https://u:SEC/RE?T@h/x", "https://…"),
            ("u:SECRET@h", "…@h"),
            ("https://h/x?mail=a@b&token=SECRET", "https://h/x"),
            ("h\u{1b}/x", "h<001B>/x"),
        ] {
            assert_eq!(shown(typed), seen);
        }
        let endpoint = |text: &str| Endpoint::typed(text).expect("an address").without_secrets();
        assert!(endpoint("https://h/token?tenant=1").is_ok());
        for query in ["client_secret=SECRET", "tenant=1&Refresh_Token=SECRET", "c%6fde=SECRET"] {
            let refused = endpoint(&format!("https://h/token?{query}")).expect_err("a secret").to_string();
            assert_eq!(refused, "`https://h/token` carries a secret in its query", "{query}");
        }
        let refused = Endpoint::typed("ftp://u:SECRET@h/").expect_err("no web page").to_string();
        assert!(!refused.contains("SECRET"), "{refused}");
    }

    #[test]
    fn https_is_taken_and_http_only_on_this_machine() {
        assert!(Endpoint::typed("https://as.example/token").is_ok());
        assert!(Endpoint::typed("http://127.0.0.1:8080/token").is_ok());
        assert!(Endpoint::typed("http://[::1]/token").is_ok());
        assert!(Endpoint::typed("http://localhost/token").is_ok());
        assert!(matches!(Endpoint::typed("http://as.example/token"), Err(EndpointError::NotHttps(_))));
        assert!(matches!(Endpoint::typed("http://127.0.0.1.nip.io/t"), Err(EndpointError::NotHttps(_))));
    }

    #[test]
    fn a_public_server_cannot_name_an_address_on_this_machine() {
        assert!(matches!(Endpoint::parse("http://127.0.0.1/t", Reach::Public), Err(EndpointError::NotOnThisMachine(_))));
    }

    #[test]
    fn a_07_and_a_08_dangerous_schemes_and_paths_are_refused() {
        for text in [
            "file:///usr/bin/xcalc",
            "javascript:alert(1)",
            "data:text/html,x",
            "smb://x/y",
            "search-ms:q",
            "ms-msdt:/id",
            "vscode://x/y",
            "/etc/passwd",
            "C:\\Windows\\calc.exe",
            "\\\\evil\\share\\x.exe",
            "https:///x",
            "https:x",
            "https:/x",
            "--app=x",
            "",
            "//evil",
        ] {
            assert!(Endpoint::typed(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn userinfo_and_fragment_are_refused_without_being_shown() {
        let refusal = Endpoint::typed("https://user:CANARY@as.example/").expect_err("userinfo");

        assert!(!refusal.to_string().contains("CANARY"));
        assert!(matches!(Endpoint::typed("https://as.example/#x"), Err(EndpointError::Fragment(_))));
    }
}
