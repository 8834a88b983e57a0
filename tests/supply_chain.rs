//! What is built comes from where it should, under licences we may pass on; `deny.toml` is the list, read here too.

use std::{collections::BTreeSet, fs, path::Path, process::Command};

/// The only source of crates, as the lock file spells it.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

fn toml_of(name: &str) -> toml::Table {
    read(name).parse().unwrap()
}

fn texts(value: &toml::Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// One crate that is built.
struct Package {
    name: String,
    licence: String,
}

/// The crates that are built on this machine for program and tests; nothing is fetched.
///
/// `cargo tree` looks at features as the build does; the lock file and `cargo metadata` also hold crates that only a
/// feature nobody turned on would bring.
fn built() -> Vec<Package> {
    let args = ["tree", "--locked", "--offline", "--prefix=none", "--no-dedupe", "--format={p}|{l}"];
    let output = Command::new(env!("CARGO")).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).unwrap();
    let lines: BTreeSet<_> = tree.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() > 100, "cargo tells of too few crates:\n{tree}");
    let package = |line: &str| {
        let (package, licence) = line.rsplit_once('|').unwrap();
        Package { name: package.split(' ').next().unwrap_or_default().to_owned(), licence: licence.to_owned() }
    };
    lines.into_iter().map(package).collect()
}

/// Whether an SPDX expression can be met by the allowed licences.
fn is_met(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let met = either(&mut rest, allowed);
    met && rest.is_empty()
}

fn either(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = both(words, allowed);
    while let ["OR", rest @ ..] = *words {
        *words = rest;
        met |= both(words, allowed);
    }
    met
}

fn both(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    let mut met = one(words, allowed);
    while let ["AND", rest @ ..] = *words {
        *words = rest;
        met &= one(words, allowed);
    }
    met
}

fn one(words: &mut &[&str], allowed: &BTreeSet<String>) -> bool {
    match *words {
        ["(", rest @ ..] => {
            *words = rest;
            let met = either(words, allowed);
            let closed = words.first() == Some(&")");
            *words = words.get(1..).unwrap_or_default();
            met && closed
        }
        [licence, "WITH", exception, rest @ ..] => {
            *words = rest;
            allowed.contains(&format!("{licence} WITH {exception}"))
        }
        [licence, rest @ ..] => {
            *words = rest;
            allowed.contains(*licence)
        }
        [] => false,
    }
}

#[test]
fn y_01_every_licence_is_allowed_by_deny_toml() {
    let deny = toml_of("deny.toml");
    let allowed = texts(&deny["licenses"]["allow"]);
    let exceptions = deny["licenses"]["exceptions"].as_array().unwrap();
    let excepted = |package: &Package| {
        exceptions.iter().any(|row| row["crate"].as_str() == Some(&package.name) && is_met(&package.licence, &texts(&row["allow"])))
    };

    let built = built();
    let refused = built.iter().filter(|package| !is_met(&package.licence, &allowed) && !excepted(package));
    let refused: Vec<_> = refused.map(|package| format!("{}: {}", package.name, package.licence)).collect();

    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn a_licence_expression_is_met_only_when_all_that_binds_is_allowed() {
    let allowed = BTreeSet::from(["MIT", "ISC"].map(str::to_owned));

    for met in ["MIT", "GPL-3.0 OR MIT", "GPL-3.0/MIT", "MIT AND ISC", "(GPL-3.0 OR ISC) AND MIT"] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for unmet in ["GPL-3.0", "MIT AND GPL-3.0", "MIT WITH surprise", "(MIT", "MIT ISC", "", "(MIT OR ISC) AND GPL-3.0"] {
        assert!(!is_met(unmet, &allowed), "{unmet}");
    }
}

#[test]
fn y_01_no_banned_crate_is_built() {
    let deny = toml_of("deny.toml");
    let banned: BTreeSet<_> = deny["bans"]["deny"].as_array().unwrap().iter().map(|row| row["crate"].as_str().unwrap()).collect();

    let built = built();
    let found: Vec<_> = built.iter().map(|package| package.name.as_str()).filter(|name| banned.contains(name)).collect();

    assert_eq!(found, [""; 0]);
}

#[test]
fn y_02_every_crate_comes_from_crates_io_with_a_checksum() {
    let lock = toml_of("Cargo.lock");
    let packages = lock["package"].as_array().unwrap().iter().map(|package| package.as_table().unwrap());
    let foreign = packages
        .filter(|package| package["name"].as_str() != Some(env!("CARGO_PKG_NAME")))
        .filter(|package| package.get("source").and_then(toml::Value::as_str) != Some(CRATES_IO) || !package.contains_key("checksum"));

    let names: Vec<_> = foreign.map(|package| package["name"].to_string()).collect();

    assert_eq!(names, [""; 0]);
}

#[test]
fn y_02_every_build_of_the_test_run_is_locked() {
    let script = read("tests/run");
    let builds = ["cargo clippy", "cargo test", "cargo nextest run", "cargo doc", "cargo build", "cargo tree"];
    let commands = script.lines().filter(|line| !line.trim_start().starts_with('#'));
    let loose: Vec<_> = commands.filter(|line| builds.iter().any(|build| line.contains(build)) && !line.contains("--locked")).collect();

    assert_eq!(loose, [""; 0]);
    assert!(script.contains("npm ci"), "npm parts come by their lock file");
}

#[test]
fn y_04_there_is_one_tls_stack() {
    let packages = built();
    let names: BTreeSet<_> = packages.iter().map(|package| package.name.as_str()).collect();

    assert!(names.contains("rustls") && names.contains("ring"));
    for other in ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs", "schannel", "boring-sys", "mbedtls"] {
        assert!(!names.contains(other), "{other} is built");
    }
}
