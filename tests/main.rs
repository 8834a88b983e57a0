//! One binary for all tests that need more than one file: promises kept by the real program, rules of the house.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a failing test may panic")]

#[cfg(target_os = "linux")]
mod pos_stand;
mod raw;
mod rehearsal;
#[cfg(target_os = "linux")]
mod scene;
mod support;

mod architecture;
#[cfg(target_os = "linux")]
mod bundles;
#[cfg(target_os = "linux")]
mod ci_examples;
#[cfg(target_os = "linux")]
mod ci_vault;
#[cfg(target_os = "linux")]
mod consent;
mod coverage;
#[cfg(target_os = "linux")]
mod device;
#[cfg(target_os = "linux")]
mod doctor;
#[cfg(target_os = "linux")]
mod exec;
#[cfg(target_os = "linux")]
mod exec_examples;
#[cfg(target_os = "linux")]
mod exec_refresh_file;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(target_os = "linux")]
mod helper;
mod http_kept;
mod http_server;
#[cfg(target_os = "linux")]
mod kills;
mod layout;
mod listener;
mod listener_floods;
mod listener_result;
#[cfg(target_os = "linux")]
mod login;
mod login_request;
#[cfg(target_os = "linux")]
mod model;
#[cfg(target_os = "linux")]
mod pos_attacks;
#[cfg(target_os = "linux")]
mod pos_call;
mod pos_collections;
#[cfg(target_os = "linux")]
mod pos_page;
#[cfg(target_os = "linux")]
mod pos_public;
#[cfg(target_os = "linux")]
mod pos_redeem;
#[cfg(target_os = "linux")]
mod pos_serve;
#[cfg(target_os = "linux")]
mod pos_storm;
#[cfg(target_os = "linux")]
mod pos_verify;
#[cfg(target_os = "linux")]
mod quiet;
#[cfg(target_os = "linux")]
mod readme;
#[cfg(target_os = "linux")]
mod real_answers;
#[cfg(target_os = "linux")]
mod real_helpers;
#[cfg(target_os = "linux")]
mod real_login;
#[cfg(target_os = "linux")]
mod real_parts;
#[cfg(target_os = "linux")]
mod real_resource;
mod refresh;
mod refresh_faults;
#[cfg(target_os = "linux")]
mod registration;
#[cfg(target_os = "linux")]
mod request;
#[cfg(target_os = "linux")]
mod resource;
mod sandbox;
mod sandbox_faults;
mod sandbox_modern;
#[cfg(target_os = "linux")]
mod secrets;
#[cfg(target_os = "linux")]
mod settings;
mod stores;
#[cfg(target_os = "linux")]
mod stores_command;
#[cfg(target_os = "linux")]
mod stores_command_examples;
#[cfg(target_os = "linux")]
mod stores_command_lock;
#[cfg(target_os = "linux")]
mod stores_env;
mod stores_file;
#[cfg(target_os = "linux")]
mod stores_file_faults;
#[cfg(target_os = "linux")]
mod stores_file_key;
#[cfg(target_os = "linux")]
mod stores_held;
#[cfg(target_os = "linux")]
mod stores_keychain;
#[cfg(target_os = "linux")]
mod stores_keychain_writes;
#[cfg(target_os = "linux")]
mod stores_keyutils;
#[cfg(target_os = "linux")]
mod stores_vault;
#[cfg(target_os = "linux")]
mod storm;
#[cfg(target_os = "linux")]
mod storm_hosts;
#[cfg(target_os = "linux")]
mod storm_vault;
mod supply_chain;
#[cfg(target_os = "linux")]
mod terminal;
#[cfg(target_os = "linux")]
mod token;
#[cfg(target_os = "linux")]
mod token_cache;
#[cfg(target_os = "linux")]
mod tutorial;
