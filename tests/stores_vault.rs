//! The vault store against real OpenBao servers.

use super::stores::{Dice, Nowhere, WallClock, contract, loaded, name, record, text};
use crate::support::bao::Bao;
use http::Method;
use rustix::process::Signal;
use serde_json::json;
use std::{
    cell::Cell,
    sync::Barrier,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tokenstrap::{
    http::client::{Client, Options},
    ports::{Acquired, Clock, Intent, StoreError, TokenStore, Transport},
    profile::settings::{Vault, VaultLogin},
    store::{self, KeySource, World},
};

/// A call promises to end within ten seconds.
const LIMIT: Duration = Duration::from_secs(11);

/// Gives a store with these settings and variables to `act`.
pub fn with_vault<T>(vault: Vault, env: &[(&str, &str)], transport: &dyn Transport, act: impl FnOnce(&dyn TokenStore) -> T) -> T {
    let env = |asked: &str| env.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
    let (data, state, config) = Default::default();
    let (key, entropy, clock) = (KeySource::Unsaid, &Dice, &WallClock);
    let world = World { data, state, config, key, command: &[], vault, env: &env, transport, prompt: false, entropy, clock };
    let store = store::by_name("vault").unwrap().open(&world).unwrap();
    act(store.as_ref())
}

/// The store at one of the servers, signed in with the root token.
fn at<T>(bao: &Bao, node: usize, act: impl FnOnce(&dyn TokenStore) -> T) -> T {
    let env = [("VAULT_ADDR", &*bao.address(node)), ("VAULT_TOKEN", bao.root())];
    with_vault(Vault::default(), &env, &Client::new(Options::default()), act)
}

#[test]
fn the_vault_store_keeps_the_contract() {
    let Some(bao) = Bao::dev() else { return };

    at(&bao, 0, contract);
}

#[test]
fn s_18_of_two_writers_of_one_generation_one_is_refused() {
    let Some(bao) = Bao::dev() else { return };
    at(&bao, 0, |store| store.save(&record("till", 1)).unwrap());
    let start = Barrier::new(8);

    let outcomes: Vec<_> = thread::scope(|scope| {
        let write = || {
            start.wait();
            at(&bao, 0, |store| store.save(&record("till", 2)))
        };
        let writers: Vec<_> = (0..8).map(|_| scope.spawn(write)).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });

    // Their records are the same text: whoever finds its own in the newer version has not been refused.
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(StoreError::Conflict))), "{outcomes:?}");
    assert!(outcomes.contains(&Ok(())));
    let (status, stored) = bao.call(0, Method::GET, "secret/data/tokenstrap/grants/till", None);
    assert_eq!((status, &stored["data"]["metadata"]["version"]), (200, &json!(2)));
}

#[test]
fn s_18_standbys_that_are_behind_neither_answer_nor_refuse() {
    let Some(bao) = Bao::cluster() else { return };
    at(&bao, 1, contract);

    // Each record is written through another server than the one before, with no more to go by than the lease.
    at(&bao, 1, |one| {
        at(&bao, 2, |two| {
            for generation in 1..=30 {
                let writer = [one, two][usize::from(generation % 2 == 0)];
                let lease = writer.lease().unwrap();
                let deadline = Instant::now() + Duration::from_secs(20);
                let guard = lease.acquire(&writer.identity(), &name("till"), deadline, &mut || false).unwrap();
                let stored = writer.load(&name("till")).unwrap().map_or(0, |record| record.generation);
                assert_eq!(stored, generation - 1, "a stale answer");
                writer.save(&record("till", generation)).unwrap();
                assert_eq!(loaded(writer, "till"), text(&record("till", generation)));
                drop(guard);
            }
        });
    });
}

/// A machine whose sleep a test decides on.
struct Sleeper(Cell<Duration>);

impl Clock for Sleeper {
    fn now(&self) -> SystemTime {
        WallClock.now()
    }

    fn instant(&self) -> Instant {
        WallClock.instant()
    }

    fn sleep(&self, time: Duration) {
        WallClock.sleep(time);
    }

    fn boottime(&self) -> Duration {
        self.0.get()
    }
}

#[test]
fn s_21_a_lease_that_ran_low_in_a_sleep_or_was_overtaken_by_a_save_sends_nothing() {
    let Some(bao) = Bao::dev() else { return };
    let (address, clock, client) = (bao.address(0), Sleeper(Cell::new(Duration::from_secs(100))), Client::new(Options::default()));
    let env = |asked: &str| {
        [("VAULT_ADDR", &*address), ("VAULT_TOKEN", bao.root())].into_iter().find(|pair| pair.0 == asked).map(|pair| pair.1.to_owned())
    };
    let (data, state, config) = Default::default();
    let (key, vault, entropy, transport) = (KeySource::Unsaid, Vault::default(), &Dice, &client);
    let world = World { data, state, config, key, command: &[], vault, env: &env, transport, prompt: false, entropy, clock: &clock };
    let store = store::by_name("vault").unwrap().open(&world).unwrap();
    store.save(&record("till", 1)).unwrap();
    let held = || {
        let end = Instant::now() + LIMIT;
        match store.lease().unwrap().acquire(&store.identity(), &name("till"), end, &mut || false).unwrap() {
            Acquired::Exclusive(guard) => guard,
            Acquired::Satisfied => panic!("nobody was at work"),
        }
    };

    let guard = held();
    assert!(guard.is_held());
    clock.0.set(clock.0.get() + Duration::from_secs(20));
    assert!(!guard.is_held(), "less than the tries and the save need is left");
    drop(guard);

    let guard = held();
    let intent = Intent { generation: 1, refresh_token: "hash".to_owned(), at: SystemTime::UNIX_EPOCH };
    store.begin(&name("till"), &intent).unwrap();
    assert!(guard.is_held());
    at(&bao, 0, |other| other.save(&record("till", 2)).unwrap());
    assert!(!guard.is_held(), "somebody has saved since");
}

#[test]
fn s_16_what_is_forgotten_leaves_no_version_behind() {
    let Some(bao) = Bao::dev() else { return };
    at(&bao, 0, |store| {
        for generation in 1..=3 {
            store.save(&record("till", generation)).unwrap();
        }
        store.delete(&name("till")).unwrap();
    });

    for path in ["grants/till", "leases/till"] {
        assert_eq!(bao.call(0, Method::GET, &format!("secret/metadata/tokenstrap/{path}"), None).0, 404, "{path}");
    }
}

#[test]
fn s_12_a_vault_that_is_sealed_hung_closed_or_elsewhere_is_told_apart_in_time() {
    let Some(bao) = Bao::dev() else { return };
    let began = Instant::now();
    let load = |vault, token| {
        let env = [("VAULT_ADDR", &*bao.address(0)), ("VAULT_TOKEN", token)];
        with_vault(vault, &env, &Client::new(Options::default()), |store| store.load(&name("till")).map(|_| ()))
    };
    let mount = |mount: &str| Vault { mount: Some(mount.to_owned()), ..Vault::default() };

    let denied = load(Vault::default(), "no-such-token");
    assert!(
        matches!(&denied, Err(StoreError::Denied(why)) if why.contains("secret/data/tokenstrap/*") && !why.contains("no-such")),
        "{denied:?}"
    );
    assert!(matches!(load(mount("nowhere"), bao.root()), Err(StoreError::Missing(_))));
    assert!(matches!(load(mount("cubbyhole"), bao.root()), Ok(()) | Err(StoreError::Missing(_))));
    assert!(matches!(with_vault(Vault::default(), &[], &Nowhere, |store| store.probe()), Err(StoreError::Unset(_))));
    assert!(began.elapsed() < LIMIT);

    bao.signal(0, Signal::STOP);
    let began = Instant::now();
    let hung = load(Vault::default(), bao.root());
    assert!(matches!(hung, Err(StoreError::Unavailable(_))), "{hung:?}");
    assert!(began.elapsed() < LIMIT);
    bao.signal(0, Signal::CONT);

    bao.call(0, Method::PUT, "sys/seal", None);
    assert_eq!(load(Vault::default(), bao.root()), Err(StoreError::Locked("the vault is sealed".to_owned())));
    bao.signal(0, Signal::KILL);
    let began = Instant::now();
    assert!(matches!(load(Vault::default(), bao.root()), Err(StoreError::Unavailable(_))));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_role_or_a_jwt_signs_in_for_a_token_that_stays_in_memory() {
    let Some(bao) = Bao::dev() else { return };
    let ok = |(status, body)| assert!(status == 200 || status == 204, "{body}");
    let policy = "path \"secret/data/tokenstrap/*\" { capabilities = [\"create\", \"read\", \"update\"] }\n\
                  path \"secret/metadata/tokenstrap/*\" { capabilities = [\"read\", \"list\", \"delete\"] }";
    ok(bao.call(0, Method::PUT, "sys/policies/acl/tokenstrap", Some(json!({"policy": policy}))));
    ok(bao.call(0, Method::POST, "sys/auth/runners", Some(json!({"type": "approle"}))));
    ok(bao.call(0, Method::POST, "auth/runners/role/ci", Some(json!({"token_policies": "tokenstrap", "token_ttl": "60s"}))));
    let (_, role) = bao.call(0, Method::GET, "auth/runners/role/ci/role-id", None);
    let (_, made) = bao.call(0, Method::POST, "auth/runners/role/ci/secret-id", None);
    let secret_id = made["data"]["secret_id"].as_str().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    ok(bao.call(0, Method::POST, "sys/auth/jwt", Some(json!({"type": "jwt"}))));
    ok(bao.call(0, Method::POST, "auth/jwt/config", Some(json!({"jwt_validation_pubkeys": [key.public_key_pem()]}))));
    let bound = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": "tokenstrap"});
    ok(bao.call(0, Method::POST, "auth/jwt/role/ci", Some(bound)));
    let jwt = signed(&key, &json!({"sub": "job", "aud": "vault", "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64}));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwt");
    std::fs::write(&file, &jwt).unwrap();
    let text = |text: &str| Some(text.to_owned());
    let approle = Vault {
        address: Some(bao.address(0)),
        login: VaultLogin::AppRole,
        login_mount: text("runners"),
        role: role["data"]["role_id"].as_str().map(str::to_owned),
        credential_env: text("SECRET_ID"),
        ..Vault::default()
    };
    let by_jwt =
        Vault { login: VaultLogin::Jwt, login_mount: None, role: text("ci"), credential_env: text("JOB_TOKEN"), ..approle.clone() };
    let by_file = Vault { credential_env: None, credential_file: Some(file), ..by_jwt.clone() };

    let transport = Client::new(Options::default());
    let env = [("SECRET_ID", secret_id), ("JOB_TOKEN", &*jwt)];
    for vault in [approle.clone(), by_jwt, by_file] {
        with_vault(vault, &env, &transport, contract);
    }
    let wrong = with_vault(approle, &[("SECRET_ID", "canary-secret-id")], &transport, |store| store.probe());
    assert!(matches!(&wrong, Err(StoreError::Denied(why)) if !why.contains("canary")), "{wrong:?}");
}

/// A JWT signed with ES256.
fn signed(key: &rcgen::KeyPair, claims: &serde_json::Value) -> String {
    let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
    let text = format!("{}.{}", encode(br#"{"alg":"ES256","typ":"JWT"}"#), encode(claims.to_string().as_bytes()));
    let dice = ring::rand::SystemRandom::new();
    let algorithm = &ring::signature::ECDSA_P256_SHA256_FIXED_SIGNING;
    let signer = ring::signature::EcdsaKeyPair::from_pkcs8(algorithm, &key.serialize_der(), &dice).unwrap();
    format!("{text}.{}", encode(signer.sign(&dice, text.as_bytes()).unwrap().as_ref()))
}
