use super::*;
use http::Request;
use hyper::body::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A book of requests: method, URL, raw body, and the name and status of the one example of each.
fn book_by(rules: Rules, saved: &[(&str, &str, &str, &str, u16)]) -> Book {
    let items = saved.iter().map(|(method, url, body, name, code)| {
        let request = json!({"method": method, "url": url, "header": "X-Till: 7", "body": {"mode": "raw", "raw": body}});
        json!({"name": "r", "request": request, "response": [{"id": format!("id-{name}"), "name": name, "code": code}]})
    });
    let file = json!({"info": {"schema": "/v2.1.0/"}, "item": items.collect::<Vec<_>>()});
    Book::new(Collection::read(file.to_string().as_bytes()).expect("a collection"), Variables::default(), rules)
}

fn book(saved: &[(&str, &str, &str, &str, u16)]) -> Book {
    book_by(Rules::default(), saved)
}

fn call(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Call {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Call::read(&request.body(Bytes::from(body.to_owned())).expect("a request"))
}

fn answer(book: &Book, call: &Call) -> Result<(String, i32), NoMatch> {
    book.choose(call).outcome.map(|chosen| (chosen.example.name.clone(), chosen.points))
}

fn get(book: &Book, target: &str) -> Result<(String, i32), NoMatch> {
    answer(book, &call("GET", target, &[], ""))
}

fn is(name: &str, points: i32) -> Result<(String, i32), NoMatch> {
    Ok((name.to_owned(), points))
}

#[test]
fn of_several_values_of_one_name_the_call_may_have_any_and_the_first_saved_one_counts() {
    let book = book(&[("GET", "/a?x=1&x=9", "", "one", 200), ("GET", "/a?x=2&x=9", "", "two", 200)]);

    for (query, name) in [("x=0&x=2", "two"), ("x=2&x=0", "two"), ("x=9&x=1&y", "one"), ("w&x=1", "one")] {
        assert_eq!(answer(&book, &call("GET", &format!("/a?{query}"), &[], "")).map(|(name, _)| name), Ok(name.to_owned()), "{query}");
    }
    let [Some(one), Some(other)] = [0, 1].map(|at| book.entries.get(at)) else { panic!("two entries") };
    assert_eq!([one, other].map(|entry| entry.fields_of(&["x".to_owned()].into())), [[0], [0]]);
}

#[test]
fn k_05_the_variables_of_many_requests_do_not_fill_the_memory() {
    let query: Vec<_> = (0..12).map(|number| json!({"key": format!("q{number}"), "value": "{{big}}"})).collect();
    let file = json!({
        "variable": [{"key": "big", "value": "x".repeat(8 * 1024 * 1024)}],
        "item": [{"request": {"url": {"path": ["{".repeat(1024 * 1024)], "query": query}}, "response": [{"name": "one"}]}],
    });

    let book = Book::new(Collection::read(file.to_string().as_bytes()).expect("a collection"), Variables::default(), Rules::default());

    let bytes: usize = book.entries[0].query.iter().filter_map(|(_, wanted)| wanted.text()).map(str::len).sum();
    assert!((64 * 1024 * 1024..65 * 1024 * 1024).contains(&bytes), "{bytes}");
    assert!(book.remarks.iter().any(|remark| remark.contains("unfold without end")), "{:?}", book.remarks);
}

#[test]
fn each_loosening_of_the_path_costs_points() {
    let book = book(&[("GET", "/Shop/members/12", "", "one", 200), ("GET", "/shop/{{x}}/{{y}}", "", "any", 200)]);

    assert_eq!(get(&book, "/Shop/members/12"), is("one", 100));
    assert_eq!(get(&book, "/Shop/members/12/"), is("one", 95));
    assert_eq!(get(&book, "/shop/MEMBERS/12"), is("one", 90));
    assert_eq!(get(&book, "/shop/members/12/"), is("one", 85));
    assert_eq!(get(&book, "/Shop/members/99"), is("one", 80));
    assert_eq!(get(&book, "/Shop/members/99/"), is("one", 75));
    assert_eq!(get(&book, "/shop/cards/GC-1"), is("any", 78));
    assert_eq!(get(&book, "/Shop/member/12"), is("any", 68));
}

#[test]
fn a_path_that_is_nearly_the_same_is_the_last_resort() {
    let saved = [("GET", "/search", "", "search", 200)];

    assert_eq!(get(&book(&saved), "/serach"), is("search", 60));
    let strict = book_by(Rules { near: false, ..Rules::default() }, &saved);
    assert_eq!(get(&strict, "/serach"), Err(NoMatch::Path { near: Some("/search".to_owned()) }));
    assert_eq!(get(&strict, "/nothing"), Err(NoMatch::Path { near: None }));
    assert_eq!(get(&strict, &"/a".repeat(3000)), Err(NoMatch::Path { near: None }));
}

#[test]
fn a_wrong_method_is_told_with_the_right_ones_and_head_is_a_get() {
    let book = book(&[("POST", "/x", "", "post", 200), ("GET", "/x", "", "get", 200)]);

    let wrong = answer(&book, &call("DELETE", "/x", &[], "")).expect_err("no match");
    assert_eq!(wrong.to_string(), "this path is saved for GET, POST only");
    assert_eq!((wrong.status().as_u16(), NoMatch::Fields.status().as_u16()), (405, 404));
    assert_eq!(answer(&book, &call("HEAD", "/x", &[], "")), is("get", 100));
}

#[test]
fn the_query_is_scored_by_its_share_and_further_parameters_do_no_harm() {
    let book =
        book_by(Rules { fields: ByField::Nothing, near: true }, &[("GET", "/x?a=1&b=2", "", "two", 200), ("GET", "/x", "", "none", 200)]);

    assert_eq!(get(&book, "/x?b=2&a=1&utm=9&order_id=4"), is("two", 110));
    assert_eq!(get(&book, "/x?a=1&b=3"), is("two", 105));
    assert_eq!(get(&book, "/x?a=1"), is("two", 104));
    assert_eq!(get(&book, "/x?a=7&b=7"), is("two", 100));
    assert_eq!(get(&book, "/x"), is("none", 100));
}

#[test]
fn of_equals_one_that_answers_2xx_wins_and_then_the_first() {
    let book = book(&[("GET", "/x", "", "broken", 500), ("GET", "/x", "", "made", 201), ("GET", "/x", "", "found", 200)]);

    assert_eq!(get(&book, "/x"), is("made", 100));
}

#[test]
fn selector_headers_pick_by_code_id_and_name() {
    let book = book(&[("GET", "/:id", "", "found", 200), ("GET", "/:id", "", "none", 404), ("GET", "/:id", "", "gone", 404)]);
    let with = |header, value| answer(&book, &call("GET", "/M-1", &[(header, value)], ""));

    assert_eq!(with("x-mock-response-code", "404"), is("none", 80));
    assert_eq!(with("x-mock-response-id", "id-gone"), is("gone", 80));
    assert_eq!(with("X-Mock-Response-Id", "12345-id-gone"), is("gone", 80));
    assert_eq!(with("x-mock-response-name", "gone"), is("gone", 80));
    let wrong = with("x-mock-response-code", "418").expect_err("no match");
    assert_eq!(wrong.to_string(), "no saved example of this path fits `x-mock-response-code: 418`");
}

#[test]
fn what_wildcards_matched_is_kept_with_a_selector_too() {
    let book = book(&[("POST", "/members/:id/{{card}}?k={{keyword}}", r#"{"a":"{{amount}}"}"#, "x", 200)]);

    let choice = book.choose(&call("POST", "/members/M%201/c?k=david", &[("x-mock-response-name", "x")], r#"{"a":18.5}"#));

    let captured = choice.outcome.expect("a match").captured;
    let expected = [("id", "M 1"), ("card", "c"), ("keyword", "david"), ("amount", "18.5")];
    assert_eq!(captured, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn headers_and_whole_bodies_count_when_asked_for() {
    let book = book(&[("POST", "/x", r#"{"a":1,"b":[2]}"#, "json", 200), ("POST", "/x", "plain", "plain", 200)]);
    let with = |headers: &[(&str, &str)], body| answer(&book, &call("POST", "/x", headers, body)).ok().map(|(name, _)| name);
    let whole = ("x-mock-match-request-body", "true");

    assert_eq!(with(&[whole, ("content-type", "application/json; charset=utf-8")], r#"{ "b": [2], "a": 1 }"#), Some("json".to_owned()));
    assert_eq!(with(&[whole], " plain\n"), Some("plain".to_owned()));
    assert_eq!(with(&[whole], r#"{"a":1}"#), None);
    assert_eq!(with(&[("x-mock-match-request-headers", "x-till, x-none"), ("x-till", "7")], ""), Some("json".to_owned()));
    assert_eq!(with(&[("x-mock-match-request-headers", "x-till"), ("x-till", "8")], ""), None);
}

/// What a user of the register saves: one example for each customer, and one for all others.
const SEARCH: [(&str, &str, &str, &str, u16); 3] = [
    ("GET", "/search?keyword=david&company_id=1&order_id=111", "", "david", 200),
    ("GET", "/search?keyword=amy&company_id=1&order_id=222", "", "amy", 200),
    ("GET", "/search?keyword=anything", "", "nobody (fallback)", 200),
];

#[test]
fn single_fields_tell_examples_apart_and_the_fallback_answers_the_rest() {
    let book = book(&SEARCH);

    assert_eq!(get(&book, "/search?keyword=amy&company_id=1&order_id=4711&new=1").map(|(name, _)| name), Ok("amy".to_owned()));
    assert_eq!(get(&book, "/search?order_id=222&company_id=1&keyword=david").map(|(name, _)| name), Ok("david".to_owned()));
    assert_eq!(get(&book, "/search?keyword=zzz&company_id=1&order_id=111"), is("nobody (fallback)", 70));
    assert_eq!(get(&book, "/search"), is("nobody (fallback)", 70));
}

#[test]
fn fields_of_forms_and_json_count_like_those_of_the_query() {
    let book = book(&[
        ("POST", "/balance", r#"{"card":{"reference_id":"GC-1"},"order_id":1}"#, "first", 200),
        ("POST", "/balance", r#"{"card":{"reference_id":"GC-2"},"order_id":1}"#, "second", 200),
    ]);

    assert_eq!(answer(&book, &call("POST", "/balance", &[], r#"{"order_id":9,"card":{"reference_id":"GC-2"}}"#)), is("second", 110));
    assert_eq!(answer(&book, &call("POST", "/balance", &[], "card.reference_id=GC-2&order_id=9")), is("second", 110));
    assert_eq!(answer(&book, &call("POST", "/balance", &[], "card.reference_id=GC-3")), is("first", 50));
}

#[test]
fn a_listed_field_rules_out_examples_with_another_value() {
    let listed = |names: &[&str]| Rules { fields: ByField::Listed(names.iter().map(|name| (*name).to_owned()).collect()), near: true };
    let book = book_by(listed(&["keyword"]), &SEARCH[..2]);

    assert_eq!(get(&book, "/search?keyword=amy&order_id=111").map(|(name, _)| name), Ok("amy".to_owned()));
    let choice = book.choose(&call("GET", "/search?keyword=zzz", &[], ""));
    assert_eq!(choice.outcome.expect_err("no match"), NoMatch::Fields);
    assert_eq!(choice.trials[0].points, None);
    let by_order = book_by(listed(&["order_id"]), &SEARCH[..2]);
    assert_eq!(get(&by_order, "/search?keyword=amy&order_id=111").map(|(name, _)| name), Ok("david".to_owned()));
}

#[test]
fn the_reasons_are_told_score_by_score_and_add_up() {
    let choice = book(&SEARCH).choose(&call("GET", "/Search/?keyword=zzz&company_id=1", &[], ""));

    let told: Vec<_> = choice
        .trials
        .iter()
        .map(|trial| (trial.title.as_str(), trial.points, trial.marks.iter().map(ToString::to_string).collect::<Vec<_>>()))
        .collect();
    let path = ["+100 the path and the method are these", "-5 a slash at the end differs", "-10 upper and lower case differ"];
    let of_david = [
        "+3 the query has 1 of 3 saved parameters",
        "-1 the query lacks a saved parameter",
        "+10 `company_id` is the saved one",
        "-50 `keyword` is `zzz`, saved is `david`",
    ];
    assert_eq!(
        told[0],
        (
            "r / nobody (fallback)",
            Some(55),
            [&path[..], &["-30 it is the fallback of its request"]].concat().iter().map(ToString::to_string).collect()
        )
    );
    assert_eq!(told[1], ("r / david", Some(47), [&path[..], &of_david].concat().iter().map(ToString::to_string).collect()));
    for trial in &choice.trials {
        assert_eq!(trial.points, Some(trial.marks.iter().map(|mark| mark.points).sum()));
    }
    assert_eq!((choice.weighed, choice.trials.len()), (3, 3));
}

#[test]
fn a_choice_weighs_only_examples_of_its_own_path() {
    let urls: Vec<_> = (0..1000).map(|at| format!("/shop-{at:04}x/members")).collect();
    let mut saved: Vec<_> = urls.iter().map(|url| ("GET", url.as_str(), "", "other", 200)).collect();
    saved.push(("GET", "/search?keyword=david", "", "mine", 200));

    let choice = book(&saved).choose(&call("GET", "/search?keyword=david", &[], ""));

    assert_eq!((choice.weighed, choice.outcome.expect("a match").example.name.as_str()), (1, "mine"));
}

#[test]
fn an_address_is_found_with_and_without_the_path_of_its_base() {
    let file = json!({"info": {"schema": "/v2.1.0/"}, "variable": [{"key": "base", "value": "https://a.test/v1"}, {"key": "blank", "value": ""}],
        "item": [{"name": "r", "request": "{{base}}/users/{{blank}}", "response": [{"name": "x"}]}]});
    let environment: Variables = [("base".to_owned(), "https://b.test/v2".to_owned())].into_iter().collect();
    let book = |environment| {
        Book::new(
            Collection::read(file.to_string().as_bytes()).expect("a collection"),
            environment,
            Rules { near: false, ..Rules::default() },
        )
    };

    assert_eq!(get(&book(Variables::default()), "/users/1"), is("x", 80));
    assert_eq!(get(&book(Variables::default()), "/v1/users/1"), is("x", 80));
    assert_eq!(get(&book(environment), "/v2/users/1"), is("x", 80));
}

/// Saved requests of any shape over a small alphabet, so that many of them meet.
fn any_saved() -> impl Strategy<Value = Vec<(String, String, u16)>> {
    prop::collection::vec(
        ("GET|POST|HEAD", "(/(a|b|A|12|:x|\\{\\{y\\}\\}|u-\\{\\{z\\}\\}|)){0,4}(\\?(a=1|b=\\{\\{q\\}\\}|c)){0,1}", 100..700_u16),
        0..12,
    )
}

proptest! {
    #[test]
    fn z21_every_call_has_an_answer_or_a_clean_reason(saved in any_saved(), target in "(/[abA12u%-]{0,3}){1,5}(\\?[abc=1&%]{0,8})?", method in "GET|POST|HEAD|PUT") {
        let items: Vec<Value> = saved.iter().map(|(method, url, code)| json!({"request": {"method": method, "url": url}, "response": [{"code": code}]})).collect();
        let file = json!({"info": {"schema": "/v2.1.0/"}, "item": items});
        let book = Book::new(Collection::read(file.to_string().as_bytes()).expect("a collection"), Variables::default(), Rules::default());

        let choice = book.choose(&call(&method, &target, &[], ""));

        prop_assert!(choice.trials.len() <= Choice::MOST_TRIALS && choice.weighed <= 2 * saved.len());
        match choice.outcome {
            Ok(chosen) => prop_assert!((200..600).contains(&chosen.example.status.as_u16())),
            Err(why) => prop_assert!(!why.to_string().is_empty()),
        }
    }
}

/// URLs and bodies of saved requests; `#` is a digit, `@` a letter, `%` an id.
const SHAPES: [(&str, &str); 12] = [
    ("/s?a=#", ""),
    ("/S?a=#", ""),
    ("/s/?a=#", ""),
    ("/s?b=@", ""),
    ("/s?a=#&b=@", ""),
    ("/s?a=#&b=x", ""),
    ("/s?a={{q}}&b=@", ""),
    ("/s?a=#&a=#", ""),
    ("/s", r#"{"c":#,"d":"@"}"#),
    ("/s", r#"{"c":"{{v}}","d":"@"}"#),
    ("/s/%?a=#", ""),
    ("/s/%", r#"{"c":#}"#),
];

fn written(shape: &str, dice: [usize; 3]) -> String {
    let ids = ["1", "2", "3", "77", "4f3c51d07a2e9f3c51d07a2e", "4F3C51D07A2E9F3C51D07A2E"];
    let mut dice = dice.into_iter().cycle();
    let mut one = |of: &[&str]| of[dice.next().unwrap_or_default() % of.len()].to_owned();
    let digits: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    let digits: Vec<&str> = digits.iter().map(String::as_str).collect();
    shape
        .chars()
        .map(|sign| match sign {
            '#' => one(&digits),
            '@' => one(&["x", "y", "z"]),
            '%' => one(&ids),
            sign => sign.to_string(),
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn the_index_makes_the_choice_that_weighing_all_examples_makes(
        shapes in prop::sample::subsequence(SHAPES.to_vec(), 1..=5),
        saved in prop::collection::vec((any::<prop::sample::Index>(), [0..50_usize, 0..50, 0..50], 0..20_u8, 0..20_u8), 0..120),
        rules in prop::sample::select(vec![
            Rules::default(),
            Rules { fields: ByField::Listed(vec!["a".into(), "c".into()]), near: true },
            Rules { fields: ByField::Nothing, near: false },
        ]),
        calls in prop::collection::vec(
            ("/(s|S|s/(1|2|9|4f3c51d07a2E9f3c51d07a2e)|ss)/?(\\?([ab]=[0-9xyz]&?){0,4})?", "(\\{\"c\":[0-9],\"d\":\"[xyz]\"\\})?", prop::option::weighted(0.1, "200|404")),
            1..20,
        ),
    ) {
        let written: Vec<_> = saved.iter().map(|(shape, dice, name, code)| {
            let (url, body) = shape.get(&shapes);
            let name = if *name == 0 { "fallback" } else { "one" };
            (written(url, *dice), written(body, *dice), name, if *code == 0 { 404 } else { 200 })
        }).collect();
        let saved: Vec<_> = written.iter().map(|(url, body, name, code)| ("POST", url.as_str(), body.as_str(), *name, *code)).collect();
        let book = book_by(rules, &saved);
        for (target, body, code) in calls {
            let headers: Vec<_> = code.iter().map(|code| ("x-mock-response-code", code.as_str())).collect();
            let call = call("POST", &target, &headers, &body);
            let told = |outcome: Result<Chosen, NoMatch>| outcome.map(|chosen| (Arc::as_ptr(&chosen.example), chosen.points, chosen.captured));

            prop_assert_eq!(told(book.pick(&call)), told(book.choose(&call).outcome), "{} {}", target, body);
        }
    }
}

#[test]
fn of_a_thousand_examples_that_differ_in_one_field_two_are_weighed() {
    let urls: Vec<_> = (0..1000).map(|at| format!("/items?keyword=k{at}&site_id=1")).collect();
    let saved: Vec<_> = urls.iter().map(|url| ("GET", url.as_str(), "", "one", 200)).collect();
    let book = book(&saved);

    for (target, fitting) in [("/items?keyword=k7&site_id=1", vec![0, 7]), ("/items?keyword=k0", vec![0, 1]), ("/items?site_id=1", vec![0])]
    {
        let call = call("GET", target, &[], "");
        let path: Vec<_> = segments(&call.path).map(decoded).collect();
        assert_eq!(book.groups.iter().flat_map(|group| group.index.fitting(&call, &path)).collect::<Vec<_>>(), fitting, "{target}");
    }
}

#[test]
fn an_id_that_differs_in_case_alone_is_found_among_many() {
    let urls: Vec<_> = (100..130).map(|id| format!("/x/{id}")).chain(["/x/4F3C51D07A2E9F3C51D07A2E".to_owned()]).collect();
    let names: Vec<_> = urls.iter().map(|url| (url.as_str(), url.trim_start_matches("/x/"))).collect();
    let book = book(&names.iter().map(|(url, name)| ("GET", *url, "", *name, 200)).collect::<Vec<_>>());

    for (target, name, points) in
        [("/x/4f3c51d07a2e9f3c51d07a2e", "4F3C51D07A2E9F3C51D07A2E", 90), ("/x/117", "117", 100), ("/x/99", "100", 80)]
    {
        let picked = book.pick(&call("GET", target, &[], "")).map(|chosen| (chosen.example.name.clone(), chosen.points));
        assert_eq!(picked, is(name, points));
        assert_eq!(get(&book, target), is(name, points));
    }
}
