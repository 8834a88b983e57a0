//! Calls as rows: a live table at a terminal, one line a call elsewhere.

use crate::{
    pos::{
        journal::{Entry, Signature},
        signature::CERTAINTY,
    },
    text::printable,
};
use jiff::{Timestamp, tz::TimeZone};
use std::{io::IsTerminal, time::SystemTime};

/// Widths of the columns but the last; they are those of the header.
const WIDTHS: [usize; 4] = [10, 10, 35, 35];

/// The rows of a run.
pub(super) struct Rows {
    is_terminal: bool,
    header: bool,
    /// A second, and what the clock showed then.
    clock: Option<(u64, String)>,
}

impl Rows {
    pub fn new() -> Self {
        Self { is_terminal: std::io::stderr().is_terminal(), header: false, clock: None }
    }

    /// The lines of one call; the header comes before the first at a terminal.
    pub fn lines(&mut self, entry: &Entry) -> Vec<String> {
        let mut lines = Vec::new();
        if self.is_terminal && !self.header {
            self.header = true;
            lines.push(row(["time", "call", "asked", "answered"].map(str::to_owned), "ms"));
        }
        let call = entry.name.map_or_else(|| printable(&entry.method), str::to_owned);
        let cells = [self.time(entry), call, printable(&entry.asked), printable(&entry.answered)];
        lines.push(row(cells, &entry.took.as_millis().to_string()));
        let remarks = entry.remarks.iter().map(|remark| printable(remark)).chain(of_signature(entry.signature));
        lines.extend(remarks.map(|remark| format!("{:10}! {remark}", "")));
        lines
    }

    /// What the clock shows; many calls come within one second.
    fn time(&mut self, entry: &Entry) -> String {
        let second = entry.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        match &self.clock {
            Some((known, shown)) if *known == second => shown.clone(),
            _ => self.clock.insert((second, time(entry))).1.clone(),
        }
    }
}

fn of_signature(signature: Option<Signature>) -> Option<String> {
    match signature? {
        Signature::Good => None,
        Signature::Bad => Some(format!("the signature does not fit ({CERTAINTY})")),
        Signature::Missing => Some("there is no signature".to_owned()),
    }
}

/// A row; a cell that is too long pushes the next ones on rather than being cut.
fn row(cells: [String; 4], last: &str) -> String {
    let mut line = String::new();
    let mut column = 0;
    for (cell, width) in cells.iter().zip(WIDTHS) {
        column += width;
        line.push_str(cell);
        let used = line.chars().count();
        line.extend(std::iter::repeat_n(' ', column.saturating_sub(used).max(2)));
    }
    line.push_str(last);
    line
}

fn time(entry: &Entry) -> String {
    Timestamp::try_from(entry.at).map_or_else(|_| String::new(), |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_a_long_cell_is_not_cut() {
        let cells = |asked: &str| row(["10:42:07".into(), "search".into(), asked.into(), "no match".into()], "1");

        assert_eq!(cells("\"zoë\"").chars().position(|c| c == '1'), Some(0));
        assert!(cells("\"zoë\"").contains("\"zoë\"                              no match                           1"));
        assert!(cells(&"x".repeat(60)).contains(&format!("{}  no match", "x".repeat(60))));
    }
}
