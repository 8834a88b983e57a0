//! Lays what a warm `token` calls side by side in the release binary.
//!
//! A page of the program costs memory and a fault when it is first touched; a tenth of the code, spread over all of it,
//! touches nearly every page. `warm.ld` names that tenth, `tests/bench/order.py` writes it. A name that no longer fits is
//! passed over by the linker, so an old list costs speed and nothing else.

use std::{env, path::PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=warm.ld");
    println!("cargo::rerun-if-changed=build.rs");
    let Ok(folder) = env::var("CARGO_MANIFEST_DIR") else { return };
    if is_known_linker() && env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", PathBuf::from(folder).join("warm.ld").display());
    }
}

/// Whether the linker is the one that comes with the compiler; others read such a list otherwise or not at all.
fn is_known_linker() -> bool {
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    target == "x86_64-unknown-linux-gnu" && env::var_os("RUSTC_LINKER").is_none() && !flags.contains("link")
}
