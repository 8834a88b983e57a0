//! `request` and `bind` through the real binary.

use crate::{
    scene::{SECRET, Scene, begun},
    support::{
        binary::Invocation,
        canary::found_in,
        resource::{Resource, ok, status},
        running::Stream,
    },
};
use tokenstrap::{oauth::redirect_uri::RedirectUri, sandbox::approve};

fn request<'a>(scene: &Scene, words: impl IntoIterator<Item = &'a str>) -> Invocation {
    scene.call(["request", "till"]).args(words)
}

/// Binds a server in clear text on this machine, and gives the address of a path there.
fn bound(scene: &Scene, resource: &Resource, path: &str) -> String {
    let host = format!("http://{}", resource.address);
    scene.call(["bind", "till", &host]).run().expect_code(0);
    format!("{host}{path}")
}

fn token(scene: &Scene) -> String {
    scene.call(["token", "till"]).run().expect_code(0).stdout.trim_end().to_owned()
}

#[test]
fn a_call_to_a_bound_host_answers_with_what_came() {
    let scene = Scene::new();
    scene.log_in();
    let url = scene.server.verify_endpoint();
    let host = url.split("/v1").next().unwrap().to_owned();
    scene.call(["bind", "till", &host]).run().expect_code(0).expect_stdout(&format!("{host}\n"));

    let plain = request(&scene, [url.as_str()]).run().expect_code(0);
    let with_head = request(&scene, ["-i", &url]).run().expect_code(0);
    let json = request(&scene, ["--json", &url]).run().expect_code(0);

    assert!(plain.stdout.starts_with('{') && plain.stdout.contains("Corner Cafe"), "{plain}");
    assert!(with_head.stdout.starts_with("HTTP/1.1 200 OK\n") && with_head.stdout.contains("\n\n{"), "{with_head}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&json.stdout).unwrap()["status"], 200, "{json}");
    request(&scene, ["companies/me.json"]).run().expect_code(2).expect_stderr("no API base is known");
}

#[test]
fn t_22_settings_bind_nothing_and_only_bind_does() {
    let scene = Scene::new();
    scene.log_in();
    let elsewhere = Resource::plain(|_| ok("{}"));
    let url = format!("http://{}/x", elsewhere.address);
    let settings = scene.home.path(".config/tokenstrap/profiles/till.toml");
    let before = std::fs::read_to_string(&settings).unwrap();
    std::fs::write(&settings, format!("hosts = [\"http://{}\"]\n{before}", elsewhere.address)).unwrap();

    request(&scene, [url.as_str()]).run().expect_code(6).expect_stdout("").expect_stderr("is not bound to this grant");
    let asked = format!("protocol=http\nhost={}\n\n", elsewhere.address);
    scene.call(["helper", "git", "till", "get"]).stdin(&*asked).run().expect_code(0).expect_stdout("");
    assert!(elsewhere.asked().is_empty());

    std::fs::write(&settings, before).unwrap();
    let host = format!("http://{}", elsewhere.address);
    scene.call(["bind", "till", &host]).run().expect_code(0);
    request(&scene, [url.as_str()]).run().expect_code(0);
    scene.call(["bind", "till", &host, "--remove"]).run().expect_code(0).expect_stdout("");
    request(&scene, [url.as_str()]).run().expect_code(6);
    assert_eq!(elsewhere.asked().len(), 1);
    scene.call(["bind", "till", "http://api.example"]).run().expect_code(6);
    scene.call(["bind", "till", "gооd.example"]).run().expect_code(2);
}

#[test]
fn t_31_a_dead_token_is_renewed_once_and_one_that_is_never_taken_costs_one_refresh() {
    let scene = Scene::new();
    scene.log_in();
    let old = format!("Bearer {}", token(&scene));
    let picky =
        Resource::plain(move |asked| if asked.header("authorization") == Some(&old) { status("401 Unauthorized", "") } else { ok("[1]") });
    let never = Resource::plain(|_| status("401 Unauthorized", ""));
    let (good, bad) = (bound(&scene, &picky, "/a"), bound(&scene, &never, "/b"));

    request(&scene, ["POST", &good]).stdin("{\"a\":1}").run().expect_code(0).expect_stdout("[1]");
    for _ in 0..3 {
        request(&scene, [bad.as_str()]).run().expect_code(3).expect_stderr("answered 401");
    }

    assert_eq!(scene.server.token_requests(), 2, "one for the login, one for all refusals");
    assert_eq!(picky.asked().iter().map(|asked| asked.body.clone()).collect::<Vec<_>>(), [b"{\"a\":1}".to_vec(), b"{\"a\":1}".to_vec()]);
    assert_eq!(never.asked().len(), 3);
}

#[test]
fn the_exit_code_says_what_the_server_said() {
    let scene = Scene::new();
    scene.log_in();
    let resource = Resource::plain(|asked| match asked.target() {
        "/403" => status("403 Forbidden", ""),
        "/404" => ("HTTP/1.1 404 Not Found\r\n".into(), b"{\"why\":1}".to_vec()),
        "/429" => status("429 Too Many Requests", "Retry-After: 900\r\n"),
        "/503" => status("503 Service Unavailable", ""),
        _ => status("302 Found", "Location: https://evil.example/x\r\n"),
    });
    let at = |path: &str| format!("http://{}{path}", resource.address);
    bound(&scene, &resource, "");

    request(&scene, [at("/403").as_str()]).run().expect_code(6);
    request(&scene, [at("/404").as_str()]).run().expect_code(6).expect_stdout("{\"why\":1}");
    request(&scene, [at("/429").as_str()]).run().expect_code(4).expect_stderr("try again in 900 s");
    request(&scene, [at("/503").as_str()]).run().expect_code(4);
    request(&scene, [at("/elsewhere").as_str()]).run().expect_code(6).expect_stderr("redirects are followed only");
    request(&scene, ["--basic", at("/403").as_str()]).run().expect_code(2);
    for header in ["Authorization: Bearer x", "host: evil", "Content-Length: 0", "no colon", "a: b\r\nc: d"] {
        let refused = request(&scene, ["-H", header, at("/403").as_str()]).run().expect_code(2);
        assert_eq!(found_in(refused.stderr.as_bytes(), &["Bearer x"]), Vec::<String>::new());
    }

    assert_eq!(resource.asked().len(), 5);
}

#[test]
fn t_22_no_bound_host_gets_the_client_secret() {
    let scene = Scene::with(|builder| builder.redirect_uri(RedirectUri::parse("http://127.0.0.1/callback/own").unwrap()));
    let folder = scene.home.path(".config/tokenstrap/providers");
    std::fs::create_dir_all(&folder).unwrap();
    let (authorize, token) = (scene.server.authorization_endpoint(), scene.server.token_endpoint());
    let base = format!("{}/v1", scene.server.url());
    let entry = format!(
        "name = \"own\"\ntitle = \"x\"\nauthorize_url = \"{authorize}\"\ntoken_url = \"{token}\"\nclient_auth = \"client_secret_post\"\n\
         api_base = \"{base}\"\nbasic_api = true\n"
    );
    std::fs::write(folder.join("own.toml"), entry).unwrap();
    let login = scene.call(["login", "till", "--provider", "own", "--client-id", "till", "--client-secret-env", "TILL_SECRET"]);
    let (login, page) = begun(login);
    approve(&page).unwrap();
    login.finish().expect_code(0);
    let resource = Resource::plain(|_| ok("{}"));
    let url = bound(&scene, &resource, "/x");

    let sent = scene.server.requests();
    request(&scene, ["--basic", "x"]).run();
    assert_eq!(scene.server.requests(), sent + 1);
    request(&scene, ["--basic", url.as_str()]).run().expect_code(6).expect_stderr("no bound host gets that");
    assert!(resource.asked().is_empty());
    request(&scene, [url.as_str()]).run().expect_code(0);
}

#[test]
fn a_short_rate_limit_is_waited_for() {
    let scene = Scene::new();
    scene.log_in();
    let first = std::sync::atomic::AtomicBool::new(true);
    let resource = Resource::plain(move |_| {
        let again = first.swap(false, std::sync::atomic::Ordering::SeqCst);
        if again { status("429 Too Many Requests", "Retry-After: 1\r\n") } else { ok("{}") }
    });
    let url = bound(&scene, &resource, "/x");

    request(&scene, [url.as_str()]).run().expect_code(0).expect_stdout("{}").expect_stderr("the server asks to wait 1 s");
}

#[test]
fn pages_are_followed_on_the_same_host_alone() {
    let scene = Scene::new();
    scene.log_in();
    let resource = Resource::plain(|asked| {
        let next = match asked.target() {
            "/list" => "Link: </list?page=2>; rel=\"next\"\r\n".to_owned(),
            "/list?page=2" => format!("X-Next-Page: http://{}/list?page=3\r\n", asked.header("host").unwrap()),
            "/away" => "Link: <https://evil.example/>; rel=next\r\n".to_owned(),
            "/again" => "Link: </again>; rel=next\r\n".to_owned(),
            "/round" => "Link: </trip>; rel=next\r\n".to_owned(),
            "/trip" => "Link: </round>; rel=next\r\n".to_owned(),
            "/heap" => "Link: </heap?2>; rel=next\r\n".to_owned(),
            _ => String::new(),
        };
        let padding = if asked.target().starts_with("/heap") { 33 << 20 } else { 0 };
        (format!("HTTP/1.1 200 OK\r\n{next}"), format!("[\"{}\"]{}", asked.target(), " ".repeat(padding)).into_bytes())
    });
    let at = |path: &str| format!("http://{}{path}", resource.address);
    bound(&scene, &resource, "");

    let all = "[\"/list\"]\n[\"/list?page=2\"]\n[\"/list?page=3\"]";
    request(&scene, ["--paginate", at("/list").as_str()]).run().expect_code(0).expect_stdout(all);
    request(&scene, [at("/list").as_str()]).run().expect_code(0).expect_stdout("[\"/list\"]");
    request(&scene, ["--paginate", at("/away").as_str()]).run().expect_code(6).expect_stderr("the token stays here");
    request(&scene, ["--paginate", at("/again").as_str()]).run().expect_code(6);
    request(&scene, ["--paginate", at("/round").as_str()]).run().expect_code(6).expect_stdout("[\"/round\"]\n[\"/trip\"]\n");
    // One document holds all pages, hence all of them at once.
    request(&scene, ["--paginate", "--json", at("/heap").as_str()]).run().expect_code(6).expect_stderr("larger than 64 MiB together");

    let before = resource.asked().len();
    request(&scene, ["--paginate", "POST", at("/list").as_str()]).run().expect_code(2).expect_stderr("leave --paginate out");
    assert_eq!(resource.asked().len(), before);
}

#[test]
fn a_06_a_refused_address_is_named_without_its_password() {
    let scene = Scene::new();
    scene.log_in();

    for words in [
        ["request", "till", "https://u:CANARY@api.example/x"],
        ["request", "till", "ftp://u:CANARY@api.example/x?y=CANARY"],
        ["bind", "till", "https://u:CANARY@api.example"],
    ] {
        let outcome = scene.call(words).run().expect_code(2).expect_stdout("").expect_stderr("…@api.example");
        assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
    }
    let outcome = scene.call(["bind", "till", "http://api.example/?x=CANARY"]).run().expect_code(6).expect_stderr("is http");
    assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
    request(&scene, ["https://api.example/x#y"]).run().expect_code(2).expect_stderr("has a fragment");

    let outcome = scene.login_at("https://as.example/a", "https://as.example/t?client_secret=CANARY").arg("--no-browser").run();
    let outcome = outcome.expect_code(6).expect_stderr("`https://as.example/t` carries a secret in its query");
    assert!(!outcome.stderr.contains("CANARY"), "{outcome}");
}

#[test]
fn at_a_terminal_an_answer_gives_no_orders() {
    let scene = Scene::new();
    scene.log_in();
    let resource = Resource::plain(|_| ok("a\u{1b}[2Jb\u{202e}\tc\nd"));
    let url = bound(&scene, &resource, "/x");

    let mut shown = request(&scene, [url.as_str()]).at_terminal();
    shown.expect(Stream::Terminal, "a<001B>[2Jb<202E>\tc");
    request(&scene, [url.as_str()]).run().expect_code(0).expect_stdout("a\u{1b}[2Jb\u{202e}\tc\nd");

    let said = request(&scene, ["-vv", url.as_str()]).run();
    assert_eq!(found_in(said.stderr.as_bytes(), &[&token(&scene), SECRET]), Vec::<String>::new());
}
