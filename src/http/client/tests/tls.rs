//! Certificates, versions and handshakes.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::{
    RootCertStore, ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer},
};

/// An authority of our own.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for `name`, changed by `change`, and its key, for a server.
    pub(super) fn server(&self, name: &str, change: fn(&mut CertificateParams)) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        change(&mut params);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        config(certificate.der().clone(), &key)
    }

    fn trusted(&self) -> Client {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("an authority");
        Client { tls: super::super::tls::Tls::trusting(roots), ..Client::new(Options::default()) }
    }
}

fn config(certificate: CertificateDer<'static>, key: &KeyPair) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("versions").with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![certificate], key).expect("a certificate"))
}

/// Serves one request over TLS; gives what came in plain text.
pub(super) fn serve(config: &Arc<ServerConfig>, stream: TcpStream, answer: &[u8]) -> Vec<u8> {
    let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).expect("a connection"), stream);
    let seen = read_request(&mut stream);
    if is_complete(&seen) {
        let _ = stream.write_all(answer);
        stream.conn.send_close_notify();
        let _ = stream.flush();
    }
    seen
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn secure(config: Arc<ServerConfig>) -> Peer {
    Peer::raw(move |stream| serve(&config, stream, OK))
}

fn post_to(client: &Client, peer: &Peer) -> Result<Response, Undelivered> {
    client.send(&post(Url::parse(&format!("https://localhost:{}/token", peer.address.port())).expect("a URL")), soon())
}

#[test]
fn a_certificate_of_a_trusted_authority_is_taken() {
    let authority = Authority::new();
    let peer = secure(authority.server("localhost", |_| {}));

    assert_eq!(post_to(&authority.trusted(), &peer).expect("an answer").body.as_slice(), b"{}");
    assert!(peer.seen().concat().contains(CANARY));
}

#[test]
fn t_02_bad_certificates_are_refused_before_a_byte_of_the_request_is_sent() {
    let authority = Authority::new();
    let key = KeyPair::generate().expect("a key");
    let own = CertificateParams::new(vec!["localhost".to_owned()]).and_then(|params| params.self_signed(&key)).expect("a certificate");
    let servers = [
        ("self-signed", config(own.der().clone(), &key)),
        ("unknown authority", Authority::new().server("localhost", |_| {})),
        ("wrong name", authority.server("as.example", |_| {})),
        ("expired", authority.server("localhost", |params| params.not_after = date_time_ymd(2020, 1, 1))),
        ("not yet valid", authority.server("localhost", |params| params.not_before = date_time_ymd(2999, 1, 1))),
    ];
    for (kind, server) in servers {
        let peer = secure(server);

        let outcome = post_to(&authority.trusted(), &peer);

        assert!(matches!(outcome, Err(Undelivered::CertificateRefused { .. })), "{kind}: {outcome:?}");
        assert_eq!(peer.seen(), [""], "{kind}: something was sent");
    }
}

#[test]
fn t_02_versions_below_1_2_are_refused_before_a_byte_of_the_request_is_sent() {
    let alert: &[u8] = &[0x15, 3, 1, 0, 2, 2, 70];
    let mut hello = vec![0x16, 3, 2, 0, 42, 2, 0, 0, 38, 3, 2];
    hello.extend([7; 32]);
    hello.extend([0, 0xC0, 0x14, 0]);
    for answer in [alert.to_vec(), hello] {
        let peer = Peer::raw(move |mut stream| {
            let mut seen = vec![0; 16 * 1024];
            let count = stream.read(&mut seen).unwrap_or(0);
            seen.truncate(count);
            let _ = stream.write_all(&answer);
            let _ = stream.read_to_end(&mut seen);
            seen
        });

        let outcome = post_to(&Authority::new().trusted(), &peer);

        assert!(matches!(outcome, Err(Undelivered::NotSent { .. })), "{outcome:?}");
        assert!(!peer.seen().concat().contains(CANARY));
    }
}

#[test]
fn a_peer_that_breaks_off_the_handshake_has_seen_nothing() {
    for rude in [false, true] {
        let peer = Peer::raw(move |mut stream| {
            let _ = stream.read(&mut [0; 1024]);
            if rude {
                reset(&stream);
            }
            Vec::new()
        });

        let outcome = post_to(&Authority::new().trusted(), &peer);

        assert!(matches!(outcome, Err(Undelivered::NotSent { .. })), "{outcome:?}");
    }
}

#[test]
fn a_deadline_within_the_handshake_means_that_nothing_was_sent() {
    let peer = Peer::raw(|mut stream| {
        let mut seen = Vec::new();
        let _ = stream.read_to_end(&mut seen);
        Vec::new()
    });
    let url = Url::parse(&format!("https://{}/", peer.address)).expect("a URL");

    let outcome = Authority::new().trusted().send(&post(url), Instant::now() + Duration::from_millis(200));

    assert!(matches!(outcome, Err(Undelivered::NotSent { .. })), "{outcome:?}");
}

#[test]
fn a_peer_that_is_cut_off_after_the_handshake_may_have_acted() {
    let authority = Authority::new();
    let server = authority.server("localhost", |_| {});
    let peer = Peer::raw(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&server)).expect("a connection"), stream);
        let seen = read_request(&mut stream);
        // Without close_notify: TLS calls that an attack, and so it is no end of a body.
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"access_");
        let _ = stream.flush();
        seen
    });

    let outcome = post_to(&authority.trusted(), &peer);

    assert!(matches!(outcome, Err(Undelivered::PeerEnded { .. })), "{outcome:?}");
}

#[test]
fn no_authorities_are_loaded_for_http_on_this_machine() {
    let client = Client::new(Options::default());
    let peer = Peer::saying(OK);

    client.send(&post(peer.url("/token")), soon()).expect("an answer");

    assert!(!client.tls.is_loaded());
}
