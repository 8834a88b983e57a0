//! The examples of `examples/ci` do what they say: their own shell steps, against a sandbox, with stand-ins for the cloud.

use crate::{
    scene::{KEY, Scene},
    support::{
        binary::{Home, Invocation},
        real,
    },
};
use std::{fs, path::Path};

/// A scene in whose `PATH` the program is, and a `gh` that keeps what it is given.
struct Job {
    scene: Scene,
    path: String,
}

impl Job {
    fn new(scene: Scene) -> Self {
        scene.log_in();
        let gh = "#!/bin/sh\nprintf '%s ' \"$@\" >>\"$HOME/gh.args\"\ncat >\"$HOME/gh.in\"\n";
        let path = scene.path_with(&[("gh", gh)]);
        Self { scene, path }
    }

    fn dressed(&self, call: Invocation) -> Invocation {
        let call = call.env("PATH", &self.path).env("ORDERS_URL", self.scene.server.verify_endpoint());
        call.env("TOKENSTRAP_KEY", KEY)
    }

    /// A script that ships.
    fn script(&self, name: &str, words: &[&str]) -> Invocation {
        self.dressed(self.scene.home.program(example(name)).args(words)).env("TOKENSTRAP_STORE", "file")
    }

    /// A shell step of a YAML file, which may name its variables.
    fn step(&self, name: &str, filter: &str) -> Invocation {
        self.dressed(self.scene.home.program("sh").args(["-euc", &yaml(name, filter)]))
    }

    fn bundle(&self) -> String {
        self.scene.call(["export", "till"]).run().expect_code(0).stdout.trim_end().to_owned()
    }

    fn fetched(&self, file: &Path) {
        assert!(fs::read_to_string(file).unwrap().contains("company") || fs::metadata(file).unwrap().len() > 10);
    }
}

pub(crate) fn example(name: &str) -> String {
    Path::new(real::TOP).join("examples/ci").join(name).to_str().unwrap().to_owned()
}

/// What a filter of jq finds in a YAML file.
pub(crate) fn yaml(name: &str, filter: &str) -> String {
    let read = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout, default=str)";
    let command = format!("python3 -c '{read}' {} | jq --raw-output '{filter}'", example(name));
    let output = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && !text.trim().is_empty() && text.trim() != "null", "{name} {filter}: {text}");
    text
}

pub(crate) fn has_parts() -> bool {
    real::programs("the examples for CI", &["python3", "jq", "curl"])
}

#[test]
fn the_keeper_publishes_the_access_token_alone_and_from_standard_input() {
    let job = Job::new(Scene::with(|server| server.rotating()));

    job.script("keeper", &["till", "my-company/orders", "TILL_TOKEN"]).run().expect_code(0).expect_stdout("");

    let token = job.scene.call(["token", "till"]).run().expect_code(0).stdout;
    assert_eq!(fs::read_to_string(job.scene.home.path("gh.in")).unwrap(), token.trim_end());
    assert_eq!(fs::read_to_string(job.scene.home.path("gh.args")).unwrap(), "secret set TILL_TOKEN --repo my-company/orders ");
    // A grant that is gone publishes nothing.
    job.scene.call(["logout", "till"]).run().expect_code(0);
    job.script("keeper", &["till", "my-company/orders", "TILL_TOKEN"]).run().expect_code(3);
    assert_eq!(fs::read_to_string(job.scene.home.path("gh.in")).unwrap(), token.trim_end());
}

#[test]
fn the_nightly_job_of_cron_fetches_with_the_file_store() {
    if !has_parts() {
        return;
    }
    let job = Job::new(Scene::new());
    let file = job.scene.home.root().join("orders.json");

    job.script("nightly", &[]).env("ORDERS_FILE", &file).run().expect_code(0).expect_stdout("");

    job.fetched(&file);
}

#[test]
fn jobs_with_a_bundle_fetch_on_github_and_gitlab_and_mask_the_token() {
    if !has_parts() {
        return;
    }
    let job = Job::new(Scene::new());
    job.scene.refreshed().expect_code(0);
    let bundle = job.bundle();
    let file = job.scene.home.root().join("cwd/orders.json");
    for (name, filter, store) in [
        ("github-actions.yml", ".jobs.orders.steps[0].run", ".jobs.orders.env.TOKENSTRAP_STORE"),
        ("gitlab-ci.yml", ".orders.script | join(\"\\n\")", ".orders.variables.TOKENSTRAP_STORE"),
    ] {
        let step = job.step(name, filter).env("TOKENSTRAP_STORE", yaml(name, store).trim());

        let outcome = step.env("TOKENSTRAP_GRANT", &bundle).env("TOKENSTRAP_NON_INTERACTIVE", "1").run().expect_code(0);

        job.fetched(&file);
        fs::remove_file(&file).unwrap();
        assert_eq!(outcome.stderr.starts_with("::add-mask::mock-"), name.starts_with("github"), "{outcome}");
    }
}

#[test]
fn the_job_of_kubernetes_takes_the_bundle_once_and_keeps_the_grant_up_to_date() {
    if !has_parts() {
        return;
    }
    let job = Job::new(Scene::with(|server| server.rotating()));
    let (bundle, volume) = (job.bundle(), job.scene.home.root().join("volume"));
    job.scene.call(["logout", "till"]).run().expect_code(0);
    fs::create_dir(&volume).unwrap();
    let filter = ".spec.jobTemplate.spec.template.spec.containers[0].command[2]";
    let run = || {
        let step = job.step("kubernetes-cronjob.yaml", filter).env("HOME", &volume).env("TOKENSTRAP_STORE", "file");
        let bare = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"].iter().fold(step, |step, name| step.env_remove(name));
        bare.env("BUNDLE", &bundle).run().expect_code(0)
    };

    run();
    // The token ends: the second job refreshes, and the third comes with what the second has kept.
    for _ in 0..2 {
        let call = job.scene.call(["token", "till", "--force-refresh"]).env("HOME", &volume);
        let bare = ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"].iter().fold(call, |call, name| call.env_remove(name));
        bare.run().expect_code(0);
        run();
    }

    assert_eq!(job.scene.server.reuse_events(), 0);
    assert_eq!(yaml("kubernetes-cronjob.yaml", ".spec.concurrencyPolicy").trim(), "Forbid");
}

#[test]
fn x_12_no_example_puts_a_secret_on_a_command_line() {
    for name in fs::read_dir(example("")).unwrap().map(|entry| entry.unwrap().path()) {
        let text = fs::read_to_string(&name).unwrap();
        for wrong in ["Bearer $", "-H \"$", "--header \"Authorization", "secret=", "set -x", "--body \"$"] {
            assert!(!text.contains(wrong), "{}: {wrong}", name.display());
        }
    }
}

#[test]
fn the_shell_lines_of_the_examples_are_clean() {
    if !has_parts() || !real::programs("the examples' shell lines", &["shellcheck"]) {
        return;
    }
    let home = Home::new();
    for (name, filter) in [
        ("github-actions.yml", ".jobs[].steps[].run"),
        ("github-actions-openbao.yml", ".jobs[].steps[].run"),
        ("gitlab-ci.yml", ".orders.script[]"),
        ("kubernetes-cronjob.yaml", ".spec.jobTemplate.spec.template.spec.containers[].command[2]"),
        ("compose.yaml", ".services.orders.command[2] | gsub(\"[$][$]\"; \"$\")"),
    ] {
        home.program("shellcheck").args(["--shell=sh", "-"]).stdin(yaml(name, filter)).run().expect_code(0);
    }
}
