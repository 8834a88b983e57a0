use super::*;
use crate::{
    platform::entropy::SystemEntropy,
    pos::{call::Call, template::Scope},
};
use http::{Method, StatusCode};
use hyper::body::Bytes;
use proptest::prelude::*;
use serde_json::json;
use std::{collections::BTreeMap, time::SystemTime};

const SCHEMA: &str = "https://schema.postman.com/json/collection/v2.1.0/collection.json";

fn file(items: Value) -> Value {
    json!({"info": {"name": "Till", "schema": SCHEMA}, "item": items})
}

fn read(file: &Value) -> Collection {
    Collection::read(file.to_string().as_bytes()).expect("a collection")
}

fn request(response: Value) -> Value {
    json!({"name": "Search", "request": {"method": "get", "url": "{{url}}/search"}, "response": [response]})
}

#[test]
fn folders_requests_and_examples_are_found_at_any_depth() {
    let mut item = request(json!({"name": "found", "id": "e-1", "code": 201, "header": "A: 1", "body": "{}"}));
    for level in 0..50 {
        item = json!({"name": format!("folder {level}"), "item": [item]});
    }

    let collection = read(&file(json!([item, {"name": "bare", "request": "http://a.test/x", "response": [{"name": "as text"}]}])));

    let [first, second] = &collection.examples[..] else { panic!("{:?}", collection.examples) };
    assert_eq!((first.id.as_str(), first.status.as_u16(), first.request.method.clone()), ("e-1", 201, Method::GET));
    let names = |places: [usize; 2]| places.map(|place| first.place.get(place).map(String::as_str));
    assert_eq!((first.place.len(), names([0, 50])), (51, [Some("folder 49"), Some("Search")]));
    assert_eq!(second.title(), "bare / as text");
    assert_eq!((second.status, second.request.address.path.as_str(), second.body.text()), (StatusCode::OK, "x", ""));
    assert_eq!((collection.requests, collection.remarks.len()), (2, 0));
}

#[test]
fn the_order_of_members_and_members_of_other_kinds_do_not_matter() {
    let folder = |members: [&str; 3]| format!(r#"{{"item":[{{{}}}],"info":{{"schema":"{SCHEMA}","name":"Till"}}}}"#, members.join(","));
    let (name, inner) =
        (r#""name":"outer""#, r#""item":[{"response":[{"name":"x"}],"request":"/a","name":"r"},null,true,-1,1,0.5,"",[{}]]"#);

    for members in [[name, inner, r#""request":"/no","response":[{}]"#], [r#""request":"/no","response":[{}]"#, inner, name]] {
        let collection = Collection::read(folder(members).as_bytes()).expect("a collection");
        let titles: Vec<_> = collection.examples.iter().map(Example::title).collect();
        assert_eq!((titles, collection.requests, collection.name), (vec!["outer / r / x".to_owned()], 1, "Till".to_owned()));
    }
    for other in [r#""item":{"name":"x"}"#, r#""item":null"#, r#""item":1e999"#] {
        assert!(Collection::read(format!("{{{other}}}").as_bytes()).is_err(), "{other}");
    }
    assert_eq!(read(&file(json!([{"item": {}, "request": "/a", "response": {}}]))).examples.len(), 1);
}

#[test]
fn an_example_has_a_request_of_its_own_or_that_of_its_item() {
    let own = json!({"name": "own", "originalRequest": {"method": "POST", "url": "/own", "header": null}});
    let items = json!([{"name": "r", "request": {"method": "PUT", "url": "/item"}, "response": [own, {"name": "item's", "originalRequest": null}]}]);

    let paths = read(&file(items))
        .examples
        .iter()
        .map(|one| (one.request.method.to_string(), one.request.address.path.clone()))
        .collect::<Vec<_>>();

    assert_eq!(paths, [("POST".to_owned(), "own".to_owned()), ("PUT".to_owned(), "item".to_owned())]);
}

#[test]
fn marks_wrappings_and_older_schemas_are_taken() {
    let bare = file(json!([request(json!({}))]));
    let marked = ["\u{FEFF}", &bare.to_string()].concat();
    let wrapped = json!({"collection": bare}).to_string();
    let older = bare.to_string().replace("schema.postman.com", "schema.getpostman.com").replace("v2.1.0", "v2.0.0");

    for text in [marked, wrapped, older] {
        let collection = Collection::read(text.as_bytes()).expect("a collection");
        assert_eq!((collection.name.as_str(), collection.examples.len(), collection.remarks.len()), ("Till", 1, 0), "{text}");
    }
    let unknown = Collection::read(br#"{"item":[]}"#).expect("a collection");
    assert_eq!(unknown.remarks, ["the schema is ``, read as version 2.1"]);
}

#[test]
fn other_files_are_refused_by_their_kind() {
    let cases = [
        (r#"{"id":"1","name":"x","order":[],"requests":[]}"#, CollectionFault::VersionOne),
        (r#"{"openapi":"3.1.0"}"#, CollectionFault::Other("an OpenAPI description")),
        (r#"{"name":"x","values":[]}"#, CollectionFault::Other("a Postman environment")),
        (r#"{"log":{"entries":[]}}"#, CollectionFault::Other("an HTTP archive")),
        (r#"{"item":{}}"#, CollectionFault::NoItems),
        ("[]", CollectionFault::NoItems),
        ("{\n \"a\"", CollectionFault::NotJson { line: 2, column: 4 }),
        ("", CollectionFault::NotJson { line: 1, column: 0 }),
    ];
    for (text, fault) in cases {
        assert_eq!(Collection::read(text.as_bytes()).err(), Some(fault), "{text}");
    }
    assert!(Collection::read(b"{\"item\":[{\"name\":\"\xFF\"}]}").is_err());
}

#[test]
fn what_is_odd_is_left_out_or_mended_and_remarked() {
    let items = json!([
        {"name": "bad method", "request": {"method": "G T", "url": "/"}, "response": [{"name": "x"}]},
        {"name": "odd", "request": {"url": "/"}, "response": [{"name": "y", "code": 102}, null, 7]},
        {"name": "lone", "request": {"url": "/"}, "response": {"name": "z"}}, {"name": "none", "request": {"url": "/"}, "response": "no"},
        "no item", {"name": "neither folder nor request"},
    ]);

    let collection = read(&file(items));

    assert_eq!(collection.examples.iter().map(|example| example.name.as_str()).collect::<Vec<_>>(), ["y", "z"]);
    assert_eq!(
        collection.remarks,
        ["an example of `bad method` is left out: `G T` is no method", "`odd / y` has the status 102, which ends no answer; 200 is sent"]
    );
}

#[test]
fn the_language_of_the_preview_is_a_hint_for_the_content_type() {
    let with = |header: Value| {
        let example = json!({"name": "x", "header": header, "_postman_previewlanguage": "json", "body": "{}"});
        read(&file(json!([request(example)]))).examples.remove(0)
    };

    let hinted = with(json!(null));
    assert_eq!((hinted.headers[0].0.as_str(), hinted.headers[0].1.text()), ("Content-Type", "application/json"));
    assert_eq!(with(json!([{"key": "content-type", "value": "text/csv"}])).headers.len(), 1);
}

#[test]
fn k_05_a_collection_is_data_and_its_size_and_depth_are_bounded() {
    let script = json!([{"listen": "prerequest", "script": {"exec": ["pm.sendRequest('http://127.0.0.1:1/')"], "src": "/etc/passwd"}}]);
    let mut hostile =
        file(json!([{"name": "r", "event": script, "response": [{"name": "x", "body": "{{$env}} {{HOME}} {{$processEnv 'HOME'}}"}],
        "request": {"method": "POST", "url": "/", "body": {"mode": "file", "file": {"src": "/etc/passwd"}}}}]));
    hostile["event"] = script;

    let collection = read(&hostile);

    assert_eq!(collection.examples[0].request.body, SavedBody::None);
    assert_eq!(collection.remarks, ["not known here, and left as they are: `{{$env}}`, `{{$processEnv}}`"]);
    let deep = format!("{}{}", r#"{"item":["#.repeat(100_000), "]}".repeat(100_000));
    assert_eq!(Collection::read(deep.as_bytes()).err(), Some(CollectionFault::TooDeep));
    assert_eq!(Collection::read(&vec![b' '; MOST_BYTES + 1]).err(), Some(CollectionFault::TooLarge));
    assert_eq!(Variables::read_environment(&vec![b' '; MOST_BYTES + 1]).err(), Some(CollectionFault::TooLarge));
}

#[test]
fn k_05_what_many_examples_share_does_not_fill_the_memory() {
    let (long, many) = ("x".repeat(1024 * 1024), vec![json!({}); 200]);
    let folder = |request: Value| json!([{"request": request, "response": many}]).to_string();
    let shared = json!({"url": "/", "method": "POST", "body": {"mode": "raw", "raw": long}});

    for item in [
        format!(r#""request":{shared},"response":{}"#, Value::from(many.clone())),
        format!(r#""name":"{long}","item":{}"#, folder(json!("/"))),
        format!(r#""item":{},"name":"{long}""#, folder(json!("/"))),
        format!(r#""name":"{long}","item":{}"#, folder(json!({"method": "no method"}))),
    ] {
        let file = format!(r#"{{"item":[{{{item}}}]}}"#);
        assert_eq!(Collection::read(file.as_bytes()).err(), Some(CollectionFault::Unfolds), "{item:.50}");
    }
    let few = read(&file(json!([{"request": shared, "response": [{}, {}]}])));
    assert!(few.examples.iter().all(|example| example.size() >= long.len()));
}

#[test]
fn an_answer_has_no_more_headers_than_clients_take() {
    let headers: Vec<_> = (0..40_000).map(|number| json!({"key": format!("x-{number}"), "value": "1"})).collect();
    let collection = read(&file(json!([request(json!({"header": headers}))])));
    let (call, given, mut remarks) = (Call::read(&http::Request::new(Bytes::new())), BTreeMap::new(), Vec::new());
    let scope = Scope {
        call: &call,
        given: &given,
        captured: &[],
        variables: &collection.variables,
        now: SystemTime::UNIX_EPOCH,
        entropy: &SystemEntropy,
    };

    let rendered = collection.examples[0].render(&scope, &mut remarks);

    assert_eq!(rendered.headers.len(), 100);
    assert!(remarks.len() < 100);
}

/// JSON of any shape that knows the words of the format.
fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: &str =
        "item|request|response|url|path|host|query|header|body|mode|raw|code|key|value|variable|originalRequest|method|name|urlencoded";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "raw|urlencoded|GET|[ -~]{0,12}|\\{\\{a\\}\\}/:b".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(NAMES, inner, 0..8)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn z21_any_document_is_read_or_refused(items in prop::collection::vec(any_json(), 0..4), bare in any_json(), noise in any::<Vec<u8>>()) {
        let collection = Collection::read(file(items.into()).to_string().as_bytes());
        prop_assert!(collection.is_ok());
        let _ = Collection::read(bare.to_string().as_bytes());
        let _ = Collection::read(&noise);
        let _ = Variables::read_environment(bare.to_string().as_bytes());
    }
}
