//! Settings files, and variables that change what is trusted or used.

use super::{Look, Row};
use crate::cli::context::env;

/// Variables of ours whose value is no secret.
const SHOWN: [&str; 5] =
    ["TOKENSTRAP_STORE", "TOKENSTRAP_CONFIG", "TOKENSTRAP_KEY_FILE", "TOKENSTRAP_PROFILE", "TOKENSTRAP_NON_INTERACTIVE"];
/// Variables that hold a secret: that they are set is all that is said.
const HIDDEN: [&str; 2] = ["TOKENSTRAP_KEY", "VAULT_TOKEN"];
/// Variables that decide which certificates are trusted.
const TRUST: [&str; 4] = ["SSL_CERT_FILE", "SSL_CERT_DIR", "VAULT_ADDR", "VAULT_NAMESPACE"];

/// Whether each settings file can be read; a file that others may write is one that cannot.
pub(super) fn files(look: &Look<'_>) -> Vec<Row> {
    let config = &look.context.config;
    let mut rows = Vec::new();
    match config.profiles() {
        Err(error) => rows.push(Row::broken("settings", error.to_string())),
        Ok(profiles) => {
            for profile in &profiles {
                if let Err(error) = config.settings(profile) {
                    rows.push(
                        Row::odd("settings", error.to_string()).mend(format!("mend the file, or `tokenstrap logout {profile} --force`")),
                    );
                }
            }
            for name in config.own_providers().unwrap_or_default() {
                if let Err(error) = config.provider(&name) {
                    rows.push(Row::odd("settings", error.to_string()));
                }
            }
            if rows.is_empty() {
                let place = look.context.folders.config.display().to_string();
                rows.push(Row::works("settings", format!("{place}, {} and none that others could have written", count(profiles.len()))));
            }
        }
    }
    rows
}

fn count(profiles: usize) -> String {
    if profiles == 1 { "1 profile".to_owned() } else { format!("{profiles} profiles") }
}

/// Variables that change where secrets go or what is believed (SECURITY X-10).
pub(super) fn variables(_: &Look<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for name in SHOWN {
        rows.extend(env(name).map(|value| Row::odd("environment", format!("{name} is {value}"))));
    }
    for name in HIDDEN {
        rows.extend(env(name).map(|_| Row::odd("environment", format!("{name} is set"))));
    }
    let grants = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut grants: Vec<_> = grants.filter(|name| name.starts_with("TOKENSTRAP_GRANT")).collect();
    grants.sort();
    rows.extend(grants.iter().map(|name| Row::odd("environment", format!("{name} is set"))));
    for name in TRUST {
        rows.extend(env(name).map(|value| Row::odd("environment", format!("{name} is {value}, which decides whom tokenstrap trusts"))));
    }
    rows.extend(env("SSLKEYLOGFILE").map(|_| Row::works("environment", "SSLKEYLOGFILE is set, and not obeyed")));
    if rows.is_empty() {
        rows.push(Row::works("environment", "no variable changes what is used or trusted"));
    }
    rows
}
