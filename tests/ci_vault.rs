//! The examples of `examples/ci` that share a grant through OpenBao: their own files and shell lines, with a real OpenBao.
//! GitHub is played by a server that signs what GitHub would; a container engine is not there.

use crate::{
    ci_examples::{example, has_parts, yaml},
    scene::{Scene, begun},
    support::{
        bao::{self, Bao},
        binary::{Home, Invocation},
        real,
        resource::{self, Asked, Resource},
    },
};
use data_encoding::BASE64URL_NOPAD;
use ring::{rand::SystemRandom, rsa::PublicKeyComponents, signature};
use serde_json::json;
use std::{fs, os::unix::fs::PermissionsExt, path::Path};
use tokenstrap::sandbox::approve;

/// A vault, a grant in it that somebody at a desk brought there, and a machine that has nothing yet.
struct Stage {
    desk: Scene,
    bao: Bao,
    runner: Home,
}

impl Stage {
    fn new(bao: Bao) -> Self {
        Self { desk: Scene::with(|server| server.rotating()), bao, runner: Home::new() }
    }

    /// A program with the program under test and the server's own in its search path.
    fn dressed(&self, call: Invocation) -> Invocation {
        let bin = self.runner.root().join("bin");
        fs::create_dir_all(&bin).unwrap();
        for (name, program) in [("tokenstrap", env!("CARGO_BIN_EXE_tokenstrap").into()), ("bao", bao::program().unwrap())] {
            // There from the last call.
            let _ = std::os::unix::fs::symlink(program, bin.join(name));
        }
        let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
        call.env("PATH", path).env("VAULT_ADDR", self.bao.address(0)).env("ORDERS_URL", self.desk.server.verify_endpoint())
    }

    /// As somebody who may set the vault up.
    fn setting_up(&self, call: Invocation) -> Invocation {
        self.dressed(call).env("VAULT_TOKEN", self.bao.root())
    }

    fn log_in(&self) {
        let login = self.desk.login().env("TOKENSTRAP_STORE", "vault").env("VAULT_ADDR", self.bao.address(0));
        let (login, page) = begun(login.env("VAULT_TOKEN", self.bao.root()));
        approve(&page).unwrap();
        login.finish().expect_code(0);
    }

    fn step(&self, text: &str) -> Invocation {
        self.dressed(self.runner.program("sh").args(["-euc", text]))
    }
}

/// What GitHub does for a job: publishes its keys, and signs who the job is for whoever has the job's own token.
fn github() -> Resource {
    let pkcs8 = fs::read(Path::new(real::TOP).join("tests/fixtures/rsa_2048_for_tests.pk8")).unwrap();
    let key = signature::RsaKeyPair::from_pkcs8(&pkcs8).unwrap();
    Resource::plain(move |asked: &Asked| {
        let issuer = format!("http://{}", asked.header("host").unwrap());
        match asked.target().split('?').next().unwrap() {
            "/.well-known/openid-configuration" => resource::ok(
                &json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys"), "id_token_signing_alg_values_supported": ["RS256"],
                    "authorization_endpoint": issuer, "token_endpoint": issuer, "response_types_supported": ["id_token"],
                    "subject_types_supported": ["public"]})
                .to_string(),
            ),
            "/keys" => {
                let public = PublicKeyComponents::<Vec<u8>>::from(key.public());
                let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
                resource::ok(
                    &json!({"keys": [{"kty": "RSA", "alg": "RS256", "use": "sig", "n": encode(&public.n), "e": encode(&public.e)}]})
                        .to_string(),
                )
            }
            "/token" if asked.header("authorization") == Some("Bearer the-jobs-own") => resource::ok(&signed(&key, &issuer, asked)),
            _ => resource::status("403 Forbidden", ""),
        }
    })
}

/// The target names audience and, as a stand-in for where the job runs, repository.
fn signed(key: &signature::RsaKeyPair, issuer: &str, asked: &Asked) -> String {
    let url = url::Url::parse(&format!("{issuer}{}", asked.target())).unwrap();
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let claims = json!({
        "iss": issuer, "sub": "repo:my-company/orders:ref:refs/heads/main", "aud": value("audience"), "repository": value("repository"),
        "ref": "refs/heads/main", "nbf": 1_700_000_000_u64, "iat": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
    });
    let text = [br#"{"alg":"RS256","typ":"JWT"}"#, claims.to_string().as_bytes()].map(|part| BASE64URL_NOPAD.encode(part)).join(".");
    let mut proof = vec![0; key.public().modulus_len()];
    key.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut proof).unwrap();
    json!({"value": format!("{text}.{}", BASE64URL_NOPAD.encode(&proof))}).to_string()
}

#[test]
fn a_job_of_github_signs_in_as_itself_and_one_of_another_repository_does_not() {
    let Some(bao) = has_parts().then(Bao::dev).flatten() else { return };
    let (stage, github) = (Stage::new(bao), github());
    let issuer = format!("http://{}", github.address);
    // Twice does no harm.
    for _ in 0..2 {
        let setup = stage.runner.program(example("openbao-setup")).args(["github", "my-company/orders", "main"]);
        stage.setting_up(setup).env("ISSUER", &issuer).run().expect_code(0).expect_stdout("");
    }
    stage.log_in();
    let temp = stage.runner.root().join("tmp");
    let name = "github-actions-openbao.yml";
    let steps = [0, 1].map(|number| yaml(name, &format!(".jobs.orders.steps[{number}].run")));
    let job = |step: &str, repository: &str| {
        let url = format!("{issuer}/token?repository={repository}");
        let step = stage.step(step).env("RUNNER_TEMP", &temp).env("ACTIONS_ID_TOKEN_REQUEST_URL", url);
        step.env("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "the-jobs-own").env("TOKENSTRAP_NON_INTERACTIVE", "1")
    };

    job(&steps[0], "my-company/orders").run().expect_code(0).expect_stdout("");
    let fetched = job(&steps[1], "my-company/orders").run().expect_code(0).expect_stdout("");

    assert!(fetched.stderr.starts_with("::add-mask::mock-"), "{fetched}");
    assert!(fs::metadata(stage.runner.root().join("cwd/orders.json")).unwrap().len() > 10);
    assert_eq!(fs::metadata(temp.join("job.jwt")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(yaml(name, ".permissions | keys | join(\" \")").trim(), "id-token");

    let token = format!("tokenstrap token till --config {}/tokenstrap.toml --force-refresh", temp.display());
    job(&token, "").run().expect_code(0);
    assert_eq!((stage.desk.server.reuse_events(), stage.desk.server.live_refresh_tokens()), (0, 1));

    job(&steps[0], "my-company/other").run().expect_code(0);
    job(&token, "").run().expect_code(5).expect_stdout("").expect_stderr("does not match any associated bound claim");
}

#[test]
fn the_job_of_compose_signs_in_with_its_secret_id_alone() {
    let config = |name: &str| yaml("compose.yaml", &format!(".configs.{name}.content"));
    let settings = |[port, cluster]: [u16; 2], data: &Path| {
        let text = config("openbao").replace("127.0.0.1:8200", &format!("127.0.0.1:{port}"));
        text.replace("127.0.0.1:8201", &format!("127.0.0.1:{cluster}"))
            .replace("/openbao/file\"", &format!("{}\"\nperformance_multiplier = 1", data.display()))
    };
    let Some(bao) = has_parts().then(|| Bao::with_settings(settings)).flatten() else { return };
    let stage = Stage::new(bao);
    let setup = stage.runner.program("sh").args(["-s", "approle"]).stdin(fs::read_to_string(example("openbao-setup")).unwrap());
    let secret_id = stage.setting_up(setup).run().expect_code(0).stdout;
    stage.log_in();
    let (secret, own) = (stage.runner.path("secret_id"), stage.runner.path("tokenstrap.toml"));
    fs::write(&secret, &secret_id).unwrap();
    let text = config("tokenstrap").replace("http://127.0.0.1:8200", &stage.bao.address(0));
    fs::write(&own, text.replace("/run/secrets/secret_id", secret.to_str().unwrap())).unwrap();
    let file = stage.runner.path("orders.json");
    let command = yaml("compose.yaml", ".services.orders.command[2]").replace("$$", "$");
    let run = || stage.step(&command).env("TOKENSTRAP_CONFIG", &own).env("ORDERS_FILE", &file).run();

    run().expect_code(0).expect_stdout("");

    assert!(fs::metadata(&file).unwrap().len() > 10);
    assert_eq!(yaml("compose.yaml", ".services.orders.network_mode").trim(), "service:openbao");
    let token = || stage.step("tokenstrap token till --force-refresh").env("TOKENSTRAP_CONFIG", &own);
    token().run().expect_code(0);
    fs::write(&secret, "00000000-0000-0000-0000-000000000000").unwrap();
    token().run().expect_code(5).expect_stdout("").expect_stderr("invalid role or secret");
}
