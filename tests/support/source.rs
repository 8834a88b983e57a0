//! Reads the sources of this crate as text, with comments and string literals told apart from code.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One Rust file.
pub struct Source {
    /// Its path below the repository, with `/` between the parts.
    pub path: String,
    /// The file as it is.
    pub text: String,
    /// The file with every comment and every string, byte and character literal blanked; lines stay where they are.
    pub code: String,
    /// Whether it is compiled for tests only.
    pub is_test: bool,
}

impl Source {
    /// Takes a file's text.
    pub fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let (path, text) = (path.into(), text.into());
        let code = code_of(&text);
        let is_test = !path.starts_with("src/");
        Self { path, text, code, is_test }
    }

    /// The code that ships: nothing of `#[cfg(test)]`.
    pub fn shipped(&self) -> &str {
        // STYLE has the tests at the foot; `layout` holds that nothing follows them.
        let end = self.code.find("#[cfg(test)]\nmod ").filter(|at| self.code[*at..].contains('{')).unwrap_or(self.code.len());
        if self.is_test { "" } else { &self.code[..end] }
    }

    /// The room below `src/` that the file belongs to.
    pub fn room(&self) -> Option<&str> {
        let below = self.path.strip_prefix("src/")?;
        below.split(['/', '.']).next()
    }

    /// The number, from 1, of the line with this byte.
    pub fn line(&self, at: usize) -> usize {
        self.text[..at].matches('\n').count() + 1
    }
}

/// Every Rust file below these folders of the repository.
///
/// # Panics
/// Where a folder holds none: a rule that reads nothing holds nothing.
pub fn below(folders: &[&str]) -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        let before = files.len();
        collect(&top.join(folder), &mut files);
        // No example has to be there.
        assert!(files.len() > before || *folder == "examples", "no source below {}/{folder}", top.display());
    }
    files.sort();
    let mut sources: Vec<_> = files
        .iter()
        .map(|file| {
            let path: Vec<_> = file.strip_prefix(top).unwrap().components().map(|part| part.as_os_str().to_string_lossy()).collect();
            Source::new(path.join("/"), fs::read_to_string(file).unwrap().replace("\r\n", "\n"))
        })
        .collect();
    mark_test_modules(&mut sources);
    sources
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Marks the files that a `#[cfg(test)] mod name;` declares, and all below them.
fn mark_test_modules(sources: &mut [Source]) {
    let mut stems = Vec::new();
    for source in sources.iter() {
        let folder = source.path.trim_end_matches("/mod.rs").trim_end_matches("/lib.rs").trim_end_matches(".rs");
        for (at, _) in source.code.match_indices("#[cfg(test)]\n") {
            let line = source.code[at..].lines().nth(1).unwrap_or_default().trim();
            if let Some(name) = line.strip_suffix(';').and_then(|line| line.split("mod ").nth(1)) {
                stems.push(format!("{folder}/{name}"));
            }
        }
    }
    for source in sources {
        source.is_test |= stems.iter().any(|stem| source.path == format!("{stem}.rs") || source.path.starts_with(&format!("{stem}/")));
    }
}

/// Blanks comments and literals, byte by byte, so that positions stay.
fn code_of(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let length = blank_length(&text[at..], at == 0 || !is_word(bytes[at - 1]));
        if length == 0 {
            let width = text[at..].chars().next().map_or(1, char::len_utf8);
            code.extend_from_slice(&bytes[at..at + width]);
            at += width;
        } else {
            code.extend(bytes[at..at + length].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at += length;
        }
    }
    String::from_utf8(code).unwrap()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How many bytes of a comment or literal begin here; 0 where code goes on.
fn blank_length(rest: &str, word_may_begin: bool) -> usize {
    let until = |skip: usize, end: &str| rest[skip..].find(end).map_or(rest.len(), |at| skip + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c']).len();
    if prefix <= 1 && word_may_begin && rest[prefix..].starts_with('r') {
        let hashes = rest[prefix + 1..].len() - rest[prefix + 1..].trim_start_matches('#').len();
        let open = prefix + 1 + hashes;
        if rest[open..].starts_with('"') {
            return until(open + 1, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if rest.starts_with('"') {
        return quoted_length(rest, '"');
    }
    // A lifetime has no closing quote after one character.
    let mut after = rest.chars().skip(1);
    let is_character = rest.starts_with('\'') && (after.next() == Some('\\') || after.next() == Some('\''));
    if is_character { quoted_length(rest, '\'') } else { 0 }
}

fn quoted_length(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return at + quote.len_utf8();
        }
    }
    rest.len()
}

#[test]
#[should_panic(expected = "no source below")]
fn a_folder_without_sources_is_no_proof() {
    below(&["tests/browser"]);
}

#[test]
fn comments_and_literals_are_not_code() {
    let text = "a /* b */ c // d\n\"e \\\" // f\" g r#\"h \"i\"# j 'k' '\\'' 'l: m b\"n\" <'o> 'ü' p\n";

    let words: Vec<_> = code_of(text).split_whitespace().map(str::to_owned).collect();

    assert_eq!(words, ["a", "c", "g", "j", "'l:", "m", "b", "<'o>", "p"]);
    assert_eq!(code_of(text).len(), text.len());
}

#[test]
fn tests_at_the_foot_do_not_ship() {
    let source = Source::new("src/oauth/x.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n");

    assert_eq!(source.shipped(), "fn a() {}\n");
    assert_eq!(source.room(), Some("oauth"));
}

#[test]
fn a_file_that_only_tests_declare_does_not_ship() {
    let mut sources =
        [Source::new("src/flow/mod.rs", "#[cfg(test)]\nmod fakes;\nmod drive;\n"), Source::new("src/flow/fakes.rs", "fn a() {}\n")];

    mark_test_modules(&mut sources);

    assert_eq!(sources[1].shipped(), "");
    assert!(!sources[0].is_test && sources[0].shipped().contains("mod drive"));
}
