//! `tokenstrap pos serve`

mod look;
mod opening;
mod orders;
mod setup;
mod table;
mod tunnel;
mod watch;

use super::{Context, Exit, Failure, PORT, files, signature_key};
use crate::{
    platform::{entropy::SystemEntropy, signals},
    pos::{
        gate::{Gate, Keys},
        journal::Journal,
        place::Place,
        running::{self, Running, SocketError},
        service::{Parts, Till},
        standing::{self, StandingError, Way},
    },
    secret::Secret,
    text::printable,
};
use clap::Args;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

/// Answer a register's Loyalty and Payments calls
///
/// Stands in for the integrator's server: customers, rewards and gift cards of a make-believe shop, ready with no arguments. Whatever
/// comes in, what goes out is JSON. Opens no store and knows no account, unless --redeem-as names one. Ends with Ctrl-C.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenstrap pos serve --public-url https://till.example.test\n  \
                        tokenstrap pos serve --tunnel cloudflared\n  tokenstrap pos serve --forward search=https://localhost.example.test/search\n  \
                        tokenstrap pos set checkout.amount=12.50")]
pub(super) struct Serve {
    /// Listen on this port; 0 takes a free one
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Listen on this address; anything but loopback shows the server to others
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), hide_default_value = true)]
    listen: IpAddr,
    /// The address at which a register reaches this server: of a tunnel, or on the shop's network
    #[arg(long, value_name = "URL", conflicts_with = "tunnel")]
    public_url: Option<String>,
    /// Start this tunnel program of yours, and read its address from what it says
    #[arg(long, value_name = "PROGRAM", value_parser = tunnel::names())]
    tunnel: Option<String>,
    /// Answer from this Postman collection (v2.1 or v2.0) instead of the built-in one
    #[arg(long, value_name = "FILE")]
    collection: Option<PathBuf>,
    /// Take {{variables}} from this Postman environment; repeat for more, later ones win
    #[arg(long = "environment", value_name = "FILE")]
    environments: Vec<PathBuf>,
    /// Tell examples apart by this field of query, form or JSON body alone; repeat for more
    #[arg(long = "match-field", value_name = "NAME", requires = "collection")]
    fields: Vec<String>,
    /// Send a collection's answers as they were saved, JSON or not
    #[arg(long, requires = "collection")]
    as_saved: bool,
    /// Customers, cards and rewards from this file instead of the built-in ones
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Answer a call with this file; repeat for more
    #[arg(long = "answer", value_name = "CALL=FILE")]
    answers: Vec<String>,
    /// Pass a call on to your own server; repeat for more
    #[arg(long = "forward", value_name = "CALL=URL")]
    forwards: Vec<String>,
    /// Hold answers back, all or those of one call
    #[arg(long = "delay", value_name = "[CALL=]TIME")]
    delays: Vec<String>,
    /// Order one wrong answer; `pos set --help` lists the faults
    #[arg(long = "fault", value_name = "CALL=FAULT")]
    faults: Vec<String>,
    /// Say what a register would have choked on, and answer 404 where no example fits
    #[arg(long)]
    strict: bool,
    /// Keep every call with its answer in this file, names and cards made unreadable
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Keep them as they are
    #[arg(long, requires = "record")]
    record_raw: bool,
    /// Check X-Kounta-Signature with the key in this environment variable
    #[arg(long, value_name = "VAR")]
    signature_key_env: Option<String>,
    /// Put redeemed rewards on the real order, with this profile's token
    #[arg(long, value_name = "PROFILE")]
    redeem_as: Option<String>,
}

/// Calls that the terminal may be behind before it misses some.
const BEHIND: usize = 4096;

impl Serve {
    pub fn run(mut self: Box<Self>, context: &Context) -> Result<Exit, Failure> {
        let (desk, watched) = setup::desk(&self)?;
        let orders = self.redeem_as.as_deref().map(|profile| orders::Api::open(context, profile)).transpose()?;
        let key = signature_key(self.signature_key_env.as_deref())?;
        let recording = self.record.as_deref().map(|path| watch::Recording::create(path, self.record_raw)).transpose()?;
        let state = &context.folders.state;
        let prefix = standing::prefix(state, &SystemEntropy)?;
        let (sockets, port) = running::bind(self.listen, self.port)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stopped);
        let _watch = signals::Watch::begin(move |_| stop.store(true, Ordering::Relaxed));
        let origin = format!("http://{}", SocketAddr::new(own_address(self.listen), port));
        let tunnel = self.tunnel.take().map(|name| tunnel::Tunnel::start(&name, &origin, &stopped)).transpose()?;
        let Some(public) = self.public(tunnel.as_ref(), &prefix)? else { return Ok(Exit::Done) };
        let (watcher, news) = mpsc::sync_channel(BEHIND);
        let keys = Keys { once: Some(token()?), browser: token()?, shell: token()? };
        let desk_address = format!("{origin}/_/?t={}", keys.once.as_ref().map(Secret::expose).unwrap_or_default());
        let way = Way { origin: origin.clone(), token: keys.shell.clone() };
        let listen = Some(self.listen).filter(|address| !address.is_unspecified());
        let place = public.clone().map_or_else(|| own_place(listen, &origin, port, &prefix), Ok)?;
        let parts = Parts {
            gate: Gate { public: public.clone(), listen, prefix },
            keys,
            origin,
            place,
            journal: Journal::new(Some(watcher)),
            key,
            orders: orders.map(orders::Api::shared),
            strict: self.strict,
            as_saved: self.as_saved,
            look: token()?,
        };
        let server = Running::start(sockets, Till::new(parts, desk))
            .map_err(|error| Failure::new(Exit::Machine, "the server could not be started").because(error))?;
        let posted = standing::post(state, port, &way)?;
        opening::tell(context, &self, server.till(), &desk_address);
        if let Some(public) = &public {
            look::tell(context, server.till(), public, tunnel.is_some(), &stopped);
        }
        opening::tell_addresses(context, &self, server.till());
        watch::until_stopped(context, watch::Watch { server: &server, news: &news, stopped: &stopped, recording, watched, tunnel })?;
        drop((posted, server));
        context.say("stopped; nothing is left behind but the prefix of the addresses");
        Ok(Exit::Done)
    }

    /// The public place; the outer `None` where somebody stopped a tunnel that had not said its address yet.
    fn public(&self, tunnel: Option<&tunnel::Tunnel>, prefix: &str) -> Result<Option<Option<Place>>, Failure> {
        let address = match (tunnel, &self.public_url) {
            (Some(tunnel), _) => match tunnel.address() {
                Some(address) => address,
                None => return Ok(None),
            },
            (None, Some(address)) => address,
            (None, None) => return Ok(Some(None)),
        };
        let place = Place::read(address, prefix);
        place.map(|place| Some(Some(place))).map_err(|error| {
            Failure::usage("this public address is none that a register can call")
                .because(error)
                .hint("it is written like --public-url https://till.example.test")
        })
    }
}

fn token() -> Result<Secret, Failure> {
    Ok(standing::token(&SystemEntropy)?)
}

/// The place in answers where there is no public one: an address that was asked for, else this machine's own.
fn own_place(listen: Option<IpAddr>, origin: &str, port: u16, prefix: &str) -> Result<Place, Failure> {
    let address = listen.map_or_else(|| origin.to_owned(), |address| format!("http://{}", SocketAddr::new(address, port)));
    Place::read(&address, prefix).map_err(|error| Failure::new(Exit::Bug, error.to_string()))
}

/// Where this machine itself reaches the server: the loopback interface, whatever else it listens at.
fn own_address(listen: IpAddr) -> IpAddr {
    match listen {
        address if address.is_loopback() => address,
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        _ => Ipv4Addr::LOCALHOST.into(),
    }
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let failure = Self::new(Exit::Machine, printable(&error.to_string()));
        match error {
            SocketError::Taken { .. } => failure.hint("end that program, or choose another port with --port"),
            SocketError::Unusable { .. } => failure,
        }
    }
}

impl From<StandingError> for Failure {
    fn from(error: StandingError) -> Self {
        let exit = if matches!(error, StandingError::Unsafe(_)) { Exit::Refused } else { Exit::Machine };
        let failure = Self::new(exit, error.to_string());
        match error {
            StandingError::Unsafe(_) | StandingError::Form(_) => failure.hint("remove that file; a new one is made at the next start"),
            _ => failure,
        }
    }
}
