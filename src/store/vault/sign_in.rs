//! Signing in: a token that is there already, or one of the logins that give a short-lived one.
//!
//! What signs in is named in the settings and read when it is needed; the token that it gives stays in memory.

use crate::{
    ports::StoreError,
    profile::settings::VaultLogin,
    secret::{self, Secret},
    store::World,
    text::printable,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// Where Kubernetes puts the token of a pod's service account.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// Most bytes of a credential. A JWT with many claims has 4 KiB.
const MOST: u64 = 64 * 1024;

/// What the login method asks for.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body<'a> {
    /// With role id and secret id.
    AppRole {
        /// Not a secret by itself.
        role_id: &'a str,
        /// The secret half; absent where the role does not bind one.
        #[serde(with = "secret::at_rest::option", skip_serializing_if = "Option::is_none")]
        secret_id: Option<Secret>,
    },
    /// With a JWT, the service account's included.
    Jwt {
        /// Whom to become.
        role: &'a str,
        /// Proves who asks.
        #[serde(with = "secret::at_rest")]
        jwt: Secret,
    },
}

/// What comes back.
#[derive(Deserialize)]
pub(super) struct SignedIn {
    pub(super) auth: Option<Auth>,
}

/// A token, and how long it lives.
#[derive(Deserialize)]
pub(super) struct Auth {
    #[serde(with = "secret::at_rest")]
    pub(super) client_token: Secret,
    /// Seconds; 0 for a token without an end.
    #[serde(default)]
    pub(super) lease_duration: u64,
}

/// The token that is there already.
pub(super) fn token(world: &World<'_>) -> Result<Secret, StoreError> {
    credential(world, Some("VAULT_TOKEN"), None)?.ok_or_else(|| unset("no token signs in: set VAULT_TOKEN, or choose another `login`"))
}

/// Where the method is mounted, and what it is asked.
pub(super) fn body<'w>(world: &'w World<'_>) -> Result<(&'w str, Body<'w>), StoreError> {
    let settings = &world.vault;
    let role = settings.role.as_deref().ok_or_else(|| unset("`role` is missing under `[vault]` in config.toml"))?;
    let needed = |found: Option<Secret>| {
        found.ok_or_else(|| {
            unset("nothing signs in: name a variable with `credential_env` or a file with `credential_file` under `[vault]`")
        })
    };
    let (mount, body) = match settings.login {
        VaultLogin::Token | VaultLogin::AppRole => ("approle", Body::AppRole { role_id: role, secret_id: credential(world, None, None)? }),
        VaultLogin::Jwt => ("jwt", Body::Jwt { role, jwt: needed(credential(world, None, None)?)? }),
        VaultLogin::Kubernetes => ("kubernetes", Body::Jwt { role, jwt: needed(credential(world, None, Some(SERVICE_ACCOUNT))?)? }),
    };
    Ok((settings.login_mount.as_deref().unwrap_or(mount), body))
}

/// What the named variable or file holds; where none is named, what the usual ones hold.
fn credential(world: &World<'_>, variable: Option<&str>, file: Option<&str>) -> Result<Option<Secret>, StoreError> {
    let settings = &world.vault;
    match (&settings.credential_env, &settings.credential_file) {
        (Some(_), Some(_)) => Err(unset("`credential_env` and `credential_file` are both named under `[vault]`")),
        (Some(name), None) => match (world.env)(name) {
            Some(text) => Ok(Some(trimmed(&text))),
            None => Err(unset(&format!("the variable `{}` that signs in is not set", printable(name)))),
        },
        (None, Some(path)) => read(path).map(Some),
        (None, None) => match (variable.and_then(|name| (world.env)(name)), file) {
            (Some(text), _) => Ok(Some(trimmed(&text))),
            (None, Some(path)) => read(&PathBuf::from(path)).map(Some),
            (None, None) => Ok(None),
        },
    }
}

fn read(path: &Path) -> Result<Secret, StoreError> {
    let shown = printable(&path.display().to_string());
    let refused = |why: &str| StoreError::Missing(format!("what signs in cannot be read from `{shown}`: {why}"));
    // A pipe or a device in its place would keep every call for ever.
    if !path.is_absolute() || !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Err(refused("it is not there, or no regular file with an absolute path"));
    }
    let mut text = zeroize::Zeroizing::new(String::with_capacity(8 * 1024));
    let file = fs::File::open(path).map_err(|error| refused(&error.kind().to_string()))?;
    file.take(MOST).read_to_string(&mut text).map_err(|_| refused("it is not text"))?;
    let secret = trimmed(&text);
    if secret.is_empty() { Err(refused("it is empty")) } else { Ok(secret) }
}

fn trimmed(text: &str) -> Secret {
    Secret::new(text.trim())
}

fn unset(what: &str) -> StoreError {
    StoreError::Unset(what.to_owned())
}
