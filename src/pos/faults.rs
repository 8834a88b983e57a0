//! What can go wrong on the way to a register, to order and once: to see what the register makes of it.

use super::register;
use std::time::Duration;

/// Longest pause that can be ordered; no register waits as long.
pub const LONGEST_DELAY: Duration = Duration::from_secs(300);

/// One answer that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A page, as a tunnel sends that has lost its server.
    Html,
    /// Status 200 without a body.
    Empty,
    /// JSON that breaks off.
    Broken,
    /// This status, in JSON.
    Status(u16),
    /// The connection is reset in place of an answer.
    Cut,
    /// The answer comes after half a minute.
    Slow,
}

/// The faults by name, with what they do.
pub static FAULTS: &[(&str, &str, Fault)] = &[
    ("html", "a page instead of JSON, as a tunnel sends that has lost its server", Fault::Html),
    ("empty", "200 without a body", Fault::Empty),
    ("broken", "JSON that breaks off in the middle", Fault::Broken),
    ("404", "status 404, in JSON", Fault::Status(404)),
    ("500", "status 500, in JSON", Fault::Status(500)),
    ("503", "status 503, in JSON", Fault::Status(503)),
    ("cut", "the connection is reset", Fault::Cut),
    ("slow", "the right answer after 30 s", Fault::Slow),
];

/// Why an order is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrder {
    /// No equals sign.
    #[error("it is written CALL=VALUE, such as search={0}")]
    Form(&'static str),
    /// No call of the register.
    #[error("`{0}` is none of the calls: {calls}", calls = names())]
    Call(String),
    /// No fault.
    #[error("there is no fault `{0}`: {faults}", faults = FAULTS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", "))]
    Fault(String),
}

/// The names of all calls, for error texts.
pub fn names() -> String {
    register::CALLS.iter().map(|call| call.name).collect::<Vec<_>>().join(", ")
}

/// Reads `CALL=VALUE`; gives the call's own name.
///
/// # Errors
/// [`BadOrder`]; `example` is a value for its text.
pub fn for_call<'a>(order: &'a str, example: &'static str) -> Result<(&'static str, &'a str), BadOrder> {
    let (call, value) = order.split_once('=').ok_or(BadOrder::Form(example))?;
    let known = register::by_name(call.trim()).ok_or_else(|| BadOrder::Call(call.to_owned()))?;
    Ok((known.name, value.trim()))
}

impl Fault {
    /// The fault of this name.
    ///
    /// # Errors
    /// [`BadOrder::Fault`].
    pub fn by_name(name: &str) -> Result<Self, BadOrder> {
        let found = FAULTS.iter().find(|(known, ..)| *known == name);
        found.map(|(.., fault)| *fault).ok_or_else(|| BadOrder::Fault(name.to_owned()))
    }

    /// As it is ordered.
    pub fn name(self) -> &'static str {
        FAULTS.iter().find(|(.., fault)| *fault == self).map_or("fault", |(name, ..)| name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_names_a_call_and_a_fault() {
        assert_eq!(for_call("customers=html", "html"), Ok(("search", "html")));
        assert_eq!(for_call("search", "html").expect_err("no value").to_string(), "it is written CALL=VALUE, such as search=html");
        assert!(for_call("serach=html", "html").is_err());
        for (name, about, fault) in FAULTS {
            assert_eq!((Fault::by_name(name), fault.name()), (Ok(*fault), *name));
            assert!(!about.ends_with('.'));
        }
        assert!(Fault::by_name("on-fire").is_err());
    }
}
