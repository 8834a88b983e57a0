//! A client that says exactly what it is told, byte for byte, and notes what comes back.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpStream},
    time::Duration,
};

/// Longest wait for anything; a test that needs it has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// One answer, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Seen {
    /// Reads what came over the wire; `None` where that is no answer.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        let values: Vec<&str> = fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect();
        assert!(values.len() < 2, "{name} came more than once");
        values.first().copied()
    }

    /// Names of all headers, sorted.
    pub(crate) fn header_names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.head.lines().skip(1).filter_map(|line| line.split_once(": ")).map(|(name, _)| name.to_ascii_lowercase()).collect();
        names.sort_unstable();
        names
    }
}

pub(crate) fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// All that comes until the other side closes or resets.
pub(crate) fn hear(stream: &mut TcpStream) -> String {
    let mut heard = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => heard.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                panic!("the connection stayed open; so far: {}", String::from_utf8_lossy(&heard))
            }
            Err(_) => break,
        }
    }
    String::from_utf8(heard).unwrap()
}

/// The next answer on a connection that is kept, by its length.
pub(crate) fn hear_one(stream: &mut TcpStream) -> Seen {
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&heard)));
        heard.extend_from_slice(&byte);
    }
    let mut seen = Seen::read(&String::from_utf8(heard).unwrap()).unwrap();
    let mut body = vec![0; seen.header("content-length").unwrap().parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    seen.body = String::from_utf8(body).unwrap();
    seen
}

/// Says `bytes` in one go and hears the rest.
pub(crate) fn talk(port: u16, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(port);
    // Whoever refuses early may reset the connection while we still speak.
    let _ = stream.write_all(bytes.as_ref());
    hear(&mut stream)
}

/// The same to a server that keeps connections, which learns that nothing more will be said.
pub(crate) fn talk_and_end(port: u16, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(port);
    let _ = stream.write_all(bytes.as_ref());
    let _ = stream.shutdown(Shutdown::Write);
    hear(&mut stream)
}

/// Says `bytes` and hears the answer that must come.
pub(crate) fn ask(port: u16, bytes: impl AsRef<[u8]>) -> Seen {
    answer_in(&talk(port, bytes.as_ref()), bytes.as_ref())
}

/// The same to a server that keeps connections.
pub(crate) fn ask_and_end(port: u16, bytes: impl AsRef<[u8]>) -> Seen {
    answer_in(&talk_and_end(port, bytes.as_ref()), bytes.as_ref())
}

fn answer_in(text: &str, bytes: &[u8]) -> Seen {
    Seen::read(text).unwrap_or_else(|| panic!("no answer but {text:?} to {:?}", String::from_utf8_lossy(bytes)))
}
