//! Where the user agent comes back to (RFC 6749 section 3.1.2).
//!
//! The text is kept as it was written, since servers compare it byte for byte; the parsed form only decides who may
//! receive there. A loopback redirect (RFC 8252 section 7.3) may leave its port open with `:0` until a listener has one.

use serde::{Deserialize, Serialize};
use std::{fmt, net::IpAddr};
use url::{Host, Url};

/// A redirect URI, byte for byte as it will be sent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    url: Url,
}

/// Why a redirect URI cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// Not an absolute http or https URL with a host, or one that parses differently from how it reads.
    #[error("`{0}` is not an absolute http or https URL")]
    NotAbsolute(String),
    /// RFC 6749 section 3.1.2 forbids it.
    #[error("`{0}` has a fragment")]
    Fragment(String),
    /// A host that only looks like something else.
    #[error("`{0}` carries a user name or password")]
    Userinfo(String),
}

/// The interface that a loopback redirect names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopbackHost {
    /// An address, usually 127.0.0.1.
    Address(IpAddr),
    /// `localhost`: both families have to be held (RFC 8252 section 8.3).
    Localhost,
}

impl RedirectUri {
    /// Reads a redirect URI.
    ///
    /// # Errors
    /// One [`RedirectUriError`] for each rule.
    pub fn parse(text: &str) -> Result<Self, RedirectUriError> {
        let shown = || crate::text::printable(text);
        let url = Url::parse(text).map_err(|_| RedirectUriError::NotAbsolute(shown()))?;
        if !matches!(url.scheme(), "http" | "https")
            || url.host().is_none()
            || !text.is_ascii()
            || text.contains(['\\', ' '])
            || text.bytes().any(|b| b.is_ascii_control())
        {
            return Err(RedirectUriError::NotAbsolute(shown()));
        }
        if text.contains('#') {
            return Err(RedirectUriError::Fragment(shown()));
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(RedirectUriError::Userinfo(format!("{}://…@{}", url.scheme(), url.host_str().unwrap_or_default())));
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// As it is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The parsed form.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The interface to listen on, where this is an `http` redirect to this machine.
    pub fn loopback(&self) -> Option<LoopbackHost> {
        if self.url.scheme() != "http" {
            return None;
        }
        match self.url.host()? {
            Host::Ipv4(address) => Some(IpAddr::from(address)).filter(IpAddr::is_loopback).map(LoopbackHost::Address),
            Host::Ipv6(address) => Some(IpAddr::from(address)).filter(IpAddr::is_loopback).map(LoopbackHost::Address),
            Host::Domain(name) => (name == "localhost").then_some(LoopbackHost::Localhost),
        }
    }

    /// The port it names; 0 means that a free one is to be chosen.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(80)
    }

    /// The same with the port that a listener really has; nothing else of the text changes.
    #[must_use]
    pub fn with_port(&self, port: u16) -> Self {
        if self.url.port() != Some(0) {
            return self.clone();
        }
        let (scheme, rest) = self.text.split_once("://").unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let text = format!("{scheme}://{}:{port}{tail}", authority.strip_suffix(":0").unwrap_or(authority));
        Self::parse(&text).unwrap_or_else(|_| self.clone())
    }

    /// Whether a server that has `known` registered takes this one: byte for byte, the port of a loopback redirect excepted
    /// (RFC 8252 section 7.3).
    pub fn is_registered_by(&self, known: &Self) -> bool {
        self.without_free_port() == known.without_free_port()
    }

    /// The text without its port, where that may be any.
    fn without_free_port(&self) -> String {
        let (Some(_), Some(port), Some((scheme, rest))) = (self.loopback(), self.url.port(), self.text.split_once("://")) else {
            return self.text.clone();
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let host = authority.strip_suffix(&format!(":{port}")).unwrap_or(authority);
        format!("{scheme}://{host}{tail}")
    }

    /// What a `Host` header must say for a request to be meant for it (RFC 9110 section 7.2).
    pub fn authority(&self) -> String {
        super::endpoint::authority(&self.url)
    }
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(text: String) -> Result<Self, RedirectUriError> {
        Self::parse(&text)
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_kept_byte_for_byte() {
        let uri = RedirectUri::parse("http://127.0.0.1/cb?x=a%2Fb").expect("a redirect URI");

        assert_eq!(uri.as_str(), "http://127.0.0.1/cb?x=a%2Fb");
        assert_eq!(uri.port(), 80);
    }

    #[test]
    fn a_free_port_is_filled_in_and_nothing_else_changes() {
        for (open, filled) in [
            ("http://127.0.0.1:0/cb?t=:0", "http://127.0.0.1:41000/cb?t=:0"),
            ("http://[::1]:0/cb", "http://[::1]:41000/cb"),
            ("http://localhost:0/", "http://localhost:41000/"),
        ] {
            assert_eq!(RedirectUri::parse(open).expect("a redirect URI").with_port(41000).as_str(), filled);
        }
    }

    #[test]
    fn l_05_only_real_loopback_hosts_are_listened_on() {
        for text in
            ["http://192.0.2.1:80/cb", "http://127.0.0.1.evil.example/cb", "https://127.0.0.1/cb", "http://localhost.evil.example/cb"]
        {
            assert_eq!(RedirectUri::parse(text).expect("a redirect URI").loopback(), None, "{text}");
        }
        assert!(RedirectUri::parse("http://127.0.0.1@evil.example/cb").is_err());
        assert_eq!(RedirectUri::parse("http://localhost:1/").expect("a redirect URI").loopback(), Some(LoopbackHost::Localhost));
    }

    #[test]
    fn k_07_redirect_uris_match_exactly_and_only_a_loopback_port_is_free() {
        let uri = |text: &str| RedirectUri::parse(text).expect("a redirect URI");
        let registered = |known: &str, wanted: &str| uri(wanted).is_registered_by(&uri(known));
        let known = "http://127.0.0.1/callback";
        assert!(registered(known, "http://127.0.0.1:4711/callback"));
        assert!(registered("http://[::1]:9/callback", "http://[::1]:4711/callback"));
        for other in [
            "http://127.0.0.1:4711/callback/",
            "http://127.0.0.1:4711/Callback",
            "http://127.0.0.1:4711/callback?x=1",
            "http://127.0.0.1:4711/%63allback",
            "http://127.0.0.2:4711/callback",
            "http://localhost:4711/callback",
            "https://127.0.0.1:4711/callback",
        ] {
            assert!(!registered(known, other), "{other}");
        }
        assert!(!registered("https://app.example/cb", "https://app.example:8443/cb"));
    }
}
