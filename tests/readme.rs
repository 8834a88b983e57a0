//! The transcript that the README begins with is what the program prints.

use crate::support::binary::Home;
use std::{fs, path::Path};

/// Figures, ports and tokens vary from run to run; everything else is compared.
fn without_figures(text: &str) -> String {
    let mut shape = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("mock-") {
        shape.push_str(before);
        shape.push_str("mock-X");
        rest = after.trim_start_matches(|character: char| character.is_ascii_hexdigit());
    }
    shape.push_str(rest);
    let digits = |character: char| if character.is_ascii_digit() { '0' } else { character };
    let mut shape: String = shape.chars().map(digits).collect();
    while shape.contains("00") {
        shape = shape.replace("00", "0");
    }
    shape
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path.display().to_string()] }).collect()
}

#[test]
fn the_demo_in_the_readme_is_what_the_demo_prints() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, block) = readme.split_once("```console\n$ tokenstrap demo\n").unwrap();
    let (expected, _) = block.split_once("```").unwrap();

    let home = Home::new();
    let outcome = home.tokenstrap().arg("demo").run().expect_code(0);

    assert_eq!(without_figures(&outcome.stdout), without_figures(expected));
    assert_eq!(files(home.root()), [""; 0]);
}

#[test]
fn the_strict_demo_works_without_a_terminal_and_leaves_nothing() {
    let home = Home::new();

    let outcome = home.tokenstrap().args(["demo", "--strict"]).run().expect_code(0);

    assert!(outcome.stdout.contains("50 good tokens, 1 request"), "{outcome}");
    assert!(outcome.stdout.contains("0 reuses seen"), "{outcome}");
}

#[test]
fn the_demo_works_at_a_terminal() {
    let home = Home::new();

    home.tokenstrap().arg("demo").at_terminal().finish().expect_code(0);
}

#[test]
fn x_12_neither_readme_nor_help_nor_examples_put_a_secret_on_a_command_line() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = Home::new();
    let pages = home.root().join("pages");
    fs::create_dir(&pages).unwrap();
    home.tokenstrap().arg("manual").arg(&pages).run().expect_code(0);
    let mut texts = [files(&pages), files(&top.join("examples"))].concat();
    assert!(texts.len() > 30, "{texts:?}");
    texts.push(top.join("README.md").display().to_string());

    for file in texts {
        let text = fs::read_to_string(&file).unwrap().replace('\\', "");
        for wrong in ["Bearer $", "Bearer ey", "-H \"$", "client_secret=", "password=", "--client-secret ", "--body \"$", "set -x"] {
            assert!(!text.contains(wrong), "{file}: {wrong}");
        }
    }
}
