//! A login as a person has it: at a terminal.

use crate::support::{
    binary::{Home, Invocation},
    canary,
    running::Stream,
};
use tokenstrap::sandbox::{Robot, Running, Sandbox};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const SECRET: &str = "mock-secret-typed-by-hand-4711";

fn server() -> Running {
    Sandbox::builder().client("demo", SECRET).start().unwrap()
}

fn login(home: &Home, server: &Running) -> Invocation {
    let endpoints = ["--auth-url".to_owned(), server.authorization_endpoint(), "--token-url".to_owned(), server.token_endpoint()];
    let flags = ["login", "till", "--store", "file", "--no-browser", "--client-auth", "post"];
    home.tokenstrap().args(flags).args(endpoints).env("TOKENSTRAP_KEY", KEY)
}

/// The address that the program prints for the person to open.
fn address(line: &str) -> String {
    line.trim().to_owned()
}

#[test]
fn p_02_and_p_03_a_pasted_redirect_finishes_the_login_unseen_and_the_prompt_warns() {
    let (home, server) = (Home::new(), server());
    let mut running = login(&home, &server).at_terminal();

    running.expect(Stream::Terminal, "Register this redirect URI");
    running.expect(Stream::Terminal, "Client id");
    running.send("demo\r");
    running.expect(Stream::Terminal, "Client secret");
    running.send(&format!("{SECRET}\r"));
    running.expect(Stream::Terminal, "nowhere else: no page, chat or form");
    let url = address(&running.wait_for_line(Stream::Terminal, "/authorize?"));
    running.expect(Stream::Terminal, "Waiting for consent");
    running.send("EVIL_CODE\r");
    running.expect(Stream::Terminal, "That is not it");
    let redirect = Robot::default().redirect_of(&url).unwrap();
    running.send(&format!("\u{1b}[200~{redirect}\u{1b}[201~\r"));
    running.expect(Stream::Terminal, "Connected");

    let outcome = running.finish().expect_code(0);
    let code = url::Url::parse(&redirect).unwrap().query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let shown = canary::found_in(outcome.terminal.as_bytes(), &[SECRET, &code]);
    assert!(shown.is_empty(), "{shown:?}");
}

#[test]
fn p_03_a_secret_is_hidden_before_it_is_asked_for_and_taken_whole_however_long() {
    let (home, server) = (Home::new(), server());
    let mut running = login(&home, &server).at_terminal();
    running.expect(Stream::Terminal, "Client id");
    running.send("demo\r");

    running.expect(Stream::Terminal, "Client secret (hidden, Enter for none): ");
    assert!(!running.echoes());
    // Longer than a line of the kernel, mistyped first, and pasted as terminals do it.
    let long = "canary-4711-".repeat(500);
    running.send(&format!("canary-4711-wrong\u{15}\u{1b}[200~{long}\u{1b}[201~\r"));
    running.expect(Stream::Terminal, "received, 6000 characters");

    running.expect(Stream::Terminal, "Waiting for consent");
    running.signal(rustix::process::Signal::INT);
    let outcome = running.finish();
    assert!(!outcome.terminal.contains("canary-4711"), "{outcome}");
}

#[test]
fn who_gives_up_at_a_hidden_question_gets_the_terminal_back_as_it_was() {
    let (home, server) = (Home::new(), server());
    let mut running = login(&home, &server).at_terminal();
    running.expect(Stream::Terminal, "Client id");
    running.send("demo\r");
    running.expect(Stream::Terminal, "Client secret (hidden, Enter for none): ");

    running.send("half\u{3}");

    let outcome = running.outcome();
    assert_eq!(outcome.signal, Some(2), "{outcome}");
    assert!(running.echoes() && !outcome.terminal.contains("half"), "{outcome}");
}

#[test]
fn the_redirect_uri_to_register_is_shown_before_the_id_is_asked_for() {
    let (home, server) = (Home::new(), server());
    let mut running = login(&home, &server).at_terminal();

    running.expect(Stream::Terminal, "Client id");
    let before = running.transcript();
    running.signal(rustix::process::Signal::INT);

    assert!(before.contains("http://127.0.0.1:"), "{before}");
}

#[test]
fn a_failed_login_is_repeated_with_the_name_alone() {
    let (home, server) = (Home::new(), server());
    let first = login(&home, &server).args(["--client-id", "demo", "--client-secret-env", "S", "--timeout", "1s"]).env("S", SECRET);
    first.run().expect_code(4).expect_stderr("exactly http://127.0.0.1:");

    let mut running = home.tokenstrap().args(["login", "till", "--no-browser"]).env("TOKENSTRAP_KEY", KEY).at_terminal();
    let url = address(&running.wait_for_line(Stream::Terminal, "/authorize?"));
    tokenstrap::sandbox::approve(&url).unwrap();
    running.expect(Stream::Terminal, "Connected");
    running.finish().expect_code(0);
}

#[test]
fn l_28_ctrl_c_ends_the_wait_and_closes_the_port() {
    let (home, server) = (Home::new(), server());
    let mut running = login(&home, &server).args(["--client-id", "demo", "--client-secret-env", "S"]).env("S", SECRET).at_terminal();
    let url = address(&running.wait_for_line(Stream::Terminal, "/authorize?"));
    running.expect(Stream::Terminal, "Waiting for consent");

    running.send("\u{3}");

    running.finish().expect_code(4);
    let redirect = url::Url::parse(&url).unwrap().query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let port = url::Url::parse(&redirect).unwrap().port().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}
