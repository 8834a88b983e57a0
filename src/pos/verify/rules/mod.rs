//! The rules, by the call they are about.

mod every;
mod payments;
mod redeem;
mod rewards;
mod search;

use super::{
    super::{
        play::Answer,
        register::Certainty::{Documented, Inferred, Seen},
    },
    Check::{Each, Good, Story as Told},
    Level::{Must, Should},
    Rule, Story,
    Verdict::{self, Broken, Kept, Untried},
};

/// Every table, in the order of the report.
pub(super) static TABLES: &[&[Rule]] = &[every::RULES, search::RULES, rewards::RULES, redeem::RULES, payments::RULES];

const GUIDE: &str = "the vendor's guide";
const LOYALTY: &str = "apidoc.kounta.com/loyalty";
const SEARCH: &str = "help article 215799728";
const REDEEM: &str = "help article 204010194, marked obsolete there";
const GIFT_CARDS: &str = "apidoc.kounta.com/giftcards";

/// Kept where it holds, broken with the text where it does not.
fn holds(condition: bool, text: impl FnOnce() -> String) -> Verdict {
    if condition { Kept } else { Broken(vec![text()]) }
}

/// A scene's answer, or why the rule cannot be tried.
fn scene<'a>(story: &'a Story, name: &str) -> Result<&'a Answer, Verdict> {
    story.of(name).ok_or_else(|| Untried(format!("`{name}` could not be played")))
}
