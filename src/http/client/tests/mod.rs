//! The client against real sockets: peers that misbehave, certificates of every wrong kind, a proxy that records.

mod answers;
mod machine;
mod sending;
mod tls;

use super::*;
use crate::secret::Secret;
use http::Method;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};
use url::Url;

/// What no peer may see that the request was not meant for.
const CANARY: &str = "CANARY-in-the-body";

/// A server of our own: runs one function per connection and keeps what that saw.
struct Peer {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Vec<u8>>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Gives each connection to `serve`, which returns the bytes that it saw.
    fn raw(serve: impl Fn(TcpStream) -> Vec<u8> + Send + 'static) -> Self {
        Self::at("127.0.0.1:0", serve)
    }

    fn at(address: &str, serve: impl Fn(TcpStream) -> Vec<u8> + Send + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (its_seen, its_stop) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if its_stop.load(Ordering::SeqCst) {
                    return;
                }
                stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
                let bytes = serve(stream);
                its_seen.lock().expect("unpoisoned").push(bytes);
            }
        });
        Self { address, seen, stop, thread: Some(thread) }
    }

    /// Reads the request, then lets `answer` write.
    fn answering(answer: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        Self::raw(move |mut stream| {
            let seen = read_request(&mut stream);
            answer(&mut stream);
            seen
        })
    }

    /// Reads the request and answers with these bytes.
    fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::answering(move |stream| {
            let _ = stream.write_all(&answer);
        })
    }

    fn url(&self, path: &str) -> Url {
        Url::parse(&format!("http://{}{path}", self.address)).expect("a URL")
    }

    /// Ends the server and gives what each connection saw.
    fn seen(mut self) -> Vec<String> {
        self.end();
        self.seen.lock().expect("unpoisoned").iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads head and body of one request; what came where it breaks off.
fn read_request(stream: &mut impl Read) -> Vec<u8> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !is_complete(&seen) {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(count) => seen.extend_from_slice(buffer.get(..count).expect("no more than there is room for")),
        }
    }
    seen
}

fn is_complete(seen: &[u8]) -> bool {
    let text = String::from_utf8_lossy(seen).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|length| length.parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// Ends a connection as a crash does.
fn reset(stream: &TcpStream) {
    rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO)).expect("linger");
}

fn post(url: Url) -> Request {
    Request { method: Method::POST, body: Some(Secret::new(CANARY)), ..Request::get(url) }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn send(peer: &Peer) -> Result<Response, Undelivered> {
    Client::new(Options::default()).send(&post(peer.url("/token")), soon())
}

/// Runs one ignored test of this room in a process of its own, with these variables and no others that matter.
fn in_a_process(test: &str, variables: &[(&str, &str)]) -> String {
    let mut command = std::process::Command::new(std::env::current_exe().expect("the test binary"));
    command.args([&format!("http::client::tests::{test}"), "--exact", "--ignored", "--nocapture"]);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    let output = command.output().expect("the child ran");
    assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A variable that the parent of this process set.
fn told(name: &str) -> String {
    std::env::var(name).expect("set by the parent")
}
