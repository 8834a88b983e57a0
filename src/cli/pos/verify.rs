//! `tokenstrap pos verify`

use super::{
    Context, Exit, Failure,
    manner::{Manner, origin},
};
use crate::{
    cli::terminal,
    pos::{
        play::{Addresses, cents},
        register::CALLS,
        verify::{self, Facts, Report, Row, Totals},
    },
    text::printable,
};
use clap::Args;
use std::{fs, path::PathBuf};

/// Rehearse every call against your own server, and say rule by rule what a register would accept
///
/// Plays found and not found, odd characters, an unknown card, too little on a card, a reward redeemed twice. It puts --amount on
/// the card, pays with it, has it refunded and spends it again, so a server that keeps its books holds the same afterwards; a reward
/// is really redeemed. Each rule says where it was read and how sure that is. Exit 6 where a register would fail.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenstrap pos verify --url https://pos.example.test/kounta --keyword ines --card GC-77\n  \
                        tokenstrap pos verify --url search=https://pos.example.test/find --url rewards=https://pos.example.test/r\n  \
                        tokenstrap pos verify --url http://127.0.0.1:8080 --junit pos.xml")]
pub(super) struct Verify {
    /// Where the server is: a base to which the names of the calls are added, or CALL=URL; repeat for more
    #[arg(long = "url", value_name = "[CALL=]URL", required = true)]
    urls: Vec<String>,
    /// Somebody whom the customer search finds
    #[arg(long, value_name = "TEXT", default_value = "david")]
    keyword: String,
    /// A card that is there
    #[arg(long, value_name = "ID", default_value = "GC-1001")]
    card: String,
    /// What is put on the card and spent
    #[arg(long, value_name = "AMOUNT", default_value = "1.00", value_parser = amount)]
    amount: String,
    /// The order that a reward is redeemed for
    #[arg(long, value_name = "ID", default_value = "880417")]
    order: String,
    /// Write the result as JUnit XML too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    #[command(flatten)]
    manner: Manner,
}

fn amount(text: &str) -> Result<String, String> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let hundredths = text.parse::<f64>().ok().filter(|_| is_plain).and_then(|amount| cents(&amount.into()));
    if hundredths.is_some_and(|hundredths| hundredths > 0) { Ok(text.to_owned()) } else { Err("an amount is written like 1.00".to_owned()) }
}

impl Verify {
    pub fn run(self, context: &Context) -> Result<Exit, Failure> {
        let addresses = Addresses::read(&self.urls)?;
        let encoding = self.manner.encoding();
        let register = self.manner.register(context)?;
        let facts = Facts { keyword: self.keyword, card: self.card, amount: self.amount, order: self.order, encoding };
        let progress = |scene: &str| {
            if context.globals.verbose > 0 {
                context.say(scene);
            }
        };
        let story = verify::play(&register.player(), &addresses, &facts, &progress);
        let report = Report::of(&story);
        if let Some(path) = &self.junit {
            let shown = printable(&path.to_string_lossy());
            fs::write(path, report.junit())
                .map_err(|error| Failure::new(Exit::Machine, format!("`{shown}` cannot be written")).because(error))?;
        }
        if let Some(trouble) = story.silence() {
            return Err(trouble.clone().into());
        }
        let totals = report.totals();
        if context.globals.json {
            terminal::document(&report.document())?;
        } else {
            terminal::answer(&text(&report))?;
            context.say(&summary(totals, report.calls()));
        }
        Ok(if totals.broken == 0 { Exit::Done } else { Exit::Refused })
    }
}

fn text(report: &Report) -> String {
    let mut text = String::new();
    for call in ["every"].into_iter().chain(CALLS.iter().map(|call| call.name)) {
        text.push_str(if call == "every" { "every call" } else { call });
        text.push('\n');
        text.extend(report.rows.iter().filter(|row| row.rule.call == call).map(lines));
    }
    text
}

fn lines(row: &Row) -> String {
    let mark = match row.word() {
        "kept" => '✓',
        "broken" => '✗',
        "advice" => '!',
        _ => '–',
    };
    let mut lines = format!("  {mark} {}\n      {}, {}\n", row.rule.says, row.rule.id, origin(row.rule.certainty, row.rule.source));
    for finding in row.findings() {
        lines.push_str(&format!("      > {finding}\n"));
    }
    lines
}

fn summary(totals: Totals, calls: usize) -> String {
    let Totals { kept, broken, advice, untried } = totals;
    let mut text = format!("{calls} calls played: {kept} rules kept, {broken} broken");
    for (count, word) in [(advice, "worth a look"), (untried, "could not be tried")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_money_and_more_than_nothing() {
        for text in ["1.00", "18.5", "7"] {
            assert_eq!(amount(text).as_deref(), Ok(text));
        }
        for text in ["", "0", "-1", "1e3", "1.005", "inf", "1,50", "NaN", "."] {
            assert!(amount(text).is_err(), "{text}");
        }
    }
}
