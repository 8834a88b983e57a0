//! A refresh that is killed around sending and saving, against a server that replays (RELIABILITY F-04 and P2).
//!
//! `tests/bench/kill.py` does the same at every system call; here are those where a mistake would show first.

use crate::{
    scene::{KEY, Scene},
    support::real,
};
use std::time::Duration;

/// System calls between lock and print, each with how often it is the last thing that happens.
const CALLS: [(&str, u32); 8] =
    [("fsync", 5), ("renameat", 3), ("connect", 1), ("sendto", 1), ("recvfrom", 2), ("shutdown", 1), ("unlink", 1), ("write", 8)];

/// Runs a forced refresh that is killed at the n-th entry of a system call; whether the kill came.
fn is_killed(scene: &Scene, call: &str, number: u32) -> bool {
    let killed = format!("inject={call}:signal=SIGKILL:when={number}");
    let strace = scene.home.program("strace").args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &killed]);
    let outcome = strace.arg(env!("CARGO_BIN_EXE_tokenstrap")).args(["token", "till", "--force-refresh"]);
    outcome.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).run().signal.is_some()
}

#[test]
fn f_04_no_kill_around_sending_and_saving_loses_a_grant_that_the_server_replays() {
    if !real::programs("kills at system calls", &["strace"]) {
        return;
    }
    // Below --min-ttl, so that the call after the kill asks the server.
    let scene =
        Scene::with(|builder| builder.expires_in(30).faults(|faults| (faults.rotate, faults.grace) = (true, Duration::from_secs(30))));
    scene.log_in();
    let mut kills = 0;
    for (call, most) in CALLS {
        for number in 1..=most {
            kills += u32::from(is_killed(&scene, call, number));
            let requests = scene.server.token_requests();

            let next = scene.call(["token", "till"]).run().expect_code(0);

            assert!(scene.server.is_live_access_token(next.stdout.trim_end()), "{call} {number}");
            assert!(scene.server.token_requests() > requests, "{call} {number}: nobody asked");
        }
    }
    assert!(kills > 10, "only {kills} kills");
    assert_eq!(scene.server.reuse_events(), 0);
}
