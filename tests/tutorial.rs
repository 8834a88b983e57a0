//! `examples/lightspeed-tutorial` runs the vendor's guide to its end, shows no secret to anybody, and leaves nothing behind.

use crate::support::{
    binary::{Home, Invocation},
    canary::Sampler,
    real,
    running::Stream,
};
use rustix::process::Signal;
use std::{fs, os::unix::ffi::OsStrExt, path::Path};

/// What a person sees; addresses vary from run to run, and the number of calls and rules with what `pos verify` knows.
const TRANSCRIPT: &str = "\
The vendor's guide from end to end, on this machine only. Nothing is kept.

 1 server       a make-believe Lightspeed O-Series on http://127.0.0.1:46371
 2 credentials  client id demo, client secret ••••; in real life from Back Office > Integrations
 3 login        the page asks; Corner Cafe is picked and Grant pressed
                ✓ Connected to Corner Cafe (company 5042, 2 sites, 3 registers) as till
 4 refresh      a refresh token is registered: it has bought a new access token, and nobody was asked
 5 basic        curl -K -            Workshop, the company of the developer
   bearer       curl -H @-           Corner Cafe, who has consented
   request      tokenstrap request   Corner Cafe, and a dead token would be renewed once
 6 your side    tokenstrap pos serve at http://127.0.0.1:41533/Xq3vR8mZ0tKc5wYh, an address for each field of Back Office
 7 top-up       GC-1001  10.00       card 42.50 → 52.50
 8 checkout     GC-1001  18.00       took 18.00, card 52.50 → 34.50
   edited       pos set checkout.amount=12.50: of 18.00 the card pays 12.50
   balance      GC-1001              22.00
   refund       GC-1001  12.50       card 22.00 → 34.50
   no such card GC-9999  18.00       refused: Unknown card
 9 search       david kent           David Kent, 340 points
                nobody here          {\"members\":{}}, JSON as the register needs it
10 rewards      M-1001               Free flat white, Slice of cake
11 redeem       R-1, order 880417    success
   order        880417               has a payment of 4.50 now, for R-1 M-1001
12 verify       26 calls played: 34 rules kept, 0 broken
13 end          logged out; both servers have stopped, and nothing is left behind
";

/// What every secret of the make-believe server begins with: client secret, code, tokens, the page's ticket.
const MARK: &str = "mock-";

fn has_parts() -> bool {
    real::programs("the tutorial", &["curl"])
}

fn script() -> String {
    Path::new(real::TOP).join("examples/lightspeed-tutorial").to_str().unwrap().to_owned()
}

fn tutorial(home: &Home) -> Invocation {
    home.program(script()).arg(env!("CARGO_BIN_EXE_tokenstrap"))
}

/// The lines without what varies.
fn shape(text: &str) -> Vec<String> {
    text.lines().map(without_addresses).map(|line| line.split_once(" calls played: ").map_or(line.clone(), without_counts)).collect()
}

fn without_addresses(line: &str) -> String {
    let (first, rest) = line.split_once("http://").unwrap_or((line, ""));
    format!("{first}{}", rest.trim_start_matches(|character: char| !character.is_whitespace() && character != ','))
}

fn without_counts((calls, rules): (&str, &str)) -> String {
    [calls, rules].map(|part| part.trim_matches(|character: char| character.is_ascii_digit())).concat()
}

/// Everything below the folders of a home, the folders that it begins with left out, and every process that works there.
fn left_behind(home: &Home, made_by_the_home: &[String]) -> Vec<String> {
    let mut found: Vec<_> = below(home.root()).into_iter().filter(|path| !made_by_the_home.contains(path)).collect();
    let root = home.root().as_os_str().as_bytes();
    for process in fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path()) {
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        if environment.windows(root.len()).any(|window| window == root) {
            found.push(String::from_utf8_lossy(&fs::read(process.join("cmdline")).unwrap_or_default()).into_owned());
        }
    }
    found
}

fn below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        found.push(path.display().to_string());
        if path.is_dir() {
            found.extend(below(&path));
        }
    }
    found
}

#[test]
fn the_guide_runs_from_end_to_end_shows_each_step_and_leaves_nothing() {
    if !has_parts() {
        return;
    }
    let home = Home::new();
    let empty = below(home.root());
    // What the person's own settings say is none of its business, and neither is a proxy.
    let run = tutorial(&home).env("TOKENSTRAP_STORE", "keychain").env("TOKENSTRAP_NON_INTERACTIVE", "1");
    let run = run.env("http_proxy", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9").spawn();
    let sampler = Sampler::over(run.pid());

    let outcome = run.finish().expect_code(0);

    let lines = sampler.finish();
    assert!(lines.iter().any(|line| line.contains("pos serve")) && lines.iter().any(|line| line.contains("login till")), "{lines:?}");
    assert_eq!(lines.iter().find(|line| line.contains(MARK)), None);
    assert_eq!(shape(&outcome.stdout), shape(TRANSCRIPT));
    assert_eq!(outcome.stderr, "");
    assert_eq!(left_behind(&home, &empty), [""; 0]);
}

#[test]
fn the_lines_in_the_readme_are_lines_of_the_transcript_in_their_order() {
    let readme = fs::read_to_string(Path::new(real::TOP).join("README.md")).unwrap();
    let (_, block) = readme.split_once("```console\n$ examples/lightspeed-tutorial\n").unwrap();
    let (shown, _) = block.split_once("```").unwrap();
    let mut lines = shape(TRANSCRIPT).into_iter();

    let strangers: Vec<_> = shape(shown).into_iter().filter(|line| !lines.any(|known| known == *line)).collect();

    assert_eq!(strangers, [""; 0]);
}

#[test]
fn no_secret_is_in_the_arguments_or_the_environment_of_any_program_of_the_tutorial() {
    if !has_parts() || !real::programs("a trace of the tutorial", &["strace"]) {
        return;
    }
    let home = Home::new();
    let trace = home.root().join("trace");
    let strace = home.program("strace").args(["-f", "-qq", "-v", "-s", "100000", "-e", "trace=execve", "-o"]).arg(&trace);

    let outcome = strace.arg(script()).arg(env!("CARGO_BIN_EXE_tokenstrap")).run().expect_code(0);

    let text = fs::read(&trace).unwrap();
    let started = String::from_utf8_lossy(&text);
    for program in ["\"pos\", \"serve\"", "\"login\", \"till\"", "\"curl\", \"-q\"", "XDG_CONFIG_HOME="] {
        assert!(started.contains(program), "{program} was not seen");
    }
    assert!(!started.contains(MARK), "{started}");
    assert!(!outcome.stdout.contains(MARK), "{outcome}");
}

#[test]
fn a_tutorial_that_is_broken_off_leaves_nothing() {
    if !has_parts() {
        return;
    }
    for (signal, code, place) in [(Signal::TERM, 143, "server"), (Signal::INT, 130, "your side"), (Signal::HUP, 129, "checkout")] {
        let home = Home::new();
        let empty = below(home.root());
        let mut run = tutorial(&home).spawn();
        run.wait_for_line(Stream::Out, place);

        run.signal(signal);

        run.finish().expect_code(code);
        assert_eq!(left_behind(&home, &empty), [""; 0], "{signal:?}");
    }
}

#[test]
fn a_program_that_is_not_there_is_said_before_anything_starts() {
    let home = Home::new();
    let empty = below(home.root());

    home.program(script()).arg("/no/such/program").run().expect_code(1).expect_stdout("").expect_stderr("hint: run `cargo build`");

    assert_eq!(left_behind(&home, &empty), [""; 0]);
}
