//! Many processes want one token at once, from a server that ends the grant when a spent refresh token comes again.

use crate::support::{
    binary::{Home, Invocation, Outcome},
    keyring::Session,
    running::{Running, Stream},
};
use std::{collections::BTreeSet, time::Duration};
use tokenstrap::sandbox::{self, Sandbox};

/// Long enough that all of a storm have started while the first of them waits for the server.
const DELAY: Duration = Duration::from_millis(1500);

/// One logged-in home, with the file store or a keychain of its own.
struct Stage {
    server: sandbox::Running,
    home: Home,
    keychain: Option<Session>,
}

impl Stage {
    /// Logs in for a token that ends at once; the next ones live `life` seconds.
    fn with_next_life(life: u64) -> Self {
        Self::with(life, None)
    }

    fn with(life: u64, keychain: Option<Session>) -> Self {
        let server = Sandbox::builder().strict().expires_in(1).start().unwrap();
        let stage = Self { server, home: Home::new(), keychain };
        let words = ["login", "till", "--no-browser", "--issuer", stage.server.issuer(), "--client-id", stage.server.client_id()];
        let secret = stage.server.client_secret().unwrap().expose().to_owned();
        let mut login = stage.tokenstrap(&words).arg("--client-secret-stdin").stdin(secret).spawn();
        let url = login.wait_for_line(Stream::Err, "/authorize?");
        sandbox::approve(url.trim()).unwrap();
        login.finish().expect_code(0);
        stage.server.faults(|faults| (faults.expires_in, faults.delay_after) = (Some(life), DELAY));
        stage
    }

    fn tokenstrap(&self, args: &[&str]) -> Invocation {
        let key = "9f3c61d2e07b48a5bc1d90f7263e8a4415c0b7d96e2f38a1740dce5b82f691a3";
        let call = self.home.tokenstrap().args(args);
        match &self.keychain {
            Some(keychain) => call.env("TOKENSTRAP_STORE", "keychain").env("DBUS_SESSION_BUS_ADDRESS", keychain.address()),
            None => call.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", key),
        }
    }

    /// So many calls at once, each to its good end; gives what they printed.
    #[track_caller]
    fn storm(&self, calls: usize, args: &[&str]) -> Vec<String> {
        let started: Vec<Running> = (0..calls).map(|_| self.tokenstrap(&["token", "till"]).args(args).spawn()).collect();
        let outcomes: Vec<Outcome> = started.into_iter().map(Running::finish).collect();
        outcomes.into_iter().map(|outcome| outcome.expect_code(0).stdout.trim_end().to_owned()).collect()
    }

    /// Refresh requests so far, by the refresh token that each of them spent.
    fn spent(&self) -> Vec<String> {
        let refreshes = self.server.log().into_iter().filter(|logged| logged.member("grant_type") == Some("refresh_token"));
        refreshes.map(|logged| logged.member("refresh_token").unwrap().to_owned()).collect()
    }

    /// No refresh token was sent twice, and the grant is alive.
    #[track_caller]
    fn expect_a_whole_family(&self) {
        let spent = self.spent();
        assert_eq!(spent.iter().collect::<BTreeSet<_>>().len(), spent.len(), "{spent:?}");
        assert_eq!((self.server.reuse_events(), self.server.live_refresh_tokens()), (0, 1));
    }
}

#[test]
fn thirty_two_processes_with_an_ended_token_need_one_request() {
    let stage = Stage::with_next_life(3600);

    let tokens = stage.storm(32, &[]);

    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 1, "{tokens:?}");
    assert!(stage.server.is_live_access_token(&tokens[0]));
    assert_eq!(stage.spent().len(), 1);
    stage.expect_a_whole_family();
}

#[test]
fn sixteen_processes_with_an_ended_token_in_the_keychain_need_one_request() {
    let Some(keychain) = Session::with_keyring() else { return };
    let stage = Stage::with(3600, Some(keychain));

    let tokens = stage.storm(16, &[]);

    assert_eq!(tokens.iter().collect::<BTreeSet<_>>().len(), 1, "{tokens:?}");
    assert_eq!(stage.spent().len(), 1);
    stage.expect_a_whole_family();
}

#[test]
fn sixteen_forced_refreshes_at_once_repeat_no_refresh_token() {
    let stage = Stage::with_next_life(3600);

    let tokens = stage.storm(16, &["--force-refresh"]);

    assert!(tokens.iter().all(|token| stage.server.is_live_access_token(token)), "{tokens:?}");
    // Whoever started before a refresh was asked for takes its tokens.
    assert!(stage.spent().len() < 16, "{:?}", stage.spent());
    stage.expect_a_whole_family();
}

#[test]
fn sixteen_processes_with_tokens_of_a_second_repeat_no_refresh_token() {
    let stage = Stage::with_next_life(1);

    stage.storm(16, &[]);

    stage.expect_a_whole_family();
}
