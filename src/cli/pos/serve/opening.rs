//! What is said at the start: where it is, how to steer it, and what to paste where.

use super::{Context, Serve};
use crate::{
    pos::{
        register::{CALLS, Tab, shown_label},
        service::Till,
        signature::CERTAINTY,
    },
    text::printable,
};

/// Where it is, and the address of the desk.
pub(super) fn tell(context: &Context, serve: &Serve, till: &Till, desk: &str) {
    if !serve.listen.is_loopback() {
        context.say(&format!("warning: {} shows this server to others; the desk stays with this machine", serve.listen));
    }
    if serve.listen.is_unspecified() && till.gate.public.is_none() {
        context.say("warning: a register needs an address of this machine: add --public-url http://ADDRESS:PORT");
    }
    context.say(&format!("Your side of Loyalty and Payments, on {}", till.origin));
    context.say(&format!("Watch and steer (this machine only): {desk}"));
}

/// What to paste into Back Office, and what answers.
pub(super) fn tell_addresses(context: &Context, serve: &Serve, till: &Till) {
    context.say("\nPaste into Back Office > Integrations > your integration, save, then sync the register");
    for tab in [Tab::Loyalty, Tab::Payments] {
        let mut head = tab.label();
        if tab == Tab::Loyalty {
            context.say(&format!("  {head:9} {:28} on", "Enable Integrated Customers"));
            head = "";
        }
        for call in CALLS.iter().filter(|call| call.tab == Some(tab)) {
            context.say(&format!("  {head:9} {:28} {}", shown_label(call).unwrap_or_default(), till.place.url(call.name)));
            head = "";
        }
    }
    context.say("  ° may read differently in your Back Office");
    if till.gate.public.is_none() && serve.listen.is_loopback() {
        context.say("These work on this machine only. A register needs --public-url URL, or --tunnel with a program of yours.");
    }
    let (counts, answers) = {
        let desk = till.desk();
        let data = desk.shop.data();
        let counts = [(data.customers.len(), "customer"), (data.cards.len(), "card"), (data.rewards.len(), "reward")];
        (counts, std::sync::Arc::clone(&desk.answers))
    };
    let counts = counts.map(|(count, noun)| format!("{count} {noun}{}", if count == 1 { "" } else { "s" }));
    let signature = match &serve.signature_key_env {
        Some(name) => format!("Signature checked with {} ({CERTAINTY}).", printable(name)),
        None => "Signature not checked (--signature-key-env VAR).".to_owned(),
    };
    context.say(&format!("{}. {signature}", counts.join(", ")));
    if answers.is_own {
        let (count, remarks) = answers.remarks();
        context.say(&format!("{count} examples of your own."));
        context.warn(remarks.get(..remarks.len().min(MOST_REMARKS)).unwrap_or_default());
        if remarks.len() > MOST_REMARKS {
            context.say(&format!("warning: and {} more of these", remarks.len() - MOST_REMARKS));
        }
    }
    if let Some(profile) = &serve.redeem_as {
        context.say(&format!("Redeemed rewards go on the real order, with the token of {}.", printable(profile)));
    }
    context.say("");
}

/// Remarks on a collection that are told one by one.
const MOST_REMARKS: usize = 10;
