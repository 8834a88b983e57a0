//! The loopback listener, asked through real sockets: what counts, what does not, and what is answered (SECURITY 1.1).

use crate::raw::{Seen, ask, connect, hear, talk};
use std::{
    collections::BTreeSet,
    io::Write,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};
use tokenstrap::{
    oauth::{
        attempt::{Attempt, Ending, ExpectedIssuer, MalformedResponse, Noise},
        redirect_uri::RedirectUri,
    },
    redirect::{BindError, Heard, Listener, Running},
    secret::Secret,
};

/// The response that is waited for.
pub(crate) const GOOD: &str = "/callback?code=GOOD&state=right";

/// A login that waits for its redirect.
pub(crate) struct Login {
    pub(crate) port: u16,
    pub(crate) authority: String,
    pub(crate) attempt: Arc<Mutex<Attempt>>,
    pub(crate) heard: Receiver<Heard>,
    pub(crate) running: Running,
}

impl Login {
    pub(crate) fn at(uri: &str) -> Self {
        let listener = Listener::bind(&RedirectUri::parse(uri).unwrap()).unwrap();
        let uri = listener.redirect_uri().clone();
        let attempt = Arc::new(Mutex::new(Attempt::new(Secret::new("right"), uri.clone(), ExpectedIssuer::Unknown)));
        let (tell, heard) = channel();
        let running = listener.start(Arc::clone(&attempt), tell).unwrap();
        Self { port: uri.port(), authority: uri.authority(), attempt, heard, running }
    }

    pub(crate) fn waiting() -> Self {
        Self::at("http://127.0.0.1:0/callback")
    }

    /// A request as a browser sends it, with further header lines.
    pub(crate) fn request(&self, method: &str, target: &str, more: &str) -> String {
        format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n{more}\r\n", self.authority)
    }

    pub(crate) fn get(&self, target: &str) -> Seen {
        ask(self.port, self.request("GET", target, ""))
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.attempt.lock().unwrap().ending().is_none()
    }

    /// The code that won, where one did.
    pub(crate) fn code_is(&self, wanted: &str) -> bool {
        matches!(self.attempt.lock().unwrap().ending(), Some(Ending::Code { code, .. }) if code.matches(wanted))
    }

    /// The right redirect still works, whatever came before.
    pub(crate) fn succeeds(&self) {
        assert!(self.is_pending(), "something else ended the login");
        assert_eq!(self.get(GOOD).status, 303);
        assert!(self.code_is("GOOD"));
    }

    /// The same, and the browser sees the result, so that the listener has nobody to stay for.
    pub(crate) fn ends_well(&self) {
        self.succeeds();
        self.running.conclude(true);
        assert_eq!(self.get("/done").status, 200);
    }
}

/// Whether nobody listens any more.
fn is_closed(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err()
}

#[test]
fn l_02_l_28_a_login_has_its_own_port_and_gives_it_back() {
    let (one, two) = (Login::waiting(), Login::waiting());
    assert_ne!(one.port, two.port);
    let begun = Instant::now();

    one.running.finish();
    drop(two.running);

    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(is_closed(one.port) && is_closed(two.port));
}

#[test]
fn l_03_a_taken_port_is_never_replaced() {
    let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = stranger.local_addr().unwrap().port();

    let error = Listener::bind(&RedirectUri::parse(&format!("http://127.0.0.1:{port}/cb")).unwrap()).unwrap_err();

    assert!(matches!(error, BindError::Taken { port: named, .. } if named == port), "{error}");
}

#[test]
fn l_04_localhost_answers_on_both_families() {
    let login = Login::at("http://localhost:0/callback");

    assert_eq!(login.get("/nothing").status, 404);
    if let Ok(mut stream) = TcpStream::connect((std::net::Ipv6Addr::LOCALHOST, login.port)) {
        stream.write_all(login.request("GET", GOOD, "").as_bytes()).unwrap();
        assert_eq!(Seen::read(&hear(&mut stream)).unwrap().status, 303);
        assert!(login.code_is("GOOD"));
    }
    let numeric = format!("GET {GOOD} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", login.port);
    assert_eq!(ask(login.port, numeric).status, 421);
}

#[test]
fn l_05_a_redirect_to_elsewhere_has_no_listener() {
    for uri in ["http://192.0.2.1:80/cb", "http://127.0.0.1.evil.example/cb", "https://127.0.0.1:0/cb"] {
        assert!(matches!(Listener::bind(&RedirectUri::parse(uri).unwrap()), Err(BindError::NotLoopback)), "{uri}");
    }
}

#[test]
fn l_06_only_the_authority_of_the_redirect_uri_is_answered() {
    let login = Login::waiting();
    let evil = "/callback?code=EVIL&state=right";
    let own = format!("Host: {}\r\n", login.authority);

    for (target, hosts, status) in [
        (evil.to_owned(), format!("Host: evil.example:{}\r\n", login.port), 421),
        (evil.to_owned(), format!("Host: localhost:{}\r\n", login.port), 421),
        (evil.to_owned(), "Host: 127.0.0.1\r\n".to_owned(), 421),
        (evil.to_owned(), "Host: \r\n".to_owned(), 421),
        (evil.to_owned(), String::new(), 400),
        (evil.to_owned(), format!("{own}Host: evil.example\r\n"), 400),
        (evil.to_owned(), format!("{own}{own}"), 400),
        (format!("http://evil.example{evil}"), own.clone(), 400),
        (format!("http://evil.example{evil}"), "Host: evil.example\r\n".to_owned(), 421),
        (format!("http://me@{}{evil}", login.authority), own.clone(), 400),
        (format!("https://{}{evil}", login.authority), own.clone(), 400),
    ] {
        let seen = ask(login.port, format!("GET {target} HTTP/1.1\r\n{hosts}\r\n"));
        assert_eq!(seen.status, status, "{target} with {hosts:?}");
    }
    login.ends_well();
}

#[test]
fn l_06_the_absolute_form_of_the_redirect_uri_itself_is_understood() {
    let login = Login::waiting();

    assert_eq!(login.get(&format!("http://{}{GOOD}", login.authority)).status, 303);
}

#[test]
fn l_07_the_path_is_matched_exactly() {
    let login = Login::waiting();

    for path in [
        "/zzz",
        "/callbackX",
        "/callback/",
        "/%63allback",
        "//callback",
        "/./callback",
        "/x/../callback",
        "/callback;x",
        "/Callback",
        "/",
        "/done",
    ] {
        assert_eq!(login.get(&format!("{path}?code=EVIL&state=right")).status, 404, "{path}");
    }
    login.ends_well();
}

#[test]
fn l_08_only_get_is_taken() {
    let login = Login::waiting();

    for method in ["HEAD", "OPTIONS", "PUT", "POST", "DELETE", "PATCH", "TRACE", "BREW", "get"] {
        let seen = ask(login.port, login.request(method, "/callback?code=EVIL&state=right", ""));
        assert_eq!((seen.status, seen.header("allow")), (405, Some("GET")), "{method}");
    }
    for request in [login.request("CONNECT", &login.authority, ""), login.request("OPTIONS", "*", "")] {
        let seen = ask(login.port, &request);
        assert_eq!((seen.status, seen.header("allow")), (405, Some("GET")), "{request}");
    }
    assert_eq!(ask(login.port, login.request("HEAD", GOOD, "")).body, "");
    login.ends_well();
}

#[test]
fn l_09_l_13_l_14_what_the_attempt_calls_noise_is_refused_and_told() {
    let login = Login::waiting();

    for (query, noise) in [
        ("code=EVIL&state=wrong", Noise::State),
        ("code=EVIL", Noise::State),
        ("code=EVIL&state=", Noise::State),
        ("error=access_denied", Noise::State),
        ("", Noise::State),
        ("state=right", Noise::Empty),
        ("code=EVIL&code=GOOD&state=right", Noise::Malformed(MalformedResponse::Repeated)),
        ("code=G&error=x&state=right", Noise::Malformed(MalformedResponse::CodeAndError)),
        ("code=%zz&state=right", Noise::Malformed(MalformedResponse::Encoding)),
    ] {
        assert_eq!(login.get(&format!("/callback?{query}")).status, 400, "{query}");
        assert_eq!(login.heard.recv().unwrap(), Heard::Noise(noise), "{query}");
    }
    login.succeeds();
    assert_eq!(login.heard.recv().unwrap(), Heard::Ended);
}

#[test]
fn l_21_favicons_robots_and_prefetches_do_not_end_the_wait() {
    let login = Login::waiting();

    for path in ["/favicon.ico", "/robots.txt", "/.well-known/appspecific/com.chrome.devtools.json"] {
        assert_eq!(login.get(path).status, 404);
    }
    for early in ["Sec-Purpose: prefetch;prerender", "Sec-Purpose: Prefetch", "Purpose: prefetch", "X-Purpose: preview", "X-Moz: prefetch"]
    {
        assert_eq!(ask(login.port, login.request("GET", GOOD, &format!("{early}\r\n"))).status, 403, "{early}");
    }
    login.ends_well();
}

#[test]
fn l_22_what_a_page_fetches_does_not_count() {
    let login = Login::waiting();

    for destination in ["image", "empty", "iframe", "script", "", "document, image"] {
        let more = format!("Sec-Fetch-Dest: {destination}\r\n");
        assert_eq!(ask(login.port, login.request("GET", GOOD, &more)).status, 403, "{destination}");
    }
    assert_eq!(ask(login.port, login.request("GET", GOOD, "Sec-Fetch-Dest: document\r\n")).status, 303);
}

#[test]
fn l_11_l_23_an_error_with_the_right_state_ends_the_wait_and_shows_nothing_of_itself() {
    let login = Login::waiting();
    for _ in 0..100 {
        assert_eq!(login.get("/callback?error=access_denied").status, 400);
    }
    let plain = login.get("/callback?error=x&state=wrong").body;
    assert_eq!(login.get("/callback?error=%3Cimg%20src%20onerror%3Dalert(1)%3E&state=wrong").body, plain);

    assert_eq!(login.get("/callback?error=%3Cimg%20src%20onerror%3Dalert(1)%3E&state=right").status, 303);
    login.running.conclude(false);
    let shown = login.get("/done").body;

    assert!(matches!(login.attempt.lock().unwrap().ending(), Some(Ending::Refused { .. })));
    let other = Login::waiting();
    assert_eq!(other.get("/callback?error=x&state=right").status, 303);
    other.running.conclude(false);
    assert_eq!(other.get("/done").body, shown);
}

#[test]
fn l_25_the_browser_is_led_away_from_the_code() {
    let login = Login::waiting();
    let seen = login.get(GOOD);

    assert_eq!((seen.status, seen.header("location"), seen.body.as_str()), (303, Some("/done"), ""));
}

#[test]
fn l_25_a_redirect_to_the_path_of_the_result_page_leads_elsewhere() {
    let login = Login::at("http://127.0.0.1:0/done");

    assert_eq!(login.get("/done?code=G&state=right").header("location"), Some("/finished"));
    login.running.conclude(true);
    assert_eq!(login.get("/finished").status, 200);
}

#[test]
fn a_redirect_uri_with_a_query_of_its_own_works() {
    let login = Login::at("http://127.0.0.1:0/cb?x=a%2Fb");

    assert_eq!(login.get("/cb?x=a%2Fb&code=GOOD&state=right").status, 303);
    assert!(login.code_is("GOOD"));
}

#[test]
fn l_26_a_repeat_is_answered_alike_and_anything_else_is_gone() {
    let login = Login::waiting();
    login.succeeds();

    assert_eq!(login.get(GOOD).status, 303);
    assert_eq!(login.get("/callback?code=OTHER&state=right").status, 410);
    assert_eq!(login.get("/callback?code=OTHER&state=wrong").status, 400);
    assert!(login.code_is("GOOD"));
    assert_eq!(login.heard.try_iter().filter(|news| *news == Heard::Ended).count(), 1);
}

#[test]
fn l_26_two_good_redirects_at_once_end_one_attempt_once() {
    for _ in 0..20 {
        let login = Login::waiting();
        let mut both = [connect(login.port), connect(login.port)];
        both.iter_mut().for_each(|stream| stream.write_all(login.request("GET", GOOD, "").as_bytes()).unwrap());

        for stream in &mut both {
            assert_eq!(Seen::read(&hear(stream)).unwrap().status, 303);
        }

        assert_eq!(login.heard.try_iter().collect::<Vec<_>>(), [Heard::Ended]);
        login.running.conclude(true);
        assert_eq!(login.get("/done").status, 200);
    }
}

#[test]
fn l_32_strangers_see_only_static_pages_that_name_nobody() {
    let login = Login::waiting();
    let mut bodies = BTreeSet::new();

    for target in ["/", "/a", "/%00", "/callback", "/callback?state=x", "/callback?code=1", "/done", "/?q=<script>", "/../../etc/passwd"] {
        for method in ["GET", "POST", "PUT", "OPTIONS", "X"] {
            let seen = ask(login.port, login.request(method, target, "User-Agent: curious\r\n"));
            assert_eq!((seen.header("server"), seen.header("date")), (None, None));
            bodies.insert(seen.body);
        }
    }
    bodies.insert(talk(login.port, "\r\n\r\n").split("\r\n\r\n").nth(1).unwrap().to_owned());

    assert_eq!(bodies.len(), 1);
}

#[test]
fn l_33_a_client_hello_is_told_and_closed() {
    let login = Login::waiting();

    assert_eq!(talk(login.port, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), "");

    assert_eq!(login.heard.recv().unwrap(), Heard::Tls);
    login.ends_well();
}
