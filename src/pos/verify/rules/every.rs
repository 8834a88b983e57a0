//! What holds for every answer.

use super::*;
use crate::text::printable_bytes;

pub(super) static RULES: &[Rule] = &[
    Rule {
        id: "answers-arrive",
        call: "every",
        level: Must,
        certainty: Inferred,
        source: "a register shows nothing without an answer; its own time-out is not known",
        says: "every request is answered, in time and to the end",
        check: Each(|answer| answer.trouble.as_ref().map(ToString::to_string)),
    },
    Rule {
        id: "answers-are-json",
        call: "every",
        level: Must,
        certainty: Documented,
        source: GUIDE,
        says: "every answer is JSON, whatever was asked",
        check: Each(|answer| (answer.trouble.is_none() && answer.json.is_none()).then(|| not_json(answer))),
    },
    Rule {
        id: "answers-are-objects",
        call: "every",
        level: Must,
        certainty: Inferred,
        source: "every documented answer is an object",
        says: "the JSON is an object",
        check: Each(|answer| answer.json.as_ref().is_some_and(|json| !json.is_object()).then(|| "it is no object".to_owned())),
    },
    Rule {
        id: "content-type-is-json",
        call: "every",
        level: Must,
        certainty: Inferred,
        source: "the vendor's guide asks for JSON; RFC 8259 section 11 names the media type",
        says: "the content type is application/json",
        check: Each(|answer| (answer.trouble.is_none() && answer.media_type != "application/json").then(|| answer.summary())),
    },
    Rule {
        id: "no-redirect",
        call: "every",
        level: Must,
        certainty: Inferred,
        source: "nobody says that a register follows one, and a POST would lose its body",
        says: "no answer is a redirect",
        check: Each(|answer| answer.status.filter(|status| (300..400).contains(status)).map(|status| format!("status {status}"))),
    },
    Rule {
        id: "no-server-error",
        call: "every",
        level: Must,
        certainty: Inferred,
        source: "a status of 500 and above is a fault of the server by RFC 9110 section 15.6",
        says: "nothing that is asked breaks the server",
        check: Each(|answer| answer.status.filter(|status| *status >= 500).map(|status| format!("status {status}"))),
    },
    Rule {
        id: "errors-have-a-text",
        call: "every",
        level: Must,
        certainty: Documented,
        source: REDEEM,
        says: "an error is a text for the operator",
        check: Each(|answer| {
            let error = answer.member("error").filter(|error| !error.is_null())?;
            error.as_str().is_none_or(|text| text.trim().is_empty()).then(|| "`error` is no text".to_owned())
        }),
    },
];

fn not_json(answer: &Answer) -> String {
    let begin: Vec<u8> = answer.body.iter().copied().take(40).collect();
    match begin.as_slice() {
        [] => format!("{} with an empty body", answer.summary()),
        [0xef, 0xbb, 0xbf, ..] => "the body begins with a byte-order mark (RFC 8259 section 8.1)".to_owned(),
        begin => format!("{} that begins `{}`", answer.summary(), printable_bytes(begin)),
    }
}
