//! The catalogue: what is known of authorization servers, as data.
//!
//! An entry is one TOML file and one line in [`PROVIDERS`]; the command line, its help and the checks read the table. An
//! entry only proposes: what a grant is bound to are the pins that login makes of it. Every address in an entry has a
//! fact beside it that says where it was read and how sure that is, since nobody here has asked the live servers.
//! Users' own entries have the same form and pass the same checks.

mod entry;
mod redirect_path;
mod template;

pub use entry::{Fact, Pkce, Preflight, Provider, Redirect, RedirectMatch, Sure, VerifyCall};
pub use redirect_path::redirect_path;
pub use template::{BadTemplate, Rule, Template, Variable, Variables, is_dns_label};

/// Every built-in entry, in the order of the alphabet: its name and its text.
pub static PROVIDERS: &[(&str, &str)] = &[
    ("github", include_str!("presets/github.toml")),
    ("gitlab", include_str!("presets/gitlab.toml")),
    ("google", include_str!("presets/google.toml")),
    ("lightspeed-o", include_str!("presets/lightspeed-o.toml")),
    ("microsoft", include_str!("presets/microsoft.toml")),
];

/// Why an entry cannot be used. Texts in it are printable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadProvider {
    /// Not TOML, or not the form of an entry; the reader's own words.
    #[error("it is not a catalogue entry: {0}")]
    Form(String),
    /// A name or alias that is not `[a-z0-9]` and `-`.
    #[error("`{0}` is not a name for a catalogue entry")]
    Name(String),
    /// One of its values breaks a rule.
    #[error("`{field}` of the entry cannot be used: {reason}")]
    Field {
        /// Which value.
        field: String,
        /// Which rule.
        reason: String,
    },
}

/// The built-in entry of that name or alias, such as `kounta`.
pub fn by_name(name: &str) -> Option<Provider> {
    match PROVIDERS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Some(built_in(text)),
        None => all().into_iter().find(|entry| entry.aliases.iter().any(|alias| alias == name)),
    }
}

/// Every built-in entry, sorted by name.
pub fn all() -> Vec<Provider> {
    PROVIDERS.iter().map(|(_, text)| built_in(text)).collect()
}

/// Whether an entry of a user's own takes the name or alias of a built-in one. It is then refused: a file that somebody
/// put there could otherwise send a login elsewhere.
pub fn shadows(entry: &Provider) -> bool {
    entry.names().any(|name| by_name(name).is_some())
}

fn built_in(text: &str) -> Provider {
    Provider::read(text).expect("a test reads every built-in entry")
}

#[cfg(test)]
mod tests;
