//! Calls as rows: a live table at a terminal, one line a call elsewhere.

use crate::{
    pos::{
        journal::{Entry, Signature},
        signature::CERTAINTY,
    },
    text::printable,
};
use jiff::{Timestamp, tz::TimeZone};
use std::{
    borrow::Cow,
    fmt::{Display, Write},
    io::IsTerminal,
    time::SystemTime,
};

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

    /// Writes the lines of one call; the header comes before the first at a terminal.
    pub fn write(&mut self, entry: &Entry, text: &mut String) {
        if self.is_terminal && !self.header {
            self.header = true;
            row(text, ["time", "call", "asked", "answered"], "ms");
        }
        let call = entry.name.map_or_else(|| Cow::Owned(printable(&entry.method)), Cow::Borrowed);
        let (asked, answered) = (printable(&entry.asked), printable(&entry.answered));
        row(text, [self.time(entry), &call, &asked, &answered], entry.took.as_millis());
        let remarks = entry.remarks.iter().map(|remark| printable(remark)).chain(of_signature(entry.signature));
        for remark in remarks {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:10}! {remark}", "");
        }
    }

    /// What the clock shows; many calls come within one second.
    fn time(&mut self, entry: &Entry) -> &str {
        let second = entry.at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let clock = self.clock.take().filter(|(known, _)| *known == second).unwrap_or_else(|| (second, time(entry)));
        &self.clock.insert(clock).1
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
fn row(text: &mut String, cells: [&str; 4], last: impl Display) {
    let (mut column, mut used) = (0, 0);
    for (cell, width) in cells.into_iter().zip(WIDTHS) {
        column += width;
        text.push_str(cell);
        used += cell.chars().count();
        let blanks = column.saturating_sub(used).max(2);
        text.extend(std::iter::repeat_n(' ', blanks));
        used += blanks;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{last}");
}

fn time(entry: &Entry) -> String {
    Timestamp::try_from(entry.at).map_or_else(|_| String::new(), |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_a_long_cell_is_not_cut() {
        let cells = |asked: &str| {
            let mut text = String::new();
            row(&mut text, ["10:42:07", "search", asked, "no match"], 1);
            text
        };

        assert_eq!(cells("\"zoë\"").chars().position(|c| c == '1'), Some(0));
        assert!(cells("\"zoë\"").contains("\"zoë\"                              no match                           1"));
        assert!(cells(&"x".repeat(60)).contains(&format!("{}  no match", "x".repeat(60))));
    }
}
