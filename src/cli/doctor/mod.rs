//! `tokenstrap doctor`
//!
//! A check is a function in a file of its subject and a line in `CHECKS`. It ends by itself, asks nobody, changes nothing
//! that stays, and shows no secret. A row is broken only where what was asked for would not work; whatever is worth
//! knowing beside that is odd.

mod grants;
mod machine;
mod network;
mod settings;
mod stores;

use super::{
    Run,
    context::{self, Context},
    failure::{Exit, Failure},
    terminal,
};
use crate::{
    profile::{ProfileName, Settings},
    text::printable,
};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::cell::RefCell;

/// Say what works on this machine, and how to mend what does not
///
/// ✓ works, ! is worth knowing, ✗ keeps a login (or, with --for token, a token) from working; the command behind → mends
/// it. Nobody is asked, nothing is opened, no secret is shown. No request leaves this machine unless a profile is named:
/// then its server is asked for the time, without any credential.
#[derive(Args)]
pub(super) struct Doctor {
    /// Look with the eyes of this grant: its store, its server's clock
    profile: Option<String>,
    /// What has to work
    #[arg(long = "for", value_name = "WHAT", value_enum, default_value = "login")]
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Purpose {
    /// Logging in
    Login,
    /// Handing out a token of a grant that is stored
    Token,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Token => "token",
        }
    }
}

/// How a fact bears on what has to work.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Works,
    Odd,
    Broken,
}

impl State {
    fn mark(self) -> &'static str {
        match self {
            Self::Works => "✓",
            Self::Odd => "!",
            Self::Broken => "✗",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Odd => "odd",
            Self::Broken => "broken",
        }
    }
}

/// One fact, and what to type about it.
struct Row {
    name: String,
    state: State,
    fact: String,
    mend: Option<String>,
}

impl Row {
    fn new(name: &str, state: State, fact: impl Into<String>) -> Self {
        Self { name: printable(name), state, fact: printable(&fact.into()), mend: None }
    }

    fn works(name: &str, fact: impl Into<String>) -> Self {
        Self::new(name, State::Works, fact)
    }

    fn odd(name: &str, fact: impl Into<String>) -> Self {
        Self::new(name, State::Odd, fact)
    }

    fn broken(name: &str, fact: impl Into<String>) -> Self {
        Self::new(name, State::Broken, fact)
    }

    fn mend(mut self, command: impl Into<String>) -> Self {
        self.mend = Some(printable(&command.into()));
        self
    }

    fn document(&self) -> Value {
        json!({"check": self.name, "state": self.state.name(), "says": self.fact, "mend": self.mend})
    }
}

/// What the checks look at.
struct Look<'a> {
    context: &'a Context,
    purpose: Purpose,
    profile: Option<ProfileName>,
    settings: Settings,
    /// The store that would be used.
    chosen: String,
    /// Whether a person sits at a terminal.
    person: bool,
    /// Stores that did not answer; they are not waited for a second time.
    silent: RefCell<Vec<&'static str>>,
}

type Check = fn(&Look<'_>) -> Vec<Row>;

/// Every check, in the order of the screen.
static CHECKS: &[Check] = &[
    settings::files,
    settings::variables,
    machine::state_folder,
    stores::all,
    stores::key,
    machine::kernel_keyring,
    machine::browser,
    machine::ports,
    network::authorities,
    network::proxies,
    network::clock,
    grants::all,
];

impl Run for Doctor {
    const NAME: &'static str = "doctor";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = self.profile.as_deref().map(context::profile).transpose()?;
        let person = context.may_ask();
        // From here on nobody is there: a keychain that is locked is a fact, and no prompt.
        let alone = context.alone();
        let rows = match look(&alone, self.purpose, profile, person) {
            Ok(look) => CHECKS.iter().flat_map(|check| check(&look)).collect(),
            // Settings that cannot be read hide everything else.
            Err(failure) => {
                vec![Row::broken("settings", failure.causes.iter().fold(failure.fact.clone(), |all, cause| format!("{all}: {cause}")))]
            }
        };
        tell(context, self.purpose, &rows)
    }
}

fn look(context: &Context, purpose: Purpose, profile: Option<ProfileName>, person: bool) -> Result<Look<'_>, Failure> {
    let settings = profile.as_ref().map(|profile| context.settings(profile)).transpose()?.unwrap_or_default();
    context.general()?;
    let chosen = context.store_name(&settings)?;
    Ok(Look { context, purpose, profile, settings, chosen, person, silent: RefCell::default() })
}

fn tell(context: &Context, purpose: Purpose, rows: &[Row]) -> Result<Exit, Failure> {
    let works = rows.iter().all(|row| row.state != State::Broken);
    let exit = if works { Exit::Done } else { Exit::Machine };
    if context.globals.json {
        let checks: Vec<Value> = rows.iter().map(Row::document).collect();
        terminal::document(&json!({"for": purpose.name(), "works": works, "checks": checks}))?;
        return Ok(exit);
    }
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!("{} {:width$}  {}\n", row.state.mark(), row.name, row.fact));
        if let Some(mend) = &row.mend {
            text.push_str(&format!("  {:width$}  → {mend}\n", ""));
        }
    }
    let article = if purpose == Purpose::Login { "a login" } else { "a token" };
    text.push_str(&match works {
        true => format!("\nNothing here keeps {article} from working.\n"),
        false => format!("\nWhat is marked ✗ keeps {article} from working.\n"),
    });
    terminal::answer(&text)?;
    Ok(exit)
}
