//! The contract of every store, and what its tests share.

use std::{
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tokenstrap::{
    oauth::{
        message::{Request, Response, Undelivered},
        token::{TokenSet, TokenType},
    },
    ports::{Clock, Entropy, Intent, NoEntropy, StoreError, TokenStore, Transport},
    profile::{Current, ProfileName, Record},
    secret::Secret,
    store::{self, KeySource, World, memory::Memory},
};

/// Begins every secret that these tests store.
pub const CANARY: &str = "canary-5f1d";

/// The system's own dice.
pub struct Dice;

impl Entropy for Dice {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), buffer).map_err(|_| NoEntropy)
    }
}

/// The system's own clock.
pub struct WallClock;

impl Clock for WallClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }

    fn instant(&self) -> Instant {
        Instant::now()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// No network.
pub struct Nowhere;

impl Transport for Nowhere {
    fn send(&self, request: &Request, _: Instant) -> Result<Response, Undelivered> {
        panic!("{request:?} was sent")
    }
}

/// A world whose folders lie below `top`.
pub fn world<'w>(top: &Path, key: KeySource<'w>) -> World<'w> {
    let [data, state, config] = ["data", "state", "config"].map(|name| top.join(name).join("tokenstrap"));
    let (vault, env, transport) = (Default::default(), &(|_: &str| None), &Nowhere);
    World { data, state, config, key, vault, env, transport, command: &[], prompt: false, entropy: &Dice, clock: &WallClock }
}

/// A key as `TOKENSTRAP_KEY` gives it.
pub fn some_key() -> KeySource<'static> {
    KeySource::Text(Secret::new("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"))
}

pub fn name(text: &str) -> ProfileName {
    text.parse().unwrap()
}

/// A record of this generation, with a canary in each secret.
pub fn record(profile: &str, generation: u64) -> Record {
    let spool_key = Secret::new("0f".repeat(32));
    let mut record = Record::new(name(profile), "0123456789abcdef".to_owned(), spool_key);
    record.generation = generation;
    record.current = Some(Current {
        tokens: TokenSet {
            access_token: Secret::new(format!("{CANARY}-access-{generation}")),
            token_type: TokenType::Bearer,
            refresh_token: Some(Secret::new(format!("{CANARY}-refresh-{generation}-{}", "x".repeat(1500)))),
            id_token: None,
            requested_at: SystemTime::UNIX_EPOCH,
            expires_at: None,
            scope: None,
        },
        asked: vec!["orders".to_owned()],
        account: None,
        consented_at: SystemTime::UNIX_EPOCH,
        rotations: generation,
        rotation: tokenstrap::oauth::pins::Rotation::Unknown,
        redirect_uri: None,
    });
    record
}

/// What says that the refresh token of this record is about to be sent.
pub fn intent(record: &Record) -> Intent {
    let refresh_token = record.current.as_ref().unwrap().tokens.refresh_token.as_ref().unwrap();
    Intent { generation: record.generation, refresh_token: refresh_token.hash(), at: SystemTime::UNIX_EPOCH + Duration::from_secs(1) }
}

pub fn loaded(store: &dyn TokenStore, profile: &str) -> Option<String> {
    store.load(&name(profile)).unwrap().map(|record| record.encode().expose().to_owned())
}

pub fn text(record: &Record) -> Option<String> {
    Some(record.encode().expose().to_owned())
}

/// What every store promises, from empty to empty.
pub fn contract(store: &dyn TokenStore) {
    assert!(store::by_name(store.name()).is_some() || store.name() == "memory");
    assert!(!store.place().is_empty() && store.identity().starts_with(store.name()));
    store.probe().unwrap();
    assert_eq!(store.list().unwrap(), []);
    assert!(store.load(&name("till")).unwrap().is_none());
    assert_eq!(store.intent(&name("till")).unwrap(), None);

    // Each save raises the generation by one, from none to one; any other finds a conflict and changes nothing.
    for generation in [0, 2] {
        assert_eq!(store.save(&record("till", generation)), Err(StoreError::Conflict));
    }
    for generation in 1..=3 {
        store.save(&record("till", generation)).unwrap();
        assert_eq!(loaded(store, "till"), text(&record("till", generation)));
    }
    for generation in [1, 2, 3, 5] {
        assert_eq!(store.save(&record("till", generation)), Err(StoreError::Conflict), "over 3 with {generation}");
        assert_eq!(loaded(store, "till"), text(&record("till", 3)));
    }

    // An intent lies beside the record and changes neither it nor the list.
    let intent = intent(&record("till", 3));
    store.begin(&name("till"), &intent).unwrap();
    let later = Intent { generation: 4, ..intent };
    store.begin(&name("till"), &later).unwrap();
    assert_eq!(store.intent(&name("till")).unwrap(), Some(later.clone()));
    assert_eq!(store.intent(&name("other")).unwrap(), None);
    assert_eq!(loaded(store, "till"), text(&record("till", 3)));
    store.clear(&name("till")).unwrap();
    store.clear(&name("till")).unwrap();
    assert_eq!(store.intent(&name("till")).unwrap(), None);

    // Profiles are kept apart, those with names that a store might trip over too.
    let others = ["Till2", "a.b_c-1", "till.grant", "till.intent", &"z".repeat(64)];
    for other in others {
        store.save(&record(other, 1)).unwrap();
        store.begin(&name(other), &later).unwrap();
    }
    let mut all: Vec<ProfileName> = others.iter().chain(&["till"]).map(|text| name(text)).collect();
    all.sort();
    assert_eq!(store.list().unwrap(), all);
    assert_eq!(loaded(store, "till"), text(&record("till", 3)));

    // What was forgotten is gone, its intent too, and may come again from the start.
    store.begin(&name("till"), &later).unwrap();
    store.delete(&name("till")).unwrap();
    store.delete(&name("till")).unwrap();
    assert!(store.load(&name("till")).unwrap().is_none());
    assert_eq!(store.intent(&name("till")).unwrap(), None);
    assert_eq!(loaded(store, "till.grant"), text(&record("till.grant", 1)));
    store.save(&record("till", 1)).unwrap();
    for profile in all {
        store.delete(&profile).unwrap();
    }
    assert_eq!(store.list().unwrap(), []);
    store.probe().unwrap();
}

#[test]
fn the_memory_store_keeps_the_contract() {
    contract(&Memory::new());
}
