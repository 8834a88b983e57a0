//! Two hosts with one home over a network: its sealed files are shared, and the locks of one mean nothing to the other.

use crate::{
    scene::KEY,
    support::{
        binary::Invocation,
        host::Host,
        running::{Running, Stream},
    },
};
use std::time::Duration;
use tokenstrap::sandbox::{Sandbox, approve};

/// Storms, each at the moment of expiry.
const ROUNDS: usize = 5;
/// Processes of each host.
const PROCESSES: usize = 6;

fn call(host: &Host, args: &[&str]) -> Invocation {
    host.tokenstrap().env("TOKENSTRAP_KEY", KEY).args(args)
}

#[test]
fn f_26_hosts_with_one_home_and_no_common_lock_lose_no_grant_of_a_server_that_answers_a_repeat_alike() {
    let server = Sandbox::builder().strict().grace(Duration::from_secs(600)).start().unwrap();
    let hosts = Host::pair();
    hosts.iter().for_each(|host| host.settings("store = \"file\"\naccess_token_cache = false\n"));
    let words = ["login", "till", "--no-browser", "--issuer", server.issuer(), "--client-id", server.client_id()];
    let secret = server.client_secret().unwrap().expose().to_owned();
    let mut login = call(&hosts[0], &words).arg("--client-secret-stdin").stdin(secret).spawn();
    approve(login.wait_for_line(Stream::Err, "/authorize?").trim()).unwrap();
    login.finish().expect_code(0);
    if !hosts[0].shares_a_home() {
        return;
    }
    server.faults(|faults| faults.delay_after = Duration::from_millis(100));

    for _ in 0..ROUNDS {
        let forced = ["token", "till", "--force-refresh"];
        let storm: Vec<_> = (0..PROCESSES * 2).map(|number| call(&hosts[number % 2], &forced).spawn()).collect();

        for outcome in storm.into_iter().map(Running::finish) {
            // One side may be told to come again; nobody gets a token that is none.
            assert!(matches!(outcome.code, Some(0 | 4)), "{outcome}");
            assert!(outcome.code == Some(4) || server.is_live_access_token(outcome.stdout.trim_end()), "{outcome}");
        }
        assert_eq!((server.reuse_events(), server.live_refresh_tokens()), (0, 1));
    }
    for host in &hosts {
        let last = call(host, &["token", "till", "--force-refresh"]).run().expect_code(0);
        assert!(server.is_live_access_token(last.stdout.trim_end()));
        assert!(host.keeps_its_state());
    }
}
