//! What the machine's settings do: certificate files, key logs and proxies, each in a process of its own.

use super::{tls::Authority, *};

/// Tells the parent how a request ended.
fn report(url: &str) {
    let outcome = Client::new(Options::default()).send(&post(Url::parse(url).expect("a URL")), soon());
    let line = match outcome {
        Ok(answer) => format!("ended with {}", answer.status.as_u16()),
        Err(trouble) => format!("ended with {trouble:?}: {trouble}"),
    };
    writeln!(std::io::stdout(), "\n{line}").expect("the parent listens");
}

/// A file with this authority, as a machine has one with many.
fn written_roots(folder: &tempfile::TempDir, authority: &Authority) -> String {
    let path = folder.path().join("roots.pem");
    std::fs::write(&path, authority.pem()).expect("written");
    path.display().to_string()
}

#[test]
#[ignore = "depends on its environment; started by the tests below"]
fn child_sends() {
    report(&told("TARGET"));
    if let Ok(second) = std::env::var("SECOND_TARGET") {
        report(&second);
    }
}

#[test]
fn x_11_the_systems_authorities_are_trusted_and_no_keys_are_logged() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    let authority = Authority::new();
    let roots = written_roots(&folder, &authority);
    let server = authority.server("localhost", |_| {});
    let peer = Peer::raw(move |stream| tls::serve(&server, stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let target = format!("https://localhost:{}/", peer.address.port());

    let output = in_a_process(
        "machine::child_sends",
        &[("SSL_CERT_FILE", &roots), ("SSLKEYLOGFILE", &keys.display().to_string()), ("TARGET", &target), ("RUST_LOG", "trace")],
    );

    assert!(output.contains("ended with 200"), "{output}");
    assert!(!keys.exists());
    assert!(!output.contains(CANARY));
}

#[test]
fn a_machine_without_authorities_is_told_apart_from_a_bad_certificate() {
    let folder = tempfile::tempdir().expect("a folder");
    let nothing = folder.path().join("nothing").display().to_string();
    let server = Authority::new().server("localhost", |_| {});
    let peer = Peer::raw(move |stream| tls::serve(&server, stream, b""));
    let target = format!("https://localhost:{}/", peer.address.port());
    let variables = [("SSL_CERT_FILE", nothing.as_str()), ("SSL_CERT_DIR", &nothing), ("TARGET", &target)];

    let output = in_a_process("machine::child_sends", &variables);

    // With authorities compiled in there is something to check with, and our own is not among them.
    let expected = if cfg!(feature = "bundled-roots") { "ended with CertificateRefused" } else { "ended with NoRoots" };
    assert!(output.contains(expected), "{output}");
    assert_eq!(peer.seen().concat(), "");
}

/// Answers CONNECT, then relays to `server` and keeps all that the client said.
fn relay(mut client: TcpStream, server: SocketAddr) -> Vec<u8> {
    let mut seen = read_request(&mut client);
    let mut upstream = TcpStream::connect(server).expect("the server");
    let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    let (mut back, mut source) = (client.try_clone().expect("a socket"), upstream.try_clone().expect("a socket"));
    let returns = std::thread::spawn(move || {
        let _ = std::io::copy(&mut source, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Write);
    });
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        let part = buffer.get(..count).expect("no more than there is room for");
        seen.extend_from_slice(part);
        let _ = upstream.write_all(part);
    }
    let _ = upstream.shutdown(std::net::Shutdown::Write);
    let _ = returns.join();
    seen
}

#[test]
fn n_01_and_n_02_a_proxy_sees_connect_alone_and_nothing_for_this_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let roots = written_roots(&folder, &authority);
    let server = authority.server("as.example", |_| {});
    let secure = Peer::raw(move |stream| tls::serve(&server, stream, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let upstream = secure.address;
    let proxy = Peer::raw(move |stream| relay(stream, upstream));
    let local = Peer::saying("HTTP/1.1 204 No Content\r\n\r\n");
    let through = format!("http://user:PROXY-PASSWORD@localhost:{}", proxy.address.port());

    let output = in_a_process(
        "machine::child_sends",
        &[
            ("SSL_CERT_FILE", &roots),
            ("HTTPS_PROXY", &through),
            ("HTTP_PROXY", &through),
            ("ALL_PROXY", &through),
            ("TARGET", "https://as.example/token"),
            ("SECOND_TARGET", local.url("/token").as_str()),
        ],
    );

    assert!(output.contains("ended with 200") && output.contains("ended with 204"), "{output}");
    let (requests, proxied) = (secure.seen(), proxy.seen());
    assert!(requests.concat().contains(CANARY));
    assert!(!requests.concat().to_lowercase().contains("proxy-authorization"), "the server was told the proxy's password");
    assert_eq!(proxied.len(), 1, "{proxied:?}");
    assert!(proxied.concat().starts_with("CONNECT as.example:443 HTTP/1.1\r\n"));
    assert!(!proxied.concat().contains(CANARY) && !proxied.concat().contains("/token"));
}

#[test]
fn n_03_no_error_shows_the_proxys_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = written_roots(&folder, &Authority::new());
    for answer in ["HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n\r\n", ""] {
        let proxy = Peer::saying(answer);
        let through = format!("http://user:PROXY-PASSWORD@{}", proxy.address);
        let variables = [("SSL_CERT_FILE", roots.as_str()), ("https_proxy", &through), ("TARGET", "https://as.example/token")];

        let output = in_a_process("machine::child_sends", &variables);

        assert!(output.contains("ended with NotSent"), "{output}");
        assert!(!output.contains("PROXY-PASSWORD"), "{output}");
        assert!(proxy.seen().concat().starts_with("CONNECT as.example:443 "));
    }
}

#[test]
fn n_01_no_proxy_is_heeded_and_an_unusable_proxy_is_not_passed_by() {
    let folder = tempfile::tempdir().expect("a folder");
    let roots = written_roots(&folder, &Authority::new());
    let (proxy, direct) = (Peer::saying(""), Peer::raw(|_| Vec::new()));
    let through = format!("http://{}", proxy.address);
    // Reaches this machine without being one of the addresses that bypass every proxy.
    let target = format!("https://0.0.0.0:{}/token", direct.address.port());
    let common = [("SSL_CERT_FILE", roots.as_str()), ("TARGET", target.as_str())];

    let unusable = in_a_process("machine::child_sends", &[&common[..], &[("HTTPS_PROXY", "ftp://user:PROXY-PASSWORD@x")]].concat());
    assert!(unusable.contains("the value of `HTTPS_PROXY` is not the address of a proxy"), "{unusable}");
    assert!(!unusable.contains("PROXY-PASSWORD"), "{unusable}");
    assert!(direct.seen.lock().expect("unpoisoned").is_empty());

    let heeded = in_a_process("machine::child_sends", &[&common[..], &[("ALL_PROXY", &through), ("NO_PROXY", "0.0.0.0")]].concat());
    assert!(heeded.contains("ended with NotSent"), "{heeded}");
    assert!(proxy.seen().is_empty());
    assert_eq!(direct.seen().len(), 1);
}
