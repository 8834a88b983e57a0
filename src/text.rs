//! Words from outside, made safe to show.
//!
//! A server's error text, a file name, a label of a company: all of it may carry escape sequences, bidirectional
//! controls or line ends that rewrite what a person sees (CVE-2024-52005 is one of many). Whatever was not written in
//! this program goes through [`printable`] before it reaches a terminal, a table or an error.

use std::fmt::Write;

/// Most characters that are shown of one text from outside. An error page of 2 MB helps nobody.
const MOST: usize = 500;

/// The text with every control, bidirectional and zero-width character made visible, at most 500 characters long.
///
/// Applying it twice changes nothing.
pub fn printable(raw: &str) -> String {
    // Nearly every text that is shown is short and plain.
    if raw.len() <= MOST && raw.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return raw.to_owned();
    }
    let mut shown = String::with_capacity(raw.len().min(MOST));
    let mut count = 0;
    for character in raw.chars() {
        let width = if is_harmful(character) { write_escape(&mut shown, character, MOST - count) } else { push(&mut shown, character) };
        count += width;
        if width == 0 || count >= MOST {
            break;
        }
    }
    if shown.chars().count() == MOST && raw.chars().count() > MOST {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Bytes that may not be UTF-8, made printable.
pub fn printable_bytes(raw: &[u8]) -> String {
    // Four bytes are the most that one character takes, and one character more than is shown decides on the ellipsis.
    let head = raw.get(..(MOST + 1) * 4).unwrap_or(raw);
    printable(&String::from_utf8_lossy(head))
}

fn push(shown: &mut String, character: char) -> usize {
    shown.push(character);
    1
}

fn write_escape(shown: &mut String, character: char, room: usize) -> usize {
    let mut escape = String::new();
    // Writing to a string cannot fail.
    let _ = write!(escape, "<{:04X}>", u32::from(character));
    let width = escape.chars().count();
    if width > room {
        return 0;
    }
    shown.push_str(&escape);
    width
}

/// Controls (C0, DEL, C1, line ends included), bidirectional controls, zero-width and other invisible characters.
pub fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{00AD}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E0FFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_made_visible() {
        assert_eq!(printable("ok\u{1b}[2J\r\nfake"), "ok<001B>[2J<000D><000A>fake");
    }

    #[test]
    fn a_long_text_is_cut_with_an_ellipsis() {
        let shown = printable(&"x".repeat(2_000_000));

        assert_eq!(shown.chars().count(), 500);
        assert!(shown.ends_with('…'));
    }

    proptest! {
        #[test]
        fn nothing_harmful_survives(raw in any::<Vec<u8>>()) {
            let shown = printable_bytes(&raw);
            prop_assert!(!shown.chars().any(is_harmful));
            prop_assert!(shown.chars().count() <= MOST);
            prop_assert_eq!(printable(&shown), shown);
        }
    }
}
