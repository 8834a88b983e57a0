//! Where this server is reached from outside, and the addresses that it gives away.
//!
//! Everything that a register may call lies below a random prefix that stays the same between starts: whoever finds the tunnel
//! does not find the calls. An address that has a query of its own keeps it; what a call adds comes behind.

use url::{Url, form_urlencoded};

/// Scheme and host, path in front of the prefix, query of one's own; and the prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    base: Url,
    prefix: String,
}

/// Why an address is none that a register can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPlace {
    /// Not an absolute address of a web server.
    #[error("it is not an http or https address")]
    NotHttp,
    /// A user name or password in it.
    #[error("it carries a user name or password")]
    Userinfo,
    /// A fragment never reaches a server.
    #[error("it has a fragment")]
    Fragment,
}

impl Place {
    /// The place that an address names.
    ///
    /// # Errors
    /// [`BadPlace`].
    pub fn read(address: &str, prefix: &str) -> Result<Self, BadPlace> {
        let base = Url::parse(address).map_err(|_| BadPlace::NotHttp)?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none_or(str::is_empty) {
            return Err(BadPlace::NotHttp);
        }
        if !base.username().is_empty() || base.password().is_some() {
            return Err(BadPlace::Userinfo);
        }
        if base.fragment().is_some() {
            return Err(BadPlace::Fragment);
        }
        Ok(Self { base, prefix: prefix.to_owned() })
    }

    /// The address as it was given, without a slash at its end.
    pub fn shown(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The host, as a `Host` header names it: an IPv6 address in brackets, no port.
    pub fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    /// The address of a call, such as `search`.
    pub fn url(&self, call: &str) -> Url {
        let mut url = self.base.clone();
        let path = format!("{}/{}/{call}", url.path().trim_end_matches('/'), self.prefix);
        url.set_path(&path);
        url
    }

    /// The path in front of the prefix, without a slash at its end; empty where there is none.
    pub fn path(&self) -> &str {
        self.base.path().trim_end_matches('/')
    }

    /// Where a reward is redeemed. `order` goes in byte for byte: the register may put the real order id in its place.
    pub fn redeem_url(&self, reward: &str, member: &str, order: &str) -> String {
        let mut own = form_urlencoded::Serializer::new(String::new());
        own.append_pair("reward", reward).append_pair("member", member);
        let url = self.url("redeem");
        let begun = if url.query().is_some() { '&' } else { '?' };
        format!("{url}{begun}{}&order_id={order}", own.finish())
    }
}

/// `url` with `query` behind what it has already; neither is read or written anew.
pub fn with_query(url: &Url, query: &str) -> Url {
    let mut url = url.clone();
    let merged = [url.query().unwrap_or_default(), query].iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join("&");
    url.set_query(Some(merged.as_str()).filter(|merged| !merged.is_empty()));
    url
}

/// The value of a parameter as it stands in a query, not decoded.
pub fn raw_parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str) -> Place {
        Place::read(address, "k7Qm2xVd").expect("a place")
    }

    #[test]
    fn a_query_and_a_path_of_ones_own_are_kept() {
        assert_eq!(place("https://till.example.test").url("search").as_str(), "https://till.example.test/k7Qm2xVd/search");
        assert_eq!(place("https://till.example.test/a/?key=1").url("search").as_str(), "https://till.example.test/a/k7Qm2xVd/search?key=1");
        assert_eq!(
            place("https://till.example.test?key=1").redeem_url("R-1", "M 1&", "111"),
            "https://till.example.test/k7Qm2xVd/redeem?key=1&reward=R-1&member=M+1%26&order_id=111"
        );
    }

    #[test]
    fn the_order_id_goes_through_byte_for_byte() {
        for order in ["111", "{order_id}", "%7Border%7D", "a+b%20c", ""] {
            let query = format!("keyword=x&order_id={order}&site_id=1");
            let raw = raw_parameter(&query, "order_id").expect("it is there");
            assert!(place("http://127.0.0.1:1").redeem_url("R-1", "M-1", raw).ends_with(&format!("&order_id={order}")));
        }
        assert_eq!(raw_parameter("xorder_id=1", "order_id"), None);
    }

    #[test]
    fn what_no_register_can_call_is_refused() {
        for (address, fault) in [
            ("till.example.test", BadPlace::NotHttp),
            ("ftp://till.example.test", BadPlace::NotHttp),
            ("javascript:alert(1)", BadPlace::NotHttp),
            ("https://u:p@till.example.test", BadPlace::Userinfo),
            ("https://till.example.test/#x", BadPlace::Fragment),
        ] {
            assert_eq!(Place::read(address, "p"), Err(fault), "{address}");
        }
    }

    #[test]
    fn two_queries_become_one() {
        let url = Url::parse("https://own.test/search?tenant=5").expect("a URL");
        assert_eq!(with_query(&url, "keyword=a%20b").query(), Some("tenant=5&keyword=a%20b"));
        assert_eq!(with_query(&Url::parse("https://own.test/").expect("a URL"), "").query(), None);
    }
}
