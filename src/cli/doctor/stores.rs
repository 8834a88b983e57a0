//! The stores: which work here, which is used, and where the key of the sealed files comes from.

use super::{Look, Row};
use crate::{
    cli::{context::env, failure::Failure},
    ports::{StoreError, TokenStore},
    profile::Settings,
    store::{self, STORES, StoreKind, World},
    text::printable,
};

/// Tries each store that is there or chosen: write, read back, delete. Each has a deadline of its own.
pub(super) fn all(look: &Look<'_>) -> Vec<Row> {
    if store::by_name(&look.chosen).is_none() {
        return vec![Row::broken("store", format!("there is no store `{}`", printable(&look.chosen))).mend("tokenstrap store status")];
    }
    let rows = look.context.with_store_world(|world| Ok(STORES.iter().filter_map(|kind| row(look, *kind, world)).collect()));
    rows.unwrap_or_else(|failure: Failure| vec![Row::broken("store", failure.fact)])
}

fn row(look: &Look<'_>, kind: &'static dyn StoreKind, world: &World<'_>) -> Option<Row> {
    let name = kind.name();
    let chosen = name == look.chosen;
    let opened = kind.open(world);
    let tried = opened.as_ref().map_err(StoreError::clone).and_then(|store| store.probe().map(|()| said(store.as_ref(), name)));
    if matches!(tried, Err(StoreError::Unavailable(_))) {
        look.silent.borrow_mut().push(name);
    }
    let used = if chosen { " (used)" } else { "" };
    Some(match (tried, opened) {
        (Ok(fact), _) => Row::works(name, format!("{fact}{used}")),
        (Err(StoreError::Unset(_)), _) if !chosen => return None,
        (Err(StoreError::ReadOnly(_)), Ok(store)) if !chosen || look.purpose == super::Purpose::Token => {
            read_only(look, store.as_ref(), name)?
        }
        (Err(error), _) => {
            let row = if chosen { Row::broken } else { Row::odd };
            // The ways to a key stand in the line below.
            let fact = match &error {
                StoreError::NoKey(fact) => fact.split(": set").next().unwrap_or_default().to_owned(),
                other => other.to_string(),
            };
            let row = row(name, format!("{fact}{used}"));
            match mend(name, &error) {
                Some(command) => row.mend(command),
                None => row,
            }
        }
    })
}

/// A store that holds grants and takes none.
fn read_only(look: &Look<'_>, store: &dyn TokenStore, name: &str) -> Option<Row> {
    let held = store.list().unwrap_or_default();
    if held.is_empty() && name != look.chosen {
        return None;
    }
    Some(Row::works(name, format!("{}; {} there", store.place(), held.len())))
}

fn said(store: &dyn TokenStore, name: &str) -> String {
    let place = store.place();
    match name {
        "keychain" => format!("{place} can be written{}", session()),
        "command" => match store.is_shared().map(|is_shared| (is_shared, store.lease().is_some())) {
            Ok((true, true)) => format!("{place} can be written, and has a lock for all machines that share it"),
            Ok((true, false)) => {
                format!("{place} can be written, and refuses what comes too late; it has no lock: let one machine refresh")
            }
            Ok((false, _)) => format!("{place} can be written; it cannot refuse what comes too late and has no lock: one machine only"),
            Err(error) => format!("{place} can be written, and does not describe itself: {error}"),
        },
        _ => format!("{place}, writable"),
    }
}

/// How secrets travel to the keychain (SECURITY S-15).
fn session() -> &'static str {
    match store::keychain::reads_in_clear() {
        Some(true) => "; writes encrypted, reads plain over this machine's own bus",
        Some(false) => "; writes and reads encrypted",
        None => "",
    }
}

fn mend(name: &str, error: &StoreError) -> Option<String> {
    Some(match (name, error) {
        ("keychain", StoreError::Locked(_)) => "unlock it: sign in at the desktop, or `gnome-keyring-daemon --replace --unlock`".into(),
        ("keychain", StoreError::Unavailable(_)) => "restart it: `systemctl --user restart gnome-keyring-daemon`".into(),
        ("keychain", StoreError::Missing(_)) => "start one, or take `tokenstrap store init file` and `--store file`".into(),
        ("keychain", StoreError::Denied(_)) => "allow tokenstrap in the keychain's own settings".into(),
        ("file", StoreError::NoKey(_)) => "`tokenstrap store init file`, or set TOKENSTRAP_KEY, or name a file with --key-file".into(),
        ("env", _) => "set TOKENSTRAP_GRANT to what `tokenstrap export NAME` prints".into(),
        ("command", StoreError::Unset(_)) => "name the program in config.toml: `[command]` and `argv = [...]`".into(),
        (_, StoreError::Unsafe(_)) => "take the rights of others away, as the fact says".into(),
        _ => return None,
    })
}

/// Where the key of the file store comes from; said where that store is used or has been.
pub(super) fn key(look: &Look<'_>) -> Vec<Row> {
    let folders = &look.context.folders;
    if look.chosen != "file" && !folders.data.join("grants").exists() {
        return Vec::new();
    }
    let named = look.context.globals.key_file.clone().map(|path| ("--key-file", path));
    let named = named.or_else(|| env("TOKENSTRAP_KEY_FILE").map(|path| ("TOKENSTRAP_KEY_FILE", path.into())));
    let origin = match (env("TOKENSTRAP_KEY"), named) {
        (Some(_), _) => "the variable TOKENSTRAP_KEY".to_owned(),
        (None, Some((who, path))) => format!("{}, which {who} names", path.display()),
        (None, None) if store::file::has_key_file(&folders.config) => "the key file beside the settings".to_owned(),
        (None, None) if folders.data.join("grants/passphrase.salt").exists() => {
            return vec![Row::odd("file's key", "a passphrase, which a terminal asks for; nothing unattended opens this store")];
        }
        (None, None) => return Vec::new(),
    };
    // A key that does not open the store works nowhere, wherever it comes from.
    let opens = look.context.with_store_world(|world| {
        let probed = store::by_name("file").map(|kind| kind.open(world).and_then(|store| store.probe()));
        Ok(!matches!(probed, Some(Err(StoreError::NoKey(_)))))
    });
    let row = if opens.unwrap_or(false) { Row::works } else { Row::odd };
    vec![row("file's key", format!("from {origin}"))]
}

/// Names and stores to look through: the chosen one, and each other that works without being asked for anything.
pub(super) fn open_ones(look: &Look<'_>) -> Vec<Settings> {
    let named = STORES.iter().map(|kind| Settings { store: Some(kind.name().to_owned()), ..Settings::default() });
    let mut all: Vec<Settings> = named.collect();
    all.sort_by_key(|settings| settings.store.as_deref() != Some(look.chosen.as_str()));
    all
}
