//! Every protocol against hostile and honest requests, without a process.

use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

const TOKEN: &str = "mock-t0ken\"\\+/=";
/// 2026-11-25 00:00:00 UTC.
const END: u64 = 1_795_564_800;

fn hosts(texts: &[&str]) -> Vec<Bound> {
    texts.iter().map(|text| text.parse().expect("a host")).collect()
}

/// A whole conversation with a profile that has these hosts; gives what was said, and the trouble at its end.
fn talk(kind: &str, operand: Option<&str>, info: Option<&str>, input: &[u8], bound: &[&str]) -> (String, Option<Trouble>) {
    let env = |name: &str| info.filter(|_| name == "KUBERNETES_EXEC_INFO").map(str::to_owned);
    let call = Call { operand, username: None, allow_publish: false, env: &env };
    let mut conversation = by_name(kind).expect("a helper").begin(&call);
    let bound = hosts(bound);
    let end = SystemTime::UNIX_EPOCH + Duration::from_secs(END);
    let granted = Granted::new(Secret::new(TOKEN), Some(end), bound.clone());
    let mut said = String::new();
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut step = conversation.advance(Event::Begin);
    loop {
        step = match step {
            Step::Read(Extent::Line) => conversation.advance(Event::Input(lines.next())),
            Step::Read(_) => conversation.advance(Event::Input((input.len() <= LONGEST).then_some(input))),
            Step::Say(text) => {
                said.push_str(text.expose());
                conversation.advance(Event::Said)
            }
            Step::Ask(target) => {
                let served = target.map_or(!bound.is_empty(), |target| bound.iter().any(|host| host.serves(&target)));
                conversation.advance(if served { Event::Token(&granted) } else { Event::NoToken })
            }
            Step::List => conversation.advance(Event::Hosts(&bound)),
            Step::Refused(..) => conversation.advance(Event::Noted),
            Step::Done(text) => return (said + text.expose(), None),
            Step::Fail(text, trouble) => return (said + &text, Some(trouble)),
        }
    }
}

fn git(input: &[u8]) -> String {
    talk("git", Some("get"), None, input, &["good.example"]).0
}

fn docker(input: &[u8]) -> String {
    talk("docker", Some("get"), None, input, &["good.example"]).0
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| unreachable!("{error}: {text}"))
}

#[test]
fn every_helper_has_a_unique_name_and_a_help_line() {
    let names: std::collections::BTreeSet<_> = HELPERS.iter().map(|kind| kind.name()).collect();

    assert_eq!(names.len(), HELPERS.len());
    assert!(HELPERS.iter().all(|kind| !kind.about().is_empty() && !kind.about().ends_with('.')));
}

#[test]
fn h_01_and_h_02_a_request_with_a_hidden_line_end_or_a_gap_gets_no_answer() {
    for input in [
        &b"protocol=https\nhost=good.example\rhost=evil.example\n\n"[..],
        b"protocol=https\r\nhost=good.example\r\n\r\n",
        b"protocol=https\nhost=good.example\nusername=a\0b\n\n",
        b"protocol=https\nhost=a%0ahost=good.example\n\n",
        b"protocol=https\nhost=good.example%0a\n\n",
        b"\n",
        b"",
        b"protocol=https\n\n",
        b"host=good.example\n\n",
        b"host=\nprotocol=https\n\n",
        b"protocol=\nhost=good.example\n\n",
        b"protocol=https\nhost=good.example\n=x\nnothing\n\n",
        b"protocol=https\nhost=good.example\nusername=\xff\n\n",
        b"protocol=https\n\nhost=good.example\n\n",
    ] {
        assert_eq!(git(input), "", "{}", String::from_utf8_lossy(input));
    }
}

#[test]
fn h_03_and_h_04_git_is_answered_for_the_very_host_over_https() {
    for host in ["good.example.evil.example", "xgood.example", "good.example:444", "good.example@evil", "good.example.", "gооd.example"] {
        assert_eq!(git(format!("protocol=https\nhost={host}\n\n").as_bytes()), "", "{host}");
    }
    for scheme in ["http", "HTTP", "ftp", "ssh"] {
        assert_eq!(git(format!("protocol={scheme}\nhost=good.example\n\n").as_bytes()), "", "{scheme}");
    }
    assert!(git(b"protocol=https\nhost=GOOD.example\n\n").contains("password="));
}

#[test]
fn h_05_a_bound_path_is_matched_by_git_with_whole_segments() {
    let asked = |path: &str| {
        let request = format!("protocol=https\nhost=good.example\n{path}\n");
        talk("git", Some("get"), None, request.as_bytes(), &["good.example/org1"]).0
    };

    assert!(asked("path=org1/repo.git\n").contains("password="));
    for path in ["path=org2/repo\n", "path=org1x/repo\n", "path=org1/../org2\n", "", "path=\n"] {
        assert_eq!(asked(path), "", "{path}");
    }
}

#[test]
fn h_06_long_and_odd_lines_are_refused_and_unknown_keys_passed_over() {
    let with = |rest: &str| git(format!("protocol=https\nhost=good.example\n{rest}\n").as_bytes());

    assert_eq!(with(&format!("x={}\n", "y".repeat(65_534))), "");
    assert_eq!(with(&(0..1_000).map(|n| format!("k{n}=v\n")).collect::<String>()), "");
    assert_eq!(with("host=good.example\n"), "");
    assert_eq!(git(&vec![b'x'; LONGEST + 1]), "");
    assert!(with("colour=red\nwwwauth[]=Basic\nwwwauth[]=Basic\n").contains("password="));
    assert!(with(&format!("x={}\n", "y".repeat(65_533))).contains("password="));
}

#[test]
fn h_07_git_is_told_the_end_and_that_the_token_is_not_to_be_kept() {
    let plain = git(b"protocol=https\nhost=good.example\n\n");
    let capable = git(b"capability[]=authtype\nprotocol=https\nhost=good.example\nusername=me\n\n");

    assert_eq!(plain, format!("username=oauth2\npassword={TOKEN}\npassword_expiry_utc={END}\n"));
    assert_eq!(capable, format!("capability[]=authtype\nusername=me\npassword={TOKEN}\npassword_expiry_utc={END}\nephemeral=1\n"));
    assert!(!plain.contains("oauth_refresh_token") && !capable.contains("oauth_refresh_token"));
}

#[test]
fn h_10_docker_is_answered_for_the_very_server() {
    let answer = parsed(&docker(b"https://good.example/v2/\n"));

    assert_eq!(answer, json!({"ServerURL": "https://good.example/v2/", "Username": "oauth2accesstoken", "Secret": TOKEN}));
    assert!(docker(b"good.example").contains("Secret"));
    for input in [
        &b"https://good.example.evil/v2/"[..],
        b"http://good.example/",
        b"https://good.example@evil/",
        b"good.example:5000",
        b"good.example\nevil.example\n",
        b"",
        &[b'x'; 1_000_000],
    ] {
        assert_eq!(docker(input), "credentials not found in native keychain\n");
    }
    assert_eq!(parsed(&talk("docker", Some("list"), None, b"", &["good.example"]).0), json!({"https://good.example": "oauth2accesstoken"}));
    assert_eq!(talk("docker", Some("store"), None, br#"{"ServerURL":"x","Secret":"y"}"#, &[]), (String::new(), None));
}

#[test]
fn h_11_kubectl_is_answered_in_a_known_version_for_the_bound_server() {
    let info = |version: &str, server: &str| {
        json!({"apiVersion": version, "kind": "ExecCredential", "spec": {"interactive": false, "cluster": {"server": server}}}).to_string()
    };
    let ask = |info: &str| talk("kubectl", None, Some(info), b"", &["good.example:6443"]).0;

    for version in ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"] {
        assert_eq!(
            parsed(&ask(&info(version, "https://good.example:6443"))),
            json!({"apiVersion": version, "kind": "ExecCredential", "status": {"token": TOKEN, "expirationTimestamp": "2026-11-25T00:00:00Z"}})
        );
    }
    for hostile in [
        info("client.authentication.k8s.io/v1", "https://evil.example:6443"),
        info("client.authentication.k8s.io/v1", "https://good.example"),
        info("client.authentication.k8s.io/v1", "good.example:6443"),
        info("v2\"}, \"x\": {\"", "https://good.example:6443"),
        "{".into(),
        "[]".into(),
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":{"cluster":{}}}"#.into(),
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":[]}"#.into(),
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","spec":"cluster"}"#.into(),
        String::new(),
        format!("{{\"x\":\"{}\"}}", "y".repeat(2_000_000)),
    ] {
        assert_eq!(ask(&hostile), "");
    }
    assert_eq!(talk("kubectl", None, None, b"", &[]).0, "", "nothing is bound");
}

#[test]
fn h_12_cargo_is_answered_for_the_very_index_and_for_reading_alone() {
    let ask = |request: Value| talk("cargo", Some("--cargo-plugin"), None, format!("{request}\n").as_bytes(), &["good.example"]).0;
    let get = |url: &str, operation: &str| ask(json!({"v": 1, "registry": {"index-url": url}, "kind": "get", "operation": operation}));
    let said = |text: String| parsed(text.lines().nth(1).unwrap_or_default());

    let good = get("sparse+https://good.example/index/", "read");
    assert_eq!(good.lines().next(), Some(r#"{"v":[1]}"#));
    assert_eq!(
        said(good),
        json!({"Ok": {"kind": "get", "token": format!("Bearer {TOKEN}"), "cache": "expires", "expiration": END, "operation_independent": false}})
    );
    assert_eq!(said(get("sparse+https://good.example.evil/", "read")), json!({"Err": {"kind": "not-found"}}));
    assert_eq!(said(get("sparse+https://good@evil/", "read")), json!({"Err": {"kind": "url-not-supported"}}));
    assert_eq!(said(get("sparse+https://good.example/", "publish"))["Err"]["kind"], json!("other"));
    for kind in ["logout", "login", "weather"] {
        let request = json!({"v": 1, "registry": {"index-url": "sparse+https://good.example/"}, "kind": kind});
        assert_eq!(said(ask(request)), json!({"Err": {"kind": "operation-not-supported"}}), "{kind}");
    }
    assert_eq!(said(talk("cargo", None, None, b"{\"v\":2}\n", &["good.example"]).0)["Err"]["kind"], json!("other"));
}

#[test]
fn h_13_bazel_is_answered_for_the_very_host_over_https() {
    let ask = |uri: &str| talk("bazel", Some("get"), None, json!({ "uri": uri }).to_string().as_bytes(), &["good.example"]).0;

    assert_eq!(
        parsed(&ask("https://good.example/cache?x=1")),
        json!({"headers": {"Authorization": [format!("Bearer {TOKEN}")]}, "expires": "2026-11-25T00:00:00Z"})
    );
    for uri in ["http://good.example", "https://good@evil/", "https://good.example.evil", "good.example", "grpcs://good.example", ""] {
        assert_eq!(ask(uri), "", "{uri}");
    }
}

#[test]
fn curl_gets_one_address_and_its_header() {
    let ask = |address: &str| talk("curl", Some(address), None, b"", &["good.example"]).0;
    let escaped = TOKEN.replace('\\', "\\\\").replace('"', "\\\"");

    assert_eq!(
        ask("https://good.example/a?b=c"),
        format!("url = \"https://good.example/a?b=c\"\nheader = \"Authorization: Bearer {escaped}\"\n")
    );
    for address in [
        "https://good.example/{a,b}",
        "https://good.example/[1-3]",
        "https://good.example/\"\nurl=\"x",
        "https://evil.example/",
        "--version",
    ] {
        assert_eq!(ask(address), "", "{address}");
    }
}

#[test]
fn netrc_has_lines_for_whole_hosts_at_the_port_of_https_alone() {
    let token = Granted::new(Secret::new("mock-1"), None, hosts(&["a.example", "b.example:8443", "c.example/x", "http://127.0.0.1:80"]));
    let call = Call { operand: None, username: None, allow_publish: false, env: &|_| None };

    let Step::Done(text) = by_name("netrc").expect("netrc").begin(&call).advance(Event::Token(&token)) else { unreachable!("an answer") };

    assert_eq!(text.expose(), "machine a.example login oauth2 password mock-1\n");
    assert_eq!(talk("netrc", None, None, b"", &["good.example"]), (String::new(), Some(Trouble::Unwritable)), "a token with quotes");
    assert_eq!(talk("netrc", None, None, b"", &["good.example:8443"]), (String::new(), Some(Trouble::Placeless)));

    for (host, answers) in [("a.example", true), ("A.EXAMPLE:443", true), ("b.example:8443", false), ("a.example\nmachine x", false)] {
        let call = Call { operand: Some(host), username: None, allow_publish: false, env: &|_| None };
        let step = by_name("netrc").expect("netrc").begin(&call).advance(Event::Token(&token));
        assert_eq!(matches!(step, Step::Done(text) if text.expose().lines().count() == 1), answers, "{host}");
    }
}

/// A second reader of git's lines, written for this comparison alone.
fn brute(input: &[u8]) -> bool {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty()).collect();
    let value = |key: &str| {
        let mut found = lines.iter().filter_map(|line| line.strip_prefix(format!("{key}=").as_bytes()));
        found.next().filter(|_| found.next().is_none())
    };
    value("protocol") == Some(b"https")
        && value("host").is_some_and(|host| host.eq_ignore_ascii_case(b"good.example") || host.eq_ignore_ascii_case(b"good.example:443"))
}

proptest! {
    #[test]
    fn h_15_and_z9_git_is_never_answered_for_an_unbound_host(lines in prop::collection::vec("(protocol|host|path|username|x|capability\\[\\])=?(https?|[Gg]ood\\.example(:443)?|evil|[\\PC\\r\\x00]{0,6})\n?", 0..6)) {
        let input = lines.join("\n");
        let said = git(input.as_bytes());

        if !said.is_empty() {
            prop_assert!(brute(input.as_bytes()), "{:?}", input);
            prop_assert!(!input.split("\n\n").next().unwrap_or_default().contains(['\r', '\0']));
            let keys: Vec<_> = said.lines().map(|line| line.split_once('=').map(|(key, _)| key)).collect();
            prop_assert!(keys.iter().all(Option::is_some) && said.ends_with('\n'));
        }
    }

    #[test]
    fn z10_no_input_breaks_a_protocol(input in any::<Vec<u8>>(), operand in prop::option::of("get|list|--cargo-plugin|\\PC{0,20}")) {
        let text = String::from_utf8_lossy(&input);
        for kind in HELPERS.iter().filter(|kind| kind.name() != "netrc") {
            let bound: &[&str] = if kind.name() == "kubectl" { &[] } else { &["good.example"] };
            let (said, _) = talk(kind.name(), operand.as_deref(), Some(&text), &input, bound);
            prop_assert!(!said.contains("t0ken"), "{} said {}", kind.name(), said);
        }
    }
}
