//! `tokenstrap pos set`

use super::{Context, Exit, Failure, PORT};
use crate::{
    cli::terminal,
    http::client::{Client, Options},
    oauth::{bearer, message::Request},
    ports::Transport,
    pos::{faults::FAULTS, standing},
    secret::Secret,
    text::printable,
};
use clap::Args;
use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Change the next answers of the `pos serve` that runs
///
/// What is set stays until it is set again; an empty value takes it back.
#[derive(Args)]
#[command(after_help = words())]
pub(super) struct Set {
    /// What to change, such as checkout.amount=12.50
    #[arg(value_name = "WORD=VALUE", required_unless_present = "reset")]
    words: Vec<String>,
    /// First put points and balances back as at the start, and take back what was set
    #[arg(long)]
    reset: bool,
    /// The port of the server, where several run
    #[arg(long)]
    port: Option<u16>,
}

fn words() -> String {
    let faults: String = FAULTS.iter().map(|(name, about, _)| format!("  {name:8} {about}\n")).collect();
    format!(
        "Words:\n  checkout.amount=12.50    the amount that is taken; also topup and refund\n  search.outcome=none      the example that answers, by its name\n  \
         search.fault=html        one wrong answer, see below\n  search.delay=3s          how long answers are held back\n  \
         balance.NAME=VALUE       any variable of the example\n  card.GC-1001=50.00       what is on a card\n  \
         customer.M-1001=340      points of a customer\n\nFaults:\n{faults}"
    )
}

/// A server on this machine answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(5);

impl Set {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let set = self.words.iter().map(|word| {
            let pair = word.split_once('=').map(|(word, value)| (word.trim(), value));
            pair.ok_or_else(|| Failure::usage(format!("`{}` is not of the form WORD=VALUE", printable(word))))
        });
        let set: Vec<_> = set.collect::<Result<_, _>>()?;
        let way = self.way(context)?;
        let document = json!({ "reset": self.reset, "set": set });
        let answer = send(&way, &document)?;
        if let Some(error) = answer.get("error").and_then(Value::as_str) {
            return Err(Failure::usage(printable(error)).hint("`tokenstrap pos set --help` shows the words; nothing was changed"));
        }
        if context.globals.json {
            terminal::document(&answer)?;
            return Ok(Exit::Done);
        }
        for line in answer.get("done").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            context.say(&format!("✓ {}", printable(line)));
        }
        Ok(Exit::Done)
    }

    fn way(&self, context: &Context) -> Result<standing::Way, Failure> {
        let state = &context.folders.state;
        let ports = standing::ports(state);
        let port = match (self.port, ports.as_slice()) {
            (Some(port), _) => port,
            (None, []) => return Err(nobody()),
            (None, [only]) => *only,
            (None, several) if several.contains(&PORT) => PORT,
            (None, several) => {
                let list: Vec<_> = several.iter().map(ToString::to_string).collect();
                return Err(Failure::usage("several servers run").hint(format!("name one with --port: {}", list.join(", "))));
            }
        };
        let found = standing::find(state, port).map_err(|error| Failure::new(Exit::Machine, error.to_string()))?;
        found.ok_or_else(nobody)
    }
}

fn nobody() -> Failure {
    Failure::new(Exit::Machine, "no `pos serve` runs here").hint("start it in another terminal: `tokenstrap pos serve`")
}

fn send(way: &standing::Way, document: &Value) -> Result<Value, Failure> {
    let url = url::Url::parse(&format!("{}/_/set", way.origin)).map_err(|_| nobody())?;
    let mut request = Request { method: Method::POST, body: Some(Secret::new(document.to_string())), ..Request::get(url) };
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let request = bearer::call(request, &way.token);
    let response =
        Client::new(Options::default()).send(&request, Instant::now() + PATIENCE).map_err(|trouble| nobody().because(trouble))?;
    match response.status.as_u16() {
        200 | 400 | 422 => serde_json::from_slice(&response.body).map_err(|_| nobody().because("another program answers at its port")),
        status => Err(nobody().because(format!("another program answers at its port ({status})"))),
    }
}
