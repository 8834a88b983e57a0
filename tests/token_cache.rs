//! The access-token cache against the real kernel.
//!
//! Possession of a key depends on the session, so other processes are children: this very program with the name of
//! [`answer`].

use super::{
    stores::{CANARY, Dice},
    stores_keychain::{ASK, MARK, ask},
};
use crate::support::real;
use linux_keyutils::{KeyRing, KeyRingIdentifier};
use std::{
    env, fs,
    io::Write,
    process::Command,
    time::{Duration, SystemTime},
};
use tokenstrap::{
    ports::{AccessTokenCache, Cached, Entropy},
    secret::Secret,
    store::cache::KernelCache,
};

#[test]
#[ignore = "the child's side of the tests below; alone it does nothing"]
fn answer() {
    let Some(question) = env::var(ASK).ok() else { return };
    let (verb, id) = question.split_once(' ').unwrap();
    writeln!(std::io::stdout(), "\n{MARK}{}", cache(verb, id)).unwrap();
}

fn told(child: Command, verb: &str, grant: &Grant) -> String {
    ask(child, "token_cache::answer", &format!("{verb} {}", grant.0)).0
}

fn cache(verb: &str, id: &str) -> String {
    let cached = |token: String, seconds| Cached {
        access_token: Secret::new(token),
        expires_at: SystemTime::now() + Duration::from_secs(seconds),
        generation: 4,
    };
    match verb {
        "write" => KernelCache.replace(id, &cached(format!("{CANARY}-one"), 60), SystemTime::now()),
        "write-big" => KernelCache.replace(id, &cached("x".repeat(30_000), 60), SystemTime::now()),
        "write-too-big" => KernelCache.replace(id, &cached("x".repeat(40_000), 60), SystemTime::now()),
        "write-ended" => KernelCache.replace(id, &cached(CANARY.to_owned(), 0), SystemTime::now()),
        "forget" => KernelCache.forget(id),
        _ => {}
    }
    let found = KernelCache.read(id);
    format!("{:?}", found.map(|found| (found.access_token.expose().to_owned(), found.generation)))
}

/// A fresh name, so that no two runs of the tests meet; whoever has it forgets it in the end.
struct Grant(String);

impl Grant {
    fn new() -> Option<Self> {
        let mut random = [0; 16];
        Dice.fill(&mut random).unwrap();
        let grant = Self(data_encoding::HEXLOWER.encode(&random));
        // Containers often forbid the kernel's keyring altogether.
        let probe = KeyRing::from_special_id(KeyRingIdentifier::Thread, true).and_then(|ring| ring.add_key("tokenstrap-test", "x"));
        if probe.is_err() {
            real::left_out("the token cache", "the kernel's keyring is refused here");
            return None;
        }
        assert_ne!(cache("write", &grant.0), "None");
        Some(grant)
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        KernelCache.forget(&self.0);
    }
}

#[test]
fn s_20_a_cached_token_is_read_by_other_processes_of_the_user_and_gone_once_forgotten() {
    let Some(grant) = Grant::new() else { return };
    let here = || Command::new(env::current_exe().unwrap());
    let kept = format!("{:?}", Some((format!("{CANARY}-one"), 4)));

    assert_eq!(told(here(), "read", &grant), kept);
    if real::programs("a session of its own", &["keyctl"]) {
        // A session keyring without a link to the user's, as over SSH and in containers: neither possesses the key.
        for verb in ["read", "write", "forget", "write"] {
            let mut child = Command::new("keyctl");
            child.args(["session", "-"]).arg(env::current_exe().unwrap());
            let wanted = if verb == "forget" { "None" } else { kept.as_str() };
            assert_eq!(told(child, verb, &grant), wanted, "{verb} in a session of its own");
        }
    }
    assert_eq!(told(here(), "read", &grant), kept);

    KernelCache.forget(&grant.0);
    assert_eq!(told(here(), "read", &grant), "None");
}

#[test]
fn s_20_the_key_is_closed_to_group_and_world_and_ends_with_the_token() {
    let Some(grant) = Grant::new() else { return };
    let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
    let Some(line) = keys.lines().find(|line| line.contains(&grant.0)) else {
        return real::left_out("the look at /proc/keys", "it shows nothing here");
    };

    let words: Vec<&str> = line.split_whitespace().collect();
    assert!(words[4].ends_with("0000"), "group or world may do something: {line}");
    assert!(words[3].ends_with('s') || words[3] == "1m" || words[3] == "0m", "it does not end: {line}");
}

#[test]
fn s_20_a_token_that_ended_or_is_too_big_leaves_no_older_one_behind() {
    let Some(grant) = Grant::new() else { return };
    for verb in ["write-too-big", "write-ended"] {
        assert_ne!(cache("write", &grant.0), "None");
        assert_eq!(cache(verb, &grant.0), "None", "{verb}");
    }
}

#[test]
fn s_20_another_grant_of_the_same_user_is_not_answered() {
    let (Some(one), Some(other)) = (Grant::new(), Grant::new()) else { return };
    KernelCache.forget(&other.0);

    assert_ne!(cache("read", &one.0), "None");
    assert_eq!(cache("read", &other.0), "None");
    assert_eq!(cache("read", "../x y"), "None");
}
