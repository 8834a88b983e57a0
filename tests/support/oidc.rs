//! npm `oidc-provider`, a certified authorization server that nobody here wrote, on a loopback port of its own.

use super::{
    http,
    real::{self, TOP, target},
    running::LIMIT,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// How the server is to behave; the defaults are the strictest.
pub struct Options {
    /// Every refresh token serves once, and its reuse ends the grant.
    pub rotation: bool,
    /// Access tokens are JWTs for one resource.
    pub jwt: bool,
    /// Life of an access token.
    pub access_ttl: Duration,
    /// Paths of loopback redirect URIs, on any port.
    pub redirect_paths: Vec<String>,
    /// Access tokens are JWTs for this resource, where every request for one names it.
    pub resource: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rotation: true,
            jwt: false,
            access_ttl: Duration::from_secs(3600),
            redirect_paths: vec!["/callback".to_owned()],
            resource: None,
        }
    }
}

/// One request as the server saw it.
#[derive(Debug, Clone, serde::Deserialize)]
pub struct Request {
    /// The method.
    pub method: String,
    /// Path and query.
    pub url: String,
    /// The status of the answer.
    pub status: u16,
    /// The server's name for the endpoint: `authorization`, `token`, `userinfo`, `device_authorization`, ...
    pub route: Option<String>,
    /// The form's `grant_type`.
    pub grant_type: Option<String>,
    /// The answer's `error`.
    pub error: Option<String>,
    /// Tokens, codes, verifiers and client secrets of request and answer.
    pub secrets: Vec<String>,
}

/// The server; it ends with its standard input.
pub struct Oidc {
    child: Child,
    lines: Receiver<String>,
    about: Value,
    seen: Vec<Request>,
    fences: usize,
}

impl Oidc {
    /// Starts a server, or says that it has to be left out.
    #[track_caller]
    pub fn start(options: &Options) -> Option<Self> {
        const PART: &str = "npm oidc-provider";
        if !real::programs(PART, &["node"]) {
            return None;
        }
        let modules = target("npm");
        if !modules.join("node_modules/oidc-provider").is_dir() {
            real::left_out(PART, "it is not installed below target/npm");
            return None;
        }
        let settings = json!({
            "modules": modules, "rotation": options.rotation, "jwt": options.jwt,
            "access_ttl": options.access_ttl.as_secs(), "redirect_paths": options.redirect_paths, "resource": options.resource,
        });
        let mut child = Command::new("node")
            .args([format!("{TOP}/tests/oidc/server.mjs"), settings.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
        let first = lines.recv_timeout(LIMIT).expect("oidc-provider says where it listens");
        let about = serde_json::from_str(&first).unwrap();
        Some(Self { child, lines, about, seen: Vec::new(), fences: 0 })
    }

    /// The issuer; the discovery document lies below it.
    pub fn issuer(&self) -> &str {
        self.about["issuer"].as_str().unwrap()
    }

    /// The secret of one of the clients `basic` and `post`; none for `public`.
    pub fn secret(&self, client: &str) -> Option<&str> {
        let clients = self.about["clients"].as_array().unwrap();
        clients.iter().find(|known| known["id"] == client).unwrap()["secret"].as_str()
    }

    /// An endpoint of the discovery document.
    #[track_caller]
    pub fn endpoint(&self, name: &str) -> String {
        let answer = http::get(&format!("{}/.well-known/openid-configuration", self.issuer()));
        answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer:?}")).to_owned()
    }

    /// Every request that was answered until now, in order.
    pub fn requests(&mut self) -> &[Request] {
        self.fences += 1;
        // The server says each line before it answers: once this one is there, so are all before it.
        let fence = format!("/fence/{}", self.fences);
        http::get(&format!("{}{fence}", self.issuer()));
        loop {
            let line = self.lines.recv_timeout(LIMIT).expect("oidc-provider tells of each request");
            let request: Request = serde_json::from_str(&line).unwrap();
            if request.url == fence {
                return &self.seen;
            }
            self.seen.push(request);
        }
    }

    /// The requests to the token endpoint so far.
    pub fn token_requests(&mut self) -> Vec<Request> {
        self.requests().iter().filter(|request| request.route.as_deref() == Some("token")).cloned().collect()
    }
}

impl Drop for Oidc {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
