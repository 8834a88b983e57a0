//! Logging in: consent, exchange, save, then look whose tokens they are.
//!
//! Nothing typed and nothing granted is lost: id and secret are stored before the browser opens, the tokens are stored
//! before anything is asked about them, and an older grant stays until the new one is known to belong in its place.

use super::{
    FlowError, World,
    account::{by_id_token, by_verify_call},
    budget::Tries,
    drive, lock, random_text,
    save::{self, Saved, update},
};
use crate::{
    oauth::{
        attempt::ExpectedIssuer,
        grant::{AuthorizationCode, Consent, Event, Grant, GrantKind, Prompt, Step},
        pins::Rotation,
        redirect_uri::RedirectUri,
        token::TokenSet,
    },
    ports::{Acquired, Guard, StoreError},
    profile::{Account, Current, Pending, PendingAttempt, ProfileName, Record, Registration},
    secret::Secret,
};
use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};
use url::Url;

/// How long somebody else may take to follow a link.
const LINK: Duration = Duration::from_secs(24 * 3600);
/// How long a login waits for a refresh that is under way.
const LOCK: Duration = Duration::from_secs(35);

/// A login, as it was asked for.
pub struct Login<'a> {
    /// Where the grant will be stored.
    pub profile: ProfileName,
    /// What it will be bound to.
    pub registration: Registration,
    /// How consent is asked for.
    pub kind: &'static dyn GrantKind,
    /// Where the user agent comes back to; bound already.
    pub redirect_uri: RedirectUri,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Stands between two scopes.
    pub scope_separator: String,
    /// Further parameters.
    pub params: BTreeMap<String, String>,
    /// What `iss` has to be.
    pub expected_issuer: ExpectedIssuer,
    /// Whether a verifier is made.
    pub pkce: bool,
    /// How long the person may take.
    pub patience: Duration,
    /// Asks whether another account may take the place of the old one.
    pub confirm: &'a dyn Fn(&Account, &Account) -> Confirm,
    /// Puts a device prompt before the person.
    pub show: &'a dyn Fn(&Prompt),
}

/// Whether another account may take the place of the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirm {
    /// Yes.
    Replace,
    /// No, or nobody is there to say so.
    Keep,
}

/// A login that succeeded.
#[derive(Debug)]
pub struct LoggedIn {
    /// What is stored now.
    pub record: Record,
    /// Facts that deviate without harm.
    pub warnings: Vec<String>,
    /// The grant could be saved nowhere.
    pub unsaved: bool,
}

/// Stores client id and secret, so that a login that fails is repeated with the name alone.
///
/// # Errors
/// [`FlowError::Store`] and [`FlowError::NoEntropy`].
pub fn begin(world: &World<'_>, profile: &ProfileName, registration: &Registration) -> Result<Record, FlowError> {
    let _guard = lock(world, profile);
    update(world, profile, |record| {
        let granted = record.pending.take().and_then(|pending| pending.granted);
        record.pending = Some(Pending { registration: registration.clone(), attempt: None, granted });
    })
}

/// Runs the login: consent, exchange, save, verify.
///
/// # Errors
/// [`FlowError`]; an older grant is as good as before.
pub fn login(world: &World<'_>, login: &Login<'_>) -> Result<LoggedIn, FlowError> {
    let attempt = fresh_attempt(world, login, world.clock.now() + login.patience)?;
    run(world, login, attempt)
}

/// Keeps an attempt that somebody else finishes, and gives the link for it.
///
/// # Errors
/// [`FlowError`].
pub fn link(world: &World<'_>, login: &Login<'_>) -> Result<Url, FlowError> {
    let attempt = fresh_attempt(world, login, world.clock.now() + LINK)?;
    let mut grant = AuthorizationCode::new(consent(login, &attempt));
    let Step::Authorize { url, .. } = grant.advance(Event::Begin)? else {
        return Err(crate::oauth::grant::ProtocolError::OutOfStep.into());
    };
    let _guard = lock(world, &login.profile);
    update(world, &login.profile, |record| {
        record.pending = Some(Pending { registration: login.registration.clone(), attempt: Some(attempt.clone()), granted: None });
    })?;
    Ok(url)
}

/// Finishes an attempt that was kept; the user agent brings the redirect that was pasted.
///
/// # Errors
/// [`FlowError::NothingPending`] where none was kept or a day has passed.
pub fn finish(world: &World<'_>, login: &Login<'_>, attempt: PendingAttempt) -> Result<LoggedIn, FlowError> {
    if attempt.ends_at < world.clock.now() {
        return Err(FlowError::NothingPending(login.profile.clone()));
    }
    run(world, login, attempt)
}

/// Puts tokens that were kept aside in the place of the old grant.
///
/// # Errors
/// [`FlowError::NothingPending`] where none were kept.
pub fn take_aside(world: &World<'_>, profile: &ProfileName) -> Result<LoggedIn, FlowError> {
    let nothing = || FlowError::NothingPending(profile.clone());
    let record = world.store.load(profile)?.ok_or_else(nothing)?;
    let pending = record.pending.ok_or_else(nothing)?;
    let current = pending.granted.ok_or_else(nothing)?;
    promote(world, profile, pending.registration, current, Vec::new())
}

fn fresh_attempt(world: &World<'_>, login: &Login<'_>, ends_at: SystemTime) -> Result<PendingAttempt, FlowError> {
    let openid = login.kind.needs_redirect() && login.scopes.iter().any(|scope| scope == "openid");
    Ok(PendingAttempt {
        state: random_text(world.entropy, 32)?,
        verifier: login.pkce.then(|| random_text(world.entropy, 32)).transpose()?,
        nonce: openid.then(|| random_text(world.entropy, 32)).transpose()?,
        redirect_uri: login.redirect_uri.clone(),
        expected_issuer: login.expected_issuer.clone(),
        scopes: login.scopes.clone(),
        ends_at,
    })
}

fn consent(login: &Login<'_>, attempt: &PendingAttempt) -> Consent {
    Consent {
        pins: login.registration.pins.clone(),
        client_secret: login.registration.client_secret.clone(),
        redirect_uri: attempt.redirect_uri.clone(),
        scopes: attempt.scopes.clone(),
        scope_separator: login.scope_separator.clone(),
        params: login.params.clone(),
        state: attempt.state.clone(),
        verifier: attempt.verifier.clone(),
        nonce: attempt.nonce.clone(),
        expected_issuer: attempt.expected_issuer.clone(),
    }
}

fn run(world: &World<'_>, login: &Login<'_>, attempt: PendingAttempt) -> Result<LoggedIn, FlowError> {
    let mut grant = login.kind.begin(consent(login, &attempt));
    let now = world.clock.instant();
    let patience = now + login.patience;
    let (tokens, warnings) = drive(grant.as_mut(), world, Tries::until(patience), patience, login.show)?;
    let held = world.interrupts.hold();
    let mut registration = login.registration.clone();
    if registration.pins.issuer.is_none() {
        registration.pins.issuer = grant.issuer();
    }
    let outcome = settle(world, login, registration, &attempt, tokens, warnings);
    world.user_agent.conclude(outcome.as_ref().is_ok_and(|logged_in| !logged_in.unsaved));
    drop(held);
    outcome
}

/// Save first, ask afterwards.
fn settle(
    world: &World<'_>,
    login: &Login<'_>,
    registration: Registration,
    attempt: &PendingAttempt,
    tokens: TokenSet,
    mut warnings: Vec<String>,
) -> Result<LoggedIn, FlowError> {
    let _guard = lock(world, &login.profile);
    compare_scopes(&attempt.scopes, &tokens, &mut warnings);
    let mut current = Current {
        consented_at: world.clock.now(),
        asked: attempt.scopes.clone(),
        account: None,
        rotations: 0,
        rotation: Rotation::Unknown,
        redirect_uri: login.kind.needs_redirect().then(|| attempt.redirect_uri.clone()),
        tokens,
    };
    keep_aside(world, &login.profile, &registration, &current, &mut warnings)?;
    let by_token = by_id_token(world, &registration, &current, attempt.nonce.as_ref()).inspect_err(|_| forget_aside(world, login))?;
    current.account = match by_verify_call(world, &registration, &current.tokens) {
        Ok(account) => account.or(by_token),
        Err(refusal) => {
            warnings.push(format!("the account could not be read: {refusal}"));
            by_token
        }
    };
    refuse_another_account(world, login, &registration, &current)?;
    promote(world, &login.profile, registration, current, warnings)
}

pub(super) fn keep_aside(
    world: &World<'_>,
    profile: &ProfileName,
    registration: &Registration,
    current: &Current,
    warnings: &mut Vec<String>,
) -> Result<(), FlowError> {
    let pending = Pending { registration: registration.clone(), attempt: None, granted: Some(current.clone()) };
    match update(world, profile, |record| record.pending = Some(pending.clone())) {
        Ok(_) => Ok(()),
        Err(FlowError::Store(refusal)) => {
            warnings.push(format!("the store did not take the grant at once: {refusal}"));
            Ok(())
        }
        Err(other) => Err(other),
    }
}

/// Tokens whose ID token is refused are nobody's; id and secret stay.
fn forget_aside(world: &World<'_>, login: &Login<'_>) {
    let _ = update(world, &login.profile, |record| {
        if let Some(pending) = &mut record.pending {
            pending.granted = None;
        }
    });
}

fn refuse_another_account(world: &World<'_>, login: &Login<'_>, registration: &Registration, current: &Current) -> Result<(), FlowError> {
    let record = world.store.load(&login.profile).ok().flatten();
    let old = record.and_then(|record| record.current?.account);
    let (Some(old), Some(new)) = (old, &current.account) else { return Ok(()) };
    if old.id == new.id || (login.confirm)(&old, new) == Confirm::Replace {
        return Ok(());
    }
    let mut ignored = Vec::new();
    keep_aside(world, &login.profile, registration, current, &mut ignored)?;
    Err(FlowError::OtherAccount { profile: login.profile.clone(), old: named(&old), new: named(new) })
}

fn named(account: &Account) -> String {
    crate::text::printable(&format!("{} ({} {})", account.label, account.noun, account.id))
}

/// The new grant takes its place.
pub(super) fn promote(
    world: &World<'_>,
    profile: &ProfileName,
    registration: Registration,
    current: Current,
    mut warnings: Vec<String>,
) -> Result<LoggedIn, FlowError> {
    let mut record = save::fresh(world, profile)?;
    loop {
        record.registration = Some(registration.clone());
        record.current = Some(current.clone());
        (record.pending, record.suspect, record.mark) = (None, None, None);
        record.generation += 1;
        let unsaved = match save::save(world, &record, world.clock.instant() + LOCK) {
            Saved::Stored => {
                let _ = world.store.clear(profile);
                save::cache(world, &record);
                false
            }
            Saved::Spooled(refusal) => {
                warnings.push(format!(
                    "the store did not take the grant ({refusal}); it is kept, sealed, and goes into the store with the next call"
                ));
                false
            }
            Saved::Nowhere(refusal) => return Err(FlowError::Store(refusal)),
            Saved::Overtaken(_) => {
                record = save::fresh(world, profile)?;
                continue;
            }
        };
        return Ok(LoggedIn { record, warnings, unsaved });
    }
}

/// A refresh that is under way ends first; where it does not, the newest generation decides.
pub(super) fn lock<'a>(world: &World<'a>, profile: &ProfileName) -> Option<Box<dyn Guard + 'a>> {
    let deadline = world.clock.instant() + LOCK;
    match lock::acquire(world, profile, deadline, &mut || false) {
        Ok(Acquired::Exclusive(guard)) => Some(guard),
        Ok(Acquired::Satisfied) | Err(_) => None,
    }
}

fn compare_scopes(asked: &[String], tokens: &TokenSet, warnings: &mut Vec<String>) {
    let Some(granted) = &tokens.scope else { return };
    let missing = |of: &[String], from: &[String]| {
        let missing: Vec<&str> = of.iter().filter(|scope| !from.contains(scope)).map(String::as_str).collect();
        crate::text::printable(&missing.join(" "))
    };
    let (fewer, more) = (missing(asked, granted), missing(granted, asked));
    if !fewer.is_empty() {
        warnings.push(format!("not granted: {fewer}"));
    }
    if !more.is_empty() && !asked.is_empty() {
        warnings.push(format!("granted beyond what was asked: {more}"));
    }
}

/// A store that cannot be written is found before anything is asked of a person.
///
/// # Errors
/// [`StoreError`].
pub fn probe(world: &World<'_>) -> Result<(), StoreError> {
    world.store.probe()
}

/// Whether id and secret are accepted, before any browser opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Preflight {
    /// They work.
    Accepted,
    /// The server said no, which is not final: it may serve only a developer's own account.
    Refused(u16),
    /// Nobody could tell.
    Unknown(String),
}

/// Asks the provider's preflight endpoint, which takes id and secret as Basic credentials.
pub fn preflight(world: &World<'_>, registration: &Registration, endpoint: &crate::oauth::endpoint::Endpoint) -> Preflight {
    let client = crate::oauth::request::Client { pins: &registration.pins, secret: registration.client_secret.as_ref() };
    let Some(request) = client.preflight(endpoint) else { return Preflight::Unknown("there is no client secret".into()) };
    match super::account::call(world, &request) {
        Ok(response) if response.status.is_success() => Preflight::Accepted,
        Ok(response) if matches!(response.status.as_u16(), 400 | 401 | 403) => Preflight::Refused(response.status.as_u16()),
        Ok(response) => Preflight::Unknown(format!("{} answered {}", endpoint.authority(), response.status.as_u16())),
        Err(refusal) => Preflight::Unknown(refusal.to_string()),
    }
}

/// Only the secret's presence matters to whoever asks.
pub fn stored_client(record: &Record) -> Option<(&Registration, Option<&Secret>)> {
    let registration = stored_clients(record).next()?;
    Some((registration, registration.client_secret.as_ref()))
}

/// The clients that a record knows, the newest first.
pub fn stored_clients(record: &Record) -> impl Iterator<Item = &Registration> {
    record.pending.iter().map(|pending| &pending.registration).chain(&record.registration)
}
