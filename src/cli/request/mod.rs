//! `tokenstrap request`

mod exchange;
mod typed;

use super::{
    Run, bound,
    context::{self, Context},
    failure::{Exit, Failure},
    render::read_span,
    terminal,
};
use crate::{
    flow::FlowError,
    http::client::{Client, Options},
    oauth::{
        answer::read_retry_after,
        api::{Api, NoPlace, next_page},
        message::Response,
    },
    profile::{ProfileName, Record, Registration},
};
use clap::Args;
use exchange::{Credentials, Exchange};
use http::header::{LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use url::Url;

/// Largest answer of one page; it is held in memory, so that a call is repeated and printed as a whole.
const LARGEST: usize = 64 * 1024 * 1024;
/// Pages after which `--paginate` stops: a server whose last page names a next one would keep us for ever.
const MOST_PAGES: usize = 1000;

/// Make one authenticated API call
///
/// PATH is relative to the provider's API base, or an address on a host that is bound to the profile. The answer goes to
/// standard output as it came, 64 MiB at most. POST, PUT and PATCH send standard input, unless that is a terminal. A
/// token that is not taken is refreshed and the call repeated once. Exit 0 for 2xx, 3 for 401, 4 for 429 and 5xx, 6 for
/// the rest.
#[derive(Args)]
#[command(
    override_usage = "tokenstrap request [OPTIONS] <PROFILE> [METHOD] <PATH>",
    after_help = "Examples:\n  tokenstrap request till companies/me.json\n  tokenstrap request till --paginate companies/5042/orders.json\n  tokenstrap request till POST companies/5042/customers.json <customer.json"
)]
pub(super) struct Request {
    /// Whose token
    profile: String,
    /// GET where it is left out
    #[arg(value_name = "METHOD")]
    first: String,
    /// Path or address
    #[arg(value_name = "PATH")]
    second: Option<String>,
    /// Further header
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print status and headers too
    #[arg(short, long)]
    include: bool,
    /// Follow the pages of a list
    #[arg(long)]
    paginate: bool,
    /// Send client id and secret as Basic instead of the token, where the provider allows that for testing
    #[arg(long)]
    basic: bool,
    /// Longest time for all of it, waiting for a rate limit included
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = read_span)]
    timeout: Duration,
}

impl Run for Request {
    const NAME: &'static str = "request";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let profile = context::profile(&self.profile)?;
        let (method, path) = match &self.second {
            Some(path) => (typed::method(&self.first)?, path.as_str()),
            None => (http::Method::GET, self.first.as_str()),
        };
        if self.paginate && !matches!(method, http::Method::GET | http::Method::HEAD) {
            return Err(
                Failure::usage("--paginate follows the pages of a list, and this call changes something").hint("leave --paginate out")
            );
        }
        let headers = typed::headers(&self.headers)?;
        let record = bound::record(context, &profile)?;
        // What is bound may have the token; the client's secret goes to the provider's API alone.
        let hosts = if self.basic { Vec::new() } else { bound::hosts(&record) };
        let registration = record.registration.clone().ok_or_else(|| FlowError::NoGrant(profile.clone()))?;
        self.check_basic(&registration)?;
        let api = Api { base: registration.pins.api_base.as_ref(), hosts: &hosts };
        let url = api.resolve(path).map_err(|error| self.nowhere(&error))?;
        let body = typed::body(&method)?;
        let credentials = self.credentials(context, &profile, record)?;
        let observer = (context.globals.verbose > 0).then(|| -> Box<dyn Fn(&str) + Send + Sync> { Box::new(terminal::line) });
        let bar_link_local = registration.pins.resource.is_some();
        let client = Client::new(Options { bar_link_local, observer, roomy: Some((LARGEST, Duration::from_secs(60))) });
        let deadline = Instant::now() + self.timeout;
        let mut exchange = Exchange {
            context,
            profile,
            client: &client,
            api,
            registration: &registration,
            method,
            headers,
            body,
            credentials,
            deadline,
            renewed: false,
        };
        self.pages(context, &mut exchange, url)
    }
}

impl Request {
    /// Refuses --basic where the pins of the login do not have it.
    fn check_basic(&self, registration: &Registration) -> Result<(), Failure> {
        if !self.basic || registration.pins.basic_api && registration.client_secret.is_some() {
            return Ok(());
        }
        Err(Failure::usage("this provider is not known to take client id and secret in the place of a token")
            .hint("leave --basic out; `tokenstrap providers NAME` says what is known"))
    }

    fn credentials(&self, context: &Context, profile: &ProfileName, record: Record) -> Result<Credentials, Failure> {
        if self.basic {
            return Ok(Credentials::Basic);
        }
        Ok(Credentials::Token(bound::fresh(context, profile, record, Duration::from_secs(60))?))
    }

    fn pages(&self, context: &Context, exchange: &mut Exchange<'_>, first: Url) -> Result<Exit, Failure> {
        let (mut documents, mut held) = (Vec::new(), 0);
        let mut url = first.clone();
        let mut seen = BTreeSet::new();
        for _ in 0..MOST_PAGES {
            seen.insert(url.clone());
            let (reached, response) = exchange.send(&url)?;
            let next = next_page(&reached, &response.headers).filter(|_| self.paginate && response.status.is_success());
            if context.globals.json {
                held += response.body.len();
                if held > LARGEST {
                    return Err(Failure::new(Exit::Refused, "the pages are larger than 64 MiB together")
                        .hint("leave --json out: each page is printed as it comes then"));
                }
                documents.push(document(&response));
            } else {
                self.print(&response, next.is_some())?;
            }
            match next {
                None => return conclude(context, &reached, &response, documents),
                Some(next) if seen.contains(&next) => {
                    return Err(Failure::new(Exit::Refused, "the server names a page as the next one that has been there already"));
                }
                Some(next) if next.origin() != first.origin() || !exchange.api.allows(&next) => {
                    return Err(Failure::new(Exit::Refused, "the next page lies on another host, and the token stays here"));
                }
                Some(next) => url = next,
            }
        }
        Err(Failure::new(Exit::Refused, format!("there are more than {MOST_PAGES} pages")))
    }

    fn print(&self, response: &Response, more_follows: bool) -> Result<(), Failure> {
        if self.include {
            let mut head = format!("HTTP/1.1 {}\n", response.status);
            for (name, value) in &response.headers {
                head.push_str(&format!("{name}: {}\n", crate::text::printable_bytes(value.as_bytes())));
            }
            head.push('\n');
            terminal::answer(&head)?;
        }
        terminal::foreign_answer(&response.body, more_follows)
    }

    fn nowhere(&self, error: &NoPlace) -> Failure {
        let profile = &self.profile;
        match error {
            NoPlace::Unbound(host) if self.basic => Failure::new(Exit::Refused, format!("`{host}` is not where the provider's API is"))
                .hint("--basic sends the client secret, and no bound host gets that"),
            NoPlace::Unbound(host) => Failure::new(Exit::Refused, error.to_string())
                .hint(format!("`tokenstrap bind {profile} {host}` lets this grant's token go there")),
            NoPlace::NoBase => Failure::usage(error.to_string()).hint("write the whole address, on a host that is bound to the profile"),
            NoPlace::Form(_) | NoPlace::Address(_) => Failure::usage(error.to_string()),
        }
    }
}

fn document(response: &Response) -> Value {
    let headers: serde_json::Map<_, _> = response
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), Value::String(String::from_utf8_lossy(value.as_bytes()).into_owned())))
        .collect();
    let body = serde_json::from_slice(&response.body).unwrap_or_else(|_| json!(String::from_utf8_lossy(&response.body)));
    json!({"status": response.status.as_u16(), "headers": headers, "body": body})
}

/// The exit code of the last answer, and what is said about it.
fn conclude(context: &Context, url: &Url, response: &Response, mut documents: Vec<Value>) -> Result<Exit, Failure> {
    if context.globals.json {
        let only = if documents.len() == 1 { documents.pop() } else { None };
        terminal::document(&only.unwrap_or_else(|| json!({ "pages": documents })))?;
    }
    let status = response.status.as_u16();
    let exit = match status {
        200..=299 => return Ok(Exit::Done),
        401 => Exit::LoginNeeded,
        429 | 500.. => Exit::Later,
        _ => Exit::Refused,
    };
    let host = crate::oauth::endpoint::authority(url);
    let failure = Failure::new(exit, format!("{host} answered {}", response.status));
    let wait = response.header(&RETRY_AFTER).and_then(|value| read_retry_after(value, context.now()));
    let failure = match (exit, wait) {
        (Exit::Later, Some(wait)) => failure.hint(format!("try again in {} s", wait.as_secs())),
        (Exit::Later, None) => failure.hint("try again later"),
        (Exit::Refused, _) if response.header(&LOCATION).is_some() => {
            failure.because("redirects are followed only by GET, three times at most, and to where the token may go")
        }
        _ => failure,
    };
    // The document of this call has been written; the failure is told to the person only.
    Ok(failure.tell(false))
}
