//! Fills the file store with so many profiles, for the bench: `many_profiles COUNT`.
//!
//! Folders come from `XDG_DATA_HOME`, `XDG_STATE_HOME` and `XDG_CONFIG_HOME`, the key from `TOKENSTRAP_KEY`.

use std::{env, error::Error, path::PathBuf, time::SystemTime};
use tokenstrap::{
    oauth::{
        pins::Rotation,
        token::{TokenSet, TokenType},
    },
    platform::{clock::SystemClock, entropy::SystemEntropy},
    profile::{Current, Record},
    secret::Secret,
    store::{self, KeySource, World},
};

fn main() -> Result<(), Box<dyn Error>> {
    let count: usize = env::args().nth(1).ok_or("say how many")?.parse()?;
    let folder = |name: &str| env::var_os(name).map(|path| PathBuf::from(path).join("tokenstrap")).ok_or(format!("{name} is not set"));
    let world = World {
        data: folder("XDG_DATA_HOME")?,
        state: folder("XDG_STATE_HOME")?,
        config: folder("XDG_CONFIG_HOME")?,
        key: KeySource::Text(Secret::new(env::var("TOKENSTRAP_KEY")?)),
        prompt: false,
        entropy: &SystemEntropy,
        clock: &SystemClock,
    };
    let store = store::by_name("file").ok_or("there is no file store")?.open(&world)?;
    for number in 1..=count {
        store.save(&record(number)?)?;
    }
    Ok(())
}

/// A grant whose token never ends.
fn record(number: usize) -> Result<Record, Box<dyn Error>> {
    let mut record = Record::new(format!("till-{number}").parse()?, format!("{number:032x}"), Secret::new("0f".repeat(32)));
    record.generation = 1;
    let tokens = TokenSet {
        access_token: Secret::new(format!("mock-access-{number:028}")),
        token_type: TokenType::Bearer,
        refresh_token: Some(Secret::new(format!("mock-refresh-{number:027}"))),
        id_token: None,
        requested_at: SystemTime::now(),
        expires_at: None,
        scope: None,
    };
    record.current = Some(Current {
        tokens,
        asked: Vec::new(),
        account: None,
        consented_at: SystemTime::now(),
        rotations: 0,
        rotation: Rotation::Unknown,
        redirect_uri: None,
    });
    Ok(record)
}
