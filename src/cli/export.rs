//! `tokenstrap export`

use super::{
    Run,
    bundle_key::BundleKey,
    context::{self, Context},
    failure::{Exit, Failure},
    held, terminal,
};
use crate::{
    flow,
    platform::entropy::SystemEntropy,
    ports::StoreError,
    profile::Record,
    store::bundle::{self, Contents},
    text::printable,
};
use clap::Args;
use serde_json::json;
use std::{cell::RefCell, path::PathBuf};

/// Write a grant as a sealed bundle for another machine
///
/// The bundle is one line of text. It is sealed with a passphrase that is asked for, or with the key that TOKENSTRAP_KEY,
/// --key-file or --bundle-key-file gives; `tokenstrap import` opens it elsewhere, and a CI job takes it as TOKENSTRAP_GRANT.
///
/// Many servers replace the refresh token with each use. Such a grant has one home: two machines that both refresh it
/// log each other out. --move makes this machine forget it once the bundle is safely on the disk.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tokenstrap export till --out till.bundle --move\n  tokenstrap export till | ssh backoffice tokenstrap import till\n  tokenstrap export till | gh secret set TOKENSTRAP_GRANT"
)]
pub(super) struct Export {
    /// Whose grant
    profile: String,
    /// Write to this new file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Seal with a passphrase that is asked for, whatever key is at hand
    #[arg(long, conflicts_with_all = ["passphrase_env", "bundle_key_file"])]
    passphrase: bool,
    #[command(flatten)]
    key: BundleKey,
    /// Forget the grant here once the file is on the disk
    #[arg(long = "move", requires = "out")]
    and_forget: bool,
}

impl Run for Export {
    const NAME: &'static str = "export";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let settings = context.settings(&profile)?;
        let key = self.key.to_seal(context, self.passphrase)?;
        let written = RefCell::new(String::new());
        let (record, store) = context.with_grant(&profile, &settings, |world| {
            if world.store.intent(&profile)?.is_some() {
                context.warn(&["a refresh of this grant did not end; its refresh token may be spent".to_owned()]);
            }
            let record = flow::export(world, &profile, self.and_forget, |record| -> Result<(), Failure> {
                let contents = Contents { record: record.clone(), settings: settings.clone() };
                let text = key.with(|key| bundle::seal(&contents, key, &SystemEntropy))?;
                if let Some(path) = &self.out {
                    bundle::write_new(path, &text).map_err(taken)?;
                }
                written.replace(text);
                Ok(())
            })?;
            Ok((record, world.store.name()))
        })?;
        if self.and_forget {
            held::let_go(context, &profile, &settings, store)?;
        }
        self.tell(context, &record, &written.borrow())
    }
}

impl Export {
    fn tell(&self, context: &Context, record: &Record, text: &str) -> Result<Exit, Failure> {
        let profile = &record.profile;
        let single_use = flow::is_single_use(record);
        let file = self.out.as_ref().map(|path| printable(&path.display().to_string()));
        if context.globals.json {
            let bundle = file.is_none().then_some(text);
            terminal::document(&json!({
                "profile": profile, "file": file, "bundle": bundle, "single_use": single_use, "forgotten": self.and_forget,
            }))?;
        } else if file.is_none() {
            terminal::answer(&format!("{text}\n"))?;
        }
        if let Some(file) = &file {
            context.say(&format!("✓ {profile} is in {file}, sealed; `tokenstrap import {profile} <{file}` takes it elsewhere"));
        }
        if self.and_forget {
            context.say("✓ forgotten here; that file is the only copy now");
        } else if single_use {
            context.warn(&[format!(
                "this refresh token may be good for one use: whoever refreshes second ends the grant for both. Use it in one place, \
                 and run `tokenstrap logout {profile}` here once the other one has it (--move does both)"
            )]);
        }
        Ok(Exit::Done)
    }
}

fn taken(error: StoreError) -> Failure {
    match error {
        StoreError::Conflict => Failure::usage("there is something of that name already").hint("--out takes a new file"),
        StoreError::Denied(fact) | StoreError::Unavailable(fact) => {
            Failure::new(Exit::Machine, "the bundle could not be written; nothing was changed").because(printable(&fact))
        }
        other => other.into(),
    }
}
