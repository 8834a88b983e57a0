//! tokenstrap gets an OAuth token once, keeps it safe, and hands out a valid one for ever after.
//!
//! A file names its own room and rooms on lower floors: never up, never sideways. `tests/architecture.rs` reads this map.
//!
//! | floor | rooms | what for |
//! |---|---|---|
//! | 8 | `cli` | commands: parse, call one flow, render; the composition root; hints and exit codes |
//! | 7 | `redirect` `sandbox` `pos` | users of the one HTTP server: redirect listener, make-believe authorization server, register rehearsal |
//! | 6 | `store` `http` `platform` `config` | adapters: token stores; HTTP client and server; the machine; the settings files |
//! | 5 | `flow` | use cases: login, access token, logout, check; drives grants through ports |
//! | 4 | `ports` | the world as traits |
//! | 3 | `profile` | what the user named, merged with a provider |
//! | 2 | `provider` `output` `helper` | pure tables: the catalogue, the formats of a token, the protocols of other tools |
//! | 1 | `oauth` | the protocol: requests built, responses read |
//! | 0 | `secret` `text` | values that must not be seen; words from outside, made safe to show |
//!
//! The way of `login`: `cli::login` makes a plan out of flags, settings, catalogue and discovery, binds the listener, proves the
//! store and saves id and secret; `flow::login` drives the grant through browser, listener and paste prompt, saves the tokens aside,
//! looks whose they are, and puts them in place.
//!
//! The way of `token`: settings, then the kernel's keyring, then the store; a fresh token is printed with no lock, thread, runtime
//! or network. Else `flow::access_token` locks, loads again, proves the store, sends, saves, clears its note and prints.

pub mod cli;
pub mod config;
pub mod flow;
pub mod helper;
pub mod http;
pub mod oauth;
pub mod output;
pub mod platform;
pub mod ports;
pub mod pos;
pub mod profile;
pub mod provider;
pub mod redirect;
pub mod sandbox;
pub mod secret;
pub mod store;
pub mod text;
