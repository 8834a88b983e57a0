//! The files around the sources keep the rules of the house: what is listed, what is explained, what is not written.

use crate::support::source::{self, Source};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Test files that may sleep, each with the reason.
const SLEEPERS: [&str; 2] = ["tests/http_server.rs", "tests/stores.rs"];

fn top(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(top(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names in a folder that end like this, without the ending.
fn stems(folder: &str, ending: &str) -> Vec<String> {
    let names = fs::read_dir(top(folder)).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    names.filter_map(|name| name.strip_suffix(ending).map(str::to_owned)).collect()
}

/// Whether the code declares this module.
fn declares(code: &str, module: &str) -> bool {
    code.lines().any(|line| line.trim_start_matches("pub ").strip_prefix("mod ").is_some_and(|rest| rest == format!("{module};")))
}

#[test]
fn every_file_of_tests_is_part_of_the_suite() {
    let main = read("tests/main.rs");
    let support = read("tests/support/mod.rs");

    let lost = |code: &str, folder: &str, own: &str| {
        stems(folder, ".rs").into_iter().filter(|stem| stem != own && !declares(code, stem)).collect::<Vec<_>>()
    };

    assert_eq!(lost(&main, "tests", "main"), [""; 0], "not in tests/main.rs");
    assert_eq!(lost(&support, "tests/support", "mod"), [""; 0], "not in tests/support/mod.rs");
}

/// The dependency lines of a manifest that have no comment above their group.
fn unexplained(manifest: &str) -> Vec<&str> {
    let (mut inside, mut explained) = (false, false);
    let mut wrong = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            (inside, explained) = (line.contains("dependencies"), false);
        } else if line.is_empty() || line.starts_with('#') {
            explained = line.starts_with('#');
        } else if inside && !explained {
            wrong.push(line);
        }
    }
    wrong
}

#[test]
fn every_dependency_says_what_it_is_for() {
    assert_eq!(unexplained(&read("Cargo.toml")), [""; 0]);
    assert_eq!(unexplained("[dependencies]\n# for x\na = 1\nb = 1\n\nc = 1\n[dev-dependencies]\nd = 1\n"), ["c = 1", "d = 1"]);
}

/// Test code that waits by sleeping, as `file:line`.
fn sleeps(file: &Source) -> Vec<String> {
    let shipped = file.shipped().len();
    let calls = ["thread::sleep(", "time::sleep("];
    let at = calls.iter().flat_map(|call| file.code.match_indices(call)).map(|(at, _)| at).filter(|at| *at >= shipped);
    at.map(|at| format!("{}:{}", file.path, file.line(at))).collect()
}

#[test]
fn no_test_waits_by_sleeping() {
    let sources = source::below(&["src", "tests"]);
    let wrong: Vec<_> = sources.iter().filter(|file| !SLEEPERS.contains(&file.path.as_str())).flat_map(sleeps).collect();

    assert_eq!(wrong, [""; 0]);
    let planted = "fn wait() { std::thread::sleep(a) }\n#[cfg(test)]\nmod tests {\n    fn b() { thread::sleep(c) }\n}\n";
    assert_eq!(sleeps(&Source::new("src/x.rs", planted)), ["src/x.rs:4"]);
}

#[test]
fn nothing_that_ships_stands_below_the_tests_of_its_file() {
    let after_tests = |file: &&Source| {
        let (_, tests) = file.code.split_once("#[cfg(test)]\nmod ").unwrap_or_default();
        tests.contains('{') && tests.split_once("\n}").is_some_and(|(_, after)| !after.trim().is_empty())
    };

    let wrong: Vec<_> = source::below(&["src"]).iter().filter(after_tests).map(|file| file.path.clone()).collect();

    assert_eq!(wrong, [""; 0]);
}

#[test]
fn no_text_for_people_shows_a_secret_in_a_command_or_a_url() {
    let mut texts: Vec<_> = stems("", ".md").into_iter().map(|stem| (format!("{stem}.md"), read(&format!("{stem}.md")))).collect();
    for file in source::below(&["src"]) {
        let docs: Vec<_> = file.text.lines().filter(|line| line.trim_start().starts_with("//")).collect();
        texts.push((file.path, docs.join("\n")));
    }

    let wrong: Vec<_> = texts.iter().filter(|(_, text)| text.to_lowercase().contains("secret=")).map(|(name, _)| name).collect();

    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn y_09_the_way_to_report_a_hole_says_where_when_and_what_is_not_promised() {
    let policy = read("SECURITY.md");

    for heading in ["## How to report", "## What happens then", "## What is not promised"] {
        assert!(policy.contains(heading), "SECURITY.md has no `{heading}`");
    }
    assert!(policy.contains("days"), "SECURITY.md names no time limit");
}

#[test]
fn ci_runs_what_a_person_runs() {
    assert!(read(".ci/run").lines().any(|line| line.starts_with("exec ") && line.contains("tests/run")));
}
