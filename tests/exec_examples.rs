//! The examples of `examples/exec` do what they say: with AWS's own credential chain, and with direnv.

use crate::{
    scene::{Scene, changed},
    support::{
        binary::Invocation,
        http::get_as,
        real,
        resource::{Asked, Resource, Said, ok, status},
        running::Stream,
    },
};
use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

const ROLE: &str = "arn:aws:iam::123456789012:role/till";

/// Prints the id of AWS's key now, and once more after a line; keys that end within minutes are fetched anew.
const SHOW_KEYS: &str = "import botocore.session
credentials = botocore.session.get_session().get_credentials()
for _ in range(2):
    print(credentials.get_frozen_credentials().access_key, flush=True)
    input()";

fn example(name: &str) -> String {
    Path::new(real::TOP).join("examples/exec").join(name).to_str().unwrap().to_owned()
}

fn field(asked: &Asked, name: &str) -> String {
    let found = url::form_urlencoded::parse(&asked.body).find(|(key, _)| key == name);
    found.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A stand-in for STS: keys for one minute, in exchange for a token that is alive at `verify` this moment.
fn sts(verify: String) -> Resource {
    let count = AtomicU32::new(0);
    Resource::plain(move |asked| {
        let token = field(asked, "WebIdentityToken");
        let is_right = field(asked, "Action") == "AssumeRoleWithWebIdentity" && field(asked, "RoleArn") == ROLE;
        if !is_right || get_as(&format!("Bearer {token}"), &verify).status != 200 {
            return status("400 Bad Request", "");
        }
        keys(count.fetch_add(1, Ordering::SeqCst) + 1)
    })
}

/// As in the reference of AssumeRoleWithWebIdentity.
fn keys(number: u32) -> Said {
    let end = Command::new("date").args(["--utc", "--date=+60 seconds", "+%FT%TZ"]).output().unwrap();
    let end = String::from_utf8(end.stdout).unwrap();
    let (credentials, user) = (
        format!("<AccessKeyId>KEY-{number}</AccessKeyId><SecretAccessKey>made-up</SecretAccessKey><SessionToken>made-up</SessionToken>"),
        format!("<Arn>{ROLE}</Arn><AssumedRoleId>till:tokenstrap</AssumedRoleId>"),
    );
    let credentials = format!("<Credentials>{credentials}<Expiration>{}</Expiration></Credentials>", end.trim_end());
    let result = format!("{credentials}<AssumedRoleUser>{user}</AssumedRoleUser>");
    let (name, namespace) = ("AssumeRoleWithWebIdentity", "https://sts.amazonaws.com/doc/2011-06-15/");
    ok(&format!("<{name}Response xmlns=\"{namespace}\"><{name}Result>{result}</{name}Result></{name}Response>"))
}

#[test]
fn h_14_aws_gets_keys_for_the_token_of_the_moment_each_time_they_run_out() {
    let library = real::target("aws");
    if !library.join("botocore").is_dir() {
        return real::left_out("AWS's credential chain", "there is no botocore");
    }
    let scene = Scene::with(|builder| builder.expires_in(2));
    scene.log_in();
    let (path, sts) = (scene.path_with(&[]), sts(scene.server.verify_endpoint()));
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let call = scene.home.program(example("aws-web-identity")).args(["till", "python3", "-c", SHOW_KEYS]);
    let call = call.env("PATH", path).env("XDG_RUNTIME_DIR", memory.path()).env("PYTHONPATH", library).env("PYTHONDONTWRITEBYTECODE", "1");
    let call = call.env("AWS_ENDPOINT_URL_STS", format!("http://{}", sts.address)).env("AWS_REGION", "eu-central-1");
    let call = call.env("AWS_ROLE_ARN", ROLE).env("AWS_ACCESS_KEY_ID", "OTHER").env("AWS_SECRET_ACCESS_KEY", "other");

    let mut running = with_store(call).stdin_open().spawn();
    running.expect(Stream::Out, "KEY-1\n");
    let file = memory.path().join(format!("aws-{}", running.pid().as_raw_nonzero()));
    let first = field(&sts.asked()[0], "WebIdentityToken");
    changed(&file, &first);
    running.send("\n");
    running.expect(Stream::Out, "KEY-2\n");
    running.send("\n");
    let outcome = running.finish().expect_code(0);

    assert_eq!(sts.asked().len(), 2, "{outcome}");
    assert_ne!(field(&sts.asked()[1], "WebIdentityToken"), first);
    assert!(!outcome.stderr.contains("memory file system") && !file.exists(), "{outcome}");
}

fn with_store(call: Invocation) -> Invocation {
    call.env("TOKENSTRAP_STORE", "file").env("TOKENSTRAP_KEY", crate::scene::KEY)
}

/// A folder whose `.envrc` is this, and a call of direnv in it.
fn in_folder(scene: &Scene, path: &str, envrc: &str, script: &str) -> Invocation {
    let (project, library) = (scene.home.root().join("project"), scene.home.path(".config/direnv/lib"));
    fs::create_dir_all(&project).unwrap();
    fs::create_dir_all(&library).unwrap();
    fs::copy(example("direnv"), library.join("tokenstrap.sh")).unwrap();
    fs::write(project.join(".envrc"), envrc).unwrap();
    let direnv = |words: &[&str]| with_store(scene.home.program("direnv").args(words).env("PATH", path)).current_dir(&project);
    direnv(&["allow", "."]).run().expect_code(0);
    direnv(&["exec", ".", "sh", "-c", script])
}

#[test]
fn commands_of_a_folder_get_a_fresh_token_at_each_call_and_its_shell_gets_none() {
    if !real::programs("the example for direnv", &["direnv", "bash"]) {
        return;
    }
    let scene = Scene::new();
    scene.log_in();
    let path = scene.path_with(&[("show", "#!/bin/sh\necho \"$TILL_TOKEN $*\"\n")]);
    let script = "show 'one  word'; tokenstrap token till --force-refresh >/dev/null; show; env";

    let outcome = in_folder(&scene, &path, "use tokenstrap till TILL_TOKEN show\n", script).run().expect_code(0);

    let token = scene.call(["token", "till"]).run().expect_code(0).stdout;
    let (shown, environment) = outcome.stdout.split_at(outcome.stdout.match_indices('\n').nth(1).unwrap().0 + 1);
    let (first, second) = shown.split_once('\n').unwrap();
    assert!(first.starts_with("mock-") && first.ends_with(" one  word") && !first.starts_with(token.trim_end()), "{outcome}");
    assert_eq!(second.trim_end(), token.trim_end(), "{outcome}");
    assert!(environment.contains("DIRENV_DIR=") && !environment.contains("mock-"), "{outcome}");
}

#[test]
fn a_folder_that_names_no_variable_or_no_program_is_told_so_and_loses_nothing() {
    if !real::programs("the example for direnv", &["direnv", "bash"]) {
        return;
    }
    let scene = Scene::new();
    let path = scene.path_with(&[("show", "#!/bin/sh\n")]);
    let precious = scene.home.root().join("project/precious");

    for envrc in ["use tokenstrap till ../../precious show", "use tokenstrap till show", "use tokenstrap till TILL_TOKEN no-such-program"] {
        fs::create_dir_all(&precious).unwrap();
        let outcome = in_folder(&scene, &path, envrc, "true").run();
        assert!(outcome.stderr.contains("use tokenstrap: "), "{envrc}\n{outcome}");
        assert!(precious.is_dir(), "{envrc}");
    }
}
