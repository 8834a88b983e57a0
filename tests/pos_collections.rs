//! Collections that nobody here wrote: the fixtures of npm `@jordanwalsh23/postman-local-mock-server` (a mock server) and
//! npm `postman-code-generators` (Postman's converter of requests into code), installed by `tests/run`.

use crate::support::real::{self, target};
use http::Request;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tokenstrap::{
    platform::entropy::SystemEntropy,
    pos::{
        call::Call,
        collection::{Collection, Rendered, Variables},
        matching::{Book, ByField, Choice, Rules},
        template::Scope,
    },
};

/// The files: folders, or single ones.
const FIXTURES: [&str; 4] = [
    "@jordanwalsh23/postman-local-mock-server/test/collections",
    "postman-code-generators/codegens/http/test/resources/test-collection.json",
    "postman-code-generators/codegens/nodejs-axios/test/unit/fixtures/testcollection/collection.json",
    "postman-code-generators/codegens/shell-httpie/examples/test-collection.json",
];

/// One saved example, read by this test's own few lines.
struct Saved {
    /// Method, URL without scheme and host, and body: what a caller sends.
    asked: (String, String, String),
    id: Option<String>,
    name: String,
    status: u16,
    body: String,
}

fn files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for fixture in FIXTURES {
        let path = target("npm/pos/node_modules").join(fixture);
        match fs::read_dir(&path) {
            Ok(folder) => {
                files.extend(folder.map(|file| file.unwrap().path()).filter(|file| file.extension().is_some_and(|end| end == "json")))
            }
            Err(_) if path.is_file() => files.push(path),
            Err(_) => real::left_out("collections of npm packages", &format!("there is no {}", path.display())),
        }
    }
    files.sort();
    files
}

fn saved(file: &Path) -> Vec<Saved> {
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let variables = document["variable"].as_array().into_iter().flatten();
    let variables =
        variables.map(|one| (one["key"].as_str().unwrap().to_owned(), one["value"].as_str().unwrap_or_default().to_owned())).collect();
    let mut found = Vec::new();
    walk(&document["item"], &variables, &mut found);
    found
}

fn walk(items: &Value, variables: &BTreeMap<String, String>, found: &mut Vec<Saved>) {
    for item in items.as_array().unwrap() {
        if item["item"].is_array() {
            walk(&item["item"], variables, found);
        }
        let responses = item["response"].as_array().map_or(std::slice::from_ref(&item["response"]), Vec::as_slice);
        for response in responses.iter().filter(|response| response.is_object()) {
            let own = &response["originalRequest"];
            let request = if own.is_null() { &item["request"] } else { own };
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            found.push(Saved {
                asked: (
                    request["method"].as_str().unwrap_or("GET").to_owned(),
                    target_of(request, variables),
                    text(&request["body"]["raw"]),
                ),
                id: response["id"].as_str().map(str::to_owned),
                name: text(&response["name"]),
                status: response["code"].as_u64().map_or(200, |code| u16::try_from(code).unwrap()),
                body: text(&response["body"]),
            });
        }
    }
}

/// Path and query of a saved request, as a client sends them: variables filled in, wildcards with some text.
fn target_of(request: &Value, variables: &BTreeMap<String, String>) -> String {
    let url = if request.is_string() { request } else { &request["url"] };
    let mut raw = url.as_str().or(url["raw"].as_str()).unwrap().to_owned();
    for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        raw = raw.replace(&format!("{{{{{name}}}}}"), value);
    }
    let raw = raw.split_once("://").map_or(raw.as_str(), |(_, rest)| rest);
    let (path, query) = raw.split_once('?').map_or((raw, None), |(path, query)| (path, Some(query)));
    let path = path.find('/').map_or("/", |at| &path[at..]);
    let segment = |text: &str| if text.starts_with("{{") || text.starts_with(':') { "some".to_owned() } else { text.to_owned() };
    let path: Vec<_> = path.split('/').map(segment).collect();
    let mut url = url::Url::parse("http://mock.test").unwrap();
    url.set_path(&path.join("/"));
    let off: Vec<_> = request["url"]["query"].as_array().into_iter().flatten().filter(|one| one["disabled"] == true).collect();
    let on = |pair: &&str| !off.iter().any(|one| one["key"] == *pair.split('=').next().unwrap());
    let query = query.map(|query| query.split('&').filter(on).collect::<Vec<_>>().join("&"));
    url.set_query(query.as_deref().filter(|query| !query.is_empty()));
    url[url::Position::BeforePath..url::Position::AfterQuery].to_owned()
}

fn ask(book: &Book, saved: &Saved, selectors: &[(&str, &str)]) -> Result<Rendered, Choice> {
    let (method, target, body) = &saved.asked;
    let mut request = Request::builder().method(method.as_str()).uri(target);
    for (name, value) in selectors {
        request = request.header(*name, *value);
    }
    let call = Call::read(&request.body(body.clone().into()).unwrap());
    let choice = book.choose(&call);
    let Ok(chosen) = &choice.outcome else { return Err(choice) };
    let scope = Scope {
        call: &call,
        given: &BTreeMap::new(),
        captured: &chosen.captured,
        variables: book.variables(),
        now: SystemTime::now(),
        entropy: &SystemEntropy,
    };
    Ok(chosen.example.render(&scope, &mut Vec::new()))
}

/// Whether an answer is the saved one; in place of a variable anything may stand.
fn is_saved(answer: &Rendered, saved: &Saved) -> bool {
    let body = String::from_utf8(answer.body.to_vec()).unwrap();
    let mut rest = body.as_str();
    let mut pieces = saved.body.split("{{").enumerate().map(|(at, piece)| if at == 0 { piece } else { piece.split_once("}}").unwrap().1 });
    let begins = pieces.next().is_none_or(|first| rest.strip_prefix(first).map(|after| rest = after).is_some());
    let goes_on = pieces.all(|piece| rest.find(piece).map(|at| rest = &rest[at + piece.len()..]).is_some());
    let is_plain = !saved.body.contains("{{");
    answer.status.as_u16() == saved.status && begins && goes_on && (!is_plain || body == saved.body)
}

#[test]
fn every_saved_example_of_collections_from_elsewhere_is_answered_as_it_was_saved() {
    let (mut examples, mut plainly) = (0, 0);
    let files = files();
    for file in &files {
        let saved = saved(file);
        let read = |fields| {
            let collection = Collection::read(&fs::read(file).unwrap()).unwrap();
            assert_eq!(collection.examples.len(), saved.len(), "{}", file.display());
            Book::new(collection, Variables::default(), Rules { fields, near: true })
        };
        let books = [read(ByField::Differing), read(ByField::Nothing)];
        let mut asked = BTreeSet::new();
        for (at, one) in saved.iter().enumerate() {
            let words = format!("example {at} `{}` of {}: {:?}", one.name, file.display(), one.asked);
            let namesakes = saved.iter().filter(|other| other.asked == one.asked && other.name == one.name).count();
            for book in &books {
                let selector = match &one.id {
                    Some(id) => ("x-mock-response-id", id.as_str()),
                    None => ("x-mock-response-name", one.name.as_str()),
                };
                let answer = ask(book, one, &[selector]).unwrap_or_else(|choice| panic!("{words}: {choice:?}"));
                let is_first = asked.insert((one.asked.clone(), one.name.clone())) || one.id.is_some();
                assert!(is_saved(&answer, one) || !is_first && namesakes > 1, "{words}: {answer:?}");
            }
            if saved.iter().filter(|other| other.asked == one.asked).count() == 1 {
                let answer = ask(&books[0], one, &[]).unwrap_or_else(|choice| panic!("{words}: {choice:?}"));
                assert!(is_saved(&answer, one), "{words}: {answer:?}");
                plainly += 1;
            }
            examples += 1;
        }
    }
    assert!(
        files.is_empty() || (files.len() == 14 && examples == 60 && plainly >= 40),
        "{} files, {examples} examples, {plainly} asked for plainly",
        files.len()
    );
}
