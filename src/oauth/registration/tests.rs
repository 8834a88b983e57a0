use super::*;
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

const HOME: &str = "http://127.0.0.1:41000/callback";

fn wanted(method: &str) -> Wanted {
    Wanted {
        redirect_uri: Some(RedirectUri::parse(HOME).expect("a redirect URI")),
        grant_type: "authorization_code",
        refreshes: true,
        client_auth: Method::by_name(method).expect("a method"),
    }
}

fn read_raw(status: u16, body: &str) -> Result<Registered, RegistrationFault> {
    let status = StatusCode::from_u16(status).expect("a status");
    let response = Response { status, headers: HeaderMap::new(), body: Zeroizing::new(body.as_bytes().to_vec()) };
    wanted("client_secret_basic").read(&response, Reach::Public)
}

fn read(change: impl FnOnce(&mut Value)) -> Result<Registered, RegistrationFault> {
    let mut document = json!({
        "client_id": "c1", "client_secret": "s", "client_secret_expires_at": 0, "redirect_uris": [HOME],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    change(&mut document);
    read_raw(201, &document.to_string())
}

fn set(member: &'static str, value: impl Into<Value>) -> impl FnOnce(&mut Value) {
    let value = value.into();
    move |document| {
        document.as_object_mut().expect("an object").insert(member.to_owned(), value);
    }
}

#[test]
fn the_request_says_what_a_native_client_is() {
    let endpoint = Endpoint::typed("https://as.example/register").expect("an address");
    let body = |wanted: Wanted| serde_json::from_str::<Value>(wanted.request(&endpoint).body.expect("a body").expose()).expect("JSON");

    assert_eq!(
        body(wanted("none")),
        json!({
            "client_name": "tokenstrap", "application_type": "native", "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"], "redirect_uris": [HOME], "token_endpoint_auth_method": "none",
        })
    );
    let device = body(Wanted { redirect_uri: None, refreshes: false, ..wanted("none") });
    assert_eq!((device.get("redirect_uris"), &device["response_types"]), (None, &json!([])));
    assert_eq!(device["grant_types"], json!(["authorization_code"]));
}

#[test]
fn d_08_redirect_uris_that_come_back_have_to_contain_ours() {
    for uris in [json!([HOME]), json!(["https://x.example/", "http://127.0.0.1/callback"]), json!(["http://127.0.0.1:9/callback"])] {
        assert!(read(set("redirect_uris", uris.clone())).is_ok(), "{uris}");
    }
    for uris in [
        json!([]),
        json!(["http://127.0.0.1:41000/other"]),
        json!(["http://localhost:41000/callback"]),
        json!(["https://evil.example/callback"]),
        json!([7]),
    ] {
        assert_eq!(read(set("redirect_uris", uris.clone())).err(), Some(RegistrationFault::OtherRedirect), "{uris}");
    }
    for uris in [Value::Null, json!(HOME)] {
        assert_eq!(read(set("redirect_uris", uris)).err(), Some(RegistrationFault::Member("redirect_uris")));
    }
}

#[test]
fn d_08_where_the_registration_can_be_changed_is_https() {
    assert!(read(set("registration_client_uri", "https://as.example/register/c1")).is_ok());
    for uri in ["http://as.example/register/c1", "http://127.0.0.1/c1", "javascript:alert(1)", "//as.example/c1", ""] {
        assert!(matches!(read(set("registration_client_uri", uri)), Err(RegistrationFault::Address(_))), "{uri}");
    }
    assert_eq!(read(set("registration_client_uri", 7)).err(), Some(RegistrationFault::Member("registration_client_uri")));
}

#[test]
fn d_08_ids_and_secrets_are_printable_texts_of_a_bounded_length() {
    for value in [json!(""), json!("a\u{1b}[2J"), json!("\u{e4}"), json!("x".repeat(LONGEST + 1)), json!(7), Value::Null] {
        assert_eq!(read(set("client_id", value.clone())).err(), Some(RegistrationFault::Member("client_id")), "{value}");
        assert_eq!(read(set("client_secret", value.clone())).err(), Some(RegistrationFault::Member("client_secret")), "{value}");
    }
    assert!(read(set("client_name", "\u{1b}]0;PWN\u{7}")).is_ok());
}

#[test]
fn the_secret_goes_with_the_method_that_the_server_registered() {
    let registered = read(|_| ()).expect("a client");
    assert_eq!((registered.client_id.as_str(), registered.client_secret.is_some(), registered.secret_ends_at), ("c1", true, None));
    let public = read(set("token_endpoint_auth_method", "none")).expect("a client");
    assert_eq!((public.client_auth.name(), public.client_secret.is_some()), ("none", false));
    assert!(matches!(read(set("token_endpoint_auth_method", "tls_client_auth")), Err(RegistrationFault::Method(_))));

    let ends = |value: Value| read(set("client_secret_expires_at", value)).map(|registered| registered.secret_ends_at);
    assert_eq!(ends(json!(60)), Ok(Some(SystemTime::UNIX_EPOCH + Duration::from_secs(60))));
    assert_eq!(ends(json!(u64::MAX)), Ok(None));
    for odd in [json!(-1), json!("soon"), json!([])] {
        assert_eq!(ends(odd), Err(RegistrationFault::Member("client_secret_expires_at")));
    }
}

#[test]
fn d_08_an_answer_that_two_readers_could_read_differently_is_refused_and_a_refusal_is_shown_printable() {
    assert_eq!(read_raw(201, r#"{"client_id":"a","client_id":"b"}"#).err(), Some(RegistrationFault::Json(JsonFault::Duplicate)));
    assert_eq!(read_raw(201, "[]").err(), Some(RegistrationFault::NotAnObject));
    let refused = |status, body| read_raw(status, body).expect_err("a refusal").to_string();
    let said = refused(400, "{\"error\":\"invalid_redirect_uri\",\"error_description\":\"no\\u001b[2J\"}");
    assert!(said.contains("400 `invalid_redirect_uri`: no") && !said.contains('\u{1b}'), "{said}");
    assert!(refused(302, "").ends_with("it answered 302"));
}
