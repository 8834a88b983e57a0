//! Helpers against the programs that ask them: git, docker's shim, kubectl, curl and cargo.

use crate::{
    scene::{KEY, Scene},
    support::{
        binary::{Home, Invocation},
        real,
        resource::{Asked, Resource, Said, ok, status},
    },
};
use data_encoding::BASE64;
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// A scene that is logged in, and its access token.
fn logged_in() -> (Scene, String) {
    let scene = Scene::new();
    scene.log_in();
    let token = scene.call(["token", "till"]).run().expect_code(0).stdout.trim_end().to_owned();
    (scene, token)
}

/// Another program, in the surroundings that the helper needs to find its store.
fn other(home: &Home, program: &str) -> Invocation {
    home.program(program).env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", KEY).env("GIT_TERMINAL_PROMPT", "0")
}

fn authority(scene: &Scene) -> PathBuf {
    scene.home.path("authority.pem")
}

fn bind(scene: &Scene, host: &str) {
    scene.call(["bind", "till", host]).run().expect_code(0);
}

/// A folder on the search path for shims, and that search path.
fn shims(scene: &Scene) -> (PathBuf, String) {
    let folder = scene.home.path("shims");
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    (folder, path)
}

/// Answers like a git server that lets nobody in without the password.
fn git_server(asked: &Asked, projects: &Path, authorization: &str) -> Said {
    if asked.header("authorization") != Some(authorization) {
        return status("401 Unauthorized", "WWW-Authenticate: Basic realm=\"git\"\r\n");
    }
    let (path, query) = asked.target().split_once('?').unwrap_or((asked.target(), ""));
    let mut backend = Command::new("git");
    backend.arg("http-backend").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    backend.env("GIT_PROJECT_ROOT", projects).env("GIT_HTTP_EXPORT_ALL", "1").env("REMOTE_USER", "till");
    backend.env("REQUEST_METHOD", asked.line.split(' ').next().unwrap()).env("PATH_INFO", path).env("QUERY_STRING", query);
    backend.env("CONTENT_TYPE", asked.header("content-type").unwrap_or_default());
    backend.env("CONTENT_LENGTH", asked.body.len().to_string());
    backend.env("HTTP_CONTENT_ENCODING", asked.header("content-encoding").unwrap_or_default());
    let mut backend = backend.spawn().unwrap();
    backend.stdin.take().unwrap().write_all(&asked.body).unwrap();
    let output = backend.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let line = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK").to_owned();
    (format!("HTTP/1.1 {line}\r\n{head}\r\n"), output[end + 4..].to_vec())
}

#[test]
fn git_clones_over_https_from_a_server_that_asks_for_the_token() {
    if !real::programs("git over https", &["git"]) {
        return;
    }
    let (scene, token) = logged_in();
    let projects = scene.home.path("projects");
    let git = |args: &[&str]| other(&scene.home, "git").args(args).run().expect_code(0);
    let project = projects.join("org/repo.git").display().to_string();
    git(&["init", "--quiet", "--bare", "--initial-branch=main", &project]);
    let tree = git(&["-C", &project, "hash-object", "-t", "tree", "-w", "/dev/null"]);
    let person = ["-c", "user.name=t", "-c", "user.email=t@t"];
    let commit = git(&[&["-C", &project], &person[..], &["commit-tree", tree.stdout.trim_end(), "-m", "first"]].concat());
    git(&["-C", &project, "update-ref", "refs/heads/main", commit.stdout.trim_end()]);
    let basic = format!("Basic {}", BASE64.encode(format!("oauth2:{token}").as_bytes()));
    let server = Resource::tls(&authority(&scene), move |asked| git_server(asked, &projects, &basic));
    bind(&scene, &format!("{}/org", server.address));
    git(&["config", "--global", "http.sslCAInfo", &authority(&scene).display().to_string()]);
    let url = format!("https://{}/org/repo.git", server.address);

    other(&scene.home, "git").args(["clone", "--quiet", &url, "before"]).run().expect_code(128);
    let first = scene.call(["helper", "install", "git", "till"]).run().expect_code(0).expect_stdout("");
    let settings = std::fs::read_to_string(scene.home.path(".gitconfig")).unwrap();
    let again = scene.call(["helper", "install", "git", "till"]).run().expect_code(0).expect_stderr("is set already");
    other(&scene.home, "git").args(["clone", "--quiet", &url, "after"]).run().expect_code(0);
    let head = other(&scene.home, "git").args(["-C", "after", "log", "--format=%s"]).run().expect_code(0);

    assert_eq!(head.stdout, "first\n");
    assert!(first.stderr.contains("git config --global credential.https://"), "{first}");
    assert_eq!(std::fs::read_to_string(scene.home.path(".gitconfig")).unwrap(), settings, "{again}");
    let foreign = format!("credential.https://{}/org.helper", server.address);
    git(&["config", "--global", "--replace-all", &foreign, "store"]);
    scene.call(["helper", "install", "git", "till"]).run().expect_code(6).expect_stderr("is set already, and not by this");
}

#[test]
fn docker_finds_its_credentials_through_the_shim() {
    let (scene, token) = logged_in();
    let (folder, path) = shims(&scene);
    bind(&scene, "http://127.0.0.1:5001");
    bind(&scene, "registry.example/team");
    let none = scene.call(["helper", "install", "docker", "till", "--dir"]).arg(&folder).run().expect_code(2);
    none.expect_stderr("docker asks for whole hosts over https");
    bind(&scene, "registry.example:5000");
    let settings = scene.home.path(".docker/config.json");
    std::fs::create_dir(settings.parent().unwrap()).unwrap();
    std::fs::write(&settings, "{\"auths\": {\"else.example\": {}}, \"detachKeys\": \"ctrl-x\"}").unwrap();

    let install = || scene.call(["helper", "install", "docker", "till", "--dir"]).arg(&folder).run();
    install().expect_code(0).expect_stderr("wrote ");
    let written = std::fs::read_to_string(&settings).unwrap();
    install().expect_code(0).expect_stderr("has it already");
    let shim = other(&scene.home, "sh").env("PATH", &path).args(["-c", "exec docker-credential-tokenstrap-till get"]);
    let answer = shim.stdin("registry.example:5000").run().expect_code(0);

    let document: serde_json::Value = serde_json::from_str(&written).unwrap();
    assert_eq!(document["credHelpers"], serde_json::json!({"registry.example:5000": "tokenstrap-till"}));
    assert_eq!(document["detachKeys"], "ctrl-x");
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), written);
    assert!(answer.stdout.contains(&format!("\"Secret\":\"{token}\"")), "{answer}");
    let foreign = written.replace("tokenstrap-till", "pass");
    std::fs::write(&settings, &foreign).unwrap();
    install().expect_code(6);
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), foreign);
    std::fs::write(&settings, "not json").unwrap();
    install().expect_code(6);
    assert_eq!(std::fs::read_to_string(&settings).unwrap(), "not json");
}

#[test]
fn kubectl_asks_a_cluster_with_the_token() {
    // Debian's own is older than the version of the protocol that all clusters speak today.
    let asked = real::program("kubectl").map(|_| Home::new().program("kubectl").args(["config", "set-credentials", "--help"]).run().stdout);
    if !asked.is_some_and(|help| help.contains("--exec-interactive-mode")) {
        return real::left_out_anywhere("kubectl with an exec plugin", "there is no kubectl of 2023 or later");
    }
    let (scene, token) = logged_in();
    let bearer = format!("Bearer {token}");
    let version = r#"{"major":"1","minor":"32","gitVersion":"v1.32.0","gitCommit":"","gitTreeState":"","buildDate":"2025-01-01T00:00:00Z","goVersion":"","compiler":"","platform":""}"#;
    let server = Resource::tls(&authority(&scene), move |asked| {
        if asked.header("authorization") == Some(&bearer) { ok(version) } else { status("401 Unauthorized", "") }
    });
    bind(&scene, &server.address.to_string());
    scene.call(["helper", "install", "kubectl", "till"]).run().expect_code(0).expect_stderr("kubectl config set-credentials");
    scene.call(["helper", "install", "kubectl", "till"]).run().expect_code(0).expect_stderr("is there already");
    let kubectl = |args: &[&str]| other(&scene.home, "kubectl").args(args).run();
    let (address, authority) = (format!("--server=https://{}", server.address), authority(&scene).display().to_string());
    kubectl(&["config", "set-cluster", "lab", &address, &format!("--certificate-authority={authority}")]).expect_code(0);
    kubectl(&["config", "set-context", "lab", "--cluster=lab", "--user=tokenstrap-till"]).expect_code(0);

    let answer = kubectl(&["--context=lab", "get", "--raw", "/version"]).expect_code(0);
    scene.call(["bind", "till", &server.address.to_string(), "--remove"]).run().expect_code(0);
    let refused = kubectl(&["--context=lab", "get", "--raw", "/version"]);

    assert!(answer.stdout.contains("v1.32.0"), "{answer}");
    assert_ne!(refused.code, Some(0), "{refused}");
}

#[test]
fn curl_reads_address_and_header_from_its_config() {
    if !real::programs("curl -K -", &["curl"]) {
        return;
    }
    let (scene, token) = logged_in();
    let bearer = format!("Bearer {token}");
    let server = Resource::tls(&authority(&scene), move |asked| {
        if asked.header("authorization") == Some(&bearer) { ok("in") } else { status("401 Unauthorized", "") }
    });
    bind(&scene, &server.address.to_string());
    let address = format!("https://{}/x?y=1", server.address);

    let config = scene.call(["helper", "curl", "till", &address]).run().expect_code(0);
    let curl = other(&scene.home, "curl").args(["-sS", "--cacert"]).arg(authority(&scene)).args(["-K", "-"]).stdin(config.stdout);

    curl.run().expect_code(0).expect_stdout("in");
    assert_eq!(server.asked()[0].target(), "/x?y=1");
}

#[test]
fn cargo_reads_a_registry_with_the_token() {
    let Some(cargo) = option_env!("CARGO").filter(|cargo| Path::new(cargo).is_file()) else {
        return real::left_out("cargo with a credential provider", "the tests were not built by cargo");
    };
    let (scene, token) = logged_in();
    let (folder, _) = shims(&scene);
    let bearer = format!("Bearer {token}");
    let server = Resource::plain(move |asked| match (asked.header("authorization") == Some(&bearer), asked.target()) {
        (false, _) => status("401 Unauthorized", "WWW-Authenticate: Bearer\r\n"),
        (true, "/config.json") => ok(r#"{"dl": "http://127.0.0.1:1/", "auth-required": true}"#),
        (true, "/sm/al/small") => ok(r#"{"name":"small","vers":"1.2.3","deps":[],"cksum":"00","features":{},"yanked":false}"#),
        (true, _) => status("404 Not Found", ""),
    });
    bind(&scene, &format!("http://{}", server.address));
    scene.call(["helper", "install", "cargo", "till", "--dir"]).arg(&folder).run().expect_code(0).expect_stderr("credential-provider");
    let project = scene.home.path("project");
    std::fs::create_dir_all(project.join("src")).unwrap();
    std::fs::create_dir_all(scene.home.path(".cargo")).unwrap();
    std::fs::write(project.join("src/lib.rs"), "").unwrap();
    let manifest = "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\nsmall = { version = \"1\", registry = \"lab\" }\n";
    std::fs::write(project.join("Cargo.toml"), manifest).unwrap();
    let shim = folder.join("cargo-credential-tokenstrap-till");
    let registry = format!("[registries.lab]\nindex = \"sparse+http://{}/\"\ncredential-provider = [{shim:?}]\n", server.address);
    std::fs::write(scene.home.path(".cargo/config.toml"), registry).unwrap();

    let locked = other(&scene.home, cargo).env("CARGO_HOME", scene.home.path(".cargo")).arg("generate-lockfile").current_dir(&project);

    locked.run().expect_code(0);
    assert!(std::fs::read_to_string(project.join("Cargo.lock")).unwrap().contains("1.2.3"));
}
