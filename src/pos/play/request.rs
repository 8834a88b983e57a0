//! The requests of a register.

use super::super::{recording::Asked, register::RegisterCall};
use crate::{oauth::message::Request, secret::Secret};
use http::{HeaderName, HeaderValue, Method, header};
use serde_json::{Map, Number, Value};
use url::{Url, form_urlencoded};

/// How the fields of a POST travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// A JSON object; amounts are numbers in it.
    Json,
}

/// The request of a call with these fields, in this order.
///
/// A query that the address has of its own stays; where both name a field, the call's counts.
pub fn request(call: &RegisterCall, address: &Url, fields: &[(String, String)], encoding: Encoding) -> Request {
    if call.method == "GET" {
        return Request::get(with_fields(address, fields));
    }
    let mut request = Request::get(address.clone());
    request.method = Method::POST;
    let (media_type, body) = match encoding {
        Encoding::Form => {
            ("application/x-www-form-urlencoded", form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish())
        }
        Encoding::Json => ("application/json", object(fields).to_string()),
    };
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    request.body = Some(Secret::new(body));
    request
}

/// The address with the real order in place of the placeholder; added where the address has none.
pub fn with_order(address: &Url, order: &str) -> Url {
    with_fields(address, &[("order_id".to_owned(), order.to_owned())])
}

fn with_fields(address: &Url, fields: &[(String, String)]) -> Url {
    let own: Vec<(String, String)> = address.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    let mut url = address.clone();
    let kept = own.iter().filter(|(name, _)| !fields.iter().any(|(named, _)| named == name));
    url.query_pairs_mut().clear().extend_pairs(kept.chain(fields));
    url
}

fn object(fields: &[(String, String)]) -> Value {
    let member = |(name, value): &(String, String)| {
        let number = name.ends_with("amount").then(|| value.parse::<f64>().ok().and_then(Number::from_f64)).flatten();
        (name.clone(), number.map_or_else(|| Value::String(value.clone()), Value::Number))
    };
    Value::Object(fields.iter().map(member).collect::<Map<_, _>>())
}

/// A recorded request, to be sent again below another base; none where it cannot be sent as it was.
///
/// What the connection made of it, the signature of the old body, and what was redacted stays out.
pub fn again(base: &Url, asked: &Asked) -> Option<Request> {
    let path = asked.target.strip_prefix('/')?;
    let url = Url::parse(&format!("{}/{path}", base.as_str().trim_end_matches('/'))).ok()?;
    // A target such as `/\evil` or `/..//evil` must not lead to another place than the base.
    if url.origin() != base.origin() || url.fragment().is_some() {
        return None;
    }
    let mut request = Request::get(url);
    request.method = Method::from_bytes(asked.method.as_bytes()).ok()?;
    for (name, value) in &asked.headers {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { continue };
        if [header::CONTENT_TYPE, header::ACCEPT].contains(&name)
            && let Ok(value) = HeaderValue::from_str(value)
        {
            request.headers.insert(name, value);
        }
    }
    let body = asked.body.text()?;
    request.body = (!body.is_empty()).then(|| Secret::new(body));
    Some(request)
}

#[cfg(test)]
mod tests {
    use super::super::super::{recording::Content, register::by_name};
    use super::*;

    fn fields() -> Vec<(String, String)> {
        [("keyword", "O'Brien & co"), ("amount", "18.50")].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    fn played(call: &str, address: &str, encoding: Encoding) -> (String, String) {
        let address = Url::parse(address).expect("a URL");
        let request = request(by_name(call).expect("a call"), &address, &fields(), encoding);
        (request.url.to_string(), request.body.map(|body| body.expose().to_owned()).unwrap_or_default())
    }

    #[test]
    fn a_get_carries_its_fields_in_the_query_beside_what_the_address_has() {
        let (url, body) = played("search", "https://a.test/s?shop=1&keyword=old", Encoding::Form);

        assert_eq!((url.as_str(), body.as_str()), ("https://a.test/s?shop=1&keyword=O%27Brien+%26+co&amount=18.50", ""));
    }

    #[test]
    fn a_post_carries_them_in_a_form_or_in_json_with_amounts_as_numbers() {
        assert_eq!(played("checkout", "https://a.test/c?shop=1", Encoding::Form).1, "keyword=O%27Brien+%26+co&amount=18.50");
        assert_eq!(played("checkout", "https://a.test/c", Encoding::Json).1, r#"{"amount":18.5,"keyword":"O'Brien & co"}"#);
        assert_eq!(played("checkout", "https://a.test/c?shop=1", Encoding::Form).0, "https://a.test/c?shop=1");
    }

    #[test]
    fn the_real_order_takes_the_place_of_the_placeholder() {
        let address = Url::parse("https://a.test/redeem?reward=R-1&order_id=111&order_id=111").expect("a URL");

        assert_eq!(with_order(&address, "880417").as_str(), "https://a.test/redeem?reward=R-1&order_id=880417");
    }

    #[test]
    fn a_recorded_request_never_leaves_the_base() {
        let base = Url::parse("http://127.0.0.1:8080/k7/").expect("a URL");
        let asked = |target: &str| Asked {
            method: "POST".into(),
            target: target.into(),
            headers: vec![("content-type".into(), "text/plain".into()), ("host".into(), "evil.test".into())],
            body: Content::of(b"x"),
        };

        let good = again(&base, &asked("/checkout?a=b")).expect("it can be sent");
        assert_eq!((good.url.as_str(), good.headers.len()), ("http://127.0.0.1:8080/k7/checkout?a=b", 2));
        for target in ["checkout", "http://evil.test/", "@evil.test/", "/x#fragment"] {
            assert!(again(&base, &asked(target)).is_none(), "{target}");
        }
        assert!(again(&base, &asked("//evil.test/x")).is_none_or(|request| request.url.host_str() == Some("127.0.0.1")));
    }
}
