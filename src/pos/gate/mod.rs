//! Who may come in, and how far (SECURITY K-02 and K-09).
//!
//! Two doors. Register calls come below the random prefix, under a loopback name or the name of the public address. The desk, where
//! answers are steered, is for this machine alone: a loopback peer and `Host`, no trace of a proxy, and a token. A
//! tunnel that writes `Host: localhost` into what it passes on still leaves its own headers, and knows no token.

use super::place::Place;
use crate::{http::server::Peer, secret::Secret};
use http::{HeaderMap, HeaderName, Request, header};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The path of the desk.
pub const DESK: &str = "/_/";

/// Headers that only a proxy writes, beside `x-forwarded-*`, `cf-*` and `ngrok-*`.
const OF_PROXIES: [&str; 8] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "x-original-host", "x-original-forwarded-for", "cdn-loop"];

/// The same, by their beginning.
const BEGINNINGS: [&str; 3] = ["x-forwarded", "cf-", "ngrok-"];

/// What the gate knows.
#[derive(Debug)]
pub struct Gate {
    /// The public place, where there is one.
    pub public: Option<Place>,
    /// An address that was asked for with `--listen`, unless it stands for all of them.
    pub listen: Option<IpAddr>,
    /// What the paths of register calls begin with, no slashes.
    pub prefix: String,
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Door {
    /// To a call, by the path below the prefix.
    Call(String),
    /// To the desk, by the path below it; its token is still to be looked at.
    Desk(String),
    /// Nowhere; the name is right, the path is not.
    Nowhere,
    /// Nowhere; another server is meant.
    Elsewhere,
    /// Nowhere; somebody takes this for a proxy.
    Proxy,
}

impl Gate {
    /// Decides by head and peer alone.
    pub fn door(&self, request: &Request<impl Sized>) -> Door {
        if request.uri().authority().is_some() || request.uri().scheme().is_some() {
            return Door::Proxy;
        }
        let mut hosts = request.headers().get_all(header::HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok()).and_then(name_of);
        let (Some(host), None) = (host, hosts.next()) else { return Door::Elsewhere };
        let is_here = is_loopback_name(&host);
        if !is_here && !self.is_public_name(&host) {
            return Door::Elsewhere;
        }
        let path = request.uri().path();
        if let Some(below) = path.strip_prefix(DESK) {
            let peer = request.extensions().get::<Peer>().is_some_and(|peer| peer.0.to_canonical().is_loopback());
            let alone = is_here && peer && !is_passed_on(request.headers());
            return if alone { Door::Desk(format!("/{below}")) } else { Door::Nowhere };
        }
        self.below(path).map_or(Door::Nowhere, Door::Call)
    }

    /// The path below the prefix; the public place's own path may stand in front, or have been taken off by a proxy.
    fn below(&self, path: &str) -> Option<String> {
        let own = self.public.as_ref().map(Place::path).unwrap_or_default();
        let tails = [path.strip_prefix(own), Some(path)];
        let below = tails.into_iter().flatten().find_map(|tail| tail.strip_prefix('/')?.strip_prefix(self.prefix.as_str()))?;
        match below {
            "" => Some("/".to_owned()),
            below if below.starts_with('/') => Some(below.to_owned()),
            _ => None,
        }
    }

    fn is_public_name(&self, host: &str) -> bool {
        let public = self.public.as_ref().map(Place::host).is_some_and(|own| own.trim_matches(['[', ']']).eq_ignore_ascii_case(host));
        public || self.listen.is_some_and(|own| host.parse() == Ok(own))
    }
}

/// The name in a `Host` header, brackets and port taken off; none where it is malformed.
fn name_of(host: &str) -> Option<String> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').filter(|(name, _)| name.parse::<Ipv6Addr>().is_ok())?,
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_is_sound = port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
    (port_is_sound && !name.is_empty()).then(|| name.to_ascii_lowercase())
}

/// `localhost` and loopback addresses written as such: no other spelling, no name that a resolver may give that address.
fn is_loopback_name(host: &str) -> bool {
    let v4 = host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    v4 || host == "localhost" || host.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback())
}

/// Whether somebody passed the request on.
fn is_passed_on(headers: &HeaderMap) -> bool {
    let marks = |name: &HeaderName| {
        let name = name.as_str();
        OF_PROXIES.contains(&name) || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
    };
    headers.keys().any(marks)
}

/// The tokens of the desk: one of the printed address, good once for a browser, and what a browser or the shell shows after that.
#[derive(Debug)]
pub struct Keys {
    /// In the printed address; none once it has been used.
    pub once: Option<Secret>,
    /// In the browser's cookie.
    pub browser: Secret,
    /// In the file that `pos set` reads.
    pub shell: Secret,
}

/// What a request for the desk shows.
#[derive(Debug, PartialEq, Eq)]
pub enum Shown {
    /// The token of the printed address for the first time.
    Once,
    /// A token that was used before, or a wrong one.
    Spent,
    /// A good cookie or the token of the file.
    Good,
    /// Nothing.
    Nothing,
}

impl Keys {
    /// Judges a request; the token of the printed address is spent by it.
    pub fn judge(&mut self, headers: &HeaderMap, query: &str, cookie: &str) -> Shown {
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| value.strip_prefix("Bearer "));
        if bearer.is_some_and(|token| self.shell.matches(token)) || crumbs(headers, cookie).any(|token| self.browser.matches(token)) {
            return Shown::Good;
        }
        let Some(token) = super::place::raw_parameter(query, "t") else { return Shown::Nothing };
        if self.once.as_ref().is_some_and(|once| once.matches(token)) {
            self.once = None;
            return Shown::Once;
        }
        Shown::Spent
    }
}

/// The values of all cookies of this name.
fn crumbs<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(move |crumb| crumb.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests;
