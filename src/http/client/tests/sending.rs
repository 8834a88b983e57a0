//! What goes out, and what does not.

use super::*;

#[test]
fn t_01_clear_text_to_another_machine_is_barred_before_anything_happens() {
    for text in ["http://as.example/token", "http://127.0.0.1.nip.io/token", "http://192.0.2.1/token"] {
        let began = Instant::now();

        let outcome = Client::new(Options::default()).send(&post(Url::parse(text).expect("a URL")), soon());

        assert!(matches!(outcome, Err(Undelivered::Barred { .. })), "{text}: {outcome:?}");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn t_01_localhost_is_resolved_without_asking_to_both_families() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let peer = Peer::at(address, |mut stream| {
            let seen = read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
            seen
        });
        let url = Url::parse(&format!("http://localhost:{}/token", peer.address.port())).expect("a URL");

        let outcome = Client::new(Options::default()).send(&post(url), soon());

        assert_eq!(outcome.expect("an answer").status.as_u16(), 204, "{address}");
    }
}

#[test]
fn d_04_a_name_for_a_link_local_address_is_barred_where_that_is_asked_for() {
    let names = address::Names { bar_link_local: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let resolve = |name: &str| runtime.block_on(reqwest::dns::Resolve::resolve(&names, name.parse().expect("a name")));

    // The system's resolver reads numbers in old forms, so that no name server is needed for this.
    assert!(resolve("169.254.43518").is_err_and(|error| error.is::<address::LinkLocal>()));
    assert!(resolve("127.1").is_ok());
}

#[test]
fn t_28_nothing_goes_out_that_was_not_asked_for() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n");
    let client = Client::new(Options::default());
    for _ in 0..2 {
        client.send(&post(peer.url("/token")), soon()).expect("an answer");
    }

    let seen = peer.seen();

    assert_eq!(seen.len(), 2, "a connection was kept");
    for request in seen {
        let (head, body) = request.split_once("\r\n\r\n").expect("a head");
        let mut lines = head.lines();
        assert_eq!(lines.next(), Some("POST /token HTTP/1.1"));
        let mut names: Vec<String> = lines.map(|line| line.split(':').next().unwrap_or_default().to_lowercase()).collect();
        names.sort();
        assert_eq!(names, ["accept", "accept-encoding", "content-length", "host", "user-agent"]);
        assert!(head.contains(concat!("user-agent: tokenstrap/", env!("CARGO_PKG_VERSION"))));
        assert!(head.contains("accept: application/json"));
        assert_eq!(body, CANARY);
    }
}

#[test]
fn t_32_a_connection_that_is_reset_at_once_is_not_tried_again() {
    let peer = Peer::raw(|stream| {
        reset(&stream);
        Vec::new()
    });

    let trouble = send(&peer).expect_err("no answer");

    // Where the reset overtakes the request, nothing was sent.
    assert!(matches!(trouble, Undelivered::PeerEnded { .. }) || trouble.is_unsent(), "{trouble:?}");
    assert_eq!(peer.seen().len(), 1);
}

#[test]
fn a_port_where_nobody_listens_means_that_nothing_was_sent() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();

    let outcome = Client::new(Options::default()).send(&post(Url::parse(&format!("http://127.0.0.1:{port}/")).expect("a URL")), soon());

    let trouble = outcome.expect_err("nobody listens");
    assert!(trouble.is_unsent());
    assert!(trouble.to_string().starts_with(&format!("127.0.0.1:{port} cannot be reached (Connection refused")), "{trouble}");
}

#[test]
fn a_deadline_that_has_passed_means_that_nothing_was_sent() {
    let peer = Peer::saying("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");

    let outcome = Client::new(Options::default()).send(&post(peer.url("/")), Instant::now());

    assert!(matches!(outcome, Err(Undelivered::NotSent { .. })), "{outcome:?}");
    assert!(peer.seen().is_empty());
}

#[test]
fn o_03_the_observer_hears_neither_query_nor_header_nor_body() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let observer: Observer = Box::new(move |line| heard.lock().expect("unpoisoned").push(line.to_owned()));
    let client = Client::new(Options { observer: Some(observer), ..Options::default() });
    let peer = Peer::saying("HTTP/1.1 401 Unauthorized\r\nSet-Cookie: CANARY\r\nContent-Length: 6\r\n\r\nCANARY");
    let url = peer.url("/token?code=CANARY#CANARY");
    let request = post(url).with_secret_header(http::header::AUTHORIZATION, "Bearer CANARY");

    client.send(&request, soon()).expect("an answer");
    client.send(&request, Instant::now()).expect_err("too late");

    let lines = lines.lock().expect("unpoisoned").join("\n");
    assert!(lines.starts_with(&format!("POST http://{}/token: 401, ", peer.address)), "{lines}");
    assert!(lines.contains("cannot be reached (no time is left)"), "{lines}");
    assert!(!lines.contains("CANARY"), "{lines}");
}
