//! What seals or opens a bundle: a passphrase, a key file, or the key that the file store has.

use super::{
    context::{self, Context},
    failure::{Exit, Failure},
    terminal,
};
use crate::{
    secret::Secret,
    store::{KeySource, bundle::BadBundle},
    text::printable,
};
use clap::Args;
use std::path::PathBuf;

/// Fewest bytes of a new passphrase. Whoever copies a bundle may try as long as they like.
const FEWEST: usize = 12;

/// Flags of `export` and `import`.
#[derive(Args, Debug)]
pub(super) struct BundleKey {
    /// Take the bundle's passphrase from this environment variable
    #[arg(long, value_name = "VAR", conflicts_with = "bundle_key_file")]
    passphrase_env: Option<String>,
    /// Take the bundle's key from this file
    #[arg(long, value_name = "FILE")]
    bundle_key_file: Option<PathBuf>,
}

/// A key, or a passphrase that is known already: nobody is asked while a lock is held.
pub(super) enum Known {
    Passphrase(Secret),
    File(PathBuf),
    Text(Secret),
}

impl Known {
    /// Lends it to the store room.
    pub fn with<T>(&self, act: impl FnOnce(&KeySource<'_>) -> T) -> T {
        match self {
            Self::Passphrase(text) => act(&KeySource::Passphrase(&|| Some(text.clone()))),
            Self::File(path) => act(&KeySource::File(path.clone())),
            Self::Text(text) => act(&KeySource::Text(text.clone())),
        }
    }
}

impl BundleKey {
    /// What seals a new bundle; `ask` insists on a passphrase.
    pub fn to_seal(&self, context: &Context, ask: bool) -> Result<Known, Failure> {
        let known = match self.named()? {
            Some(known) => known,
            None => match (ask, store_key(context)) {
                (false, Some(known)) => known,
                _ if context.may_ask_beside_stdin() => Known::Passphrase(terminal::ask_passphrase("Passphrase for the bundle", true)?),
                _ => {
                    return Err(Failure::usage("nothing is named to seal the bundle with").hint(
                        "set TOKENSTRAP_KEY (`openssl rand -hex 32` makes one), or add --bundle-key-file FILE or --passphrase-env VAR",
                    ));
                }
            },
        };
        match &known {
            Known::Passphrase(text) if text.len() < FEWEST => {
                Err(Failure::usage(format!("the passphrase has fewer than {FEWEST} characters"))
                    .because("whoever copies the bundle can try short ones one after the other"))
            }
            _ => Ok(known),
        }
    }

    /// What opens a bundle.
    pub fn to_open(&self, context: &Context, wants_passphrase: bool) -> Result<Known, Failure> {
        if let Some(known) = self.named()? {
            return Ok(known);
        }
        match (wants_passphrase, store_key(context)) {
            (false, Some(known)) => Ok(known),
            (true, _) if context.may_ask_beside_stdin() => {
                terminal::ask_passphrase("Passphrase of the bundle", false).map(Known::Passphrase)
            }
            (true, _) => {
                Err(Failure::usage("a passphrase opens the bundle, and nobody can be asked").hint("name it with --passphrase-env VAR"))
            }
            (false, None) => {
                Err(Failure::usage("a key opens the bundle, and none is named").hint("set TOKENSTRAP_KEY, or add --bundle-key-file FILE"))
            }
        }
    }

    fn named(&self) -> Result<Option<Known>, Failure> {
        if let Some(path) = &self.bundle_key_file {
            return Ok(Some(Known::File(path.clone())));
        }
        let Some(variable) = &self.passphrase_env else { return Ok(None) };
        // Not by its name: some will put the passphrase itself there (SECURITY X-01).
        let missing = || {
            Failure::usage("the environment variable that --passphrase-env names is not set")
                .hint("it takes the name of a variable, never the passphrase itself")
        };
        context::env(variable).map(|text| Some(Known::Passphrase(Secret::new(text)))).ok_or_else(missing)
    }
}

/// The key that the environment or a flag gives the file store; its own key file is known on this machine only.
fn store_key(context: &Context) -> Option<Known> {
    let file = || context.globals.key_file.clone().or_else(|| context::env("TOKENSTRAP_KEY_FILE").map(Into::into)).map(Known::File);
    context::env("TOKENSTRAP_KEY").map(|text| Known::Text(Secret::new(text))).or_else(file)
}

impl From<BadBundle> for Failure {
    fn from(bad: BadBundle) -> Self {
        let cause = printable(&bad.to_string());
        match bad {
            BadBundle::Key(refusal) => refusal.into(),
            BadBundle::NoEntropy(_) => Self::new(Exit::Machine, cause),
            BadBundle::NoKey(_) | BadBundle::OtherKey { .. } => Self::new(Exit::Machine, "the bundle stays closed").because(cause),
            BadBundle::Foreign | BadBundle::Newer | BadBundle::Damaged => Self::usage("the bundle cannot be read").because(cause),
        }
    }
}
