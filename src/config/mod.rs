//! The settings files: what the user chose, never a secret.
//!
//! `config.toml` holds choices for all profiles, `profiles/NAME.toml` those for one, so that ten thousand profiles cost
//! a call nothing. Nothing is read from the current directory. A file that others could have written is refused, and so
//! is a key that is not known: a typo must not switch off a check (SECURITY C-01 to C-05).

mod file;
mod folders;

pub use folders::{Folders, Homeless};

use crate::{
    profile::{
        ProfileName, Settings,
        settings::{FORBIDDEN, Vault},
    },
    provider::{self, Provider},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Choices for all profiles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct General {
    /// Store of profiles that name none.
    pub store: Option<String>,
    /// Whether access tokens are kept in the kernel's keyring, where there is one.
    pub access_token_cache: Option<bool>,
    /// Where the shared store is, and how one signs in there.
    pub vault: Vault,
    /// The command store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<CommandStore>,
}

/// The program that keeps grants. Nothing but the general settings may name one (SECURITY C-04).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CommandStore {
    /// Program and arguments; no shell reads them.
    pub argv: Vec<String>,
}

/// Why settings cannot be used. No value of a file is quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or not what is known.
    #[error("{file} cannot be used: {reason}")]
    Form {
        /// Which file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret in clear text, or a key that could hold one.
    #[error("{file} has the key `{key}`, and a settings file never holds a secret")]
    Secret {
        /// Which file.
        file: String,
        /// Which key.
        key: String,
    },
    /// Others could have written it.
    #[error("{file} {reason}")]
    Unsafe {
        /// Which file.
        file: String,
        /// Why it is not believed.
        reason: String,
    },
    /// A file that was named is not there.
    #[error("there is no settings file {0}")]
    Missing(String),
    /// The system says no.
    #[error("{file}: {reason}")]
    Io {
        /// Which file.
        file: String,
        /// What the system says.
        reason: String,
    },
    /// Another profile differs in case only.
    #[error("`{new}` and `{old}` would be one file on systems that ignore case")]
    Clash {
        /// Asked for.
        new: ProfileName,
        /// There already.
        old: ProfileName,
    },
}

/// So many files are read faster than a thread is started.
const FEW: usize = 256;

/// The user's settings on this machine.
#[derive(Debug, Clone)]
pub struct Config {
    folder: PathBuf,
    /// In the place of `config.toml`.
    named: Option<PathBuf>,
}

impl Config {
    /// Settings that lie in `folder`; the file `named` replaces its `config.toml`.
    pub fn new(folder: PathBuf, named: Option<PathBuf>) -> Self {
        Self { folder, named }
    }

    /// Choices for all profiles; none where there is no file and none was named.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn general(&self) -> Result<General, ConfigError> {
        match &self.named {
            None => Ok(read(&self.folder.join("config.toml"))?.unwrap_or_default()),
            Some(named) => read(named)?.ok_or_else(|| ConfigError::Missing(shown(named))),
        }
    }

    /// Choices for one profile; none where there is no file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn settings(&self, profile: &ProfileName) -> Result<Settings, ConfigError> {
        Ok(read(&self.path(profile))?.unwrap_or_default())
    }

    /// The choices for many profiles, in their order, read by as many threads as the machine runs at once.
    ///
    /// # Errors
    /// [`ConfigError`] of the first one that cannot be read.
    pub fn settings_of(&self, profiles: &[ProfileName]) -> Result<Vec<Settings>, ConfigError> {
        let hands = std::thread::available_parallelism().map_or(1, usize::from);
        let share = profiles.len().div_ceil(hands).max(FEW);
        std::thread::scope(|scope| {
            let read = |part: &[ProfileName]| part.iter().map(|profile| self.settings(profile)).collect::<Result<Vec<_>, _>>();
            let (own, others) = profiles.split_at(profiles.len().min(share));
            let others: Vec<_> = others.chunks(share).map(|part| scope.spawn(move || read(part))).collect();
            let mut all = read(own)?;
            for part in others {
                all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(all)
        })
    }

    /// Refuses a name that differs from another one in case only.
    ///
    /// # Errors
    /// [`ConfigError::Clash`].
    pub fn refuse_clash(&self, profile: &ProfileName) -> Result<(), ConfigError> {
        match self.profiles()?.into_iter().find(|known| profile.clashes_with(known)) {
            Some(old) => Err(ConfigError::Clash { new: profile.clone(), old }),
            None => Ok(()),
        }
    }

    /// Replaces the choices for one profile.
    ///
    /// # Errors
    /// [`ConfigError`], among them [`ConfigError::Clash`].
    pub fn save(&self, profile: &ProfileName, settings: &Settings) -> Result<(), ConfigError> {
        self.refuse_clash(profile)?;
        let path = self.path(profile);
        let form = |error: toml::ser::Error| ConfigError::Form { file: shown(&path), reason: error.to_string() };
        let text = toml::to_string(settings).map_err(form)?;
        file::write(&path, &text)
    }

    /// Forgets the choices for one profile.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn forget(&self, profile: &ProfileName) -> Result<(), ConfigError> {
        file::remove(&self.path(profile))
    }

    /// Every profile with a settings file, sorted.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn profiles(&self) -> Result<Vec<ProfileName>, ConfigError> {
        let names = file::names(&self.folder.join("profiles"), ".toml")?;
        Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The catalogue entry of that name: the user's own, or a built-in one.
    ///
    /// # Errors
    /// [`ConfigError`]; an own entry that takes the name of a built-in one is [`ConfigError::Unsafe`] (SECURITY D-10).
    pub fn provider(&self, name: &str) -> Result<Option<Provider>, ConfigError> {
        let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let path = self.folder.join("providers").join(format!("{name}.toml"));
        let own = if plain { file::read(&path)? } else { None };
        let Some(text) = own else { return Ok(provider::by_name(name)) };
        let entry = Provider::read(&text).map_err(|error| ConfigError::Form { file: shown(&path), reason: error.to_string() })?;
        if provider::shadows(&entry) || provider::by_name(name).is_some() {
            let reason = "takes the name of a built-in catalogue entry; give it another".to_owned();
            return Err(ConfigError::Unsafe { file: shown(&path), reason });
        }
        Ok(Some(entry))
    }

    /// Names of the user's own catalogue entries.
    ///
    /// # Errors
    /// [`ConfigError::Io`].
    pub fn own_providers(&self) -> Result<Vec<String>, ConfigError> {
        file::names(&self.folder.join("providers"), ".toml")
    }

    fn path(&self, profile: &ProfileName) -> PathBuf {
        self.folder.join("profiles").join(format!("{profile}.toml"))
    }
}

fn shown(path: &std::path::Path) -> String {
    crate::text::printable(&path.display().to_string())
}

fn read<T: for<'de> Deserialize<'de>>(path: &std::path::Path) -> Result<Option<T>, ConfigError> {
    file::read(path)?.map(|text| parse(&text, &shown(path))).transpose()
}

fn parse<T: for<'de> Deserialize<'de>>(text: &str, file: &str) -> Result<T, ConfigError> {
    match toml::from_str(text) {
        Ok(settings) => Ok(settings),
        Err(error) => {
            // Only now, since a table of all keys costs a second reading: is it a secret that somebody put there?
            let keys: toml::Table = toml::from_str(text).unwrap_or_default();
            let below = keys.values().filter_map(toml::Value::as_table).flat_map(toml::Table::keys);
            if let Some(key) = keys.keys().chain(below).find(|key| FORBIDDEN.contains(&key.as_str())) {
                return Err(ConfigError::Secret { file: file.to_owned(), key: key.clone() });
            }
            // The message alone: its long form shows the line, which may hold what nobody should see.
            Err(ConfigError::Form {
                file: file.to_owned(),
                reason: crate::text::printable(error.message().lines().next().unwrap_or_default()),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c_03_a_secret_in_a_settings_file_is_refused_without_being_shown() {
        let error = parse::<Settings>("client_secret = \"CANARY\"", "p.toml").expect_err("a refusal");

        assert!(matches!(error, ConfigError::Secret { .. }));
        assert!(!error.to_string().contains("CANARY"));
    }

    #[test]
    fn c_04_and_c_05_an_unknown_key_is_refused() {
        for text in ["tls_verify = false", "cmd = [\"sh\"]", "[x]\ny = 1"] {
            assert!(matches!(parse::<Settings>(text, "p.toml"), Err(ConfigError::Form { .. })), "{text}");
        }
    }

    #[test]
    fn settings_are_read_back_as_they_were_written() {
        let settings =
            Settings { provider: Some("lightspeed-o".into()), scopes: Some(vec!["a".into()]), no_pkce: true, ..Settings::default() };
        let text = toml::to_string(&settings).expect("TOML");

        assert_eq!(parse::<Settings>(&text, "p.toml"), Ok(settings));
    }
}
