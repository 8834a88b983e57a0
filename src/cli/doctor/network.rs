//! Certificate authorities, proxies, and the clock against a server's.

use super::{Look, Row};
use crate::{
    cli::context::{Nobody, env},
    http::client,
    oauth::{endpoint::Endpoint, message::Request},
    ports::Transport,
};
use http::header::DATE;
use std::time::{Duration, Instant, SystemTime};

/// How long the server may take to say what time it is.
const CALL: Duration = Duration::from_secs(8);
/// A difference that expiry can do with: what a token's life is shortened by anyway.
const SKEW: Duration = Duration::from_secs(60);
/// The variables that a proxy is taken from.
const PROXIES: [&str; 8] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"];

/// Whether a server's certificate could be checked at all.
pub(super) fn authorities(_: &Look<'_>) -> Vec<Row> {
    vec![match client::authorities() {
        Ok(()) => Row::works("authorities", "certificate authorities are installed"),
        Err(reason) => Row::broken("authorities", format!("no certificate authorities can be loaded ({reason})"))
            .mend("apt-get install ca-certificates, or what your system calls it"),
    }]
}

/// Proxies by variable and host; a password in them is not shown.
pub(super) fn proxies(_: &Look<'_>) -> Vec<Row> {
    let mut rows: Vec<Row> = PROXIES
        .iter()
        .filter_map(|name| env(name).map(|value| (name, value)))
        .map(|(name, value)| {
            let host = value.rsplit('@').next().unwrap_or_default();
            Row::odd("proxy", format!("{name} is set: {host}"))
        })
        .collect();
    if let Err(reason) = client::check_proxies(&|name| std::env::var(name).ok()) {
        rows.push(Row::broken("proxy", reason).mend("unset it, or give it as http://HOST:PORT"));
    }
    if rows.is_empty() {
        rows.push(Row::works("proxy", "none is set"));
    }
    rows
}

/// The clock beside that of the server of a profile; nobody is asked where none is named.
pub(super) fn clock(look: &Look<'_>) -> Vec<Row> {
    let Some(profile) = &look.profile else {
        return vec![Row::works("clock", "not compared; `tokenstrap doctor NAME` asks the server of NAME for its time")];
    };
    let asked = look.context.with_world(&look.settings, &Nobody, |world| {
        let record = world.store.load(profile)?;
        let pins = record.as_ref().and_then(crate::flow::stored_client).map(|(registration, _)| &registration.pins);
        Ok(pins.map(|pins| ask(world.transport, &pins.token_endpoint)))
    });
    vec![match asked {
        Ok(Some(row)) => row,
        Ok(None) => Row::odd("clock", format!("not compared: {profile} names no server yet")),
        Err(failure) => Row::odd("clock", format!("not compared: {}", failure.fact)),
    }]
}

/// Asks without a credential; whatever the server answers, it dates.
fn ask(transport: &dyn Transport, endpoint: &Endpoint) -> Row {
    let host = endpoint.authority();
    let sent = SystemTime::now();
    let answer = transport.send(&Request::get(endpoint.url().clone()), Instant::now() + CALL);
    let date = match &answer {
        Ok(response) => response.header(&DATE).and_then(|date| httpdate::parse_http_date(date).ok()),
        Err(refusal) => return Row::odd("clock", format!("not compared: {refusal}")),
    };
    let Some(date) = date else { return Row::odd("clock", format!("not compared: {host} does not say what time it is")) };
    compare(&host, sent, date)
}

fn compare(host: &str, sent: SystemTime, date: SystemTime) -> Row {
    let (ahead, skew) = match date.duration_since(sent) {
        Ok(ahead) => ("behind", ahead),
        Err(behind) => ("ahead of", behind.duration()),
    };
    // A date has whole seconds, and the answer took its time.
    if skew <= SKEW {
        Row::works("clock", format!("agrees with {host}"))
    } else {
        let span = crate::cli::render::span(skew);
        Row::odd("clock", format!("this clock is {span} {ahead} that of {host}: tokens look younger or older than they are"))
            .mend("timedatectl set-ntp true")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::State;

    #[test]
    fn n_04_a_clock_is_told_by_how_much_and_to_which_side_it_is_wrong() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let said = |date: SystemTime| {
            let row = compare("as.example", now, date);
            (row.state == State::Works, row.fact)
        };

        for near in [now - SKEW, now, now + SKEW] {
            assert_eq!(said(near), (true, "agrees with as.example".to_owned()));
        }
        for (date, side) in [(now + Duration::from_secs(3600), "1 h behind"), (now - Duration::from_secs(61), "1 min 1 s ahead of")] {
            let (works, fact) = said(date);
            assert!(!works && fact.contains(side), "{fact}");
        }
    }
}
