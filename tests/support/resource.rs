//! A resource server that a test writes itself: in clear text on the loopback interface, or over TLS with an authority of
//! its own. One request per connection.

use super::running::LIMIT;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{ServerConfig, ServerConnection, StreamOwned, crypto::ring, pki_types::PrivateKeyDer};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Method and target.
    pub line: String,
    /// Header lines.
    pub headers: Vec<String>,
    /// The body, as long as `Content-Length` says or, chunked, decoded.
    pub body: Vec<u8>,
}

impl Asked {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.headers.iter().filter_map(|line| line.split_once(':'));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }

    /// The target without the method.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }
}

/// An answer: status line and headers without the last empty line, and a body.
pub type Said = (String, Vec<u8>);

/// A server that runs until the tests end.
pub struct Resource {
    /// Where it listens.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Resource {
    /// Serves in clear text.
    pub fn plain(answer: impl Fn(&Asked) -> Said + Send + 'static) -> Self {
        Self::start(None, answer)
    }

    /// Serves over TLS as `127.0.0.1`; its authority's certificate is written to `authority`.
    pub fn tls(authority: &Path, answer: impl Fn(&Asked) -> Said + Send + 'static) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(authority, issuer.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        // With one name for both, OpenSSL takes the certificate for its own authority.
        params.distinguished_name.push(DnType::CommonName, "a server of the tests");
        let certificate = params.signed_by(&key, &issuer).unwrap();
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Self::start(Some(Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())), answer)
    }

    fn start(tls: Option<Arc<ServerConfig>>, answer: impl Fn(&Asked) -> Said + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                stream.set_read_timeout(Some(LIMIT)).unwrap();
                match &tls {
                    None => serve(stream, &answer, &noted),
                    Some(config) => {
                        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream);
                        serve(&mut stream, &answer, &noted);
                        stream.conn.send_close_notify();
                        // The peer may be gone.
                        let _ = stream.flush();
                    }
                }
            }
        });
        Self { address, asked }
    }

    /// What was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// A 200 with a body.
pub fn ok(body: &str) -> Said {
    ("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n".into(), body.into())
}

/// A refusal without a body; `headers` end with `\r\n` each.
pub fn status(line: &str, headers: &str) -> Said {
    (format!("HTTP/1.1 {line}\r\n{headers}"), Vec::new())
}

fn serve(stream: impl Read + Write, answer: &impl Fn(&Asked) -> Said, noted: &Mutex<Vec<Asked>>) {
    let mut stream = BufReader::new(stream);
    let Some(asked) = read(&mut stream) else { return };
    noted.lock().unwrap().push(asked.clone());
    let (head, body) = answer(&asked);
    let head = format!("{head}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // The peer may be gone.
    let _ = stream.get_mut().write_all(head.as_bytes()).and_then(|()| stream.get_mut().write_all(&body));
    let _ = stream.get_mut().flush();
}

fn read(stream: &mut impl BufRead) -> Option<Asked> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let mut asked = Asked { line: lines.remove(0), headers: lines, body: Vec::new() };
    if let Some(length) = asked.header("content-length").and_then(|length| length.parse().ok()) {
        asked.body = vec![0; length];
        stream.read_exact(&mut asked.body).ok()?;
    } else if asked.header("transfer-encoding").is_some() {
        asked.body = chunks(stream)?;
    }
    Some(asked)
}

fn chunks(stream: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let mut chunk = vec![0; usize::from_str_radix(line.trim(), 16).ok()? + 2];
        stream.read_exact(&mut chunk).ok()?;
        chunk.truncate(chunk.len() - 2);
        if chunk.is_empty() {
            return Some(body);
        }
        body.extend(chunk);
    }
}
