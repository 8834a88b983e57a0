//! Pages for the resource owner. Nothing of a request ever enters one: tickets, codes and companies are this server's own.

use super::{
    answer::{self, Answer},
    company::COMPANIES,
};
use std::fmt::Write;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:10vh auto;padding:0 1em;color:#222}\
    fieldset{border:1px solid #bbb;border-radius:6px;margin:1em 0}label{display:block;padding:.3em}\
    button{font:inherit;padding:.4em 1.4em;margin-right:.6em}.mock{color:#a40;font-weight:600}";

/// The name of the hidden member that carries the ticket.
pub(super) const TICKET: &str = "ticket";

/// Asks whether the client may act, and for which company.
pub(super) fn consent(ticket: &str, form_action: &str) -> Answer {
    let text = format!(
        "<p>An application asks to act for one of your companies.</p>\n\
         <form method=\"post\" action=\"/authorize\"><input type=\"hidden\" name=\"{TICKET}\" value=\"{ticket}\">\n{}{}</form>",
        companies(),
        BUTTONS
    );
    sheet(200, "Grant access", &text, form_action)
}

/// Asks for the user code of a device, or shows one that is known and asks for consent.
pub(super) fn device(user_code: Option<&str>) -> Answer {
    let text = user_code.map_or_else(
        || {
            "<form method=\"get\" action=\"/device\"><label>Code on your device \
             <input name=\"user_code\" autocomplete=\"off\"></label><button>Next</button></form>"
                .to_owned()
        },
        |code| {
            format!(
                "<p>A device asks to act for one of your companies. It has to show the code <strong>{code}</strong>.</p>\n\
                 <form method=\"post\" action=\"/device\"><input type=\"hidden\" name=\"user_code\" value=\"{code}\">\n{}{}</form>",
                companies(),
                BUTTONS
            )
        },
    );
    sheet(200, "Connect a device", &text, "'self'")
}

/// One sentence, and nothing to press.
pub(super) fn notice(status: u16, title: &str, sentence: &str) -> Answer {
    sheet(status, title, &format!("<p>{sentence}</p>"), "'none'")
}

/// What O-Series shows where the redirect URI differs from the registered one: nothing that helps.
pub(super) fn bare_500() -> Answer {
    answer::page(500, "<html><head><title>500</title></head><body><h1>500</h1></body></html>".to_owned(), "", "'none'")
}

const BUTTONS: &str = "<button name=\"decision\" value=\"grant\">Grant</button><button name=\"decision\" value=\"deny\">Deny</button>";

fn companies() -> String {
    let mut list = "<fieldset><legend>Company</legend>".to_owned();
    for (index, company) in COMPANIES.iter().enumerate() {
        let checked = if index == 0 { " checked" } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(
            list,
            "<label><input type=\"radio\" name=\"company\" value=\"{}\"{checked}> {} <small>{}, {}</small></label>",
            company.id,
            company.name,
            counted(company.sites, "site"),
            counted(company.registers, "register")
        );
    }
    list + "</fieldset>\n"
}

fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

fn sheet(status: u16, title: &str, text: &str, form_action: &str) -> Answer {
    let body = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <link rel=\"icon\" href=\"data:,\"><style>{STYLE}</style></head>\n<body><h1>{title}</h1>\n\
         <p class=\"mock\">A rehearsal: nobody is signed in, nothing here is real.</p>\n{text}\n</body></html>\n"
    );
    answer::page(status, body, STYLE, form_action)
}
