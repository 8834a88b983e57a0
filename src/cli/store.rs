//! `tokenstrap store`

use super::{
    Run,
    context::Context,
    failure::{Exit, Failure},
    terminal,
};
use crate::{
    profile::Settings,
    store::{self, STORES},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Say which stores work here, or make a key for the file store
#[derive(Args)]
pub(super) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Try each store: write, read back, delete
    Status,
    /// Make what a store needs before its first use
    Init {
        /// The store; only `file` needs anything
        #[arg(value_parser = ["file"])]
        store: String,
        /// Put the key file here instead of beside the settings
        #[arg(long, value_name = "FILE")]
        at: Option<PathBuf>,
    },
}

impl Run for Store {
    const NAME: &'static str = "store";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        match self.action {
            Action::Status => status(context),
            Action::Init { at, .. } => init(context, at),
        }
    }
}

fn status(context: &Context) -> Result<Exit, Failure> {
    let chosen = context.store_name(&Settings::default())?;
    let rows = context.with_store_world(|world| {
        Ok(STORES
            .iter()
            .map(|kind| {
                let outcome = kind.open(world).and_then(|store| store.probe().map(|()| store.place()));
                (kind.name(), outcome)
            })
            .collect::<Vec<_>>())
    })?;
    if context.globals.json {
        let list: Vec<Value> = rows
            .iter()
            .map(|(name, outcome)| {
                let (works, said) = match outcome {
                    Ok(place) => (true, place.clone()),
                    Err(error) => (false, error.to_string()),
                };
                json!({"store": name, "works": works, "says": said, "default": *name == chosen})
            })
            .collect();
        terminal::document(&json!({"stores": list}))?;
        return Ok(Exit::Done);
    }
    for (name, outcome) in rows {
        let default = if name == chosen { ", used where nothing else is said" } else { "" };
        let line = match outcome {
            Ok(place) => format!("✓ {name:10} {place}{default}"),
            Err(error) => format!("✗ {name:10} {}{default}", crate::text::printable(&error.to_string())),
        };
        terminal::answer(&format!("{line}\n"))?;
    }
    Ok(Exit::Done)
}

fn init(context: &Context, at: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = context.with_store_world(|world| {
        store::file::init(world, at.as_deref()).map_err(|error| match error {
            crate::ports::StoreError::Conflict => Failure::usage("there is a key file already")
                .hint("a new key would close the store for good; move the old one away if you mean it"),
            other => other.into(),
        })
    })?;
    if context.globals.json {
        terminal::document(&json!({"key_file": path.display().to_string()}))?;
    }
    context.say(&format!("✓ key file {}", crate::text::printable(&path.display().to_string())));
    context.say("  It keeps copies of the data folder (a backup, a synced home) from being read. It does not keep out whoever can");
    context.say("  read both folders as you. Lose it, and every grant in the file store has to be made again.");
    if at.is_some() {
        context.say("  Name it with --key-file or TOKENSTRAP_KEY_FILE.");
    }
    context.say("Now   tokenstrap login NAME --store file");
    Ok(Exit::Done)
}
