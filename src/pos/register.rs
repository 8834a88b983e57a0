//! What the register asks of an integrator's server: seven calls, as data.
//!
//! The vendor documents the calls and their parameters, but neither the encoding of the POST bodies nor every field of the
//! answers. So each fact here says how sure it is and where it was read; labels that a live Back Office may show differently are
//! marked. Nothing here was tried against a live register.

/// How sure a fact is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The vendor's own documentation says so.
    Documented,
    /// Code that somebody else wrote for the same purpose does so.
    Seen,
    /// Concluded from the rest; nobody says so.
    Inferred,
}

impl Certainty {
    /// One word for tables and documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Documented => "documented",
            Self::Seen => "seen",
            Self::Inferred => "inferred",
        }
    }
}

/// The tab of Back Office where an address is typed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Customers and rewards.
    Loyalty,
    /// Payments and gift cards.
    Payments,
}

impl Tab {
    /// As Back Office writes it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Loyalty => "Loyalty",
            Self::Payments => "Payments",
        }
    }
}

/// A field that the register sends.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As it stands in the query or the body.
    pub name: &'static str,
    /// Whether each call has it.
    pub always: bool,
    /// What it holds.
    pub about: &'static str,
    /// How sure its name is.
    pub certainty: Certainty,
}

/// One call of the register.
#[derive(Debug)]
pub struct RegisterCall {
    /// Our name for it, and the last segment of its path in the built-in mock.
    pub name: &'static str,
    /// Other names that are understood, as in `pos call customers`.
    pub aliases: &'static [&'static str],
    /// What it is for, in a few words.
    pub about: &'static str,
    /// Where its address is typed in; none for an address that the integrator's own answers carry.
    pub tab: Option<Tab>,
    /// The label of the field there.
    pub label: Option<&'static str>,
    /// Whether the label was read in the vendor's own current text; elsewhere it is shown with `°`.
    pub label_is_sure: bool,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// How sure the method is.
    pub method_certainty: Certainty,
    /// In the order in which they are sent.
    pub parameters: &'static [Parameter],
    /// How sure the shape of the answer is.
    pub answer_certainty: Certainty,
    /// Where all this was read.
    pub source: &'static str,
}

const LOYALTY: &str = "apidoc.kounta.com/loyalty; help article 215799728";
const GIFT_CARDS: &str = "apidoc.kounta.com/giftcards";
const REDEEM: &str = "help article 204010194, marked obsolete there";

const fn always(name: &'static str, about: &'static str) -> Parameter {
    Parameter { name, always: true, about, certainty: Certainty::Documented }
}

const fn sometimes(name: &'static str, about: &'static str, certainty: Certainty) -> Parameter {
    Parameter { name, always: false, about, certainty }
}

const COMPANY: Parameter = always("company_id", "the company that the application is connected to");
const SITE: Parameter = always("site_id", "the site of the register");
const REGISTER: Parameter = always("register_id", "the register");
const PLACEHOLDER: Parameter = always("order_id", "a placeholder; it is echoed unchanged in `redeem_url`");
const ORDER: Parameter = always("order_id", "the order on the register");
const TYPED: Parameter = always("keyword", "what was typed, swiped or scanned");
const REFERENCE: Parameter = sometimes("reference_id", "id of the card, where the payment type requires one", Certainty::Documented);
const AMOUNT: Parameter = sometimes("amount", "the amount due", Certainty::Inferred);

/// Every call, in the order in which Back Office asks for the addresses.
pub static CALLS: &[RegisterCall] = &[
    RegisterCall {
        name: "search",
        aliases: &["customers"],
        about: "find customers by what was typed, swiped or scanned",
        tab: Some(Tab::Loyalty),
        label: Some("Customer Search URL"),
        label_is_sure: false,
        method: "GET",
        method_certainty: Certainty::Inferred,
        parameters: &[TYPED, COMPANY, SITE, PLACEHOLDER],
        answer_certainty: Certainty::Documented,
        source: LOYALTY,
    },
    RegisterCall {
        name: "rewards",
        aliases: &[],
        about: "look up what a customer can redeem",
        tab: Some(Tab::Loyalty),
        label: Some("Actions/Rewards URL"),
        label_is_sure: false,
        method: "GET",
        method_certainty: Certainty::Inferred,
        parameters: &[
            always("customer_id", "the customer, by the vendor's id"),
            always("reference_id", "the customer, by the integrator's id"),
            SITE,
            COMPANY,
            PLACEHOLDER,
        ],
        answer_certainty: Certainty::Seen,
        source: REDEEM,
    },
    RegisterCall {
        name: "redeem",
        aliases: &[],
        about: "redeem a reward, at the address that the look-up gave",
        tab: None,
        label: None,
        label_is_sure: false,
        method: "GET",
        method_certainty: Certainty::Inferred,
        parameters: &[always("order_id", "the real order, put in place of the placeholder")],
        answer_certainty: Certainty::Documented,
        source: REDEEM,
    },
    RegisterCall {
        name: "topup",
        aliases: &["top-up"],
        about: "put money on a card",
        tab: Some(Tab::Payments),
        label: Some("Top-up"),
        label_is_sure: true,
        method: "POST",
        method_certainty: Certainty::Documented,
        parameters: &[COMPANY, SITE, REGISTER, ORDER, TYPED, always("topup_amount", "the money to put on"), REFERENCE],
        answer_certainty: Certainty::Inferred,
        source: GIFT_CARDS,
    },
    RegisterCall {
        name: "balance",
        aliases: &[],
        about: "ask what is left on a card",
        tab: Some(Tab::Payments),
        label: Some("Check balance"),
        label_is_sure: true,
        method: "POST",
        method_certainty: Certainty::Documented,
        parameters: &[COMPANY, SITE, REGISTER, ORDER, TYPED, REFERENCE],
        answer_certainty: Certainty::Inferred,
        source: GIFT_CARDS,
    },
    RegisterCall {
        name: "checkout",
        aliases: &[],
        about: "pay an order, or a part of it",
        tab: Some(Tab::Payments),
        label: Some("Checkout"),
        label_is_sure: true,
        method: "POST",
        method_certainty: Certainty::Documented,
        parameters: &[COMPANY, SITE, REGISTER, ORDER, TYPED, AMOUNT, REFERENCE],
        answer_certainty: Certainty::Documented,
        source: GIFT_CARDS,
    },
    RegisterCall {
        name: "refund",
        aliases: &[],
        about: "give money back",
        tab: Some(Tab::Payments),
        label: Some("Refund"),
        label_is_sure: true,
        method: "POST",
        method_certainty: Certainty::Documented,
        parameters: &[COMPANY, SITE, REGISTER, ORDER, TYPED, AMOUNT, REFERENCE],
        answer_certainty: Certainty::Inferred,
        source: GIFT_CARDS,
    },
];

/// The call of this name or alias.
pub fn by_name(name: &str) -> Option<&'static RegisterCall> {
    CALLS.iter().find(|call| call.name == name || call.aliases.contains(&name))
}

/// The label of the field in Back Office, marked with `°` where it may read differently there.
pub fn shown_label(call: &RegisterCall) -> Option<String> {
    call.label.map(|label| if call.label_is_sure { label.to_owned() } else { format!("{label}°") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_name_is_known_once_and_every_call_says_what_it_is_for() {
        let mut seen = BTreeSet::new();
        for call in CALLS {
            for name in call.aliases.iter().chain([&call.name]) {
                assert!(seen.insert(*name), "{name} stands twice");
                assert_eq!(by_name(name).map(|found| found.name), Some(call.name));
            }
            assert!(!call.about.is_empty() && !call.about.ends_with('.') && !call.source.is_empty());
            assert!(matches!(call.method, "GET" | "POST"));
            assert_eq!(call.tab.is_some(), call.label.is_some(), "{}", call.name);
            assert!(call.parameters.iter().any(|parameter| parameter.name == "order_id"), "{}", call.name);
        }
        assert_eq!(by_name("serach").map(|call| call.name), None);
    }

    #[test]
    fn a_label_that_nobody_checked_is_marked() {
        let label = |name| by_name(name).and_then(shown_label);

        assert_eq!(label("search").as_deref(), Some("Customer Search URL°"));
        assert_eq!(label("topup").as_deref(), Some("Top-up"));
        assert_eq!(label("redeem"), None);
    }
}
