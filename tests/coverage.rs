//! The table `tests/SECURITY-COVERAGE.md` tells the truth: every test it names is there, every test of a row is in it.

use crate::support::source;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

const TABLE: &str = "tests/SECURITY-COVERAGE.md";

/// The verdicts that a row may have.
const VERDICTS: [&str; 4] = ["held", "held in part", "not run here", "not covered yet"];

/// One row: its id, the tests that hold it, the verdict.
struct Row {
    id: String,
    tests: Vec<String>,
    verdict: String,
}

fn rows(table: &str) -> Vec<Row> {
    let cells = table.lines().filter_map(|line| line.strip_prefix("| ")).map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows = cells.filter(|cells| cells.len() >= 3 && row_of(&cells[0].to_lowercase().replace('-', "_")).is_some());
    rows.map(|cells| Row {
        id: cells[0].to_owned(),
        tests: cells[1].split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        verdict: cells[2].to_owned(),
    })
    .collect()
}

/// The id of the row that a test of this name holds: `l_09_...` holds `L-09`.
fn row_of(name: &str) -> Option<String> {
    let (letter, rest) = name.split_once('_')?;
    let number = rest.split('_').next()?;
    let is_row = letter.len() == 1 && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_row.then(|| format!("{}-{number}", letter.to_uppercase()))
}

/// The names of all tests of the crate.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in source::below(&["src", "tests"]) {
        for (at, _) in file.code.match_indices("#[test]") {
            let after = file.code[at..].split_once("fn ").map_or("", |(_, rest)| rest);
            names.insert(after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    names
}

/// What is wrong with a table, seen from the tests that there are.
fn faults(table: &[Row], tests: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in table {
        if listed.insert(&row.id, row).is_some() {
            faults.push(format!("{} stands twice", row.id));
        }
        faults.extend(row.tests.iter().filter(|test| !tests.contains(*test)).map(|test| format!("{}: there is no test `{test}`", row.id)));
        let verdict = VERDICTS.iter().find(|verdict| row.verdict == **verdict || row.verdict.starts_with(&format!("{verdict}: ")));
        match verdict {
            None => faults.push(format!("{}: `{}` is no verdict, choose of {VERDICTS:?}", row.id, row.verdict)),
            Some(verdict) if verdict.starts_with("held") == row.tests.is_empty() => {
                faults.push(format!("{}: `{verdict}` with {} tests", row.id, row.tests.len()));
            }
            Some(_) => {}
        }
    }
    for (test, id) in tests.iter().filter_map(|test| Some((test, row_of(test)?))) {
        if !listed.get(id.as_str()).is_some_and(|row| row.tests.contains(test)) {
            faults.push(format!("add `{test}` to row {id}"));
        }
    }
    faults
}

#[test]
fn every_row_names_tests_that_are_there_and_every_test_of_a_row_is_named() {
    let table = fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(TABLE)).unwrap();
    let rows = rows(&table);
    let faults = faults(&rows, &tests());

    assert!(rows.len() > 100, "only {} rows were read", rows.len());
    assert!(faults.is_empty(), "{TABLE}:\n{}", faults.join("\n"));
}

#[test]
fn a_table_that_lies_is_found_out() {
    let tests = BTreeSet::from(["l_09_a".to_owned(), "b".to_owned(), "x_01_y".to_owned()]);
    let good = "| L-09 | `l_09_a`, `b` | held |\n| X-01 | `x_01_y` | held in part: argv only |\n| T-01 | | not covered yet |\n";
    let bad = [
        ("| L-09 | `l_09_a` | held |\n", "add `x_01_y`"),
        ("| L-09 | `l_09_z` | held |\n", "there is no test `l_09_z`"),
        ("| L-09 | `l_09_a` | fine |\n", "is no verdict"),
        ("| T-01 | | held |\n", "`held` with 0 tests"),
        ("| L-09 | `l_09_a` | held |\n| L-09 | `l_09_a` | held |\n", "stands twice"),
    ];

    assert!(faults(&rows(good), &tests).is_empty());
    for (table, fault) in bad {
        let faults = faults(&rows(table), &tests);
        assert!(faults.iter().any(|found| found.contains(fault)), "{table}{faults:?}");
    }
}
