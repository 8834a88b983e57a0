//! What a sandbox is from its start: whom it knows, how strict it is, what it offers.

use super::faults::Faults;
use crate::{oauth::redirect_uri::RedirectUri, provider::redirect_path, secret::Secret};
use serde_json::{Map, Value};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::mpsc::Sender,
    time::Duration,
};
use url::Url;

/// How the resource owner's decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Decision {
    /// On a page, by a person or a robot.
    #[default]
    Asked,
    /// Granted for the first company without a page.
    Granted,
    /// Denied without a page.
    Denied,
}

/// Everything that does not change while it runs.
#[derive(Debug)]
pub(super) struct Settings {
    pub address: IpAddr,
    pub port: u16,
    /// Further names under which it may be asked.
    pub hosts: Vec<String>,
    pub strict: bool,
    pub client_id: String,
    pub client_secret: Option<Secret>,
    pub client_auth: Vec<&'static str>,
    pub redirect_uris: Vec<RedirectUri>,
    pub decision: Decision,
    /// Life of codes, where it is not the usual one.
    pub code_life: Option<Duration>,
    pub device_life: Duration,
    pub device_interval: Duration,
    /// Paths that are not offered.
    pub absent: Vec<String>,
    /// Members of the metadata that are said otherwise.
    pub metadata: Map<String, Value>,
    pub faults: Faults,
    pub watcher: Option<Sender<super::journal::Logged>>,
}

/// Longest life of a code: RFC 6749 section 4.1.2 allows ten minutes, RFC 9700 asks for less; a browser needs seconds.
const STRICT_CODE_LIFE: Duration = Duration::from_secs(60);

/// What the library that O-Series probably runs on does.
const O_SERIES_CODE_LIFE: Duration = Duration::from_secs(30);

impl Settings {
    /// A server like O-Series on a free port of 127.0.0.1.
    pub(super) fn new() -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            hosts: Vec::new(),
            strict: false,
            client_id: "demo".to_owned(),
            client_secret: None,
            client_auth: vec!["client_secret_basic", "client_secret_post"],
            redirect_uris: Vec::new(),
            decision: Decision::default(),
            code_life: None,
            device_life: Duration::from_secs(600),
            device_interval: Duration::from_secs(5),
            absent: Vec::new(),
            metadata: Map::new(),
            faults: Faults::default(),
            watcher: None,
        }
    }

    /// How long codes live.
    pub(super) fn code_life(&self) -> Duration {
        self.code_life.unwrap_or(if self.strict { STRICT_CODE_LIFE } else { O_SERIES_CODE_LIFE })
    }

    /// Registers what tokenstrap uses by itself, where nothing was registered: the paths that it gives to this server
    /// (with `iss`, by catalogue entry, by hash of the origin), on each loopback host.
    pub(super) fn register_usual(&mut self, origin: &str) {
        if !self.redirect_uris.is_empty() {
            return;
        }
        let Ok(endpoint) = Url::parse(origin) else { return };
        let paths = [(true, None), (false, Some("lightspeed-o")), (false, None)].map(|(iss, entry)| redirect_path(iss, entry, &endpoint));
        for host in ["127.0.0.1", "[::1]", "localhost"] {
            self.redirect_uris.extend(paths.iter().filter_map(|path| RedirectUri::parse(&format!("http://{host}{path}")).ok()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tokenstrap_uses_by_itself_is_registered_unless_somebody_registers_something() {
        let (mut usual, mut own) = (Settings::new(), Settings::new());
        own.redirect_uris.extend(RedirectUri::parse("http://127.0.0.1/mine"));

        usual.register_usual("http://127.0.0.1:4711");
        own.register_usual("http://127.0.0.1:4711");

        assert_eq!((usual.redirect_uris.len(), own.redirect_uris.len()), (9, 1));
        let hashed = redirect_path(false, None, &Url::parse("http://127.0.0.1:4711/authorize").expect("a URL"));
        let uri = RedirectUri::parse(&format!("http://127.0.0.1:5{hashed}")).expect("a redirect URI");
        assert!(usual.redirect_uris.iter().any(|known| uri.is_registered_by(known)));
    }
}
