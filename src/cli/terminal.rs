//! The terminal: the answer goes to standard output, the talk to standard error, questions to the person.

use super::failure::{Exit, Failure};
use crate::{secret::Secret, text::printable};
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// Longest secret or address that is read from a person or a pipe, in bytes.
const LONGEST: usize = 64 * 1024;

/// Whether a person can be asked: standard input and standard error are both a terminal.
pub(super) fn has_person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Writes the answer, whole or not at all as far as the exit code goes (SECURITY X-06).
pub(super) fn answer(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(Exit::Later, "the answer could not be written").because(error))
}

/// Writes what a stranger said as the answer: as it came, but at a terminal nothing in it gives orders (SECURITY O-01).
pub(super) fn foreign_answer(bytes: &[u8], more_follows: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let shown = out.is_terminal().then(|| {
        let text = String::from_utf8_lossy(bytes);
        let tame = |character: char| match character {
            '\n' | '\t' => character.to_string(),
            other => printable(other.encode_utf8(&mut [0; 4])),
        };
        text.chars().map(tame).collect::<String>()
    });
    let bytes = shown.as_ref().map_or(bytes, |shown| shown.as_bytes());
    // A page that ends without a line end would run into the next one, or into the prompt.
    let ends = bytes.is_empty() || bytes.ends_with(b"\n") || !(more_follows || out.is_terminal());
    let newline: &[u8] = if ends { b"" } else { b"\n" };
    let written = out.write_all(bytes).and_then(|()| out.write_all(newline)).and_then(|()| out.flush());
    written.map_err(|error| Failure::new(Exit::Later, "the answer could not be written").because(error))
}

/// One JSON document in one line.
pub(super) fn json(document: &serde_json::Value) -> String {
    escaped(&document.to_string())
}

/// One JSON document in lines that a person reads.
pub(super) fn pretty(document: &serde_json::Value) -> String {
    escaped(&format!("{document:#}"))
}

/// What could rewrite a terminal is escaped, as RFC 8259 section 7 allows for any character; ends of lines are none of it, since
/// JSON has them between its parts only.
fn escaped(json: &str) -> String {
    let mut text = String::new();
    for character in json.chars() {
        match printable(character.encode_utf8(&mut [0; 4])) {
            _ if character == '\n' => text.push(character),
            shown if shown.chars().eq([character]) => text.push(character),
            _ => text.extend(character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
    }
    text.push('\n');
    text
}

/// Writes one JSON document as the answer.
pub(super) fn document(document: &serde_json::Value) -> Result<(), Failure> {
    answer(&json(document))
}

/// Says something; a closed standard error is nobody's fault.
pub(super) fn line(text: &str) {
    // Standard error has no buffer: text and line end in one piece.
    let _ = io::stderr().lock().write_all(format!("{text}\n").as_bytes());
}

/// The line by which GitHub's runner learns what its logs must not show (SECURITY O-06). Without it no token may follow.
pub(super) fn mask(token: &Secret) -> Result<(), Failure> {
    // The runner reads `%25` as `%` in what follows a command.
    let line = zeroize::Zeroizing::new(format!("::add-mask::{}\n", token.expose().replace('%', "%25")));
    let written = io::stderr().lock().write_all(line.as_bytes());
    written.map_err(|error| Failure::new(Exit::Later, "the mask could not be written, so the token was not printed").because(error))
}

/// Asks for one line.
pub(super) fn ask(question: &str, proposal: Option<&str>) -> Result<String, Failure> {
    let prompt = dialoguer::Input::<String>::new().with_prompt(question);
    let prompt = match proposal {
        Some(proposal) => prompt.default(proposal.to_owned()),
        None => prompt,
    };
    prompt.interact_text().map(|text| text.trim().to_owned()).map_err(|error| gone(&error))
}

/// Asks for a secret without showing it; says how long it was, so that a paste that was cut is noticed.
pub(super) fn ask_secret(question: &str) -> Result<Secret, Failure> {
    #[cfg(unix)]
    let (text, again) = (super::hidden::ask(question, LONGEST).map(|text| Secret::new(text.as_str())), String::new());
    #[cfg(not(unix))]
    let (text, again) = {
        let asked = dialoguer::Password::new().with_prompt(question).report(false).allow_empty_password(true).interact();
        (asked.map(Secret::new), format!("{question}: "))
    };
    let secret = text.map_err(|error| gone(&error))?;
    line(&format!("{again}received, {} characters", secret.expose().chars().count()));
    Ok(secret)
}

/// Asks yes or no; no is the answer of Enter.
pub(super) fn confirm(question: &str) -> bool {
    dialoguer::Confirm::new().with_prompt(question).default(false).interact().unwrap_or(false)
}

/// Lets the person choose from a list by typing.
pub(super) fn choose(question: &str, items: &[String]) -> Result<usize, Failure> {
    dialoguer::FuzzySelect::new().with_prompt(question).items(items).default(0).interact().map_err(|error| gone(&error))
}

fn gone(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Exit::LoginNeeded, "the question was not answered").because(error)
}

/// Reads one line or everything up to the end; one line end is taken off and nothing else (SECURITY X-03).
pub(super) fn secret_from_stdin() -> Result<Secret, Failure> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(Failure::usage("--client-secret-stdin reads a pipe, and standard input is a terminal that would show the secret")
            .hint("leave the flag out and type the secret when asked, or pipe it in"));
    }
    let text = one_line(&mut stdin.lock(), LONGEST as u64)?;
    if text.is_empty() {
        return Err(Failure::usage("standard input holds no client secret"));
    }
    Ok(text)
}

/// All of standard input, which is a pipe or a file, up to a limit in bytes.
pub(super) fn piped(longest: usize) -> Result<Secret, Failure> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(16 * 1024));
    let unreadable = |error: io::Error| Failure::new(Exit::Machine, "standard input cannot be read").because(error);
    io::stdin().lock().take(longest as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > longest {
        return Err(Failure::usage(format!("standard input holds more than {longest} bytes")));
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(Failure::usage("standard input is not UTF-8")),
    }
}

/// The first line of a text that was piped in, and the second where it is not empty. The first is visible characters and
/// blanks, as every token is (RFC 6749 appendix A.17).
pub(super) fn two_lines(text: &Secret) -> Result<(Secret, Option<Secret>), Failure> {
    let mut lines = text.expose().lines();
    let first = lines.next().unwrap_or_default().trim();
    if first.is_empty() {
        return Err(Failure::usage("standard input holds neither a bundle nor a refresh token"));
    }
    if !first.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err(Failure::usage("what standard input holds is no refresh token"));
    }
    let second = lines.next().filter(|line| !line.is_empty());
    if lines.any(|line| !line.is_empty()) {
        return Err(Failure::usage("standard input holds more than two lines"));
    }
    Ok((Secret::new(first), second.map(Secret::new)))
}

/// Asks for a passphrase, twice where it is a new one: a slip of the finger would close a door for good.
pub(super) fn ask_passphrase(question: &str, new: bool) -> Result<Secret, Failure> {
    let first = ask_secret(question)?;
    if new && !ask_secret("Once more")?.matches(first.expose()) {
        return Err(Failure::usage("the two passphrases differ").hint("type the same twice"));
    }
    Ok(first)
}

/// One line of at most `longest` bytes, without its end.
pub(super) fn one_line(input: &mut dyn BufRead, longest: u64) -> Result<Secret, Failure> {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(1024));
    let unreadable = |error: io::Error| Failure::new(Exit::Machine, "standard input cannot be read").because(error);
    Read::take(&mut *input, longest + 1).read_until(b'\n', &mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > longest {
        return Err(Failure::usage(format!("standard input holds more than {longest} bytes in one line")));
    }
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    match std::str::from_utf8(&bytes) {
        Ok(text) => Ok(Secret::new(text)),
        Err(_) => Err(Failure::usage("standard input is not UTF-8")),
    }
}
