//! One request, taken apart.
//!
//! A register sends its parameters in the query, in a form or in JSON, and nobody documents which. So everything that
//! has a name is gathered in one list of [`Fields`]; what cannot be read is a remark, never a refusal.

use super::fields::{Fields, Origin};
use http::{HeaderMap, Method, Request, Uri};
use hyper::body::Bytes;

/// A request as the book and the shop read it.
#[derive(Debug, Clone)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path as it came, percent-encoding included; never empty.
    pub path: String,
    /// The query's parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// All headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
    /// Query, form members and JSON scalars in one list, the query first.
    pub fields: Fields,
    /// What could not be read, in words for a person; parts of it may come from outside.
    pub remarks: Vec<String>,
}

impl Call {
    /// Takes a request apart. Never fails.
    pub fn read(request: &Request<Bytes>) -> Self {
        Self::of(request.method().clone(), request.uri(), request.headers().clone(), request.body().clone())
    }

    /// The same of a request that has been taken apart already.
    pub fn of(method: Method, uri: &Uri, headers: HeaderMap, body: Bytes) -> Self {
        let query: Vec<_> = url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let mut fields = Fields::default();
        let mut remarks = Vec::new();
        for (name, value) in &query {
            fields.push(name, value, Origin::Query);
        }
        if let Some(coding) = headers.get(http::header::CONTENT_ENCODING).filter(|coding| *coding != "identity") {
            remarks.push(format!("the body is compressed ({}) and was not read", String::from_utf8_lossy(coding.as_bytes())));
        } else {
            let content_type = headers.get(http::header::CONTENT_TYPE).map(|value| String::from_utf8_lossy(value.as_bytes()));
            fields.read_body(content_type.as_deref(), &body, &mut remarks);
        }
        if fields.is_full() {
            remarks.push(format!("only the first {} fields were read", Fields::MOST));
        }
        let path = if uri.path().is_empty() { "/" } else { uri.path() };
        Self { path: path.to_owned(), method, query, headers, body, fields, remarks }
    }

    /// The same call with another path, for a service that lives below a prefix.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The first value of a field, wherever it came from.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// The value of a header that comes once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        if values.next().is_some() { None } else { value.to_str().ok() }
    }

    /// The segments of the path, decoded one by one; a slash at the end opens no further segment.
    pub fn segments(&self) -> Vec<String> {
        segments(&self.path).map(decoded).collect()
    }
}

/// The segments of a path, not decoded: without the slash in front and the slashes at the end.
pub fn segments(path: &str) -> impl Iterator<Item = &str> {
    let inner = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
    inner.split('/').take(if inner.is_empty() { 0 } else { usize::MAX })
}

/// Percent-decoded; bytes that are not UTF-8 are replaced.
pub fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn call(method: &str, target: &str, content_type: &str, body: &str) -> Call {
        let request = Request::builder().method(method).uri(target).header("content-type", content_type);
        Call::read(&request.body(Bytes::from(body.to_owned())).expect("a request"))
    }

    #[test]
    fn query_form_and_json_give_the_same_fields() {
        let query = call("GET", "/balance?keyword=GC-1001&order_id=111", "text/plain", "");
        let form = call("POST", "/balance", "application/x-www-form-urlencoded; charset=utf-8", "keyword=GC-1001&order_id=111");
        let json = call("POST", "/balance", "application/json;charset=UTF-8", r#"{"keyword":"GC-1001","order_id":111}"#);

        for call in [query, form, json] {
            assert_eq!((call.field("keyword"), call.field("order_id")), (Some("GC-1001"), Some("111")));
            assert!(call.remarks.is_empty());
        }
    }

    #[test]
    fn what_cannot_be_read_is_a_remark() {
        let call = call("POST", "/balance?a=1&a=2", "application/json", "{\"keyword\":");

        assert_eq!(call.remarks, ["the body says it is JSON, but it is not JSON"]);
        assert_eq!(call.fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
    }

    #[test]
    fn segments_are_decoded_after_the_path_was_split() {
        assert_eq!(call("GET", "/a%2Fb/c%20d/", "text/plain", "").segments(), ["a/b", "c d"]);
        assert_eq!(call("GET", "/", "text/plain", "").segments(), Vec::<String>::new());
        assert_eq!(call("GET", "/a//b", "text/plain", "").segments(), ["a", "", "b"]);
    }

    proptest! {
        #[test]
        fn z21_any_request_is_taken_apart(target in "/[!-~]{0,40}", kind in "[ -~]{0,60}", body in any::<Vec<u8>>()) {
            if let Ok(request) = Request::builder().uri(target).header("content-type", kind).body(Bytes::from(body)) {
                let call = Call::read(&request);
                prop_assert!(call.fields.len() <= Fields::MOST && !call.path.is_empty());
            }
        }
    }
}
