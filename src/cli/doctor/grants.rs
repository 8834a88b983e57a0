//! The grants: held twice, waiting in the spool, interrupted, or in need of a person.

use super::{Look, Purpose, Row, stores};
use crate::{
    ports::{Spool, StoreError, TokenStore},
    profile::{ProfileName, Record},
    store::{self, World, spool::FileSpool},
};
use std::collections::BTreeMap;

/// A grant as one store holds it.
struct Held {
    store: &'static str,
    record: Record,
    rows: Vec<Row>,
}

/// Goes through every store that opens.
pub(super) fn all(look: &Look<'_>) -> Vec<Row> {
    let mut held: BTreeMap<ProfileName, Vec<Held>> = BTreeMap::new();
    let mut rows = Vec::new();
    let looked = look.context.with_store_world(|world| {
        for settings in stores::open_ones(look) {
            let Some(kind) = settings.store.as_deref().and_then(store::by_name) else { continue };
            if look.silent.borrow().contains(&kind.name()) {
                continue;
            }
            let Ok(store) = kind.open(world) else { continue };
            for profile in store.list().unwrap_or_default() {
                match one(world, store.as_ref(), &profile) {
                    Ok(Some(found)) => held.entry(profile).or_default().push(found),
                    Ok(None) => {}
                    Err(error) => rows.push(unreadable(look, kind.name(), &profile, &error)),
                }
            }
        }
        Ok(())
    });
    if let Err(failure) = looked {
        rows.push(Row::odd("grants", failure.fact));
    }
    rows.extend(held.iter().filter(|(_, found)| found.len() > 1).map(|(profile, found)| twice(profile, found)));
    rows.extend(missing(look, &held));
    let count = held.len();
    rows.extend(held.into_values().flatten().flat_map(|found| found.rows));
    if rows.is_empty() {
        rows.push(Row::works("grants", format!("{count} stored, each in one place, none interrupted")));
    }
    rows
}

fn one(world: &World<'_>, store: &dyn TokenStore, profile: &ProfileName) -> Result<Option<Held>, StoreError> {
    let Some(record) = store.load(profile)? else { return Ok(None) };
    let name = store::by_name(store.name()).map_or("memory", |kind| kind.name());
    let waiting = FileSpool::new(world).waiting(profile, &store.identity(), &record.spool_key);
    let mut rows = Vec::new();
    if waiting.is_some_and(|waiting| waiting.generation > record.generation) {
        let fact = format!("{profile}: a newer grant than {name} has waits in the spool, sealed; the next refresh brings it home");
        rows.push(Row::odd("grants", fact).mend(format!("tokenstrap refresh {profile}")));
    }
    if store.intent(profile)?.is_some() {
        let fact = format!("{profile}: a refresh did not end, and may have spent the refresh token in {name}");
        rows.push(Row::odd("grants", fact).mend(format!("tokenstrap refresh {profile}")));
    }
    if let Some(newer) = store.rolled_back(&record) {
        let fact =
            format!("{profile}: {name} holds generation {}, and {newer} was saved once: an older copy was brought back", record.generation);
        rows.push(Row::odd("grants", fact).mend(format!("tokenstrap login {profile}")));
    }
    rows.extend(of_record(profile, &record));
    Ok(Some(Held { store: name, record, rows }))
}

fn of_record(profile: &ProfileName, record: &Record) -> Vec<Row> {
    let mut rows = Vec::new();
    if record.mark.is_some() {
        rows.push(
            Row::odd("grants", format!("{profile}: the server refused its refresh token")).mend(format!("tokenstrap login {profile}")),
        );
    }
    if let Some(suspect) = &record.suspect {
        let fact = format!("{profile}: an answer that failed a check is kept aside ({})", suspect.reason);
        rows.push(Row::odd("grants", fact).mend(format!("tokenstrap refresh {profile} --accept-suspect")));
    }
    rows
}

/// Two stores hold it: both are shown, and which is the newer (SECURITY S-13).
fn twice(profile: &ProfileName, found: &[Held]) -> Row {
    let each: Vec<String> = found.iter().map(|held| format!("generation {} in {}", held.record.generation, held.store)).collect();
    let by_age =
        |one: &&Held, other: &&Held| one.record.is_newer_grant_than(&other.record).cmp(&other.record.is_newer_grant_than(&one.record));
    let newest = found.iter().max_by(by_age).map_or("", |held| held.store);
    let older = found.iter().find(|held| held.store != newest).map_or("", |held| held.store);
    Row::odd("grants", format!("{profile} is held twice: {}; the newer one is in {newest}", each.join(", ")))
        .mend(format!("tokenstrap logout {profile} --store {older}"))
}

/// A token needs a grant.
fn missing(look: &Look<'_>, held: &BTreeMap<ProfileName, Vec<Held>>) -> Option<Row> {
    let in_use = |found: &Vec<Held>| found.iter().any(|found| found.record.current.is_some() && found.store == look.chosen);
    let there = match &look.profile {
        Some(profile) => held.get(profile).is_some_and(in_use),
        None => held.values().any(in_use),
    };
    if there || look.purpose == Purpose::Login {
        return None;
    }
    let name = look.profile.as_ref().map_or_else(|| "NAME".to_owned(), ToString::to_string);
    Some(Row::broken("grants", format!("{} holds no grant of {name}", look.chosen)).mend(format!("tokenstrap login {name}")))
}

/// A record of the chosen store that does not open is in the way of its token.
fn unreadable(look: &Look<'_>, store: &str, profile: &ProfileName, error: &StoreError) -> Row {
    let wanted = look.purpose == Purpose::Token && store == look.chosen && look.profile.as_ref().is_none_or(|wanted| wanted == profile);
    let row = if wanted { Row::broken } else { Row::odd };
    row("grants", format!("{profile} in {store}: {error}"))
}
