//! The machine fails while a grant is refreshed, against a server that rotates refresh tokens and ends the grant on reuse.
//!
//! What counts afterwards is the grant: the next call has to get a token with it (RELIABILITY 2.4).

use crate::{
    scene::{KEY, Scene},
    support::{
        binary::{Invocation, Outcome},
        keyring::Session,
        real,
    },
};
use rustix::process::Signal;
use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

const BINARY: &str = env!("CARGO_BIN_EXE_tokenstrap");
const FORCED: [&str; 3] = ["token", "till", "--force-refresh"];
const LONG: Duration = Duration::from_secs(20);

/// A grant at a server that rotates; a spent refresh token fetches its pair again for so long.
fn rotating(grace: Duration) -> Scene {
    let scene = Scene::with(|builder| builder.rotating().grace(grace));
    scene.log_in();
    scene
}

fn strict() -> Scene {
    rotating(Duration::ZERO)
}

/// A call with other programs in front of it.
fn under(scene: &Scene, before: &[&str], args: &[&str]) -> Invocation {
    let program = scene.home.program(before[0]).args(&before[1..]).arg(BINARY).args(args);
    program.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY)
}

/// The grant is alive, and no spent refresh token was ever sent again.
#[track_caller]
fn expect_alive(scene: &Scene, after: &Outcome) {
    let next = scene.refreshed();
    assert_eq!(next.code, Some(0), "the grant is lost\n{after}\n{next}");
    assert!(scene.server.is_live_access_token(next.stdout.trim()), "{after}\n{next}");
    assert_eq!(scene.server.reuse_events(), 0, "{after}\n{next}");
}

fn inject(call: &str, fault: &str) -> [String; 2] {
    [format!("--trace={call}"), format!("--inject={call}:{fault}")]
}

#[test]
fn f_07_a_disk_that_fails_once_loses_no_grant() {
    if !real::programs("the faults of a disk", &["strace"]) {
        return;
    }
    let scene = strict();
    for (call, error) in [("fsync", "EIO"), ("rename,renameat,renameat2", "EROFS"), ("rename,renameat,renameat2", "ENOSPC")] {
        for when in 1..=5 {
            let [trace, fault] = inject(call, &format!("error={error}:when={when}"));
            let outcome = under(&scene, &["strace", "-f", "-qq", "-o", "/dev/null", &trace, &fault], &FORCED).run();
            assert!(matches!(outcome.code, Some(0 | 5)), "{outcome}");
            expect_alive(&scene, &outcome);
        }
    }
}

#[test]
fn f_07_a_store_that_goes_on_failing_leaves_the_grant_to_the_spool_and_the_next_call_brings_it_home() {
    if !real::programs("the faults of a disk", &["strace"]) {
        return;
    }
    let scene = strict();
    let grants = scene.home.path(".local/share/tokenstrap/grants");
    let [trace, fault] = inject("fsync", "error=ENOSPC:when=3+");
    let outcome = under(&scene, &["strace", "-f", "-qq", "-o", "/dev/null", "-P", grants.to_str().unwrap(), &trace, &fault], &FORCED).run();
    expect_alive(&scene, &outcome);

    // Everything fails that can: the token is printed, and the exit code says that it is the last one.
    let [trace, fault] = inject("rename,renameat,renameat2", "error=ENOSPC:when=2+");
    let outcome = under(&scene, &["strace", "-f", "-qq", "-o", "/dev/null", &trace, &fault], &FORCED).run().expect_code(7);
    assert!(scene.server.is_live_access_token(outcome.stdout.trim()), "{outcome}");
    scene.log_in();
    under(&scene, &["sh", "-c", "exec \"$@\" >/dev/full", "sh", "strace", "-f", "-qq", "-o", "/dev/null", &trace, &fault], &FORCED)
        .run()
        .expect_code(7)
        .expect_stderr("the answer could not be written");
}

#[test]
fn f_07_a_limit_for_files_ends_no_process_between_server_and_store() {
    if !real::programs("a limit for files", &["prlimit"]) {
        return;
    }
    let scene = strict();
    let record = std::fs::metadata(scene.home.path(".local/share/tokenstrap/grants/till.grant")).unwrap().len();
    let limited = |bytes: u64| under(&scene, &["prlimit", &format!("--fsize={bytes}")], &FORCED).run();

    let sent = scene.server.token_requests();
    limited(0).expect_code(5).expect_stdout("");
    assert_eq!(scene.server.token_requests(), sent);

    // The note beforehand fits, the record does not, and the spool is no smaller: the token is printed, and said to be the last one.
    let outcome = limited(record - 100).expect_code(7);
    assert!(scene.server.is_live_access_token(outcome.stdout.trim()), "{outcome}");
}

#[test]
fn f_08_a_read_only_home_sends_nothing_and_still_hands_out_what_lives() {
    if !real::programs("a read-only home", &["unshare", "mount"]) {
        return;
    }
    let scene = strict();
    let home = scene.home.path("");
    let script = format!("mount -o ro,bind '{0}' '{0}' && exec \"$@\"", home.display());
    let before = ["unshare", "-rm", "sh", "-c", &script, "sh"];
    if scene.home.program("unshare").args(["-rm", "true"]).run().code != Some(0) {
        return real::left_out("a read-only home", "the system gives no user namespaces");
    }
    let sent = scene.server.token_requests();

    under(&scene, &before, &FORCED).run().expect_code(5).expect_stdout("");
    let outcome = under(&scene, &before, &["token", "till"]).run().expect_code(0);
    under(&scene, &before, &["token", "till", "--min-ttl", "2h"]).run().expect_code(0).expect_stderr("this token still lives");

    assert_eq!(scene.server.token_requests(), sent);
    expect_alive(&scene, &outcome);
}

#[test]
fn f_09_a_keychain_that_locks_between_answer_and_save_costs_nothing() {
    let Some(session) = Session::with_keyring() else { return };
    let scene = Scene::with(|builder| builder.rotating());
    let call = |args: &[&str]| {
        let call = scene.home.tokenstrap().env("DBUS_SESSION_BUS_ADDRESS", session.address());
        call.env("TOKENSTRAP_STORE", "keychain").env("TILL_SECRET", crate::scene::SECRET).args(args)
    };
    let (login, page) =
        crate::scene::begun(scene.login().env("TOKENSTRAP_STORE", "keychain").env("DBUS_SESSION_BUS_ADDRESS", session.address()));
    tokenstrap::sandbox::approve(&page).unwrap();
    login.finish().expect_code(0);
    scene.server.faults(|faults| faults.delay_after = Duration::from_millis(1500));
    let sent = scene.server.token_requests();

    let refresh = call(&FORCED).spawn();
    assert!(scene.server.wait_for_token_requests(sent + 1, LONG));
    let mut lock = session.command("dbus-send");
    lock.args(["--print-reply", "--dest=org.freedesktop.secrets", "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock"]);
    assert!(lock.arg("array:objpath:/org/freedesktop/secrets/collection/login").output().unwrap().status.success());
    let outcome = refresh.finish().expect_code(0).expect_stderr("it is kept, sealed");
    assert!(scene.server.is_live_access_token(outcome.stdout.trim()), "{outcome}");
    scene.server.faults(|faults| faults.delay_after = Duration::ZERO);

    session.unlock_anew();
    let next = call(&["token", "till"]).run().expect_code(0).expect_stderr("is in the store now");
    assert_eq!(next.stdout, outcome.stdout);
    call(&FORCED).run().expect_code(0);
    assert_eq!(scene.server.reuse_events(), 0);
}

#[test]
fn f_14_an_answer_that_is_cut_anywhere_is_fetched_again_within_the_window() {
    let scene = rotating(Duration::from_secs(30));
    for offset in [0, 1, 12, 40, 120, 200, 260, 300, 330, 360] {
        scene.server.faults(|faults| faults.cut = Some(offset));
        let outcome = scene.refreshed().expect_code(0);
        assert!(scene.server.is_live_access_token(outcome.stdout.trim()), "{offset}\n{outcome}");
    }
}

#[test]
fn f_18_and_n_05_a_clock_that_jumps_costs_one_request_a_call_and_no_grant() {
    if !real::programs("clocks that jump", &["faketime"]) {
        return;
    }
    let scene = strict();
    for clock in ["-1d", "+1d", "-10y", "+10y", "@2038-01-19 03:14:08", "@2106-02-07 06:28:16", "@2500-01-01 00:00:00"] {
        let sent = scene.server.token_requests();
        let outcome = under(&scene, &["faketime", "-f", clock], &["token", "till"]).run().expect_code(0);
        assert!(scene.server.token_requests() - sent <= 1, "{clock}\n{outcome}");
        assert!(scene.server.is_live_access_token(outcome.stdout.trim()), "{clock}\n{outcome}");
    }
    expect_alive(&scene, &scene.call(["token", "till"]).run());
}

#[test]
fn f_19_a_sender_that_was_stopped_keeps_others_out_and_its_grant_is_whole() {
    let scene = strict();
    scene.server.faults(|faults| faults.delay_after = Duration::from_millis(500));
    let sent = scene.server.token_requests();
    let mut stopped = scene.call(FORCED).spawn();
    assert!(scene.server.wait_for_token_requests(sent + 1, LONG));
    stopped.signal(Signal::STOP);

    let pid = stopped.pid().as_raw_nonzero().to_string();
    scene.call(FORCED).args(["--timeout", "1s"]).run().expect_code(4).expect_stderr(&format!("process {pid}"));
    assert_eq!(scene.server.token_requests(), sent + 1);

    stopped.signal(Signal::CONT);
    expect_alive(&scene, &stopped.finish().expect_code(0));
}

#[test]
fn f_24_a_sender_that_was_killed_blocks_nobody() {
    let scene = rotating(Duration::from_secs(30));
    scene.server.faults(|faults| faults.delay_after = Duration::from_millis(500));
    let sent = scene.server.token_requests();
    let mut killed = scene.call(FORCED).spawn();
    assert!(scene.server.wait_for_token_requests(sent + 1, LONG));
    killed.signal(Signal::KILL);
    expect_alive(&scene, &killed.finish());
}

#[test]
fn f_25_a_state_folder_that_is_gone_is_made_anew_and_one_that_others_may_write_sends_nothing() {
    let scene = strict();
    let state = scene.home.path(".local/state/tokenstrap");
    fs::remove_dir_all(&state).unwrap();
    expect_alive(&scene, &scene.refreshed());
    let locks = state.join("locks");
    assert_eq!(fs::metadata(&locks).unwrap().permissions().mode() & 0o777, 0o700);

    fs::set_permissions(&locks, fs::Permissions::from_mode(0o777)).unwrap();
    let sent = scene.server.token_requests();
    scene.refreshed().expect_code(6).expect_stdout("");
    assert_eq!(scene.server.token_requests(), sent);
}

#[test]
fn f_29_a_process_with_few_descriptors_ends_cleanly_and_loses_no_grant() {
    if !real::programs("few descriptors", &["prlimit"]) {
        return;
    }
    let scene = strict();
    for limit in 3..=14 {
        let outcome = under(&scene, &["prlimit", &format!("--nofile={limit}")], &FORCED).run();
        assert!(outcome.signal.is_none() && !matches!(outcome.code, Some(1 | 101)), "{limit}\n{outcome}");
        expect_alive(&scene, &outcome);
    }
}

#[test]
fn f_30_whoever_is_told_to_end_between_answer_and_save_saves_first() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let scene = strict();
        scene.server.faults(|faults| faults.delay_after = Duration::from_millis(300));
        let sent = scene.server.token_requests();
        let mut told = scene.call(FORCED).spawn();
        assert!(scene.server.wait_for_token_requests(sent + 1, LONG));
        told.signal(signal);
        let outcome = told.finish();
        assert_eq!(outcome.signal, Some(signal.as_raw()), "{outcome}");
        expect_alive(&scene, &outcome);
    }
}

#[test]
fn f_31_a_standard_output_that_is_closed_costs_a_token_and_no_grant() {
    let scene = strict();
    for script in ["exec \"$@\" >&-", "exec \"$@\" >/dev/full", "\"$@\" | true"] {
        let outcome = under(&scene, &["sh", "-c", script, "sh"], &FORCED).run();
        expect_alive(&scene, &outcome);
    }
}
