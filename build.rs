//! Lays what a warm `token` calls side by side in the release binary, and keeps its libraries few.
//!
//! A page of the program costs memory and a fault when it is first touched; a tenth of the code, spread over all of it,
//! touches nearly every page. `warm.ld` names that tenth, `tests/bench/order.py` writes it. A name that no longer fits is
//! passed over by the linker, so an old list costs speed and nothing else.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

fn main() {
    println!("cargo::rerun-if-changed=warm.ld");
    println!("cargo::rerun-if-changed=build.rs");
    let Ok(folder) = env::var("CARGO_MANIFEST_DIR") else { return };
    if is_known_linker() && env::var("PROFILE").as_deref() == Ok("release") {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{}", PathBuf::from(folder).join("warm.ld").display());
        // The unwinder as a part of the binary: a library of its own is one more to open, map and relocate at every call.
        if has_unwinder() {
            println!("cargo::rustc-link-lib=dylib=gcc_eh");
        }
    }
}

/// Whether the linker is the one that comes with the compiler; others read such a list otherwise or not at all.
fn is_known_linker() -> bool {
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    target == "x86_64-unknown-linux-gnu" && env::var_os("RUSTC_LINKER").is_none() && !flags.contains("link")
}

/// Whether the C compiler that links has the unwinder as an archive; it answers with a bare name where it has not.
fn has_unwinder() -> bool {
    let asked = Command::new("cc").arg("-print-file-name=libgcc_eh.a").output();
    asked.is_ok_and(|answer| Path::new(String::from_utf8_lossy(&answer.stdout).trim()).is_absolute())
}
