use super::*;
use proptest::prelude::*;
use std::{
    collections::BTreeSet,
    io::Write as _,
    process::{Command, Stdio},
    time::Duration,
};

const HOSTILE: [&str; 14] =
    ["';touch $PWN;'", "$(touch $PWN)", "`touch $PWN`", "a\\", "-n x", "!!", "'", "''", "\\'", "a'b'c'\\''", "~", "*", "#x", "a\"$HOME\"b"];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn tokens(access_token: &str) -> TokenSet {
    TokenSet {
        access_token: Secret::new(access_token),
        token_type: crate::oauth::token::TokenType::Bearer,
        refresh_token: Some(Secret::new("CANARY")),
        id_token: None,
        requested_at: now(),
        expires_at: Some(now() + Duration::from_millis(59_500)),
        scope: Some(vec!["a".into(), "b".into()]),
    }
}

fn written(format: &str, access_token: &str) -> Option<String> {
    let tokens = tokens(access_token);
    let handout = Handout::new(&tokens, now(), "X").ok()?;
    by_name(format).map(|format| format.text(&handout).expose().to_owned())
}

/// Shells of this machine, out of those that `env` is made for.
fn shells() -> Vec<&'static str> {
    let there = |shell: &&str| Command::new(shell).args(["-c", ":"]).stderr(Stdio::null()).status().is_ok_and(|status| status.success());
    let (here, missing): (Vec<_>, Vec<_>) = ["sh", "dash", "bash", "zsh"].into_iter().partition(there);
    if !missing.is_empty() {
        let _ = writeln!(std::io::stderr(), "not tried, since they are not installed: {missing:?}");
    }
    here
}

/// What a shell has in `X` after each `eval`: texts are read from standard input, one assignment a line.
fn evaluated(shell: &str, assignments: &str, mark: &std::path::Path) -> String {
    let script = r#"while IFS= read -r line; do eval "$line"; printf "%s\n" "$X"; done"#;
    let mut child = Command::new(shell)
        .args(["-c", script])
        .env("PWN", mark)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the shell starts");
    let mut input = child.stdin.take().expect("a pipe");
    let text = assignments.to_owned();
    let feeder = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().expect("the shell ends");
    feeder.join().expect("the writer ends").expect("the shell reads");
    String::from_utf8(output.stdout).expect("text")
}

fn round_trip(shell: &str, texts: &[String]) {
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("pwn");
    let assignments: String = texts.iter().filter_map(|text| written("env", text)).map(|line| line + "\n").collect();
    let expected: String = texts.iter().map(|text| format!("{text}\n")).collect();

    assert_eq!(evaluated(shell, &assignments, &mark), expected, "in {shell}");
    assert!(!mark.exists(), "{shell} ran what a token said");
}

#[test]
fn every_format_has_a_unique_name_and_a_help_line() {
    let mut seen = BTreeSet::new();
    for format in FORMATS {
        assert!(seen.insert(format.name()), "{} is registered twice", format.name());
        assert!(!format.about().is_empty() && !format.about().ends_with('.'));
        assert_eq!(by_name(format.name()).map(Format::name), Some(format.name()));
    }
}

#[test]
fn no_format_gives_out_another_secret_than_the_access_token() {
    for format in FORMATS {
        let text = written(format.name(), "mock-1").expect("a text");
        assert!(text.contains("mock-1") && !text.contains("CANARY") && !text.contains('\n'), "{}", format.name());
    }
}

#[test]
fn x_07_a_token_survives_eval_and_orders_nothing() {
    for shell in shells() {
        round_trip(shell, &HOSTILE.map(str::to_owned));
    }
}

#[test]
fn x_07_the_assignment_reaches_the_children_of_the_shell() {
    assert_eq!(written("env", "a'b").as_deref(), Some(r"export X='a'\''b'"));
}

#[test]
fn x_07_names_that_a_shell_could_read_as_something_else_are_refused() {
    let tokens = tokens("mock-1");
    for name in ["", "1X", "x", "X;id", "X=1", "X Y", "X\n", "É", "X-Y", "$(id)"] {
        assert!(matches!(Handout::new(&tokens, now(), name), Err(Unprintable::Variable(_))), "{name:?} was taken");
    }
    for name in ["X", "_X9", "ACCESS_TOKEN"] {
        assert!(Handout::new(&tokens, now(), name).is_ok(), "{name:?} was refused");
    }
}

#[test]
fn x_08_a_header_is_one_line_and_a_token_that_would_make_two_is_refused() {
    assert_eq!(written("header", "mock-1").as_deref(), Some("Authorization: Bearer mock-1"));
    for text in ["", "a\r\nX-Evil: 1", "a\nb", "a\0", "\u{1b}[2J", "a\tb", "\u{202e}a", "ü", "\u{7f}"] {
        for format in FORMATS {
            assert_eq!(written(format.name(), text), None, "{text:?} as {}", format.name());
        }
    }
    assert_eq!(written("raw", &"x".repeat(MAX_TOKEN + 1)), None);
}

#[test]
fn json_is_one_document_with_every_member() {
    assert_eq!(
        written("json", "a\"b\\").as_deref(),
        Some(r#"{"access_token":"a\"b\\","token_type":"Bearer","expires_at":"2023-11-14T22:14:19Z","expires_in":59,"scope":"a b"}"#)
    );
}

#[test]
fn json_says_null_where_nothing_is_known() {
    let tokens = TokenSet { expires_at: None, scope: None, ..tokens("mock-1") };
    let handout = Handout::new(&tokens, now(), "X").expect("a handout");
    let text = by_name("json").expect("a format").text(&handout);

    assert!(text.expose().contains(r#""expires_at":null,"expires_in":null,"scope":null"#));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn z_16_every_printable_token_survives_every_shell(texts in proptest::collection::vec("[ -~]{1,60}|['\\\\$`!\"]{1,8}", 100)) {
        for shell in shells() {
            round_trip(shell, &texts);
        }
    }
}
