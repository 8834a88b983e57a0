//! A desk with everything real on it: the program, a GNOME Keyring, a certified server, a browser to consent in.

use super::{
    binary::{Home, Invocation, Outcome},
    chromium::{Browser, Report, Visit},
    http::{self, Answer},
    keyring::Session,
    oidc::{Oidc, Options},
};
use data_encoding::BASE64;
use serde_json::Value;

/// The name under which the grant is stored.
pub const PROFILE: &str = "work";

/// Everything real; it ends with this value.
pub struct Desk {
    /// The certified server.
    pub server: Oidc,
    /// Where the program lives.
    pub home: Home,
    session: Session,
}

impl Desk {
    /// Sets everything up, or says what has to be left out.
    #[track_caller]
    pub fn with(options: &Options) -> Option<Self> {
        let (server, session) = (Oidc::start(options)?, Session::with_keyring()?);
        Some(Self { server, session, home: Home::new() })
    }

    /// The program with this keyring.
    pub fn tokenstrap(&self, args: &[&str]) -> Invocation {
        self.home.tokenstrap().env("DBUS_SESSION_BUS_ADDRESS", self.session.address()).args(args)
    }

    /// Runs it to its end, which has to be a good one, and gives its JSON document.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let outcome = self.tokenstrap(args).arg("--json").run().expect_code(0);
        serde_json::from_str(&outcome.stdout).unwrap_or_else(|error| panic!("{error}\n{outcome}"))
    }

    /// The login command for a registered client; its secret, where it has one, comes from standard input.
    pub fn login(&self, client: &str) -> Invocation {
        let words = ["login", PROFILE, "--issuer", self.server.issuer(), "--client-id", client];
        let login = self.tokenstrap(&words).args(["--scope", "openid", "--scope", "offline_access"]);
        match self.server.secret(client) {
            // The two clients with a secret are called by the short forms of their methods.
            Some(secret) => login.args(["--client-auth", client, "--client-secret-stdin"]).stdin(secret),
            None => login,
        }
    }

    /// Logs in with a browser in `$BROWSER`.
    #[track_caller]
    pub fn log_in(&self, client: &str, visit: &Visit) -> Option<(Outcome, Report)> {
        let browser = Browser::ready(visit)?;
        let outcome = self.login(client).env("BROWSER", browser.command()).run().expect_code(0);
        Some((outcome, browser.report()))
    }

    /// A token as the program prints it.
    #[track_caller]
    pub fn token(&self, args: &[&str]) -> String {
        let outcome = self.tokenstrap(&["token", PROFILE]).args(args).run().expect_code(0);
        outcome.stdout.strip_suffix('\n').unwrap_or_else(|| panic!("no line\n{outcome}")).to_owned()
    }

    /// The refresh token that is stored.
    #[track_caller]
    pub fn refresh_token(&self) -> String {
        self.json(&["show", PROFILE, "--reveal"])["refresh_token"].as_str().unwrap().to_owned()
    }

    /// The server's own answer to a token.
    #[track_caller]
    pub fn userinfo(&self, token: &str) -> Answer {
        http::get_as(&format!("Bearer {token}"), &self.server.endpoint("userinfo_endpoint"))
    }

    /// Spends a refresh token behind the program's back, as the client that it belongs to.
    #[track_caller]
    pub fn spend(&self, client: &str, refresh_token: &str) -> Answer {
        let url = self.server.endpoint("token_endpoint");
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
        let Some(secret) = self.server.secret(client) else {
            fields.push(("client_id", client));
            return http::post(&url, &fields);
        };
        if client == "post" {
            fields.extend([("client_id", client), ("client_secret", secret)]);
            return http::post(&url, &fields);
        }
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        http::post_as(&format!("Basic {}", BASE64.encode(format!("{client}:{encoded}").as_bytes())), &url, &fields)
    }
}
