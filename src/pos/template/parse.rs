//! Finds the variables of a text, and whether each stands in JSON, and there inside of a string or not.

use super::Word;
use std::ops::Range;

/// Longest variable, in bytes, braces not counted. More is a text that happens to have braces.
const MOST: usize = 500;

/// Where a variable stands, which decides how its value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In a JSON string.
    InString,
    /// In JSON, where a whole value belongs.
    Bare,
    /// In a text that is not JSON.
    Text,
}

/// One variable of a text.
#[derive(Debug, Clone)]
pub(super) struct Hole {
    /// Its bytes, braces included.
    pub range: Range<usize>,
    /// What it asks for.
    pub word: Word,
    /// Where it stands.
    pub place: Place,
}

/// All variables of a text, in order.
pub(super) fn holes(text: &str) -> Vec<Hole> {
    let is_json =
        text.trim_start_matches(['\u{FEFF}', ' ', '\t', '\r', '\n']).starts_with(['{', '[', '"']) && !text.trim_start().starts_with("{{");
    let mut holes = Vec::new();
    let mut in_string = false;
    let mut rest = 0;
    while let Some((range, inner)) = next(text, rest) {
        in_string = text.get(rest..range.start).map_or(in_string, |before| after(before, in_string));
        let place = match (is_json, in_string) {
            (false, _) => Place::Text,
            (true, true) => Place::InString,
            (true, false) => Place::Bare,
        };
        rest = range.end;
        holes.push(Hole { range, word: Word::read(inner), place });
    }
    holes
}

/// The next `{{...}}` from `from` on, and what is inside.
fn next(text: &str, from: usize) -> Option<(Range<usize>, &str)> {
    let mut at = from;
    loop {
        at += text.get(at..)?.find("{{")?;
        // Of more than two braces the last two count: `{{{x}}}` is `{{x}}` in braces.
        while text.get(at + 2..)?.starts_with('{') {
            at += 1;
        }
        let inner = text.get(at + 2..)?;
        let end = inner.find(['{', '}', '\n', '\r'])?;
        let word = inner.get(..end)?;
        if inner.get(end..)?.starts_with("}}") && end <= MOST && !word.trim().is_empty() {
            return Some((at..at + 2 + end + 2, word));
        }
        at += 2;
    }
}

/// Whether a JSON string is open behind this piece of JSON.
fn after(piece: &str, mut in_string: bool) -> bool {
    let mut escaped = false;
    for byte in piece.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ => {}
        }
    }
    in_string
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(text: &str) -> Vec<(&str, Place)> {
        holes(text).into_iter().map(|hole| (&text[hole.range], hole.place)).collect()
    }

    #[test]
    fn places_are_told_apart() {
        let text = r#"{"a":"x\"{{b}}","c":{{d}},"e":{"f":{{g}}}}"#;

        assert_eq!(found(text), [("{{b}}", Place::InString), ("{{d}}", Place::Bare), ("{{g}}", Place::Bare)]);
        assert_eq!(found("{{a}}/b"), [("{{a}}", Place::Text)]);
        assert_eq!(found("<{{a}}>"), [("{{a}}", Place::Text)]);
    }

    #[test]
    fn braces_that_hold_no_name_are_text() {
        for text in ["{{", "{{}}", "{{ }}", "{{a}", "{{a\n}}", "}}{{", "{ {a} }"] {
            assert_eq!(found(text), [], "{text}");
        }
        assert_eq!(found("{{{a}}}"), [("{{a}}", Place::Text)]);
        assert_eq!(found("{{ {{a}}"), [("{{a}}", Place::Text)]);
    }

    proptest! {
        #[test]
        fn z21_any_text_is_taken_apart(text in "[{}\"\\\\a $'\n\u{e9}]{0,40}") {
            let holes = holes(&text);
            prop_assert!(holes.iter().all(|hole| text.get(hole.range.clone()).is_some()));
            prop_assert!(holes.windows(2).all(|two| two[0].range.end <= two[1].range.start));
        }
    }
}
