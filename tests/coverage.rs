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
    let rows = cells.filter(|cells| cells.len() >= 3 && first_id(&cells[0].to_lowercase().replace('-', "_")).is_some());
    rows.map(|cells| Row {
        id: cells[0].to_owned(),
        tests: cells[1].split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        verdict: cells[2].to_owned(),
    })
    .collect()
}

/// The ids of the rows that a test of this name holds: `a_07_and_a_08_...` holds `A-07` and `A-08`.
fn rows_of(name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    let mut rest = name;
    while let Some((id, after)) = first_id(rest) {
        ids.push(id);
        rest = after.strip_prefix("and_").unwrap_or(after);
    }
    ids
}

/// The id that a name begins with, and what comes after it.
fn first_id(name: &str) -> Option<(String, &str)> {
    let (letter, rest) = name.split_once('_')?;
    let (number, after) = rest.split_once('_').unwrap_or((rest, ""));
    let is_id = letter.len() == 1 && number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then(|| (format!("{}-{number}", letter.to_uppercase()), after))
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
    for (test, id) in tests.iter().flat_map(|test| rows_of(test).into_iter().map(move |id| (test, id))) {
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
    let tests = BTreeSet::from(["l_09_a", "b", "x_01_and_x_02_z", "a_1_is_no_row"].map(str::to_owned));
    let good = "| L-09 | `l_09_a`, `b` | held |\n| X-01 | `x_01_and_x_02_z` | held in part: argv only |\n| X-02 | `x_01_and_x_02_z` | held |\n| T-01 | | not covered yet |\n";
    let bad = [
        ("| L-09 | `l_09_a` | held |\n", "add `x_01_and_x_02_z` to row X-01"),
        ("| L-09 | `l_09_a` | held |\n| X-01 | `x_01_and_x_02_z` | held |\n", "add `x_01_and_x_02_z` to row X-02"),
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
