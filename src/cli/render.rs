//! Times and lists in words.

use crate::text::printable;
use jiff::{Timestamp, tz::TimeZone};
use std::time::{Duration, SystemTime};

/// `45 s`, `12 min`, `1 h 30 min`, `14 days`: two units at most.
pub(super) fn span(time: Duration) -> String {
    // What has just begun is still as long as it was.
    let seconds = if time.as_secs() > 600 { (time.as_secs() + 30) / 60 * 60 } else { time.as_secs() };
    let two = |large: u64, unit: &str, small: u64, sub: &str| {
        if small == 0 { format!("{large} {unit}") } else { format!("{large} {unit} {small} {sub}") }
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", if seconds < 600 { seconds % 60 } else { 0 }, "s"),
        3600..86400 => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
        _ => two(seconds / 86400, "days", if seconds < 864_000 { seconds % 86400 / 3600 } else { 0 }, "h"),
    }
}

/// `2026-11-23 10:42:07` in the zone of this machine.
pub(super) fn local(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => "beyond all calendars".to_owned(),
    }
}

/// The same for programs (RFC 3339, UTC).
pub(super) fn rfc3339(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).ok().map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// How long ago something was.
pub(super) fn ago(at: SystemTime, now: SystemTime) -> String {
    now.duration_since(at).map_or_else(|_| "in the future".to_owned(), |age| format!("{} ago", span(age)))
}

/// Scopes in one line.
pub(super) fn words(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { printable(&list.join(" ")) }
}

/// Reads `90s`, `5m`, `1h30m`, `7d`.
pub(super) fn read_span(text: &str) -> Result<Duration, String> {
    let wrong = || "a duration is written like 90s, 5m or 1h30m".to_owned();
    if !text.starts_with(|first: char| first.is_ascii_digit()) || text.len() > 32 {
        return Err(wrong());
    }
    let mut seconds: u64 = 0;
    let mut number = String::new();
    for character in text.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let unit = match character {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        number.clear();
        seconds = count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
    }
    // Ten years: more than any token lives, and no sum with the clock overflows.
    if number.is_empty() && seconds <= 315_360_000 { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_units_and_never_without() {
        assert_eq!(read_span("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(read_span("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(read_span("7d"), Ok(Duration::from_secs(604_800)));
        assert_eq!(read_span("0s"), Ok(Duration::ZERO));
        for text in ["", "5", "m", "-5s", "5 m", "5x", "99999999999999999999s", "999999d", "5s3", "1.5h"] {
            assert!(read_span(text).is_err(), "{text}");
        }
    }

    #[test]
    fn spans_read_like_speech() {
        for (seconds, text) in [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (5400, "1 h 30 min"), (1_209_600, "14 days")] {
            assert_eq!(span(Duration::from_secs(seconds)), text);
        }
    }
}
