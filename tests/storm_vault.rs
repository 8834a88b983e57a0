//! Many processes of two hosts want one token at once. They share a vault and a home: no lock, no cache.

use crate::support::{
    bao::Bao,
    binary::Invocation,
    host::Host,
    running::{Running, Stream},
};
use rustix::process::Signal;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};
use tokenstrap::sandbox::{self, Sandbox};

/// Processes of each host.
const PROCESSES: usize = 20;

/// Two hosts with one grant, whose access token has ended.
struct Stage {
    server: sandbox::Running,
    bao: Bao,
    hosts: [Host; 2],
    /// The server of the vault that each of them asks.
    nodes: [usize; 2],
}

impl Stage {
    /// The authorization server takes `delay` to answer a refresh.
    fn new(bao: Bao, nodes: [usize; 2], delay: Duration) -> Self {
        let server = Sandbox::builder().strict().expires_in(1).start().unwrap();
        let stage = Self { server, hosts: Host::pair(), bao, nodes };
        stage.hosts.iter().for_each(|host| host.settings("store = \"vault\"\naccess_token_cache = false\n"));
        let words = ["login", "till", "--no-browser", "--issuer", stage.server.issuer(), "--client-id", stage.server.client_id()];
        let secret = stage.server.client_secret().unwrap().expose().to_owned();
        let mut login = stage.tokenstrap(0, &words).arg("--client-secret-stdin").stdin(secret).spawn();
        let url = login.wait_for_line(Stream::Err, "/authorize?");
        sandbox::approve(url.trim()).unwrap();
        login.finish().expect_code(0);
        stage.server.faults(|faults| (faults.expires_in, faults.delay_after) = (Some(3600), delay));
        stage
    }

    fn tokenstrap(&self, host: usize, args: &[&str]) -> Invocation {
        let address = self.bao.address(self.nodes[host]);
        self.hosts[host].tokenstrap().env("VAULT_ADDR", address).env("VAULT_TOKEN", self.bao.root()).args(args)
    }

    /// The processes of both hosts at once.
    fn storm(&self) -> Vec<Running> {
        (0..PROCESSES * 2).map(|number| self.tokenstrap(number % 2, &["token", "till"]).spawn()).collect()
    }

    fn refreshes(&self) -> usize {
        self.server.log().iter().filter(|logged| logged.member("grant_type") == Some("refresh_token")).count()
    }

    /// Each got the same live token, for one request.
    #[track_caller]
    fn expect_one_refresh(&self, storm: Vec<Running>) {
        let outcomes: Vec<_> = storm.into_iter().map(|running| running.finish().expect_code(0)).collect();
        let tokens: BTreeSet<_> = outcomes.iter().map(|outcome| outcome.stdout.trim_end()).collect();
        assert_eq!(tokens.len(), 1, "{tokens:?}");
        assert!(self.server.is_live_access_token(tokens.first().unwrap()));
        assert!(outcomes.iter().all(|outcome| !outcome.stderr.contains(self.bao.root())));
        assert_eq!((self.refreshes(), self.server.reuse_events(), self.server.live_refresh_tokens()), (1, 0, 1));
        assert!(self.hosts.iter().all(Host::keeps_its_state));
    }
}

#[test]
fn f_26_and_f_27_forty_processes_of_two_hosts_need_one_request() {
    let Some(bao) = Bao::dev() else { return };
    let stage = Stage::new(bao, [0, 0], Duration::from_millis(300));

    stage.expect_one_refresh(stage.storm());
}

#[test]
fn f_27_with_the_leader_killed_between_sending_and_saving_everybody_is_served() {
    let Some(bao) = Bao::cluster() else { return };
    let stage = Stage::new(bao, [1, 2], Duration::from_millis(500));
    let storm = stage.storm();
    let began = Instant::now();
    while stage.refreshes() == 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody refreshed");
        thread::park_timeout(Duration::from_millis(1));
    }

    let leader = stage.bao.leader().unwrap();
    assert_eq!(leader, 0, "another one leads than the test thought");
    stage.bao.signal(leader, Signal::KILL);

    stage.expect_one_refresh(storm);
    assert!(began.elapsed() < Duration::from_secs(36));
}
