//! `tokenstrap list`

use super::{
    Run,
    context::{Context, Nobody},
    failure::{Exit, Failure},
    render::{rfc3339, span},
    terminal,
};
use crate::{
    profile::{ProfileName, Record, Settings},
    text::printable,
};
use clap::Args;
use comfy_table::{Table, presets::NOTHING};
use serde_json::{Value, json};
use std::collections::BTreeSet;

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
    pub record: Option<Box<Record>>,
    pub problem: Option<String>,
}

impl Run for List {
    const NAME: &'static str = "list";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let rows = rows(context)?;
        if context.globals.json {
            let profiles: Vec<Value> = rows.iter().map(|row| document(row, context)).collect();
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
            table.add_row(cells(row, context));
        }
        terminal::answer(&format!("{}\n", table.trim_fmt()))?;
        Ok(Exit::Done)
    }
}

/// Every profile that settings or the default store know. A store that fails hides no profile.
pub(super) fn rows(context: &Context) -> Result<Vec<Row>, Failure> {
    let configured = context.config.profiles()?;
    let mut rows = Vec::new();
    // Profiles of one store are read in one session with it.
    let mut by_store = std::collections::BTreeMap::<String, Vec<(ProfileName, Settings)>>::new();
    for (profile, settings) in configured.iter().zip(context.config.settings_of(&configured)?) {
        by_store.entry(context.store_name(&settings)?).or_default().push((profile.clone(), settings));
    }
    by_store.entry(context.store_name(&Settings::default())?).or_default();
    let known: BTreeSet<ProfileName> = configured.into_iter().collect();
    for (store, mut profiles) in by_store {
        let opened = Settings { store: Some(store.clone()), ..Settings::default() };
        let loaded = context.with_world(&opened, &Nobody, |world| {
            let others = world.store.list().map(|names| names.into_iter().filter(|name| !known.contains(name)).collect::<Vec<_>>());
            match others {
                Ok(others) => profiles.extend(others.into_iter().map(|name| (name, opened.clone()))),
                Err(error) if profiles.is_empty() && known.is_empty() => return Err(error.into()),
                Err(_) => {}
            }
            Ok(profiles.iter().map(|(name, _)| world.store.load(name)).collect::<Vec<_>>())
        })?;
        rows.extend(profiles.into_iter().zip(loaded).map(|((profile, settings), loaded)| {
            let (record, problem) = match loaded {
                Ok(record) => (record.map(Box::new), None),
                Err(error) => (None, Some(error.to_string())),
            };
            Row { profile, settings, store: store.clone(), record, problem }
        }));
    }
    rows.sort_by(|one, other| one.profile.cmp(&other.profile));
    Ok(rows)
}

fn cells(row: &Row, context: &Context) -> [String; 6] {
    let record = row.record.as_deref();
    let current = record.and_then(|record| record.current.as_ref());
    let server = record.and_then(|record| record.registration.as_ref()).map(|registration| registration.pins.server());
    let left = current.map(|current| current.tokens.remaining(context.now()));
    let access = match (left, &row.problem) {
        (_, Some(problem)) => problem.clone(),
        (None, None) => "not logged in".to_owned(),
        (Some(None), None) => "no known end".to_owned(),
        (Some(Some(left)), None) if left.is_zero() => "ended".to_owned(),
        (Some(Some(left)), None) => format!("{} left", span(left)),
    };
    let refresh = match (current, record.and_then(|record| record.mark.as_ref())) {
        (Some(_), Some(_)) => "refused: log in again",
        (Some(current), None) if current.tokens.refresh_token.is_some() => "stored",
        (Some(_), None) => "none",
        (None, _) => "",
    };
    let account = current.and_then(|current| current.account.as_ref()).map(|account| account.label.clone()).unwrap_or_default();
    [row.profile.to_string(), server.unwrap_or_default(), account, access, refresh.to_owned(), row.store.clone()]
        .map(|cell| printable(&cell))
}

fn document(row: &Row, context: &Context) -> Value {
    let record = row.record.as_deref();
    let current = record.and_then(|record| record.current.as_ref());
    json!({
        "profile": row.profile,
        "provider": row.settings.provider,
        "server": record.and_then(|record| record.registration.as_ref()).map(|registration| registration.pins.server()),
        "account": current.and_then(|current| current.account.as_ref()).map(|account| json!({"id": account.id, "label": account.label})),
        "expires_at": current.and_then(|current| current.tokens.expires_at).and_then(rfc3339),
        "expires_in": current.and_then(|current| current.tokens.remaining(context.now())).map(|left| left.as_secs()),
        "has_refresh_token": current.is_some_and(|current| current.tokens.refresh_token.is_some()),
        "login_needed": record.is_some_and(|record| record.mark.is_some()) || current.is_none(),
        "store": row.store,
        "problem": row.problem,
    })
}
