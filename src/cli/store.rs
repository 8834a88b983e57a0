//! `tokenstrap store`

use super::{
    Run,
    context::{self, Context, Nobody},
    failure::{Exit, Failure},
    terminal,
};
use crate::{
    flow,
    profile::Settings,
    store::{self, STORES, holders::Holders},
};
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Say which stores work here, make what one needs, or move a grant
#[derive(Args)]
pub(super) struct Store {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Try each store: write, read back, delete
    Status,
    /// Move a grant to another store
    ///
    /// The grant is written there and read back, the profile's settings name the other store, and only then it is
    /// removed here: a move that was killed leaves at least one whole copy, and is finished by another.
    Migrate {
        /// Whose grant
        profile: String,
        /// Where it goes
        #[arg(long, value_name = "STORE", value_parser = context::store_parser())]
        to: String,
    },
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
            Action::Migrate { profile, to } => migrate(context, &profile, &to),
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

fn migrate(context: &Context, profile: &str, to: &str) -> Result<Exit, Failure> {
    let profile = context::profile(profile)?;
    let settings = context.settings(&profile)?;
    let from = context.store_name(&settings)?;
    if from == to {
        return Err(Failure::usage(format!("{profile} is in the store `{to}` already")).hint("--store names the store that it comes from"));
    }
    let holders = Holders::new(&context.folders.state);
    let kind = store::by_name(to).ok_or_else(|| Failure::usage("there is no such store"))?;
    let (record, place) = context.with_world(&settings, &Nobody, |here| {
        context.with_store_world(|world| {
            let store = kind.open(world)?;
            let there = flow::World { store: store.as_ref(), ..*here };
            if let Some(caveat) = store.caveat() {
                context.say(&format!("note: {caveat}"));
            }
            let settings = Settings { store: Some(to.to_owned()), ..settings.clone() };
            let record = flow::migrate(here, &there, &profile, |_| {
                holders.add(&profile, to);
                Ok::<_, Failure>(context.config.save(&profile, &settings)?)
            })?;
            holders.remove(&profile, &from);
            Ok((record, store.place()))
        })
    })?;
    if context.globals.json {
        terminal::document(&json!({"profile": profile, "from": from, "to": to, "generation": record.generation}))?;
    }
    context.say(&format!("✓ {profile} is in {} now, and gone from the store `{from}`", crate::text::printable(&place)));
    if context::env("TOKENSTRAP_STORE").is_some_and(|name| name != to) {
        context.say("note: TOKENSTRAP_STORE names another store, and goes before the profile's own");
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
