//! The least HTTP that a stand-in client and a stand-in redirect listener need.

use super::running::LIMIT;
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};
use url::Url;

/// An answer: status, head as it came, body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Status line and header lines.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        match serde_json::from_str(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("not JSON: {error}\n{self:?}"),
        }
    }
}

/// Fetches a loopback URL.
#[track_caller]
pub fn get(url: &str) -> Answer {
    send("GET", url, "", "")
}

/// Fetches a loopback URL with an `Authorization` header.
#[track_caller]
pub fn get_as(authorization: &str, url: &str) -> Answer {
    send("GET", url, &format!("Authorization: {authorization}\r\n"), "")
}

/// Posts a form to a loopback URL.
#[track_caller]
pub fn post(url: &str, fields: &[(&str, &str)]) -> Answer {
    send("POST", url, FORM, &form(fields))
}

/// Posts a form to a loopback URL with an `Authorization` header.
#[track_caller]
pub fn post_as(authorization: &str, url: &str, fields: &[(&str, &str)]) -> Answer {
    send("POST", url, &format!("{FORM}Authorization: {authorization}\r\n"), &form(fields))
}

/// The header of a form.
const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[track_caller]
fn send(method: &str, url: &str, headers: &str, body: &str) -> Answer {
    let url = Url::parse(url).unwrap();
    let authority = format!("{}:{}", url.host_str().unwrap(), url.port_or_known_default().unwrap());
    let mut stream = TcpStream::connect(&authority).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
    // HTTP/1.0 spares us chunked bodies and connections that stay open.
    write!(stream, "{method} {target} HTTP/1.0\r\nHost: {authority}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer { status: status.unwrap_or_else(|| panic!("no HTTP answer: {answer}")), head: head.to_owned(), body: body.to_owned() }
}

/// Stands in for the redirect listener: takes one authorization response and shows a page.
pub struct Redirect {
    /// The redirect URI to register or send.
    pub uri: String,
    responses: Receiver<Url>,
}

impl Redirect {
    /// Binds a free loopback port.
    pub fn bind() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let (sender, responses) = channel();
        let uri = format!("{origin}/callback");
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<_> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                let target = head.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
                // A browser that goes away early is no concern of the test.
                let _ = stream.write_all(page(target).as_bytes());
                if target.starts_with("/callback?") && sender.send(Url::parse(&format!("{origin}{target}")).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { uri, responses }
    }

    /// Waits for the authorization response.
    #[track_caller]
    pub fn response(&self) -> Url {
        self.responses.recv_timeout(LIMIT).expect("the authorization response comes in time")
    }
}

fn page(target: &str) -> String {
    let close = "Connection: close\r\n";
    match target {
        "/done" => {
            format!("HTTP/1.1 200 OK\r\n{close}Content-Type: text/html\r\n\r\n<!doctype html><title>Done</title><p>That is all.</p>")
        }
        target if target.starts_with("/callback?") => {
            format!("HTTP/1.1 303 See Other\r\n{close}Location: /done\r\nContent-Length: 0\r\n\r\n")
        }
        _ => format!("HTTP/1.1 404 Not Found\r\n{close}Content-Length: 0\r\n\r\n"),
    }
}

/// The value of a query parameter.
pub fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

#[test]
fn the_stand_in_redirect_keeps_the_code_out_of_the_address_bar() {
    let redirect = Redirect::bind();

    let answer = get(&format!("{}?code=c&state=s", redirect.uri));

    assert_eq!(answer.status, 303);
    assert!(answer.head.contains("Location: /done"), "{answer:?}");
    assert_eq!(parameter(&redirect.response(), "code").as_deref(), Some("c"));
}
