//! Numbers as servers really send them (SECURITY T-10 and T-20).

use serde_json::Value;
use std::time::{Duration, SystemTime};

/// Longest life of an access token that is believed: ten years. It keeps every later sum far from overflow.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// How long an access token lives, as its answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Seconds, clamped to ten years; 0 where the server says that it is over already.
    Seconds(u64),
    /// Missing or null.
    Unsaid,
    /// Something that is no number of seconds.
    Garbage,
}

/// Reads `expires_in`: an integer, a float (cut to whole seconds) or a decimal text of either.
pub fn read_expires_in(value: Option<&Value>) -> Expiry {
    match value {
        None | Some(Value::Null) => Expiry::Unsaid,
        Some(Value::Number(number)) => from_number(number.as_f64().unwrap_or(f64::NAN)),
        Some(Value::String(text)) if is_decimal(text) => from_number(text.parse().unwrap_or(f64::NAN)),
        Some(_) => Expiry::Garbage,
    }
}

/// Plain decimal digits with at most one point and sign: no exponent, no `inf`, no blanks.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= 40 && digits(whole) && digits(fraction)
}

// A float up to ten years fits a u64 exactly; the guards keep the cast inside that range.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=LONGEST before the cast")]
fn from_number(seconds: f64) -> Expiry {
    if seconds.is_nan() {
        return Expiry::Garbage;
    }
    // LONGEST is far below 2^53, so the float holds it exactly.
    Expiry::Seconds(seconds.clamp(0.0, 315_360_000.0) as u64)
}

const _: () = assert!(LONGEST == 315_360_000, "the clamp above is LONGEST as a float");

/// Reads `Retry-After` (RFC 9110 section 10.2.3): seconds or a date; a past date means now, garbage means nothing.
///
/// The wait is clamped to a year, so that no sum overflows.
pub fn read_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(YEAR, Duration::from_secs).min(YEAR));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default().min(YEAR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn t_10_every_shape_of_expires_in_has_its_outcome() {
        for (value, expected) in [
            (json!(3600), Expiry::Seconds(3600)),
            (json!("3600"), Expiry::Seconds(3600)),
            (json!(3600.0), Expiry::Seconds(3600)),
            (json!("3600.9"), Expiry::Seconds(3600)),
            (json!(0), Expiry::Seconds(0)),
            (json!(-1), Expiry::Seconds(0)),
            (json!("-3600"), Expiry::Seconds(0)),
            (json!(9e18), Expiry::Seconds(LONGEST)),
            (json!(u64::MAX), Expiry::Seconds(LONGEST)),
            (json!(null), Expiry::Unsaid),
            (json!(true), Expiry::Garbage),
            (json!([3600]), Expiry::Garbage),
            (json!({"a": 1}), Expiry::Garbage),
            (json!("3600abc"), Expiry::Garbage),
            (json!("1e400"), Expiry::Garbage),
            (json!("inf"), Expiry::Garbage),
            (json!(""), Expiry::Garbage),
        ] {
            assert_eq!(read_expires_in(Some(&value)), expected, "{value}");
        }
        assert_eq!(read_expires_in(None), Expiry::Unsaid);
    }

    #[test]
    fn t_20_retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let read = |value| read_retry_after(value, now);

        assert_eq!(read("2"), Some(Duration::from_secs(2)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(7));
        assert_eq!(read_retry_after(&date, now), Some(Duration::from_secs(7)));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert!(read("9000000000000000000000").is_some_and(|wait| wait > Duration::from_secs(3600)));
        for garbage in ["-1", "abc", "", "9e18", "1.5"] {
            assert_eq!(read(garbage), None, "{garbage}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in ".{0,60}", seconds in any::<f64>()) {
            let _ = read_retry_after(&text, SystemTime::UNIX_EPOCH);
            let _ = read_expires_in(Some(&json!(text)));
            let _ = read_expires_in(Some(&json!(seconds)));
        }

        #[test]
        fn a_number_and_its_text_mean_the_same(seconds in 0u64..LONGEST) {
            prop_assert_eq!(read_expires_in(Some(&json!(seconds))), read_expires_in(Some(&json!(seconds.to_string()))));
        }
    }
}
