//! Hosts that a grant's access token may be presented to.
//!
//! A [`Bound`] is scheme, host, port and perhaps a path; a [`Target`] is where somebody wants the token to go. The two
//! are compared exactly, letter case of the host aside: no suffix, no pattern, no user name, no trailing dot, no letter
//! outside ASCII (SECURITY H-03 to H-05). Neither is ever resolved.

use std::{fmt, net::IpAddr, str::FromStr};
use url::Url;

/// Longest host, port and path that is looked at, in bytes; the largest host name has 253.
const LONGEST: usize = 4096;

/// Scheme, host and port, each in the one form in which they are compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    https: bool,
    host: String,
    port: u16,
}

/// A place that is bound to a grant, written `host[:port][/path]`, with `http://` in front for clear text on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    authority: Authority,
    /// Without slashes at the ends; empty for the whole host.
    path: String,
}

/// Where the token is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    authority: Authority,
    /// As it was asked for; `None` where the asker does not say.
    path: Option<String>,
}

/// Why a text names no place that can be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBound {
    /// Not `host[:port][/path]`.
    #[error("`{0}` is not written HOST[:PORT][/PATH]")]
    Form(String),
    /// The token would cross the network in clear text.
    #[error("`{0}` is http, and not on this machine")]
    ClearText(String),
}

impl Authority {
    fn new(scheme: &str, host_and_port: &str) -> Option<Self> {
        let https = match scheme {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = match host_and_port.rsplit_once(':') {
            // The colons of `[::1]` are none before a port.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (host_and_port, None),
        };
        let port = match port {
            None => default_port(https),
            Some(digits) if !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
        };
        let host = host.to_ascii_lowercase();
        is_host(&host).then_some(Self { https, host, port })
    }

    fn is_loopback(&self) -> bool {
        let literal = self.host.trim_start_matches('[').trim_end_matches(']');
        self.host == "localhost" || literal.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

/// A name of letters, digits, hyphens, dots and underscores without an empty label or one that begins with a hyphen, or
/// an address; IPv6 in brackets.
fn is_host(host: &str) -> bool {
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return literal.parse::<std::net::Ipv6Addr>().is_ok();
    }
    // None begins with a hyphen: it may stand where a tool takes options.
    let label = |label: &str| {
        !label.is_empty() && !label.starts_with('-') && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.len() <= 253 && host.split('.').all(label)
}

/// A path whose segments mean what they say: nothing empty, no dots, nothing encoded or reversed that a server reads as one.
fn is_plain_path(path: &str) -> bool {
    let segment = |segment: &str| !segment.is_empty() && segment != "." && segment != "..";
    path.split('/').all(segment) && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\%?#".contains(&byte))
}

fn trimmed(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

impl Bound {
    /// The same place with this path only.
    ///
    /// # Errors
    /// [`BadBound::Form`].
    pub fn below(&self, path: &str) -> Result<Self, BadBound> {
        let path = trimmed(path);
        if is_plain_path(path) && path.len() < LONGEST {
            Ok(Self { authority: self.authority.clone(), path: path.to_owned() })
        } else {
            Err(BadBound::Form(crate::text::printable(path)))
        }
    }

    /// Whether the token may go there.
    pub fn serves(&self, target: &Target) -> bool {
        if self.authority != target.authority {
            return false;
        }
        if self.path.is_empty() {
            return true;
        }
        let Some(asked) = target.path.as_deref().map(trimmed).filter(|asked| is_plain_path(asked)) else { return false };
        asked.strip_prefix(&self.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// Host and, where it is not the scheme's own, port.
    pub fn authority(&self) -> String {
        let Authority { https, host, port } = &self.authority;
        if *port == default_port(*https) { host.clone() } else { format!("{host}:{port}") }
    }

    /// The bare host, where the port is the scheme's own and the whole host is bound over https.
    pub fn plain_host(&self) -> Option<&str> {
        let Authority { https, host, port } = &self.authority;
        (*https && *port == 443 && self.path.is_empty()).then_some(host.as_str())
    }

    /// As a URL, without a slash at the end.
    pub fn url(&self) -> String {
        let scheme = if self.authority.https { "https" } else { "http" };
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{scheme}://{}{slash}{}", self.authority(), self.path)
    }

    /// Whether only a part of the host is bound.
    pub fn has_path(&self) -> bool {
        !self.path.is_empty()
    }
}

impl FromStr for Bound {
    type Err = BadBound;

    fn from_str(text: &str) -> Result<Self, BadBound> {
        let form = || BadBound::Form(super::endpoint::shown(text));
        if text.len() > LONGEST {
            return Err(form());
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let authority = Authority::new(&scheme.to_ascii_lowercase(), host).ok_or_else(form)?;
        if !authority.https && !authority.is_loopback() {
            return Err(BadBound::ClearText(super::endpoint::shown(text)));
        }
        let whole = Self { authority, path: String::new() };
        if trimmed(path).is_empty() { Ok(whole) } else { whole.below(path).map_err(|_| form()) }
    }
}

/// The form that is kept: `https` is not written.
impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.url().strip_prefix("https://").unwrap_or(&self.url()))
    }
}

impl Target {
    /// What a tool asks for by scheme, `host[:port]` and path, each as it sent it. `None` where they name no place.
    pub fn new(scheme: &str, host_and_port: &str, path: Option<&str>) -> Option<Self> {
        if host_and_port.len() > LONGEST || path.is_some_and(|path| path.len() > LONGEST * 16) {
            return None;
        }
        Some(Self { authority: Authority::new(scheme, host_and_port)?, path: path.map(str::to_owned) })
    }

    /// What a tool asks for by one address. An address that a URL parser would read differently from how it stands there
    /// (other host, user name, backslash) names no place.
    pub fn of_address(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        if rest.bytes().any(|byte| !byte.is_ascii_graphic() || b"\\@".contains(&byte)) {
            return None;
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, tail) = rest.split_at(end);
        let path = tail.split(['?', '#']).next().unwrap_or_default();
        let target = Self::new(&scheme.to_ascii_lowercase(), host, Some(path))?;
        let url = Url::parse(text).ok()?;
        let read = Self::new(url.scheme(), &super::endpoint::authority(&url), None)?;
        (read.authority == target.authority).then_some(target)
    }

    /// Where a parsed URL leads.
    pub fn of_url(url: &Url) -> Option<Self> {
        let bare = url.username().is_empty() && url.password().is_none();
        bare.then(|| Self::new(url.scheme(), &super::endpoint::authority(url), Some(url.path())))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bound(text: &str) -> Bound {
        text.parse().unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn h_03_only_the_very_host_is_served() {
        let good = bound("good.example");

        for host in ["good.example", "GOOD.example", "good.example:443"] {
            assert!(Target::new("https", host, None).is_some_and(|target| good.serves(&target)), "{host}");
        }
        for host in [
            "good.example.evil.example",
            "xgood.example",
            "good.example:444",
            "good.example@evil",
            "good.example.",
            "gооd.example",
            "",
            "good.example:",
            "good.example:0443",
            "good.example:+443",
            "good.example:99999",
            "good.example/",
            "*.example",
            "example",
            "good.example\u{0}",
            " good.example",
            "good_example",
            "-good.example",
        ] {
            assert!(!Target::new("https", host, None).is_some_and(|target| good.serves(&target)), "{host}");
        }
    }

    #[test]
    fn h_04_clear_text_is_served_only_where_it_was_bound_so() {
        let (here, there) = (bound("http://127.0.0.1:8080"), bound("127.0.0.1:8080"));
        let target = |scheme: &str| Target::new(scheme, "127.0.0.1:8080", None).expect("a target");

        assert!(here.serves(&target("http")) && !here.serves(&target("https")));
        assert!(there.serves(&target("https")) && !there.serves(&target("http")));
        assert!("-x".parse::<Bound>().is_err() && "a.-x/y".parse::<Bound>().is_err());
        assert!(matches!("http://good.example".parse::<Bound>(), Err(BadBound::ClearText(_))));
        assert!(Target::new("ftp", "good.example", None).is_none());
    }

    #[test]
    fn h_05_a_path_is_matched_by_whole_segments() {
        let org = bound("git.example/org1");
        let serves = |path| Target::new("https", "git.example", path).is_some_and(|target| org.serves(&target));

        for path in ["org1", "org1/repo.git", "/org1/", "org1/repo.git/info/lfs"] {
            assert!(serves(Some(path)), "{path}");
        }
        for path in ["org2/repo", "org10", "org1/../org2", "org1/./x", "org1//x", "org1/%2e%2e/org2", "org1\\..\\org2", "", "ORG1", "/"] {
            assert!(!serves(Some(path)), "{path}");
        }
        assert!(!serves(None));
    }

    #[test]
    fn an_address_that_parsers_read_differently_names_no_place() {
        let good = bound("good.example");

        assert!(Target::of_address("https://Good.example/v2/?x=/y").is_some_and(|target| good.serves(&target)));
        for text in [
            "https://good@evil/",
            "https://good.example@evil/",
            "https://good.example\\@evil/",
            "https:good.example",
            "https:///good.example",
            "http://good.example",
            "https://good.example.evil/v2/",
            "https://good.example%2eevil/",
            "https://good.exa\tmple/",
            "good.example",
        ] {
            assert!(!Target::of_address(text).is_some_and(|target| good.serves(&target)), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_bound_is_read_back_as_it_was_kept(text in "(http://127\\.0\\.0\\.1|\\[::1\\]|[a-z]{1,9}\\.[a-z]{2,4})(:[1-9][0-9]{0,3})?(/[a-z]{1,5}){0,3}") {
            let one = bound(&text);
            prop_assert_eq!(bound(&one.to_string()), one.clone());
            prop_assert!(Target::of_address(&one.url()).is_some_and(|target| one.serves(&target)));
        }

        #[test]
        fn no_text_makes_another_host_out_of_itself(text in "\\PC{0,40}") {
            if let Ok(one) = text.parse::<Bound>() {
                let host = one.authority();
                let bare = text.to_ascii_lowercase();
                prop_assert!(bare.contains(host.split(':').next().unwrap_or_default()), "{} from {}", host, text);
            }
        }
    }
}
