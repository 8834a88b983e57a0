//! Options of a sandbox, chained, and its start.

use super::{
    answer::Refused,
    faults::Faults,
    journal::{Journal, Logged},
    ledger::Ledger,
    mint,
    running::Running,
    service::Sandbox,
    settings::{Decision, Settings},
    shelf::Shelf,
    signature::SigningKey,
    state::State,
};
use crate::{oauth::redirect_uri::RedirectUri, secret::Secret};
use serde_json::Value;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, mpsc::Sender},
    time::Duration,
};

/// A sandbox in the making.
#[derive(Debug)]
#[must_use]
pub struct Builder {
    settings: Settings,
    wants_secret: bool,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { settings: Settings::new(), wants_secret: true }
    }

    /// A modern server instead of one like O-Series: PKCE forced, refresh tokens rotated, `iss` in the redirect, discovery,
    /// OpenID Connect, revocation, introspection, device logins.
    pub fn strict(mut self) -> Self {
        self.settings.strict = true;
        self.settings.faults.rotate = true;
        self
    }

    /// Another client than `demo` with a fresh secret.
    pub fn client(mut self, id: &str, secret: &str) -> Self {
        self.settings.client_id = id.to_owned();
        self.settings.client_secret = Some(Secret::new(secret));
        self.wants_secret = false;
        self
    }

    /// A client without a secret (RFC 6749 section 2.1).
    pub fn public_client(mut self) -> Self {
        self.settings.client_secret = None;
        self.settings.client_auth = vec!["none"];
        self.wants_secret = false;
        self
    }

    /// Takes this client authentication method alone, by its IANA name.
    pub fn client_auth(mut self, method: &'static str) -> Self {
        self.settings.client_auth = vec![method];
        self
    }

    /// Registers a redirect URI, in place of those that tokenstrap uses by itself.
    pub fn redirect_uri(mut self, uri: RedirectUri) -> Self {
        self.settings.redirect_uris.push(uri);
        self
    }

    /// A fixed port instead of a free one.
    pub fn port(mut self, port: u16) -> Self {
        self.settings.port = port;
        self
    }

    /// Another address than 127.0.0.1. Whoever offers this to a person warns them first (SECURITY K-01).
    pub fn exposed_on(mut self, address: IpAddr) -> Self {
        self.settings.address = address;
        self
    }

    /// A further `Host` that is answered, port included.
    pub fn host(mut self, authority: &str) -> Self {
        self.settings.hosts.push(authority.to_owned());
        self
    }

    /// Decides by itself, without a page.
    pub fn decision(mut self, decision: Decision) -> Self {
        self.settings.decision = decision;
        self
    }

    /// Access tokens live so many seconds.
    pub fn expires_in(mut self, seconds: u64) -> Self {
        self.settings.faults.expires_in = Some(seconds);
        self
    }

    /// Codes live so long, a minute at most (SECURITY K-07).
    pub fn code_life(mut self, life: Duration) -> Self {
        self.settings.code_life = Some(life.min(Duration::from_secs(60)));
        self
    }

    /// Device codes live so long and may be polled so often; an interval of zero is never too fast.
    pub fn device(mut self, life: Duration, interval: Duration) -> Self {
        self.settings.device_life = life;
        self.settings.device_interval = interval;
        self
    }

    /// A refresh spends the refresh token and brings a new one.
    pub fn rotating(mut self) -> Self {
        self.settings.faults.rotate = true;
        self
    }

    /// A spent refresh token fetches the same pair for so long.
    pub fn grace(mut self, window: Duration) -> Self {
        self.settings.faults.grace = window;
        self
    }

    /// Refuses token requests from the start, `times` of them.
    pub fn refusing(mut self, error: &str, status: u16, times: u32) -> Self {
        let error = error.to_owned();
        self.settings.faults.refuse = Some(super::faults::Refusing { error, status, left: times });
        self
    }

    /// Tells device polls to slow down.
    pub fn slow_down(mut self, times: u32) -> Self {
        self.settings.faults.slow_down = times;
        self
    }

    /// Any faults from the start.
    pub fn faults(mut self, change: impl FnOnce(&mut Faults)) -> Self {
        change(&mut self.settings.faults);
        self
    }

    /// Does not offer this path, nor name it in the metadata.
    pub fn without(mut self, path: &str) -> Self {
        self.settings.absent.push(path.to_owned());
        self
    }

    /// Says a member of the metadata otherwise.
    pub fn metadata(mut self, name: &str, value: Value) -> Self {
        self.settings.metadata.insert(name.to_owned(), value);
        self
    }

    /// Tells each answered request to somebody who watches.
    pub fn watched_by(mut self, watcher: Sender<Logged>) -> Self {
        self.settings.watcher = Some(watcher);
        self
    }

    /// Binds the port and serves on a thread of its own.
    ///
    /// # Errors
    /// Where the port is taken, or the system gives no thread, descriptors or random bytes.
    pub fn start(mut self) -> io::Result<Running> {
        let no_entropy = |_: Refused| io::Error::other("the system gives no random bytes");
        if self.wants_secret {
            self.settings.client_secret = Some(mint::token().map_err(no_entropy)?);
        }
        let listener = TcpListener::bind((self.settings.address, self.settings.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let origin = format!("http://{}", reached_at(address));
        let hosts = hosts(&self.settings, address);
        self.settings.register_usual(&origin);
        let state = State {
            faults: self.settings.faults.clone(),
            ledger: Ledger::default(),
            journal: Journal::told_to(self.settings.watcher.take()),
            tickets: Shelf::default(),
            codes: Shelf::default(),
            clients: Shelf::default(),
            devices: Shelf::default(),
            orders: super::orders::Orders::default(),
            key: SigningKey::generate().map_err(|_| io::Error::other("the system gives no random bytes"))?,
        };
        Running::start(listener, Arc::new(Sandbox::new(self.settings, origin, hosts, state)))
    }
}

/// Where a client of this machine reaches a server that listens at `address`; all addresses together are none to connect to.
fn reached_at(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
}

/// The names of this server: its own address, and the loopback ones where it can be reached by them.
fn hosts(settings: &Settings, address: SocketAddr) -> Vec<String> {
    let port = address.port();
    let mut hosts = settings.hosts.clone();
    hosts.push(address.to_string());
    hosts.extend(["127.0.0.1", "localhost", "[::1]"].map(|name| format!("{name}:{port}")));
    if port == 80 {
        let bare: Vec<String> = hosts.iter().filter_map(|host| host.strip_suffix(":80").map(str::to_owned)).collect();
        hosts.extend(bare);
    }
    hosts
}
