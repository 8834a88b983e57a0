//! `tokenstrap sandbox`

use super::{
    Run,
    context::Context,
    failure::{Exit, Failure},
    render::read_span,
};
use crate::sandbox::{ODD, Sandbox as Server, WORDS};
use clap::Args;
use std::{net::IpAddr, sync::mpsc, time::Duration};

/// Keep the make-believe authorization server up, with faults to order
///
/// It behaves like O-Series, or with --strict like a modern server: PKCE forced, refresh tokens rotated with reuse
/// detection, the issuer in the redirect. It opens no store; every token that it makes begins with `mock-`. It ends with
/// Ctrl-C.
#[derive(Args)]
#[command(after_help = orders())]
pub(super) struct Sandbox {
    /// Behave like a modern server
    #[arg(long)]
    strict: bool,
    /// Listen on this port instead of a free one
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Listen on this address; anything but loopback shows the server to others
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<IpAddr>,
    /// Life of access tokens
    #[arg(long, value_name = "DURATION", value_parser = read_span)]
    expires_in: Option<Duration>,
    /// Expect no client secret
    #[arg(long)]
    public: bool,
    /// Order a fault; repeat for more
    #[arg(long = "fault", value_name = "ORDER")]
    faults: Vec<String>,
}

fn orders() -> String {
    let words: String =
        WORDS.iter().map(|word| format!("  {:32} {}\n", format!("{}{}", word.name, value_of(word.value)), word.about)).collect();
    let odd: String = ODD.iter().map(|odd| format!("  {:32} {}\n", odd.name, odd.about)).collect();
    format!("Faults:\n{words}\nOdd answers:\n{odd}")
}

fn value_of(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("={value}") }
}

impl Run for Sandbox {
    const NAME: &'static str = "sandbox";

    fn run(self, context: &Context) -> Result<Exit, Failure> {
        let (watcher, news) = mpsc::channel();
        let mut faults = crate::sandbox::Faults::default();
        for order in &self.faults {
            faults.order(order).map_err(|error| Failure::usage(error.to_string()).hint("`tokenstrap sandbox --help` lists the faults"))?;
        }
        let mut builder = Server::builder();
        if self.strict {
            builder = builder.strict();
        }
        if self.public {
            builder = builder.public_client();
        }
        if let Some(life) = self.expires_in {
            builder = builder.expires_in(life.as_secs());
        }
        for order in &self.faults {
            builder = builder.faults(|faults| {
                let _ = faults.order(order);
            });
        }
        if let Some(address) = self.listen {
            if !address.is_loopback() {
                context.say("warning: this server is for rehearsals, and others can reach it at that address");
            }
            builder = builder.exposed_on(address);
        }
        let server = builder.port(self.port).watched_by(watcher).start().map_err(|error| {
            Failure::new(Exit::Machine, "the server could not be started").because(error).hint("leave --port out for a free one")
        })?;
        tell(context, &server);
        let (stop, stopped) = mpsc::channel();
        let _watch = crate::platform::signals::Watch::begin(move |signal| {
            let _ = stop.send(signal);
        });
        loop {
            if stopped.try_recv().is_ok() {
                break;
            }
            match news.recv_timeout(Duration::from_millis(100)) {
                Ok(logged) => context.say(&format!("{logged:?}")),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
        }
        server.stop();
        context.say("stopped; nothing is left behind");
        Ok(Exit::Done)
    }
}

fn tell(context: &Context, server: &crate::sandbox::Running) {
    let kind = if server.is_strict() { "a modern authorization server" } else { "a make-believe Lightspeed O-Series" };
    context.say(&format!("{kind} on {}\n", server.url()));
    context.say("Log in with");
    let endpoints = if server.is_strict() {
        format!("--issuer {}", server.issuer())
    } else {
        format!("--auth-url {} --token-url {} --client-auth post", server.authorization_endpoint(), server.token_endpoint())
    };
    match server.client_secret() {
        Some(secret) => {
            context.say(&format!("  MOCK_SECRET={} \\", secret.expose()));
            context
                .say(&format!("  tokenstrap login sandbox {endpoints} --client-id {} --client-secret-env MOCK_SECRET", server.client_id()));
        }
        None => context.say(&format!("  tokenstrap login sandbox {endpoints} --client-id {}", server.client_id())),
    }
    if server.is_strict() {
        context.say("or by the address of its API, with a client that registers itself");
        context.say(&format!("  tokenstrap login sandbox --resource {} --register", server.resource()));
    }
    context.say("\nIts secret is made up and ends with it. Ctrl-C ends it.\n");
}
