//! Gift cards and payments: top-up, balance, checkout, refund.
//!
//! Which member carries the amount is not in the vendor's words, so each likely name is looked for.

use super::{Ask, Money, Outcome, Shop};

/// Names under which an amount may come, the likelier first.
const AMOUNTS: [&str; 7] = ["topup_amount", "checkout_amount", "refund_amount", "amount", "amount_due", "payment_amount", "total"];

/// What is said of an amount that is none.
const NO_AMOUNT: &str = "Not an amount";

impl Shop {
    /// Top-up: the register collects the money, the card gets it.
    pub(super) fn top_up(&mut self, ask: &Ask<'_>) -> Outcome {
        let asked = asked(ask);
        let (id, amount) = (reference(ask), amount(ask));
        let Some(card) = self.card(&id) else { return Outcome::refused("unknown-card", asked, "Unknown card") };
        let Some(amount) = amount.ok().flatten().filter(|amount| amount.cents() > 0) else {
            return Outcome::refused("no-amount", asked, NO_AMOUNT);
        };
        let (before, Some(after)) = (card.balance, card.balance.plus(amount)) else {
            return Outcome::refused("no-amount", asked, "More than a card can hold");
        };
        card.balance = after;
        Outcome::new("topped-up", asked, format!("card {before} → {after}"))
            .json("amount", amount)
            .json("balance", after)
            .text("reference_id", &card.id)
    }

    /// Check balance.
    pub(super) fn balance(&mut self, ask: &Ask<'_>) -> Outcome {
        let asked = ask.words(&reference(ask));
        let Some(card) = self.card(&reference(ask)) else { return Outcome::refused("unknown-card", asked, "Unknown card") };
        Outcome::new("balance", asked, format!("balance {}", card.balance)).json("balance", card.balance).text("reference_id", &card.id)
    }

    /// Checkout: from the card that is named, else a payment that always succeeds.
    pub(super) fn checkout(&mut self, ask: &Ask<'_>) -> Outcome {
        let asked = asked(ask);
        let Ok(amount) = amount(ask) else { return Outcome::refused("no-amount", asked, NO_AMOUNT) };
        if amount.is_some_and(|amount| amount.cents() < 0) {
            return Outcome::refused("no-amount", asked, NO_AMOUNT);
        }
        let id = reference(ask);
        let Some(amount) = amount else {
            // The tutorial's own mock answers with the amount of its example, whatever was asked.
            return Outcome::new("paid", asked, "the amount of the example; none was asked for");
        };
        if id.is_empty() {
            return Outcome::new("paid", asked, format!("amount {amount}")).json("amount", amount);
        }
        let Some(card) = self.card(&id) else { return Outcome::refused("unknown-card", asked, "Unknown card") };
        let before = card.balance;
        let Some(after) = before.less(amount) else {
            return Outcome::refused("not-enough", asked, "Not enough on the card").json("balance", before);
        };
        card.balance = after;
        Outcome::new("paid-by-card", asked, format!("amount {amount}, card {before} → {after}"))
            .json("amount", amount)
            .json("balance", after)
            .text("reference_id", &card.id)
    }

    /// Refund: back to the card that is named, else a refund that always succeeds.
    pub(super) fn refund(&mut self, ask: &Ask<'_>) -> Outcome {
        let asked = asked(ask);
        let Ok(amount) = amount(ask) else { return Outcome::refused("no-amount", asked, NO_AMOUNT) };
        let id = reference(ask);
        // The API writes refunds as negative payments; a register may do the same.
        let Some(amount) = amount.map(Money::abs) else {
            return Outcome::new("refunded", asked, "the amount of the example; none was asked for");
        };
        if id.is_empty() {
            return Outcome::new("refunded", asked, format!("amount {amount}")).json("amount", amount);
        }
        let Some(card) = self.card(&id) else { return Outcome::refused("unknown-card", asked, "Unknown card") };
        let (before, Some(after)) = (card.balance, card.balance.plus(amount)) else {
            return Outcome::refused("no-amount", asked, "More than a card can hold");
        };
        card.balance = after;
        Outcome::new("refunded-to-card", asked, format!("amount {amount}, card {before} → {after}"))
            .json("amount", amount)
            .json("balance", after)
            .text("reference_id", &card.id)
    }
}

/// The card that is meant: the reference id, else what was typed or swiped.
fn reference(ask: &Ask<'_>) -> String {
    let reference = ask.field("reference_id");
    if reference.is_empty() { ask.field("keyword").to_owned() } else { reference.to_owned() }
}

/// The amount that is meant: set by hand, else asked for; an error where what was asked for is no amount.
fn amount(ask: &Ask<'_>) -> Result<Option<Money>, super::NoAmount> {
    if ask.amount.is_some() {
        return Ok(ask.amount);
    }
    asked_amount(ask).map(str::parse).transpose()
}

fn asked_amount<'a>(ask: &'a Ask<'_>) -> Option<&'a str> {
    AMOUNTS.iter().map(|name| ask.field(name)).find(|text| !text.is_empty())
}

fn asked(ask: &Ask<'_>) -> String {
    let words = [reference(ask), asked_amount(ask).unwrap_or_default().to_owned()];
    ask.words(&words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join("  "))
}
