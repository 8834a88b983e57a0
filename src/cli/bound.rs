//! Tokens for places that are bound to a grant, and for no other.
//!
//! What is bound lies in the record, never in a file that somebody could edit (SECURITY T-22).

use super::{
    context::Context,
    failure::{Exit, Failure},
    token::{hand_out, need},
};
use crate::{
    flow::{self, FlowError},
    helper::Granted,
    oauth::{
        bound::{Bound, Target},
        token::TokenSet,
    },
    output::Handout,
    platform::last_use,
    profile::{ProfileName, Record},
    secret::Secret,
};
use std::time::Duration;

/// Least life of a token that is given to another tool.
const LEAST: Duration = Duration::from_secs(60);

/// The stored record.
pub(super) fn record(context: &Context, profile: &ProfileName) -> Result<Record, Failure> {
    let settings = context.settings(profile)?;
    let record = context.with_grant(profile, &settings, |world| Ok(world.store.load(profile)?))?;
    Ok(record.ok_or_else(|| FlowError::NoGrant(profile.clone()))?)
}

/// What is bound to the grant; a text that cannot be read binds nothing.
pub(super) fn hosts(record: &Record) -> Vec<Bound> {
    let texts = record.registration.iter().flat_map(|registration| &registration.pins.hosts);
    texts.filter_map(|text| text.parse().ok()).collect()
}

/// A token for this place, or `None` where the place is not bound. Nothing is refreshed for a stranger.
pub(super) fn granted(context: &Context, profile: &ProfileName, target: Option<&Target>) -> Result<Option<Granted>, Failure> {
    let record = record(context, profile)?;
    let hosts = hosts(&record);
    let bound = target.map_or(!hosts.is_empty(), |target| hosts.iter().any(|host| host.serves(target)));
    if !bound {
        return Ok(None);
    }
    let tokens = fresh(context, profile, record, LEAST)?;
    let token = printable(&tokens, context)?;
    Ok(Some(Granted::new(token, tokens.expires_at, hosts)))
}

/// The record's token while it lives long enough, else one that the server gives.
pub(super) fn fresh(context: &Context, profile: &ProfileName, record: Record, min_ttl: Duration) -> Result<TokenSet, Failure> {
    last_use::note(&context.folders.state, profile.as_str());
    if let Some(current) = record.current.filter(|current| current.tokens.is_fresh(context.now(), min_ttl)) {
        return Ok(current.tokens);
    }
    let settings = context.settings(profile)?;
    let handed = hand_out(context, profile, &settings, &need(context, min_ttl))?;
    context.warn(&handed.warnings);
    handed.tokens().cloned().ok_or_else(|| Failure::new(Exit::Bug, "a record without tokens was handed out"))
}

fn printable(tokens: &TokenSet, context: &Context) -> Result<Secret, Failure> {
    Handout::new(tokens, context.now(), "ACCESS_TOKEN").map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
    Ok(tokens.access_token.clone())
}

/// Notes that a bound place does not take the token, so that the next call gets another one.
pub(super) fn refused(context: &Context, profile: &ProfileName, target: &Target, token: Option<&Secret>) -> Result<(), Failure> {
    let record = record(context, profile)?;
    if hosts(&record).iter().any(|host| host.serves(target)) {
        let budget = need(context, LEAST).budget;
        let settings = context.settings(profile)?;
        context.with_grant(profile, &settings, |world| Ok(flow::mark_stale(world, profile, token, budget)?))?;
    }
    Ok(())
}
