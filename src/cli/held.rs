//! A profile that two stores hold: the newer grant is used, and it is said (SECURITY S-13).
//!
//! Copies of one grant share its refresh token, and spending it in one place makes the others worthless; so the newest copy is
//! used whatever store was named. A grant of another consent stands for itself: there the store that was named for just this
//! call is obeyed.

use super::{context::Context, failure::Failure};
use crate::{
    platform::last_use,
    ports::{Spool, StoreError, TokenStore},
    profile::{ProfileName, Record, Settings},
    store::{self, World, holders::Holders, spool::FileSpool},
};

/// Names of further stores that may hold the profile, beside the one that this call uses.
pub(super) fn others(context: &Context, profile: &ProfileName, settings: &Settings, used: &str) -> Result<Vec<String>, Failure> {
    let mut names: Vec<_> = Holders::new(&context.folders.state).of(profile).into_iter().map(str::to_owned).collect();
    // Settings of somebody who never logged in here name nothing.
    let own = if *settings == Settings::default() { None } else { Some(context.own_store(settings)?) };
    names.extend(own.filter(|own| !names.contains(own)));
    names.retain(|name| name != used);
    Ok(names)
}

/// The store among `others` that has a newer grant than `used`, if one has.
///
/// What the store in use cannot give is left to the caller to meet; what another one cannot give is said.
pub(super) fn newer<'w>(
    context: &Context,
    world: &'w World<'w>,
    profile: &ProfileName,
    used: &dyn TokenStore,
    others: &[String],
) -> Option<Box<dyn TokenStore + 'w>> {
    let here = newest(world, used, profile).ok()??;
    let holders = Holders::new(&context.folders.state);
    let mut best: Option<(Box<dyn TokenStore + 'w>, Record)> = None;
    for kind in others.iter().filter_map(|name| store::by_name(name)) {
        let looked = kind.open(world).and_then(|store| Ok(newest(world, store.as_ref(), profile)?.map(|found| (store, found))));
        match looked {
            // Found together, they are known together from now on, whichever the settings name.
            Ok(Some((store, found))) => {
                holders.add(profile, used.name());
                holders.add(profile, store.name());
                if found.is_newer_grant_than(best.as_ref().map_or(&here, |(_, best)| best)) {
                    best = Some((store, found));
                }
            }
            Ok(None) => holders.remove(profile, kind.name()),
            // A store that this machine has not holds nothing newer.
            Err(StoreError::Missing(_) | StoreError::Unset(_)) => {}
            Err(error) => {
                context.warn_once(&format!("whether {} holds a newer grant of {profile} could not be seen: {error}", kind.name()))
            }
        }
    }
    let (store, found) = best?;
    let (newer, older) = (store.name(), used.name());
    if found.shares_consent_with(&here) || context.named_store().is_none() {
        context.warn_once(&format!(
            "{profile} is in two stores; the newer grant is used, from {newer}, and not the one in {older} (`tokenstrap logout {profile} \
             --store {older}` ends this)"
        ));
        return Some(store);
    }
    context.warn_once(&format!("{newer} holds a grant of {profile} from a later login; the older one in {older} is used, as asked for"));
    None
}

/// The newest record of the profile, wherever this store's records may wait.
fn newest(world: &World<'_>, store: &dyn TokenStore, profile: &ProfileName) -> Result<Option<Record>, StoreError> {
    let Some(record) = store.load(profile)? else { return Ok(None) };
    let waiting = FileSpool::new(world).waiting(profile, &store.identity(), &record.spool_key);
    Ok(Some(waiting.filter(|waiting| waiting.is_newer_grant_than(&record)).unwrap_or(record)))
}

/// The store in use has let the profile go. What is forgotten in another store than the profile's own leaves the profile as it is.
pub(super) fn let_go(context: &Context, profile: &ProfileName, settings: &Settings, used: &str) -> Result<(), Failure> {
    Holders::new(&context.folders.state).remove(profile, used);
    if context.own_store(settings)? != used {
        return Ok(());
    }
    context.config.forget(profile)?;
    last_use::forget(&context.folders.state, profile.as_str());
    tell_of_others(context, profile, settings, used)
}

/// Says which further stores still hold a grant of the profile, once this call is done with it.
pub(super) fn tell_of_others(context: &Context, profile: &ProfileName, settings: &Settings, used: &str) -> Result<(), Failure> {
    let others = others(context, profile, settings, used)?;
    context.with_store_world(|world| {
        for kind in others.iter().filter_map(|name| store::by_name(name)) {
            let names = kind.open(world).and_then(|store| store.list());
            if names.is_ok_and(|names| names.contains(profile)) {
                let name = kind.name();
                context
                    .say(&format!("note: {name} holds a grant of {profile} too; `tokenstrap logout {profile} --store {name}` removes it"));
            }
        }
        Ok(())
    })
}
