use super::*;
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use proptest::prelude::*;
use zeroize::Zeroizing;

const ASKED: Asked = Asked {
    purpose: Purpose::Refresh,
    sent_at: SystemTime::UNIX_EPOCH,
    rotation: Rotation::Unknown,
    has_grace: false,
    default_expires_in: None,
};

fn response(status: u16, media_type: &str, body: &[u8]) -> Response {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(CONTENT_TYPE, value);
    }
    Response { status: StatusCode::from_u16(status).expect("a status"), headers, body: Zeroizing::new(body.to_vec()) }
}

fn json(status: u16, body: &str) -> Verdict {
    judge(Ok(&response(status, "application/json", body.as_bytes())), &ASKED)
}

fn with_header(status: u16, name: http::HeaderName, value: &'static str) -> Verdict {
    let mut response = response(status, "", b"");
    response.headers.insert(name, HeaderValue::from_static(value));
    judge(Ok(&response), &ASKED)
}

fn tokens(verdict: &Verdict) -> &TokenSet {
    match &verdict.save {
        Save::Tokens(tokens) => tokens,
        other => panic!("no tokens: {other:?} because {}", verdict.reason),
    }
}

#[test]
fn a_plain_answer_is_granted_and_its_end_counts_from_the_sending() {
    let verdict = json(200, r#"{"access_token":"A","token_type":"bEaReR","expires_in":3600,"refresh_token":"R","scope":"a b"}"#);

    let tokens = tokens(&verdict);
    assert_eq!(tokens.expires_at, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(3600)));
    assert_eq!(tokens.scope.as_deref(), Some(&["a".to_owned(), "b".to_owned()][..]));
    assert!(verdict.remarks.is_empty());
}

#[test]
fn t_13_no_null_or_empty_refresh_token_means_keep_the_old_one() {
    for body in [r#"{"access_token":"A"}"#, r#"{"access_token":"A","refresh_token":null}"#, r#"{"access_token":"A","refresh_token":""}"#] {
        let verdict = json(200, body);
        let previous = tokens(&json(200, r#"{"access_token":"O","refresh_token":"R"}"#)).clone();

        let next = tokens(&verdict).clone().succeed(&previous);
        assert!(next.refresh_token.is_some_and(|token| token.matches("R")), "{body}");
    }
}

#[test]
fn t_06_html_is_refused_and_mislabelled_json_is_taken_with_a_remark() {
    let page = br#"<html>{"access_token":"A"}</html>"#;
    let verdict = judge(Ok(&response(200, "text/html", page)), &ASKED);
    assert_eq!((verdict.class, verdict.replay), (Class::Refused, Replay::Never));

    let verdict = judge(Ok(&response(200, "text/html", br#"{"access_token":"A","token_type":"Bearer"}"#)), &ASKED);
    assert_eq!(verdict.class, Class::Granted);
    assert_eq!(verdict.remarks.len(), 1);

    let verdict = judge(Ok(&response(200, "text/plain", b"access_token=A&token_type=bearer")), &ASKED);
    assert_eq!(verdict.class, Class::Refused);
}

#[test]
fn t_07_and_t_29_a_flawed_answer_with_a_refresh_token_is_suspect() {
    for body in [
        r#"{"access_token":"A","access_token":"B","refresh_token":"R"}"#,
        r#"{"access_token":"A\n","refresh_token":"R"}"#,
        r#"{"refresh_token":"R"}"#,
        r#"{"access_token":"A","token_type":"mac","refresh_token":"R"}"#,
        r#"{"access_token":"A","token_type":"","refresh_token":"R"}"#,
        r#"{"access_token":"A","token_type":7,"refresh_token":"R"}"#,
        r#"{"access_token":"A","refresh_token":"R"}x"#,
    ] {
        let verdict = json(200, body);
        assert_eq!((verdict.class, verdict.replay), (Class::Refused, Replay::Never), "{body}");
        assert!(matches!(&verdict.save, Save::Suspect { refresh_token, .. } if refresh_token.matches("R")), "{body}");
    }
}

#[test]
fn t_07_a_byte_order_mark_is_stripped() {
    assert_eq!(json(200, "\u{feff}{\"access_token\":\"A\"}").class, Class::Granted);
}

#[test]
fn t_08_a_missing_type_counts_as_bearer_with_a_remark() {
    assert_eq!(json(200, r#"{"access_token":"A"}"#).remarks.len(), 1);
    assert_eq!(json(200, r#"{"access_token":"A","token_type":null}"#).class, Class::Granted);
}

#[test]
fn t_11_a_token_with_control_characters_is_never_handed_out() {
    for bad in ["A\\r\\nX", "A\\u0000", "A\\u001b", "A\\t", "A\\u202e", "", "A B"] {
        assert_eq!(json(200, &format!(r#"{{"access_token":"{bad}"}}"#)).class, Class::Refused, "{bad}");
    }
    assert_eq!(json(200, &format!(r#"{{"access_token":"{}"}}"#, "x".repeat(1 << 20))).class, Class::Refused);
}

#[test]
fn t_16_only_invalid_grant_with_400_or_401_marks() {
    for status in [400, 401] {
        let verdict = json(status, r#"{"error":"invalid_grant"}"#);
        assert!(matches!((verdict.class, verdict.save), (Class::LoginNeeded, Save::Mark)));
    }
    for status in [403, 404, 429, 500, 503] {
        let verdict = json(status, r#"{"error":"invalid_grant"}"#);
        assert!(matches!((verdict.class, verdict.save), (Class::Later, Save::Nothing)), "{status}");
    }
    let verdict = json(200, r#"{"error":"invalid_grant"}"#);
    assert!(matches!((verdict.class, verdict.save), (Class::LoginNeeded, Save::Nothing)));
}

#[test]
fn an_empty_400_means_sign_in_again_without_a_mark() {
    let verdict = judge(Ok(&response(400, "", b"")), &ASKED);

    assert!(matches!((verdict.class, verdict.save, verdict.replay), (Class::LoginNeeded, Save::Nothing, Replay::Never)));
}

#[test]
fn t_15_error_shapes_have_stable_outcomes_and_short_texts() {
    let long = format!(r#"{{"error":"invalid_request","error_description":"{}"}}"#, "x".repeat(2_000_000));
    for (status, body, class) in [
        (400, r#"{"error":"invalid_client"}"#, Class::Refused),
        (401, r#"{"error":"unauthorized_client"}"#, Class::Refused),
        (400, r#"{"error":{"code":"bad","message":"m"}}"#, Class::Refused),
        (400, r#"{"error":["invalid_scope"]}"#, Class::Refused),
        (400, r#"{"code":"bad_request"}"#, Class::Refused),
        (400, r#"{"message":"no"}"#, Class::Refused),
        (400, "[]", Class::Refused),
        (400, "<html>gateway</html>", Class::Later),
        (403, "<html>waf</html>", Class::Later),
        (429, "Limit exceeded", Class::Later),
        (302, "", Class::Refused),
        (200, "{}", Class::Refused),
        (200, "[]", Class::Refused),
        (200, "ok", Class::Refused),
        (400, long.as_str(), Class::Refused),
    ] {
        let verdict = json(status, body);
        assert_eq!(verdict.class, class, "{status}");
        assert!(verdict.reason.chars().count() <= 500);
    }
}

#[test]
fn o_01_a_servers_words_are_made_visible() {
    let verdict = json(400, r#"{"error":"x","error_description":"ok\u001b[2J\u009b31m\u202e\r\nfake"}"#);

    assert!(!verdict.reason.chars().any(|c| c.is_control() || c == '\u{202e}'));
}

#[test]
fn a_lost_answer_is_replayed_once_unless_the_server_is_known_to_be_patient() {
    let lost = Undelivered::PeerEnded { host: "as".into() };

    assert_eq!(judge(Err(&lost), &ASKED).replay, Replay::AtOnce { most: 1 });
    assert_eq!(judge(Err(&lost), &Asked { rotation: Rotation::Always, ..ASKED }).replay, Replay::AtOnce { most: 1 });
    assert_eq!(judge(Err(&lost), &Asked { rotation: Rotation::None, ..ASKED }).replay, Replay::AtOnce { most: 3 });
    assert_eq!(judge(Err(&lost), &Asked { has_grace: true, ..ASKED }).replay, Replay::AtOnce { most: 3 });
    for status in [500, 502] {
        assert_eq!(json(status, "").replay, Replay::AtOnce { most: 1 });
    }
    assert_eq!(json(200, r#"{"access_token":"A"#).replay, Replay::AtOnce { most: 1 });
}

#[test]
fn a_request_that_may_still_run_is_replayed_late() {
    let silent = Undelivered::TimedOut { host: "as".into(), after: Duration::from_secs(10) };

    assert_eq!(judge(Err(&silent), &ASKED).replay, Replay::Late);
    assert_eq!(json(504, "").replay, Replay::Late);
}

#[test]
fn t_20_a_short_retry_after_is_obeyed_and_a_long_one_ends_the_call() {
    assert_eq!(with_header(503, RETRY_AFTER, "2").replay, Replay::After(Duration::from_secs(2)));
    assert_eq!(with_header(429, RETRY_AFTER, "10").replay, Replay::After(Duration::from_secs(10)));
    assert_eq!(with_header(503, RETRY_AFTER, "11").replay, Replay::Never);
    assert_eq!(with_header(429, RETRY_AFTER, "999999999999999999999").replay, Replay::Never);
    assert_eq!(with_header(429, RETRY_AFTER, "abc").replay, Replay::Never);
    assert_eq!(with_header(503, RETRY_AFTER, "-1").replay, Replay::After(Duration::from_secs(1)));
}

#[test]
fn t_18_a_code_is_sent_twice_only_if_nothing_was_written() {
    let exchange = Asked { purpose: Purpose::Exchange, ..ASKED };
    let unsent = Undelivered::NotSent { host: "as".into(), detail: "refused".into() };
    let lost = Undelivered::PeerEnded { host: "as".into() };

    assert_eq!(judge(Err(&unsent), &exchange).replay, Replay::Unsent { tries: 3 });
    assert_eq!(judge(Err(&lost), &exchange).replay, Replay::Never);
    assert_eq!(judge(Ok(&response(503, "", b"")), &exchange).replay, Replay::Never);
}

proptest! {
    #[test]
    fn any_answer_has_a_verdict(status in 100u16..600, body in any::<Vec<u8>>()) {
        let verdict = judge(Ok(&response(status, "application/json", &body)), &ASKED);
        prop_assert!(verdict.reason.chars().count() <= 500);
        prop_assert!(!matches!(verdict.save, Save::Mark) || matches!(status, 400 | 401));
    }

    #[test]
    fn what_is_granted_is_well_formed(token in "\\PC{0,40}", life in any::<i64>()) {
        let body = serde_json::json!({"access_token": token, "expires_in": life}).to_string();
        let verdict = json(200, &body);
        if let Save::Tokens(tokens) = verdict.save {
            prop_assert!(tokens.access_token.expose().bytes().all(|b| b.is_ascii_graphic()));
            prop_assert!(tokens.expires_at.is_some_and(|end| end <= SystemTime::UNIX_EPOCH + Duration::from_secs(315_360_000)));
        }
    }
}
