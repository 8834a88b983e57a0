//! What lies beyond this machine: public address, tunnel, the integrator's own server.

use crate::{
    pos_stand::{Stand, json},
    scene::appeared,
    support::binary::Home,
};
use rustix::process::Signal;
use serde_json::json;
use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
};

/// A server that answers every request with the same bytes and tells what it was asked.
struct Own {
    port: u16,
    asked: Receiver<String>,
}

impl Own {
    fn answering(status: &str, content_type: &str, body: &str) -> Self {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        Self::saying(answer)
    }

    fn saying(answer: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let request = whole(&mut stream);
                // A test that is over wants neither.
                let _ = (sender.send(request), stream.write_all(answer.as_bytes()));
            }
        });
        Self { port, asked }
    }

    fn flag(&self, call: &str) -> String {
        format!("{call}=http://127.0.0.1:{}/own?key=a%2Fb", self.port)
    }
}

/// One request with its body.
fn whole(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).unwrap();
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return text;
        }
    }
}

/// Passes connections on to the port that it is told, as a tunnel does.
fn tunnel() -> (u16, Sender<u16>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, target) = channel();
    thread::spawn(move || {
        let Ok(target) = target.recv() else { return };
        for stream in listener.incoming() {
            let (mut near, mut far) = (stream.unwrap(), TcpStream::connect((Ipv4Addr::LOCALHOST, target)).unwrap());
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            // Either side may close first, and a connection may be kept while the next one comes.
            thread::spawn(move || drop((std::io::copy(&mut from, &mut to), to.shutdown(Shutdown::Write))));
            thread::spawn(move || drop((std::io::copy(&mut far, &mut near), near.shutdown(Shutdown::Both))));
        }
    });
    (port, sender)
}

#[test]
fn the_public_address_is_looked_at_and_stands_in_what_is_to_be_pasted() {
    let (port, target) = tunnel();
    let home = Home::new();
    let public = format!("http://127.0.0.1:{port}/shop?shop=7");
    let mut stand = Stand::begun(&home, home.tokenstrap(), ["--public-url", public.as_str()]);
    target.send(stand.port).unwrap();

    assert!(stand.says("✓").contains("reaches me"));
    let line = stand.says("Customer Search URL");
    assert!(line.ends_with(&format!("http://127.0.0.1:{port}/shop{}/search?shop=7", stand.prefix)), "{line}");
    stand.is_open();
    let url = stand.redeem_url("M-1001", "5");
    assert_eq!((url.port(), url.query()), (Some(port), Some("shop=7&reward=R-1&member=M-1001&order_id=5")));
    assert_eq!(
        json(&crate::raw::ask_and_end(port, format!("GET {} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n", crate::pos_stand::target(&url))))
            ["success"],
        true
    );
    let said = stand.end().stderr;
    assert!(!said.contains("search    "), "the look is no call of a register:\n{said}");
}

#[test]
fn a_public_address_that_leads_elsewhere_is_told_and_serving_goes_on() {
    let page = Own::answering("200 OK", "text/html", "<!doctype html><title>Visit site</title>");
    let other = Own::answering("200 OK", "application/json", r#"{"members":[]}"#);
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();

    for (port, says) in [(page.port, "text/html, and that is not me"), (other.port, "that is not me"), (closed, "does not reach me")] {
        let home = Home::new();
        let mut stand = Stand::begun(&home, home.tokenstrap(), ["--public-url", &format!("http://127.0.0.1:{port}")]);
        let line = stand.says("✗");
        assert!(line.contains(says), "{line}");
        stand.is_open();
        assert!(stand.get("search?keyword=david")["members"]["M-1001"].is_object());
        stand.end();
    }
    for address in
        ["till.example.test", "ftp://till.example.test", "https://u:p@till.example.test", "https://till.example.test/#x", "https://"]
    {
        let outcome = Home::new().tokenstrap().args(["pos", "serve", "--port", "0", "--public-url", address]).run().expect_code(2);
        assert!(!outcome.stderr.contains("u:p"), "{outcome}");
    }
}

#[test]
fn a_tunnel_program_is_started_read_and_ended_with_us() {
    let home = Home::new();
    let (folder, pid) = (home.path("bin"), home.path("pid"));
    fs::create_dir_all(&folder).unwrap();
    let script = format!(
        "#!/bin/sh\necho \"$@\" >'{0}.args'\nenv >'{0}.env'\necho $$ >'{0}.part'; mv '{0}.part' '{0}'\n\
         echo 'INF see https://developers.cloudflare.com' >&2\necho 'INF |  https://quiet-till.trycloudflare.com  |' >&2\nexec sleep 600\n",
        pid.display()
    );
    fs::write(folder.join("cloudflared"), script).unwrap();
    fs::set_permissions(folder.join("cloudflared"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    // Nothing listens at the discard port: no look leaves this machine.
    let program = home.tokenstrap().env("PATH", &path).env("HTTPS_PROXY", "http://127.0.0.1:9").env("TOKENSTRAP_KEY", "canary");
    let mut stand = Stand::begun(&home, program, ["--tunnel", "cloudflared"]);

    let host = "quiet-till.trycloudflare.com";
    let found = stand.send_to(host, "GET", &format!("{}/rewards?customer_id=M-1001&order_id=5", stand.prefix), "Cf-Ray: 1\r\n", "");
    assert!(found.body.contains(&format!("https://{host}{}/redeem?", stand.prefix)), "{found:?}");
    assert_eq!(stand.send_to(host, "GET", &stand.desk, "", "").status, 404);
    let process: u32 = appeared(&pid).trim().parse().unwrap();
    let arguments = fs::read_to_string(format!("{}.args", pid.display())).unwrap();
    assert_eq!(arguments.trim(), format!("tunnel --no-autoupdate --url http://127.0.0.1:{}", stand.port));
    assert!(!fs::read_to_string(format!("{}.env", pid.display())).unwrap().contains("canary"));

    stand.program.signal(Signal::INT);
    stand.program.outcome().expect_code(0);
    assert!(!fs::exists(format!("/proc/{process}")).unwrap(), "the tunnel outlived us");
}

#[test]
fn a_tunnel_that_is_not_there_or_says_nothing_is_an_error_that_says_so() {
    let home = Home::new();
    let folder = home.path("bin");
    fs::create_dir_all(&folder).unwrap();
    let serve = || home.tokenstrap().env("PATH", &folder).args(["pos", "serve", "--port", "0", "--tunnel", "ngrok"]).run();

    serve().expect_code(5).expect_stderr("`ngrok` is not installed");
    fs::write(folder.join("ngrok"), "#!/bin/sh\necho url=https://evil.test\n").unwrap();
    fs::set_permissions(folder.join("ngrok"), fs::Permissions::from_mode(0o755)).unwrap();
    serve().expect_code(4).expect_stderr("gave no public address");
    home.tokenstrap().args(["pos", "serve", "--tunnel", "sh"]).run().expect_code(2);
}

#[test]
fn a_call_is_passed_on_as_it_came_and_json_comes_back_as_it_is() {
    let own = Own::answering("200 OK", "text/plain", r#"{"members": {"9": {"id": "9"}}}"#);
    let mut stand = Stand::new(["--forward", &own.flag("search")]);

    let seen = stand.send(
        "GET",
        &format!("{}/search?keyword=a%20b&order_id=%7B%7D", stand.prefix),
        "X-Kounta-Signature: s\r\nCookie: c=1\r\nX-Other: o\r\n",
        "",
    );

    assert_eq!(
        (seen.status, seen.header("content-type"), seen.body.as_str()),
        (200, Some("application/json"), r#"{"members": {"9": {"id": "9"}}}"#)
    );
    let asked = own.asked.recv().unwrap();
    assert!(asked.starts_with("GET /own?key=a%2Fb&keyword=a%20b&order_id=%7B%7D HTTP/1.1\r\n"), "{asked}");
    let lower = asked.to_ascii_lowercase();
    assert!(lower.contains("x-kounta-signature: s") && !lower.contains("cookie") && !lower.contains("x-other"), "{asked}");
    assert!(!asked.contains(&stand.prefix));
    stand.says("200 from 127.0.0.1");
    assert!(stand.post("balance", "reference_id=GC-1001")["balance"].is_number(), "the rest stays ours");
    stand.end();
}

#[test]
fn whatever_ones_own_server_does_a_search_is_answered_in_json() {
    let safe = json!({"members": {}});
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let long = format!("{{\"members\":\"{}\"}}", "x".repeat(3 * 1024 * 1024));
    let owns = [
        Own::answering("200 OK", "text/html", "<!doctype html>"),
        Own::answering("500 Internal Server Error", "text/html", "Traceback (most recent call last)"),
        Own::answering("200 OK", "application/json", r#"{"members": {"#),
        Own::answering("302 Found\r\nLocation: http://127.0.0.1:1/", "text/html", ""),
        Own::answering("200 OK", "application/json", &long),
        Own::saying("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{".to_owned()),
        Own::saying("nonsense\r\n\r\n".to_owned()),
        Own::saying(String::new()),
    ];

    for (number, flag) in owns.iter().map(|own| own.flag("search")).chain([format!("search=http://127.0.0.1:{closed}/")]).enumerate() {
        let mut stand = Stand::new(["--forward", flag.as_str()]);
        assert_eq!(stand.get("search?keyword=x"), safe, "{number}");
        stand.says("a safe one was sent in its place");
        let said = stand.end().stderr;
        assert!(!said.contains("Traceback"), "{said}");
    }
    for flag in ["search=http://192.0.2.1/", "search=ftp://127.0.0.1/", "search=https://u:p@x.test/", "search=x", "nobody=https://x.test/"]
    {
        let outcome = Home::new().tokenstrap().args(["pos", "serve", "--port", "0", "--forward", flag]).run().expect_code(2);
        assert!(!outcome.stderr.contains("u:p"), "{outcome}");
    }
}
