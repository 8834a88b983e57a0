//! The gate on plain requests; the same is held through the program in the tests of the server.

use super::*;

fn gate(public: Option<&str>) -> Gate {
    let public = public.map(|address| Place::read(address, "k7").expect("a place"));
    Gate { public, listen: None, prefix: "k7".to_owned() }
}

fn request(path: &str, peer: &str, headers: &[(&str, &str)]) -> Request<()> {
    let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
    request.extension(Peer(peer.parse().expect("an address"))).body(()).expect("a request")
}

#[test]
fn k_09_the_desk_answers_a_loopback_host_without_traces_of_a_proxy_only() {
    let gate = gate(Some("https://till.example.test"));
    for host in ["127.0.0.1:18977", "localhost", "[::1]:9", "127.9.9.9", "LOCALHOST:1"] {
        assert_eq!(gate.door(&request("/_/set", "127.0.0.1", &[("host", host)])), Door::Desk("/set".into()), "{host}");
    }
    for mark in [
        "X-Forwarded-For",
        "x-forwarded-host",
        "X-Forwarded-Proto",
        "X-Forwarded",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "CF-Ray",
        "cf-connecting-ip",
        "Cf-Visitor",
        "cdn-loop",
        "ngrok-skip-browser-warning",
        "True-Client-IP",
        "x-original-host",
    ] {
        let request = request("/_/", "127.0.0.1", &[("host", "127.0.0.1:18977"), (mark, "")]);
        assert_eq!(gate.door(&request), Door::Nowhere, "{mark}");
    }
    assert_eq!(gate.door(&request("/_/", "127.0.0.1", &[("host", "till.example.test")])), Door::Nowhere);
    assert_eq!(gate.door(&request("/_/", "192.168.1.9", &[("host", "127.0.0.1")])), Door::Nowhere);
    assert_eq!(gate.door(&Request::get("/_/").header("host", "localhost").body(()).expect("a request")), Door::Nowhere);
}

#[test]
fn k_02_only_loopback_names_and_the_public_one_are_ours() {
    let gate = gate(Some("https://Till.example.test:8443/base?key=1"));
    for host in ["till.example.test", "TILL.EXAMPLE.TEST:443", "127.0.0.1", "[::1]"] {
        assert_eq!(gate.door(&request("/k7/search", "10.0.0.1", &[("host", host)])), Door::Call("/search".into()), "{host}");
    }
    for host in [
        "evil.test",
        "till.example.test.evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "127.1",
        "0177.0.0.1",
        "2130706433",
        "0.0.0.0",
        "[::]",
        "[127.0.0.1]",
        "localhost:",
        "localhost:x",
        "localhost:99999",
        "127.0.0.1:80:80",
        "",
        "a@127.0.0.1",
        "::1",
        "localhost.",
    ] {
        assert_eq!(gate.door(&request("/k7/search", "127.0.0.1", &[("host", host)])), Door::Elsewhere, "{host}");
    }
    assert_eq!(gate.door(&request("/k7/search", "127.0.0.1", &[])), Door::Elsewhere);
    assert_eq!(gate.door(&request("/k7/search", "127.0.0.1", &[("host", "localhost"), ("host", "localhost")])), Door::Elsewhere);
    assert_eq!(gate.door(&request("http://localhost/k7/search", "127.0.0.1", &[("host", "localhost")])), Door::Proxy);
}

#[test]
fn calls_lie_below_the_prefix_and_nowhere_else() {
    let gate = gate(Some("https://till.example.test/base/"));
    let door = |path: &str| gate.door(&request(path, "127.0.0.1", &[("host", "localhost")]));

    assert_eq!(door("/base/k7/search"), Door::Call("/search".into()));
    assert_eq!(door("/k7/search/"), Door::Call("/search/".into()));
    assert_eq!(door("/k7"), Door::Call("/".into()));
    for path in ["/", "/search", "/k7x/search", "/K7/search", "/base/search", "/x/k7/search", "/%6b7/search", "/_", "/k7%2fsearch"] {
        assert_eq!(door(path), Door::Nowhere, "{path}");
    }
}

#[test]
fn k_09_the_token_of_the_printed_address_is_good_once() {
    let key = |text: &str| Secret::new(text);
    let mut keys = Keys { once: Some(key("one")), browser: key("cookie"), shell: key("file") };
    let mut shown = |name: &str, value: &str, query: &str| {
        let headers = if name.is_empty() { HeaderMap::new() } else { request("/", "127.0.0.1", &[(name, value)]).headers().clone() };
        keys.judge(&headers, query, "desk-1")
    };

    assert_eq!(shown("", "", ""), Shown::Nothing);
    assert_eq!(shown("", "", "t=tow"), Shown::Spent);
    assert_eq!(shown("", "", "t=one"), Shown::Once);
    assert_eq!(shown("", "", "t=one"), Shown::Spent);
    assert_eq!(shown("cookie", "a=b; desk-1=cookie", ""), Shown::Good);
    assert_eq!(shown("cookie", "desk-2=cookie; desk-1=", ""), Shown::Nothing);
    assert_eq!(shown("authorization", "Bearer file", ""), Shown::Good);
    assert_eq!(shown("authorization", "Bearer cookie", ""), Shown::Nothing);
}
