//! A grant in the environment, for a CI job that gets its secrets as variables. It is read and never written.
//!
//! `TOKENSTRAP_GRANT` holds a bundle as `tokenstrap export` prints it; where a job needs several grants, the variable
//! `TOKENSTRAP_GRANT_` with the profile's name in capitals wins. `TOKENSTRAP_KEY` or a key file opens it, so that neither
//! secret is worth anything without the other.
//!
//! A refresh token that the server replaces with each use is spent where its successor cannot be kept: the next job would
//! come with the old one and log everybody out. Such a grant is handed out while its access token lives and never
//! refreshed (SECURITY, decision 3). Whether a refresh token may be replaced is what the record has learned, else what
//! the catalogue knows; where nobody knows, it may.

use super::{
    StoreKind, World,
    bundle::{BadBundle, Bundle},
};
use crate::{
    oauth::pins::Rotation,
    ports::{Intent, StoreError, TokenStore},
    profile::{BadRecord, ProfileName, Record},
    secret::Secret,
};
use std::collections::BTreeMap;

const VARIABLE: &str = "TOKENSTRAP_GRANT";

/// The environment in the table.
pub struct Kind;

impl StoreKind for Kind {
    fn name(&self) -> &'static str {
        "env"
    }

    fn about(&self) -> &'static str {
        "A bundle in TOKENSTRAP_GRANT, read only; for CI jobs"
    }

    fn open<'w>(&self, world: &'w World<'w>) -> Result<Box<dyn TokenStore + 'w>, StoreError> {
        let own = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let own = own.filter(|(name, value)| name.starts_with(VARIABLE) && !value.is_empty());
        Ok(Box::new(Environment { world, variables: own.map(|(name, value)| (name, Secret::new(value))).collect() }))
    }
}

struct Environment<'w> {
    world: &'w World<'w>,
    variables: BTreeMap<String, Secret>,
}

impl Environment<'_> {
    /// The variable and the bundle of this profile; `None` where there are only those of others.
    fn find(&self, profile: &ProfileName) -> Result<Option<(&str, Bundle)>, StoreError> {
        let own = variable_of(profile);
        let named = self.variables.get_key_value(&own).or_else(|| self.variables.get_key_value(VARIABLE));
        let Some((name, text)) = named else {
            return Err(StoreError::Unset(format!(
                "neither {own} nor {VARIABLE} is set; `tokenstrap export {profile}` prints what belongs there"
            )));
        };
        let bundle = Bundle::read(text).map_err(|bad| unreadable(name, profile, &bad))?;
        match bundle.profile() == profile {
            true => Ok(Some((name, bundle))),
            false if *name == own => Err(StoreError::Corrupt { profile: profile.clone(), reason: BadRecord::Swapped }),
            false => Ok(None),
        }
    }

    fn written(what: &str) -> StoreError {
        StoreError::ReadOnly(format!("{what} lies in an environment variable, which cannot be written back"))
    }
}

/// `till.2-a` has `TOKENSTRAP_GRANT_TILL_2_A`.
fn variable_of(profile: &ProfileName) -> String {
    let letters = profile.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    format!("{VARIABLE}_{}", letters.collect::<String>())
}

fn unreadable(variable: &str, profile: &ProfileName, bad: &BadBundle) -> StoreError {
    match bad {
        BadBundle::Foreign => StoreError::Unset(format!(
            "{variable} holds no bundle of `tokenstrap export`; a bare refresh token goes into a store with `tokenstrap import {profile}`"
        )),
        BadBundle::Key(refusal) => refusal.clone(),
        BadBundle::NoKey(_) | BadBundle::OtherKey { .. } => {
            StoreError::NoKey(format!("the bundle in {variable} stays closed: {bad}; TOKENSTRAP_KEY or --key-file gives the key"))
        }
        BadBundle::Newer | BadBundle::Damaged | BadBundle::NoEntropy(_) => StoreError::Unset(format!("{variable} cannot be read: {bad}")),
    }
}

/// Whether the server may answer a refresh with another refresh token.
fn may_rotate(record: &Record) -> bool {
    let learned = record.current.as_ref().map_or(Rotation::Unknown, |current| current.rotation);
    let known = record.registration.as_ref().map_or(Rotation::Unknown, |registration| registration.pins.rotation);
    let rotation = if learned == Rotation::Unknown { known } else { learned };
    rotation != Rotation::None
}

fn refresh_token(record: &Record) -> Option<&Secret> {
    record.current.as_ref().and_then(|current| current.tokens.refresh_token.as_ref())
}

impl TokenStore for Environment<'_> {
    fn name(&self) -> &'static str {
        Kind.name()
    }

    fn place(&self) -> String {
        match self.variables.keys().next() {
            Some(first) if self.variables.len() == 1 => format!("the variable {first}, read only"),
            _ => format!("variables that begin with {VARIABLE}, read only"),
        }
    }

    fn identity(&self) -> String {
        Kind.name().to_owned()
    }

    fn probe(&self) -> Result<(), StoreError> {
        Err(Self::written("what this store holds"))
    }

    fn load(&self, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
        let Some((variable, bundle)) = self.find(profile)? else { return Ok(None) };
        let contents = bundle.open(&self.world.key).map_err(|bad| unreadable(variable, profile, &bad))?;
        Ok(Some(contents.record))
    }

    /// Nothing is kept; it is no loss as long as the refresh token is still the one in the variable.
    fn save(&self, record: &Record) -> Result<(), StoreError> {
        let Some(stored) = self.load(&record.profile)? else { return Err(Self::written("a grant of this store")) };
        if !record.follows(Some(&stored)) {
            return Err(StoreError::Conflict);
        }
        match (refresh_token(&stored), refresh_token(record)) {
            (Some(old), Some(new)) if old.hash() == new.hash() => Ok(()),
            _ => Err(Self::written("the grant")),
        }
    }

    fn begin(&self, profile: &ProfileName, _intent: &Intent) -> Result<(), StoreError> {
        match self.load(profile)? {
            Some(record) if !may_rotate(&record) => Ok(()),
            _ => Err(Self::written("a refresh token that the server may replace")),
        }
    }

    fn intent(&self, _profile: &ProfileName) -> Result<Option<Intent>, StoreError> {
        Ok(None)
    }

    fn clear(&self, _profile: &ProfileName) -> Result<(), StoreError> {
        Ok(())
    }

    fn delete(&self, profile: &ProfileName) -> Result<(), StoreError> {
        match self.find(profile) {
            Ok(None) => Ok(()),
            Ok(Some((variable, _))) => Err(StoreError::ReadOnly(format!("{variable} is taken away where it is set, not here"))),
            Err(refusal) => Err(refusal),
        }
    }

    fn list(&self) -> Result<Vec<ProfileName>, StoreError> {
        let mut profiles: Vec<ProfileName> =
            self.variables.values().filter_map(|text| Bundle::read(text).ok()).map(|bundle| bundle.profile().clone()).collect();
        profiles.sort();
        profiles.dedup();
        Ok(profiles)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_profile_has_a_variable_of_its_own() {
        for (profile, variable) in [("till", "TOKENSTRAP_GRANT_TILL"), ("a.b_c-1", "TOKENSTRAP_GRANT_A_B_C_1")] {
            assert_eq!(variable_of(&profile.parse().expect("a name")), variable);
        }
    }
}
