use super::*;
use crate::ports::NoEntropy;
use http::Request;
use proptest::prelude::*;

/// Dice that always show the same.
struct Loaded;
impl Entropy for Loaded {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), NoEntropy> {
        buffer.fill(0xFF);
        Ok(())
    }
}

fn call() -> Call {
    let request = Request::post("/members/M-1?keyword=da%22vid").header("content-type", "application/json").header("x-till", "7");
    Call::read(&request.body(Bytes::from(r#"{"member":{"id":"M-1"},"amount":18.5}"#)).expect("a request"))
}

fn variables(pairs: &[(&str, &str)]) -> Variables {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rendered(text: &str, own: &[(&str, &str)]) -> (String, Vec<String>) {
    let given = BTreeMap::from([
        ("name".to_owned(), Given::Text("O\"Hara".to_owned())),
        ("rewards".to_owned(), Given::Json(r#"[{"id":"R-1"}]"#.to_owned())),
        ("amount".to_owned(), Given::Json("18.00".to_owned())),
    ]);
    let captured = [("id".to_owned(), "a\\b".to_owned())];
    let call = call();
    let scope = Scope {
        call: &call,
        given: &given,
        captured: &captured,
        variables: &variables(own),
        now: SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_123),
        entropy: &Loaded,
    };
    let mut remarks = Vec::new();
    let text = Template::new(text).render(&scope, &mut remarks);
    (String::from_utf8(text.to_vec()).expect("text"), remarks)
}

#[test]
fn what_was_given_and_captured_is_written_as_json() {
    let (text, remarks) = rendered(r#"{"name":"{{name}}","n":{{name}},"rewards":{{rewards}},"amount":{{amount}},"id":"{{ id }}"}"#, &[]);

    assert_eq!(text, r#"{"name":"O\"Hara","n":"O\"Hara","rewards":[{"id":"R-1"}],"amount":18.00,"id":"a\\b"}"#);
    assert!(remarks.is_empty());
}

#[test]
fn what_the_caller_sent_cannot_break_the_answer() {
    let (text, _) = rendered(
        r#"{"a":"{{$queryParams 'keyword'}}","b":{{$body 'member.id' ''}},"c":{{$body 'amount'}},"d":"{{$pathSegments '1'}}",
        "e":"{{$headers 'X-Till' '0'}}","f":"{{$queryParams 'none' 'default'}}","g":{{$queryParams 'keyword'}}}"#,
        &[],
    );

    let answer: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(answer, serde_json::json!({"a":"da\"vid","b":"M-1","c":18.5,"d":"M-1","e":"7","f":"default","g":"da\"vid"}));
}

#[test]
fn dynamic_variables_have_their_forms() {
    let (text, remarks) = rendered("{{$guid}} {{$timestamp}} {{$isoTimestamp}} {{$randomInt}}", &[]);

    assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff 1700000000 2023-11-14T22:13:20.123Z 470");
    assert!(remarks.is_empty());
}

#[test]
fn what_is_not_known_stays_as_it_is_with_one_remark() {
    let text = r#"{"a":"{{ $randomColor }}","b":"{{$randomColor}}","c":"{{nobody}}"}"#;

    let (rendered, remarks) = rendered(text, &[]);

    assert_eq!(rendered, text);
    assert_eq!(remarks, ["`{{$randomColor}}` has no value and stays as it is", "`{{nobody}}` has no value and stays as it is"]);
}

#[test]
fn variables_of_the_files_may_name_each_other_and_hold_escapes() {
    let own = [("url", "{{host}}/{{id}}"), ("host", "https://a.test"), ("line", r"one\ntwo"), ("quote", "a\"b"), ("list", "[1]")];

    assert_eq!(rendered("{{url}}", &own).0, "https://a.test/a\\b");
    assert_eq!(rendered(r#"{"a":"{{line}}","b":"{{quote}}","c":{{list}}}"#, &own).0, r#"{"a":"one\ntwo","b":"a\"b","c":[1]}"#);
}

#[test]
fn k_05_variables_that_name_each_other_without_end_are_cut_off() {
    let (text, remarks) = rendered("{{a}}", &[("a", "{{b}}"), ("b", "{{a}}")]);
    assert!(text.len() < 100 && remarks.contains(&"the variables name each other without end".to_owned()));

    for leaf in ["", "x"] {
        let mut bomb: Vec<_> = (0..8).map(|level| (format!("v{level}"), format!("{{{{v{}}}}}", level + 1).repeat(1000))).collect();
        bomb.push(("v8".to_owned(), leaf.to_owned()));
        let bomb: Vec<_> = bomb.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (text, remarks) = rendered("{{v0}}", &bomb);
        assert!(text.len() <= 2 * MOST_BYTES && remarks.contains(&"the variables name each other without end".to_owned()));
    }
}

#[test]
fn k_05_the_environment_of_this_process_is_never_looked_at() {
    let names = std::env::vars().map(|(name, _)| name).filter(|name| !name.is_empty() && !name.contains(['{', '}', '$']));
    let text: String = names.take(50).map(|name| format!("{{{{{name}}}}} {{{{$env.{name}}}}} {{{{$processEnv '{name}'}}}} ")).collect();

    assert_eq!(rendered(&text, &[]).0, text);
}

proptest! {
    #[test]
    fn z21_a_text_without_braces_stays_byte_for_byte(text in "[^{]*") {
        prop_assert_eq!(rendered(&text, &[]).0, text);
    }

    #[test]
    fn z21_any_text_is_rendered(text in "[{}\"\\\\an $'\n\u{e9}]{0,60}", value in ".{0,20}") {
        let (_, remarks) = rendered(&text, &[("a", &value), ("n", "{{a}}{{n}}")]);
        prop_assert!(remarks.len() < 64);
    }

    #[test]
    fn z21_json_stays_json_whatever_a_caller_sends(value in ".{0,20}") {
        let call = Call::read(&Request::get("/").body(Bytes::new()).expect("a request"));
        let captured = [("a".to_owned(), value)];
        let scope = Scope {
            call: &call, given: &BTreeMap::new(), captured: &captured, variables: &Variables::default(),
            now: SystemTime::UNIX_EPOCH, entropy: &Loaded,
        };
        let text = Template::new(r#"{"a":"{{a}}","b":{{a}},"c":["{{a}}{{a}}"]}"#).render(&scope, &mut Vec::new());
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&text).is_ok(), "{:?}", text);
    }
}
