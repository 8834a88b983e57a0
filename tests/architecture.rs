//! The house holds: floors, doors to secrets, sizes. The rules are DESIGN's; the map is the header of `src/lib.rs`.

use crate::support::source::{self, Source};
use std::collections::{BTreeMap, BTreeSet};

/// The only files that may show a secret's text, each because the text leaves there.
const DOORS: [&str; 45] = [
    "src/cli/demo/mod.rs",
    "src/cli/demo/storm.rs",
    "src/cli/helper/converse.rs",
    "src/cli/login/paste.rs",
    "src/cli/pos/serve/look.rs",
    "src/cli/pos/serve/mod.rs",
    "src/cli/sandbox.rs",
    "src/cli/show.rs",
    "src/cli/terminal.rs",
    "src/cli/token.rs",
    "src/flow/save.rs",
    "src/helper/mod.rs",
    "src/http/client/mod.rs",
    "src/oauth/attempt.rs",
    "src/oauth/bearer.rs",
    "src/oauth/client_auth/client_secret_basic.rs",
    "src/oauth/form.rs",
    "src/oauth/id_token.rs",
    "src/oauth/request.rs",
    "src/output/mod.rs",
    "src/pos/service/steer.rs",
    "src/pos/signature.rs",
    "src/pos/standing.rs",
    "src/profile/record.rs",
    "src/sandbox/answer.rs",
    "src/sandbox/authorize.rs",
    "src/sandbox/device.rs",
    "src/sandbox/grant.rs",
    "src/secret.rs",
    "src/store/bundle.rs",
    "src/store/cache.rs",
    "src/store/command/run.rs",
    "src/store/command/words.rs",
    "src/store/file/key.rs",
    "src/store/file/mod.rs",
    "src/store/keychain/agreement.rs",
    "src/store/keychain/native.rs",
    "src/store/keychain/parts.rs",
    "src/store/keychain/secret_service.rs",
    "src/store/keychain/session.rs",
    "src/store/keychain/write.rs",
    "src/store/keyutils.rs",
    "src/store/spool.rs",
    "src/store/vault/lease.rs",
    "src/store/vault/server.rs",
];

/// Most lines of a file.
const MOST_LINES: usize = 400;

/// The rooms and their floors, from rows such as `//! | 8 | `cli` `sandbox` | what for |` in the header of `src/lib.rs`.
fn map(header: &str) -> BTreeMap<String, u8> {
    let rows = header.lines().filter_map(|line| line.strip_prefix("//! |"));
    let cells = rows.filter_map(|row| row.split_once('|')).filter_map(|(floor, rest)| Some((floor.trim().parse().ok()?, rest)));
    cells.flat_map(|(floor, rest)| rooms(rest).into_iter().map(move |room| (room, floor))).collect()
}

/// The words in backticks of the first cell.
fn rooms(cells: &str) -> Vec<String> {
    cells.split('|').next().unwrap_or_default().split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn lib_header() -> BTreeMap<String, u8> {
    let sources = source::below(&["src"]);
    map(&sources.iter().find(|file| file.path == "src/lib.rs").unwrap().text)
}

/// The rooms that a file names by `crate::` or by climbing out of its room with `super::`, with where it does.
fn named_rooms(file: &Source) -> Vec<(usize, String)> {
    let mut named = Vec::new();
    for (at, _) in file.code.match_indices("crate::") {
        named.extend(first_names(&file.code[at + "crate::".len()..]).into_iter().map(|name| (at, name)));
    }
    for (at, _) in file.code.match_indices("super::") {
        if file.code[..at].ends_with("super::") {
            continue;
        }
        let rest = file.code[at..].trim_start_matches("super::");
        let climbed = (file.code.len() - at - rest.len()) / "super::".len();
        if climbed == depth(file) + inline_modules(&file.code[..at]) {
            named.extend(first_names(rest).into_iter().map(|name| (at, name)));
        }
    }
    named
}

/// How many `super::` lead from a file's own module to the crate's root.
fn depth(file: &Source) -> usize {
    let parts = file.path.split('/').count() - 1;
    if file.path.ends_with("/mod.rs") { parts - 1 } else { parts }
}

/// How many `mod name {` are open at the end of this code.
fn inline_modules(code: &str) -> usize {
    let mut open = Vec::new();
    for (at, character) in code.char_indices() {
        if character == '{' {
            let words: Vec<_> = code[..at].split_whitespace().rev().take(2).collect();
            open.push(words.get(1) == Some(&"mod"));
        } else if character == '}' {
            open.pop();
        }
    }
    open.iter().filter(|is_module| **is_module).count()
}

/// The first names of a path, or of each path in braces.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut names = Vec::new();
    let (mut level, mut begin) = (0, 0);
    for (at, character) in group.char_indices() {
        match character {
            '{' => level += 1,
            '}' if level > 0 => level -= 1,
            ',' | '}' if level == 0 => {
                names.push(name(group[begin..at].trim()));
                begin = at + 1;
                if character == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// What is wrong with the names in a file, by the map.
fn breaches(file: &Source, map: &BTreeMap<String, u8>) -> Vec<String> {
    let Some(own) = file.room().filter(|room| !["lib", "main"].contains(room)) else { return Vec::new() };
    let floor = map.get(own).unwrap_or_else(|| panic!("`{own}` has no floor in the header of src/lib.rs"));
    let up = |name: &str| name != own && map.get(name).is_some_and(|named| named >= floor);
    let wrong = named_rooms(file).into_iter().filter(|(_, name)| up(name));
    wrong.map(|(at, name)| format!("{}:{}: `{own}` names `{name}`, which does not lie below it", file.path, file.line(at))).collect()
}

#[test]
fn a_room_names_only_rooms_on_lower_floors() {
    let map = lib_header();

    let wrong: Vec<_> = source::below(&["src"]).iter().flat_map(|file| breaches(file, &map)).collect();

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_in_the_header_of_the_library_shows_every_room() {
    let map = lib_header();
    let sources = source::below(&["src"]);
    let rooms: BTreeSet<_> = sources.iter().filter_map(Source::room).filter(|room| !["lib", "main"].contains(room)).collect();

    let hidden: Vec<_> = rooms.iter().filter(|room| !map.contains_key(**room)).collect();

    assert!(hidden.is_empty(), "not in the map: {hidden:?}");
}

#[test]
fn the_binary_knows_only_the_command_line() {
    let sources = source::below(&["src"]);
    let main = sources.iter().find(|file| file.path == "src/main.rs").unwrap();
    let named = main.code.match_indices("tokenstrap::").flat_map(|(at, found)| first_names(&main.code[at + found.len()..]));

    let others: Vec<_> = named.filter(|name| name != "cli").collect();

    assert!(others.is_empty(), "src/main.rs names {others:?}");
    assert!(main.code.matches(';').count() <= 1, "src/main.rs is more than one expression");
}

#[test]
fn no_file_is_longer_than_a_person_reads_in_one_go() {
    let sources = source::below(&["src", "tests", "examples"]);
    let long = sources.iter().map(|file| (&file.path, file.text.lines().count())).filter(|(_, lines)| *lines > MOST_LINES);

    assert_eq!(long.collect::<Vec<_>>(), []);
}

#[test]
fn secrets_are_shown_only_in_the_listed_files() {
    let sources = source::below(&["src"]);
    let shows = |file: &&Source| [".expose()", "Secret::expose"].iter().any(|call| file.shipped().contains(call));
    let mut doors: Vec<_> = sources.iter().filter(shows).map(|file| file.path.as_str()).collect();
    doors.sort_unstable();

    assert_eq!(doors, DOORS, "left: files that show a secret; right: the list in {}", file!());
}

#[test]
fn nothing_that_ships_unwraps() {
    let sources = source::below(&["src"]);
    let wrong: Vec<_> = sources
        .iter()
        .flat_map(|file| file.shipped().match_indices(".unwrap()").map(|(at, _)| format!("{}:{}", file.path, file.line(at))))
        .collect();

    assert!(wrong.is_empty(), "{wrong:?}");
}

mod guards {
    use super::*;

    fn breaches_of(path: &str, text: &str) -> usize {
        let header = "//! | 2 | `cli` `x` | top |\n//! | 1 | `http` `store` | middle |\n//! | 0 | `text` | `cli` of words |\n";
        breaches(&Source::new(path, text), &map(header)).len()
    }

    #[test]
    fn paths_up_and_sideways_are_breaches() {
        for text in ["use crate::cli;", "use crate::http::Client;", "use crate::{text, cli::{a, http}};", "fn f() { crate::http::f() }"] {
            assert_eq!(breaches_of("src/store/file.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn paths_down_and_home_are_none() {
        for text in [
            "use crate::text;",
            "use crate::store::{self, cli};",
            "use crate::{text::{cli, http}, store};",
            "// crate::cli\n\"crate::cli\"",
        ] {
            assert_eq!(breaches_of("src/store/file.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn climbing_out_of_the_room_counts_as_naming() {
        assert_eq!(breaches_of("src/store/file.rs", "use super::super::http::Client;"), 1);
        assert_eq!(breaches_of("src/store/mod.rs", "use super::{text, cli};"), 1);
        assert_eq!(breaches_of("src/store/file.rs", "use super::http;"), 0);
        assert_eq!(breaches_of("src/store/mod.rs", "mod tests { use super::cli; }"), 0);
        assert_eq!(breaches_of("src/store/mod.rs", "#[cfg(test)]\nmod tests {\n    use super::super::cli;\n}"), 1);
    }
}
