//! `--redeem-as`: a reward becomes a payment on the order of a real profile, here at the embedded server.

use crate::{
    pos_stand::{Stand, json, target},
    raw::ask_and_end,
    scene::{SECRET, Scene, begun},
};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt};
use tokenstrap::sandbox::approve;

/// An order that every company of the embedded server has.
const ORDER: u64 = 880_417;

/// A login at an entry of one's own, whose API is this server's, or another where `api` says so.
#[track_caller]
fn logged_in(api: Option<&str>) -> Scene {
    let scene = Scene::new();
    let host = scene.server.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let api = api.map_or_else(|| format!("api_base = \"http://{host}/v1/\"\n"), str::to_owned);
    let entry = format!(
        "name = \"own\"\ntitle = \"Own\"\nauthorize_url = \"{}\"\ntoken_url = \"{}\"\n{api}client_auth = \"client_secret_post\"\n\n[redirect]\npath = \"/callback/lightspeed-o\"\n",
        scene.server.authorization_endpoint(),
        scene.server.token_endpoint()
    );
    let file = scene.home.path(".config/tokenstrap/providers/own.toml");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, entry).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let login = scene.call(["login", "till", "--provider", "own", "--client-id", "till", "--client-secret-env", "TILL_SECRET"]);
    let (login, page) = begun(login);
    approve(&page).unwrap();
    login.finish().expect_code(0);
    scene
}

#[track_caller]
fn stand(scene: &Scene) -> Stand {
    Stand::of(&scene.home, scene.call([]), ["--redeem-as", "till"])
}

#[test]
fn a_redeemed_reward_is_a_payment_on_the_order_and_counts_once() {
    let scene = logged_in(None);
    let mut stand = stand(&scene);
    let url = stand.redeem_url("M-1001", &ORDER.to_string());

    assert_eq!(json(&stand.send("GET", target(&url), "", "")), json!({"success": true}));
    assert_eq!(json(&stand.send("GET", target(&url), "", ""))["success"], false);

    let payments = scene.server.payments(ORDER);
    assert_eq!(payments.len(), 1);
    assert_eq!((payments[0].amount.as_str(), payments[0].reference.as_str()), ("4.5", "R-1 M-1001"));
    assert!(stand.says("redeem").contains("order 880417 paid 4.50"));
    let said = stand.end();
    assert!(!said.stderr.contains("mock-") && !said.stderr.contains(SECRET), "{said}");
}

#[test]
fn a_token_that_the_server_has_ended_early_is_renewed_once_and_the_order_paid_once() {
    let scene = logged_in(None);
    let stand = stand(&scene);
    scene.server.expire_access_tokens();
    let (url, before) = (stand.redeem_url("M-1001", &ORDER.to_string()), scene.server.token_requests());

    assert_eq!(json(&stand.send("GET", target(&url), "", "")), json!({"success": true}));

    assert_eq!((scene.server.token_requests() - before, scene.server.payments(ORDER).len()), (1, 1));
    stand.end();
}

#[test]
fn a_grant_that_has_ended_costs_no_points_and_is_told_without_a_secret() {
    let scene = logged_in(None);
    let mut stand = stand(&scene);
    scene.server.expire_access_tokens();
    scene.server.faults(|faults| faults.refuse_next("invalid_grant", 400));
    let url = stand.redeem_url("M-1001", &ORDER.to_string());

    let answer = json(&stand.send("GET", target(&url), "", ""));

    assert_eq!(answer["success"], false, "{answer}");
    assert_eq!(stand.get("rewards?customer_id=M-1001")["member"]["current_points"], 340);
    assert!(scene.server.payments(ORDER).is_empty());
    let row = stand.says("redeem");
    assert!(!format!("{row}{answer}").contains("mock-"), "{row} {answer}");
    stand.end();
}

#[test]
fn an_order_that_cannot_be_changed_costs_no_points_and_says_why() {
    let scene = logged_in(None);
    let stand = stand(&scene);

    for (order, why) in [
        ("99", "there is no such order"),
        ("..%2f..%2fme", "the order id is not a number"),
        ("1%3fx", "not a number"),
        ("", "not a number"),
    ] {
        let answer = stand.get(&format!("redeem?reward=R-1&member=M-1001&order_id={order}"));
        assert_eq!(answer["success"], false, "{order}");
        assert!(answer["error"].as_str().unwrap().contains(why), "{order}: {answer}");
    }
    assert_eq!(stand.get("rewards?customer_id=M-1001")["member"]["current_points"], 340);
    stand.end();
}

#[test]
fn k_09_redeeming_works_only_below_the_prefix_and_not_by_sending_again_what_was_turned_away() {
    let scene = logged_in(None);
    let stand = stand(&scene);
    let call = format!("redeem?reward=R-1&member=M-1001&order_id={ORDER}");
    let requests = scene.server.requests();

    for path in [
        format!("/{call}"),
        format!("//{call}"),
        format!("/x{}/{call}", stand.prefix),
        format!("{}x/{call}", stand.prefix),
        format!("/_/{call}"),
    ] {
        assert_eq!(stand.send("GET", &path, "", "").status, 404, "{path}");
    }
    assert_eq!(stand.send_to("evil.test", "GET", &format!("{}/{call}", stand.prefix), "", "").status, 421);
    let way = fs::read_to_string(stand.home.path(&format!(".local/state/tokenstrap/pos/desk-{}", stand.port))).unwrap();
    let token = serde_json::from_str::<serde_json::Value>(&way).unwrap()["token"].as_str().unwrap().to_owned();
    for number in 1..=6 {
        let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        let again = stand.send("POST", "/_/resend", &headers, &format!("{{\"number\":{number}}}"));
        assert_ne!(json(&again)["status"], 200, "{again:?}");
    }
    assert_eq!(scene.server.requests(), requests);

    assert_eq!(stand.get(&call)["success"], true);
    assert_eq!(scene.server.payments(ORDER).len(), 1);
    stand.end();
}

#[test]
fn the_token_goes_to_the_api_of_the_login_and_to_no_other() {
    let without = logged_in(Some(""));
    without.call(["pos", "serve", "--port", "0", "--redeem-as", "till"]).run().expect_code(2).expect_stderr("no API is known");

    let scene = logged_in(None);
    let entry = scene.home.path(".config/tokenstrap/providers/own.toml");
    let thief = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = fs::read_to_string(&entry).unwrap();
    let host = scene.server.url().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let api = format!("api_base = \"http://{host}/v1/\"");
    assert!(text.contains(&api));
    fs::write(&entry, text.replace(&api, &format!("api_base = \"http://{}/v1/\"", thief.local_addr().unwrap()))).unwrap();
    let stand = stand(&scene);

    assert_eq!(stand.get(&format!("redeem?reward=R-1&member=M-1001&order_id={ORDER}"))["success"], true);
    thief.set_nonblocking(true).unwrap();
    assert!(thief.accept().is_err(), "somebody else was called");
    assert_eq!(scene.server.payments(ORDER).len(), 1);
    stand.end();
}

#[test]
fn a_profile_that_is_not_there_is_said_at_the_start() {
    let scene = Scene::new();

    scene.call(["pos", "serve", "--port", "0", "--redeem-as", "till"]).run().expect_code(3);
    scene.call(["pos", "serve", "--port", "0", "--redeem-as", "../till"]).run().expect_code(2);
}

#[test]
fn the_embedded_server_takes_payments_with_a_token_of_the_orders_company_alone() {
    let scene = logged_in(None);
    let token = scene.call(["token", "till"]).run().expect_code(0).stdout;
    let token = token.trim_end();
    let url = url::Url::parse(scene.server.url()).unwrap();
    let (host, port) = (&url[url::Position::BeforeHost..url::Position::AfterPort], url.port().unwrap());
    let say = |method: &str, path: &str, token: &str, body: &str| {
        let head =
            format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n");
        ask_and_end(port, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).status
    };
    let place = format!("/v1/companies/me/orders/{ORDER}/payments.json");
    let good = r#"{"amount":4.5,"ref":"x"}"#;

    assert_eq!(say("POST", &place, "mock-nonsense", good), 401);
    assert_eq!(say("POST", "/v1/companies/1/orders/880417/payments.json", token, good), 404);
    assert_eq!(say("POST", "/v1/companies/me/orders/1/payments.json", token, good), 404);
    assert_eq!(say("GET", &place, token, ""), 405);
    for body in ["", "[]", "{}", r#"{"amount":"x"}"#, r#"{"amount":"inf"}"#, r#"{"amount":{}}"#] {
        assert_eq!(say("POST", &place, token, body), 400, "{body}");
    }
    assert_eq!(say("POST", &place, token, good), 201);
    assert_eq!(say("GET", &format!("/v1/companies/me/orders/{ORDER}.json"), token, ""), 200);
    assert_eq!(scene.server.payments(ORDER).len(), 1);
}
