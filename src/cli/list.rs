//! `tokenstrap list`

use super::{
    Run,
    context::{Context, Nobody},
    failure::{Exit, Failure},
    render::{rfc3339, span},
    terminal,
};
use crate::{
    flow::World,
    ports::StoreError,
    profile::{Account, ProfileName, Record, Settings},
    text::printable,
};
use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    thread,
    time::{Duration, SystemTime},
};

/// So many records are read faster than a thread is started.
const FEW: usize = 256;

/// What a look at one record gives.
type Looked = Result<Standing, StoreError>;

/// List every stored grant
///
/// Reveals nothing of any token.
#[derive(Args)]
pub(super) struct List {}

/// One profile, with what its store said.
pub(super) struct Row {
    pub profile: ProfileName,
    pub settings: Settings,
    pub store: String,
    pub standing: Standing,
    pub problem: Option<String>,
}

/// What a record says of its grant, without the grant: ten thousand records are ten thousand sets of tokens.
#[derive(Default)]
pub(super) struct Standing {
    server: Option<String>,
    is_refused: bool,
    pub grant: Option<Outline>,
}

/// A grant without its secrets.
pub(super) struct Outline {
    account: Option<Account>,
    expires_at: Option<SystemTime>,
    left: Option<Duration>,
    pub requested_at: SystemTime,
    pub has_refresh_token: bool,
}

impl Standing {
    fn of(record: &Record, now: SystemTime) -> Self {
        Self {
            server: record.registration.as_ref().map(|registration| registration.pins.server()),
            is_refused: record.mark.is_some(),
            grant: record.current.as_ref().map(|grant| Outline {
                account: grant.account.clone(),
                expires_at: grant.tokens.expires_at,
                left: grant.tokens.remaining(now),
                requested_at: grant.tokens.requested_at,
                has_refresh_token: grant.tokens.refresh_token.is_some(),
            }),
        }
    }
}

impl Run for List {
    const NAME: &'static str = "list";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let rows = rows(context)?;
        if context.globals.json {
            let profiles: Vec<Value> = rows.iter().map(document).collect();
            terminal::document(&json!({"profiles": profiles}))?;
            return Ok(Exit::Done);
        }
        if rows.is_empty() {
            context.say("nothing is stored yet; `tokenstrap login NAME` begins, `tokenstrap demo` shows how");
            return Ok(Exit::Done);
        }
        let mut table = Table::new();
        table.load_style(NOTHING).set_header(["profile", "server", "account", "access token", "refresh token", "store"]);
        for row in &rows {
            table.add_row(cells(row));
        }
        terminal::answer(&format!("{}\n", table.trim_fmt()))?;
        Ok(Exit::Done)
    }
}

/// Every profile that settings or the default store know. A store that fails hides no profile.
pub(super) fn rows(context: &Context) -> Result<Vec<Row>, Failure> {
    let (configured, now) = (context.config.profiles()?, context.now());
    let mut rows = Vec::new();
    // Profiles of one store are read in one session with it.
    let mut by_store = BTreeMap::<String, Vec<(ProfileName, Settings)>>::new();
    for (profile, settings) in configured.iter().zip(context.config.settings_of(&configured)?) {
        by_store.entry(context.store_name(&settings)?).or_default().push((profile.clone(), settings));
    }
    by_store.entry(context.store_name(&Settings::default())?).or_default();
    let known: BTreeSet<ProfileName> = configured.into_iter().collect();
    for (store, mut profiles) in by_store {
        let opened = Settings { store: Some(store.clone()), ..Settings::default() };
        let looked = context.with_world(&opened, &Nobody, |world| {
            let others = world.store.list().map(|names| names.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>());
            match others {
                Ok(others) => profiles.extend(others.into_iter().map(|name| (name, opened.clone()))),
                Err(error) if profiles.is_empty() && known.is_empty() => return Err(error.into()),
                Err(_) => {}
            }
            let few = profiles.len() <= FEW;
            Ok(few.then(|| profiles.iter().map(|(name, _)| look(world, name, now)).collect::<Vec<_>>()))
        })?;
        let names: Vec<&ProfileName> = profiles.iter().map(|(name, _)| name).collect();
        let looked = looked.map_or_else(|| look_at_all(context, &opened, &names), Ok)?;
        rows.extend(profiles.into_iter().zip(looked).map(|((profile, settings), looked)| {
            let (standing, problem) = match looked {
                Ok(standing) => (standing, None),
                Err(error) => (Standing::default(), Some(error.to_string())),
            };
            Row { profile, settings, store: store.clone(), standing, problem }
        }));
    }
    rows.sort_by(|one, other| one.profile.cmp(&other.profile));
    Ok(rows)
}

fn look(world: &World<'_>, name: &ProfileName, now: SystemTime) -> Looked {
    Ok(world.store.load(name)?.map(|record| Standing::of(&record, now)).unwrap_or_default())
}

/// A look at each, by as many threads as the machine runs at once.
fn look_at_all(context: &Context, opened: &Settings, names: &[&ProfileName]) -> Result<Vec<Looked>, Failure> {
    let now = context.now();
    let look_at = |part: &[&ProfileName]| {
        context.with_world(opened, &Nobody, |world| Ok(part.iter().map(|name| look(world, name, now)).collect::<Vec<_>>()))
    };
    let hands = if context.asks_for_passphrase() { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
    let share = names.len().div_ceil(hands).max(FEW);
    thread::scope(|scope| {
        let (own, others) = names.split_at(names.len().min(share));
        let others: Vec<_> = others.chunks(share).map(|part| scope.spawn(move || look_at(part))).collect();
        let mut all = look_at(own)?;
        for part in others {
            all.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(all)
    })
}

fn cells(row: &Row) -> [String; 6] {
    let Standing { server, is_refused, grant } = &row.standing;
    let access = match (grant.as_ref().map(|grant| grant.left), &row.problem) {
        (_, Some(problem)) => problem.clone(),
        (None, None) => "not logged in".to_owned(),
        (Some(None), None) => "no known end".to_owned(),
        (Some(Some(left)), None) if left.is_zero() => "ended".to_owned(),
        (Some(Some(left)), None) => format!("{} left", span(left)),
    };
    let refresh = match grant {
        Some(_) if *is_refused => "refused: log in again",
        Some(grant) if grant.has_refresh_token => "stored",
        Some(_) => "none",
        None => "",
    };
    let account = grant.as_ref().and_then(|grant| grant.account.as_ref()).map(|account| account.label.clone()).unwrap_or_default();
    [row.profile.to_string(), server.clone().unwrap_or_default(), account, access, refresh.to_owned(), row.store.clone()]
        .map(|cell| printable(&cell))
}

fn document(row: &Row) -> Value {
    let Standing { server, is_refused, grant } = &row.standing;
    let grant = grant.as_ref();
    json!({
        "profile": row.profile,
        "provider": row.settings.provider,
        "server": server,
        "account": grant.and_then(|grant| grant.account.as_ref()).map(|account| json!({"id": account.id, "label": account.label})),
        "expires_at": grant.and_then(|grant| grant.expires_at).and_then(rfc3339),
        "expires_in": grant.and_then(|grant| grant.left).map(|left| left.as_secs()),
        "has_refresh_token": grant.is_some_and(|grant| grant.has_refresh_token),
        "login_needed": *is_refused || grant.is_none(),
        "store": row.store,
        "problem": row.problem,
    })
}
