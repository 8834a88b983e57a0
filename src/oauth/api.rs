//! Where an API call with a grant's token may go, and where its next page is.
//!
//! A path is put behind the API base that was pinned at login; an address has to lie on a host that is bound. Neither can
//! name another host by the ways in which URL parsers read backslashes, double slashes and schemes.

use super::{
    bound::{Bound, Target},
    endpoint::{Endpoint, EndpointError, authority, shown},
};
use http::HeaderMap;
use url::Url;

/// Places that calls may go to.
#[derive(Debug)]
pub struct Api<'a> {
    /// What relative paths start from.
    pub base: Option<&'a Endpoint>,
    /// Hosts that are bound to the grant.
    pub hosts: &'a [Bound],
}

/// Why a call goes nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// A path, and no API base to put it behind.
    #[error("no API base is known for this grant, so a path says too little")]
    NoBase,
    /// Not an address or path that every reader takes for the same.
    #[error("`{0}` is neither a path nor an address")]
    Form(String),
    /// An address, though not one that a token may go to.
    #[error(transparent)]
    Address(#[from] EndpointError),
    /// Another host.
    #[error("`{0}` is not bound to this grant")]
    Unbound(String),
}

impl Api<'_> {
    /// The address of a call, typed as path or in full.
    ///
    /// # Errors
    /// [`NoPlace`].
    pub fn resolve(&self, typed: &str) -> Result<Url, NoPlace> {
        let shown = || shown(typed);
        if typed.bytes().any(|byte| byte.is_ascii_control() || b"\\ ".contains(&byte)) {
            return Err(NoPlace::Form(shown()));
        }
        let has_scheme = typed.split(['/', '?', '#']).next().is_some_and(|first| first.contains(':'));
        let url = if has_scheme {
            Endpoint::typed(typed)?.url().clone()
        } else {
            let base = self.base.ok_or(NoPlace::NoBase)?.url().as_str();
            let joined = format!("{}/{}", base.trim_end_matches('/'), typed.trim_start_matches('/'));
            Url::parse(&joined).map_err(|_| NoPlace::Form(shown()))?
        };
        if self.allows(&url) { Ok(url) } else { Err(NoPlace::Unbound(crate::text::printable(&authority(&url)))) }
    }

    /// Whether the token may go there: below the API base, or on a bound host.
    pub fn allows(&self, url: &Url) -> bool {
        let Some(target) = Target::of_url(url) else { return false };
        self.base.is_some_and(|base| is_below(base.url(), url)) || self.hosts.iter().any(|host| host.serves(&target))
    }
}

fn is_below(base: &Url, url: &Url) -> bool {
    let path = base.path().trim_end_matches('/');
    let rest = url.path().strip_prefix(path);
    base.origin() == url.origin() && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where the next page is: `Link` with `rel=next` (RFC 8288), or a full address in `X-Next-Page`, as O-Series has it.
pub fn next_page(url: &Url, headers: &HeaderMap) -> Option<Url> {
    let texts = |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
    let linked = texts("link").into_iter().find_map(next_link).and_then(|link| url.join(link).ok());
    linked.or_else(|| texts("x-next-page").into_iter().filter(|text| text.contains("://")).find_map(|text| Url::parse(text.trim()).ok()))
}

/// The target of the first link whose relation is `next`.
fn next_link(value: &str) -> Option<&str> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, tail) = after.split_once('>')?;
        let end = end_of_parameters(tail);
        let (parameters, following) = tail.split_at(end);
        if parameters.split(';').any(is_next) {
            return Some(target.trim());
        }
        rest = following;
    }
    None
}

/// Where the comma is that ends a link's parameters; one inside quotes ends nothing.
fn end_of_parameters(tail: &str) -> usize {
    let mut quoted = false;
    for (at, character) in tail.char_indices() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => return at,
            _ => {}
        }
    }
    tail.len()
}

fn is_next(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let relations = value.trim().trim_matches('"');
    name.trim().eq_ignore_ascii_case("rel") && relations.split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn resolved(typed: &str) -> Result<String, NoPlace> {
        let base = Endpoint::typed("https://api.example/v1/").expect("a base");
        let hosts = ["files.example/our".parse().expect("a host")];
        Api { base: Some(&base), hosts: &hosts }.resolve(typed).map(String::from)
    }

    #[test]
    fn t_22_a_call_goes_to_the_api_base_or_a_bound_host_and_nowhere_else() {
        for (typed, address) in [
            ("companies/me.json?a=b:c", "https://api.example/v1/companies/me.json?a=b:c"),
            ("/companies", "https://api.example/v1/companies"),
            ("//evil.example/x", "https://api.example/v1/evil.example/x"),
            ("@evil.example/x", "https://api.example/v1/@evil.example/x"),
            ("https://api.example/v1/x", "https://api.example/v1/x"),
            ("https://files.example/our/x", "https://files.example/our/x"),
        ] {
            assert_eq!(resolved(typed).as_deref(), Ok(address), "{typed}");
        }
        for typed in [
            "https://evil.example/",
            "https://api.example.evil/v1/x",
            "https://api.example:444/v1/x",
            "https://api.example/v2/x",
            "https://api.example/v10",
            "../v2/x",
            "https://files.example/",
            "https://files.example/ours",
            "https://files.example/our/../x",
            "http://api.example/v1/x",
            "https://api.example@evil/v1/x",
            "\\\\evil.example\\x",
            "https:evil.example",
            "file:///etc/passwd",
            "x\r\ny",
        ] {
            assert!(resolved(typed).is_err(), "{typed}");
        }
        assert_eq!(Api { base: None, hosts: &[] }.resolve("x"), Err(NoPlace::NoBase));
    }

    #[test]
    fn the_next_page_is_a_link_or_a_full_address() {
        let next = |name: &'static str, value: &'static str| {
            let headers = [(HeaderName::from_static(name), HeaderValue::from_static(value))].into_iter().collect();
            next_page(&Url::parse("https://api.example/v1/x?page=1").expect("a URL"), &headers).map(String::from)
        };

        assert_eq!(next("link", "<?page=2>; rel=\"next\", <?page=9>; rel=last").as_deref(), Some("https://api.example/v1/x?page=2"));
        assert_eq!(next("link", "</y>; title=\"a, b\"; rel=prev, </z>;REL=next").as_deref(), Some("https://api.example/z"));
        assert_eq!(next("x-next-page", "https://api.example/v1/x?page=2").as_deref(), Some("https://api.example/v1/x?page=2"));
        for (name, value) in [("x-next-page", "2"), ("link", "<x>; rel=prev"), ("link", "<<<<,,,;\"rel=next"), ("link", "rel=next")] {
            assert_eq!(next(name, value), None, "{value}");
        }
    }
}
