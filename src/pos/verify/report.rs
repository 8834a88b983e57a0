//! What the rehearsal found: as a document, and as the XML that CI systems read.

use super::{Level, Rule, Story, Verdict, judge, rules};
use crate::text::is_harmful;
use serde_json::{Value, json};
use std::fmt::Write;

/// One rule with what it found.
#[derive(Clone)]
pub struct Row {
    /// The rule.
    pub rule: &'static Rule,
    /// What it found.
    pub verdict: Verdict,
}

impl Row {
    /// In one word.
    pub fn word(&self) -> &'static str {
        match (&self.verdict, self.rule.level) {
            (Verdict::Kept, _) => "kept",
            (Verdict::Broken(_), Level::Must) => "broken",
            (Verdict::Broken(_), Level::Should) => "advice",
            (Verdict::Untried(_), _) => "untried",
        }
    }

    /// What is wrong, or why it could not be tried.
    pub fn findings(&self) -> &[String] {
        match &self.verdict {
            Verdict::Kept => &[],
            Verdict::Broken(findings) => findings,
            Verdict::Untried(reason) => std::slice::from_ref(reason),
        }
    }
}

/// How many rules ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Nothing wrong.
    pub kept: usize,
    /// A register fails, or money is wrong.
    pub broken: usize,
    /// Broken, but a register can live with it.
    pub advice: usize,
    /// Could not be tried.
    pub untried: usize,
}

/// Every rule with what it found, and what was played.
pub struct Report {
    /// In the order of the table.
    pub rows: Vec<Row>,
    calls: Vec<Value>,
    seconds: f64,
}

impl Report {
    /// Holds every rule against the story.
    pub fn of(story: &Story) -> Self {
        let calls = story.answers("every").map(|answer| {
            json!({
                "call": answer.call, "scene": answer.scene, "status": answer.status, "content_type": answer.media_type,
                "ms": u64::try_from(answer.took.as_millis()).unwrap_or(u64::MAX),
                "trouble": answer.trouble.as_ref().map(ToString::to_string),
            })
        });
        Self {
            rows: rules().map(|rule| Row { rule, verdict: judge(rule, story) }).collect(),
            calls: calls.collect(),
            seconds: story.answers("every").map(|answer| answer.took.as_secs_f64()).sum(),
        }
    }

    /// How many calls were played.
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many rules ended how.
    pub fn totals(&self) -> Totals {
        let count = |word| self.rows.iter().filter(|row| row.word() == word).count();
        Totals { kept: count("kept"), broken: count("broken"), advice: count("advice"), untried: count("untried") }
    }

    /// One document with everything.
    pub fn document(&self) -> Value {
        let totals = self.totals();
        let rules = self.rows.iter().map(|row| {
            let level = if row.rule.level == Level::Must { "must" } else { "should" };
            json!({
                "id": row.rule.id, "call": row.rule.call, "says": row.rule.says, "level": level,
                "certainty": row.rule.certainty.word(), "source": row.rule.source, "verdict": row.word(), "findings": row.findings(),
            })
        });
        json!({
            "accepted": totals.broken == 0, "kept": totals.kept, "broken": totals.broken, "advice": totals.advice,
            "untried": totals.untried, "rules": rules.collect::<Vec<_>>(), "calls": self.calls,
        })
    }

    /// JUnit XML: a suite with a case for each rule. Advice is told in the case's output and fails nothing.
    pub fn junit(&self) -> String {
        let totals = self.totals();
        let counts = format!(r#"tests="{}" failures="{}" errors="0" skipped="{}""#, self.rows.len(), totals.broken, totals.untried);
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {counts}>\n  <testsuite name=\"tokenstrap pos verify\" {counts} time=\"{:.3}\">\n",
            self.seconds
        );
        for row in &self.rows {
            let (rule, text) = (row.rule, escaped(&row.findings().join("\n")));
            let about = escaped(&format!("{} ({}: {})", rule.says, rule.certainty.word(), rule.source));
            // Writing to a string cannot fail.
            let _ = write!(xml, "    <testcase classname=\"{}\" name=\"{}\"", rule.call, rule.id);
            let _ = match row.word() {
                "broken" => writeln!(xml, "><failure message=\"{about}\">{text}</failure></testcase>"),
                "advice" => writeln!(xml, "><system-out>{about}\n{text}</system-out></testcase>"),
                "untried" => writeln!(xml, "><skipped message=\"{text}\"/></testcase>"),
                _ => writeln!(xml, "/>"),
            };
        }
        xml.push_str("  </testsuite>\n</testsuites>\n");
        xml
    }
}

/// For text and attributes alike. What XML 1.0 section 2.2 forbids becomes a question mark.
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\n' => xml.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => xml.push('?'),
            _ if is_harmful(character) => xml.push('?'),
            _ => xml.push(character),
        }
    }
    xml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_forbids_does_not_reach_the_report() {
        assert_eq!(escaped("a<b>&\"c\"\u{0}\u{ffff}\n\u{1b}é😀"), "a&lt;b&gt;&amp;&quot;c&quot;??&#10;?é😀");
    }

    #[test]
    fn where_nothing_was_played_nothing_is_kept_and_nothing_is_broken() {
        let report = Report::of(&Story::default());
        let totals = report.totals();

        assert_eq!((totals.kept, totals.broken, totals.advice), (0, 0, 0));
        assert_eq!(totals.untried, report.rows.len());
        assert_eq!(report.junit().matches("<skipped").count(), totals.untried);
    }
}
