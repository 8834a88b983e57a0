//! Real parts that a machine may lack: what is missing is said aloud, and is a failure where it must not be missing.

use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

/// Set by `tests/run`: a part that is left out fails its test.
const REQUIRED: &str = "TOKENSTRAP_REQUIRE_REAL";

/// The repository.
pub const TOP: &str = env!("CARGO_MANIFEST_DIR");

/// Says that `part` is left out, and why, past the runner's capture.
///
/// # Panics
/// Where `tests/run` has promised that every part is there.
#[track_caller]
pub fn left_out(part: &str, why: &str) {
    assert!(env::var_os(REQUIRED).is_none(), "{part} must not be left out here, but {why}");
    left_out_anywhere(part, why);
}

/// The same for a part that `tests/run` cannot set up.
pub fn left_out_anywhere(part: &str, why: &str) {
    // The handle, unlike `eprintln!`, is not captured: a person who runs `cargo test` reads this line. Where standard
    // error is closed there is nobody to read it.
    let _ = writeln!(std::io::stderr(), "left out: {part}, because {why} (`tests/run` sets everything up)");
}

/// Whether all programs are on the search path; says what is left out otherwise.
#[track_caller]
pub fn programs(part: &str, names: &[&str]) -> bool {
    let missing: Vec<_> = names.iter().filter(|name| program(name).is_none()).copied().collect();
    if !missing.is_empty() {
        left_out(part, &format!("there is no {}", missing.join(" and no ")));
    }
    missing.is_empty()
}

/// Where the search path has a program of this name.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A path below `target/`, where `tests/run` puts parts and the tests leave pictures.
pub fn target(below: &str) -> PathBuf {
    Path::new(TOP).join("target").join(below)
}

#[test]
fn a_program_that_nobody_has_is_not_found() {
    assert_eq!(program("no-such-program-anywhere"), None);
}

#[test]
fn the_shell_is_found() {
    assert!(program("sh").is_some_and(|file| file.is_absolute()));
}
