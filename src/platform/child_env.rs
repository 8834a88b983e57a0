//! What the environment of a program that we start must not hold.

/// Variables that hold secrets of our own. What else is one is known only to the caller who named it.
pub const SECRETS: &[&str] = &["TOKENSTRAP_KEY", "TOKENSTRAP_GRANT", "VAULT_TOKEN"];
