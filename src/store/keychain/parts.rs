//! One record in several entries, for keychains whose entries are small (Windows: 2,560 bytes).
//!
//! The entry of the profile is the *head*. A short record is its own head. A long one is written in parts first, into
//! the slot (`a` or `b`) that the present head does not name, and the head last: slot, number of parts, and hash of
//! the whole. So a reader at any moment finds the old record or the new one, and any other mixture fails its hash
//! (SECURITY S-10, RELIABILITY Z12). What a killed writer leaves is overwritten by the next one in the same slot.

use crate::secret::Secret;

/// Most parts of a record: 160 KB, more than any grant has needed. Deleting looks for this many.
pub const MOST_PARTS: usize = 64;

/// First word of a head that names parts. A record begins with a brace.
const MARK: &str = "tokenstrap-parts-1";

/// A record made ready for entries of limited size.
pub struct Split {
    /// Written last.
    pub head: Secret,
    /// Written first: names and texts.
    pub parts: Vec<(String, Secret)>,
}

/// The parts do not make up the record that the head names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torn;

/// Cuts a text into entries of at most `limit` bytes; `present` is the head that lies there now.
///
/// `None` where it would take more than [`MOST_PARTS`].
pub fn split(text: &Secret, limit: usize, present: Option<&Secret>) -> Option<Split> {
    if text.len() <= limit {
        return Some(Split { head: text.clone(), parts: Vec::new() });
    }
    let slot = if present.and_then(read_head).is_some_and(|head| head.slot == 'a') { 'b' } else { 'a' };
    let mut parts = Vec::new();
    let mut rest = text.expose();
    while !rest.is_empty() {
        let end = rest.floor_char_boundary(limit);
        let (part, after) = rest.split_at_checked(end).filter(|(part, _)| !part.is_empty())?;
        parts.push((part_name(slot, parts.len()), Secret::new(part)));
        rest = after;
    }
    let head = Secret::new(format!("{MARK} {slot} {} {}", parts.len(), text.hash()));
    (parts.len() <= MOST_PARTS && head.len() <= limit).then_some(Split { head, parts })
}

/// Puts a record together again; `fetch` reads the entry of a part.
///
/// # Errors
/// What `fetch` says.
pub fn join<E>(head: &Secret, mut fetch: impl FnMut(&str) -> Result<Option<Secret>, E>) -> Result<Result<Secret, Torn>, E> {
    let Some(named) = read_head(head) else {
        return Ok(if head.expose().starts_with(MARK) { Err(Torn) } else { Ok(head.clone()) });
    };
    // Room for it all from the start, so that growing leaves no copies behind in freed memory.
    let mut whole = zeroize::Zeroizing::new(String::with_capacity(named.count * 4096));
    for number in 0..named.count {
        let Some(part) = fetch(&part_name(named.slot, number))? else { return Ok(Err(Torn)) };
        whole.push_str(part.expose());
    }
    let whole = Secret::new(whole.as_str());
    Ok(if whole.hash() == named.hash { Ok(whole) } else { Err(Torn) })
}

/// Every name that a part may have, for deleting.
pub fn names() -> impl Iterator<Item = String> {
    ['a', 'b'].into_iter().flat_map(|slot| (0..MOST_PARTS).map(move |number| part_name(slot, number)))
}

struct Head<'t> {
    slot: char,
    count: usize,
    hash: &'t str,
}

fn read_head(text: &Secret) -> Option<Head<'_>> {
    let mut words = text.expose().split(' ');
    let (MARK, slot, count, hash, None) = (words.next()?, words.next()?, words.next()?, words.next()?, words.next()) else { return None };
    let slot = match slot {
        "a" => 'a',
        "b" => 'b',
        _ => return None,
    };
    let count = count.parse().ok().filter(|count| (1..=MOST_PARTS).contains(count))?;
    Some(Head { slot, count, hash })
}

fn part_name(slot: char, number: usize) -> String {
    format!("{slot}{number}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{collections::BTreeMap, convert::Infallible};

    const LIMIT: usize = 100;
    type Entries = BTreeMap<String, Secret>;

    fn read(entries: &Entries) -> Result<Option<String>, Torn> {
        let Some(head) = entries.get("head") else { return Ok(None) };
        let joined = join(head, |name| Ok::<_, Infallible>(entries.get(name).cloned()));
        let Ok(joined) = joined;
        joined.map(|text| Some(text.expose().to_owned()))
    }

    /// The writes of a save, in order.
    fn writes(entries: &Entries, text: &str) -> Vec<(String, Secret)> {
        let split = split(&Secret::new(text), LIMIT, entries.get("head")).expect("it fits");
        split.parts.into_iter().chain([("head".to_owned(), split.head)]).collect()
    }

    fn record(letter: char, length: usize) -> String {
        format!("{{{}", letter.to_string().repeat(length))
    }

    proptest! {
        #[test]
        fn z_12_a_save_that_was_cut_short_anywhere_leaves_the_old_record_or_the_new_one(
            old in 0usize..900, new in 0usize..900, again in 0usize..900, cut in 0usize..12, cut_again in 0usize..12,
        ) {
            let (old, new, again) = (record('o', old), record('n', new), record('x', again));
            let mut entries = Entries::new();
            entries.extend(writes(&entries, &old));
            for (text, cut) in [(new, cut), (again, cut_again)] {
                let before = read(&entries).expect("whole").expect("there");
                entries.extend(writes(&entries, &text).into_iter().take(cut));
                let after = read(&entries).expect("whole").expect("there");
                prop_assert!(after == before || after == text);
            }
        }

        #[test]
        fn z_12_any_mixture_of_old_and_new_entries_is_the_old_record_the_new_one_or_an_error(
            old in 0usize..900, new in 0usize..900, picks in proptest::collection::vec(0u8..3, 0..30),
        ) {
            let (old, new) = (record('o', old), record('n', new));
            let mut first = Entries::new();
            first.extend(writes(&first, &old));
            let mut second = first.clone();
            second.extend(writes(&first, &new));
            let mut mixed = Entries::new();
            for (index, name) in second.keys().enumerate() {
                match picks.get(index).unwrap_or(&0) {
                    0 => drop(second.get(name).map(|text| mixed.insert(name.clone(), text.clone()))),
                    1 => drop(first.get(name).map(|text| mixed.insert(name.clone(), text.clone()))),
                    _ => {}
                }
            }
            if let Ok(Some(text)) = read(&mixed) {
                prop_assert!(text == old || text == new);
            }
        }
    }

    #[test]
    fn s_11_every_length_around_the_limit_comes_back() {
        for length in [1_279, 1_281, 2_559, 2_561, 4_096, 16_384, 65_536] {
            let text = Secret::new("é".repeat(length));
            let split = split(&text, 2_560, None).expect("it fits");
            let parts: Entries = split.parts.into_iter().collect();
            assert!(parts.values().all(|part| part.len() <= 2_560) && split.head.len() <= 2_560);
            let Ok(back) = join(&split.head, |name| Ok::<_, Infallible>(parts.get(name).cloned()));
            assert!(back.expect("whole").matches(text.expose()));
        }
        assert!(split(&Secret::new("x".repeat(2_560 * 64 + 1)), 2_560, None).is_none());
    }
}
