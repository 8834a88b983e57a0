//! Many processes ask for one token at the moment it has ended.

use super::Stage;
use crate::{
    cli::failure::{Exit, Failure},
    flow::random_hex,
    http::client::{Client, Options},
    platform::{clock::SystemClock, entropy::SystemEntropy},
    profile::Record,
    secret::Secret,
    store::{self, KeySource},
};
use std::{
    collections::BTreeSet,
    io::Read,
    path::Path,
    process::{Child, Command, Stdio},
};

/// Processes of the storm. Enough that a tool without a lock loses its grant, few enough for a small machine.
const PROCESSES: usize = 50;

/// Starts the storm against a sealed store that ends with the scratch folder, and counts.
pub(super) fn play(stage: &Stage<'_>, record: &Record) -> Result<(), Failure> {
    let key = random_hex(&SystemEntropy, 32)?;
    keep(stage.scratch, &key, record)?;
    let before = stage.server.token_requests();
    let started: Vec<Child> = (0..PROCESSES).filter_map(|_| start(stage.scratch, &key).ok()).collect();
    let tokens: Vec<String> = started.into_iter().filter_map(token_of).collect();
    let good = tokens.iter().filter(|token| stage.server.is_live_access_token(token)).count();
    let different = tokens.iter().collect::<BTreeSet<_>>().len();
    let requests = stage.server.token_requests() - before;
    let plural = if requests == 1 { "" } else { "s" };
    stage.act("storm", &format!("{PROCESSES} processes ask at once → {good} good tokens, {requests} request{plural} to the server"), "");
    if good < PROCESSES || different != 1 {
        return Err(Failure::new(Exit::Bug, format!("the storm ended with {good} good tokens, {different} of them different")));
    }
    Ok(())
}

/// The record of the demo's login, as the first generation of a store of its own.
fn keep(scratch: &Path, key: &Secret, record: &Record) -> Result<(), Failure> {
    let world = store::World {
        data: scratch.join("data/tokenstrap"),
        state: scratch.join("state/tokenstrap"),
        config: scratch.join("config/tokenstrap"),
        key: KeySource::Text(key.clone()),
        vault: Default::default(),
        env: &|_| None,
        transport: &Client::new(Options::default()),
        command: &[],
        prompt: false,
        entropy: &SystemEntropy,
        clock: &SystemClock,
    };
    let kind = store::by_name("file").ok_or_else(|| Failure::new(Exit::Bug, "the file store is missing from its table"))?;
    let first = Record { generation: 1, ..record.clone() };
    kind.open(&world)?.save(&first)?;
    Ok(())
}

/// The same program, with nothing of the user's environment and the key out of everybody's sight but the child's.
fn start(scratch: &Path, key: &Secret) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["token", "demo", "--store", "file", "--min-ttl", "1s", "--non-interactive"])
        .env_clear()
        .env("HOME", scratch)
        .env("XDG_CONFIG_HOME", scratch.join("config"))
        .env("XDG_DATA_HOME", scratch.join("data"))
        .env("XDG_STATE_HOME", scratch.join("state"))
        .env("TOKENSTRAP_KEY", key.expose())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

fn token_of(mut child: Child) -> Option<String> {
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    child.wait().ok()?.success().then(|| text.trim_end().to_owned())
}
