//! The key of the sealed file store: who uses it is told where it comes from, and who uses the wrong one too.

use crate::{
    scene::KEY,
    support::binary::{Home, Invocation},
};
use std::{fs, os::unix::fs::PermissionsExt};

const LOGIN: &str = "login till --provider github --client-id till --client-only";

fn call(home: &Home, args: &str) -> Invocation {
    home.tokenstrap().args(args.split(' ')).env("TOKENSTRAP_STORE", "file").env("BROWSER", "true")
}

#[track_caller]
fn refused(call: Invocation, part: &str) {
    let ways = "hint: TOKENSTRAP_KEY or --key-file names the right key";
    call.run().expect_code(5).expect_stdout("").expect_stderr("the store stays closed").expect_stderr(part).expect_stderr(ways);
}

#[test]
fn login_doctor_and_every_error_say_where_the_key_of_the_sealed_files_comes_from() {
    let home = Home::new();
    let (own, other) = (home.path(".config/tokenstrap/store.key"), home.path("other.key"));
    let (own_name, other_name) = (format!("the key file `{}`", own.display()), format!("the key file `{}`", other.display()));
    fs::write(&other, KEY).unwrap();
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let call = |args: &str| call(&home, args);
    let doctor_says = |call: Invocation, part: &str| {
        let said = call.run();
        assert!(said.stdout.contains(part), "`{part}` is not there\n{said}");
    };

    call(LOGIN).env("TOKENSTRAP_KEY", KEY).run().expect_code(0).expect_stderr("comes from TOKENSTRAP_KEY;");
    call(LOGIN).env("TOKENSTRAP_KEY_FILE", &other).run().expect_code(0).expect_stderr(&format!("comes from {other_name};"));
    doctor_says(call("doctor").env("TOKENSTRAP_KEY", KEY), "from the variable TOKENSTRAP_KEY");
    doctor_says(call("doctor").env("TOKENSTRAP_KEY_FILE", &other), "other.key, which TOKENSTRAP_KEY_FILE names");

    let wrong = KEY.replace('4', "5");
    refused(call("show till").env("TOKENSTRAP_KEY", &wrong), "another key than the one from TOKENSTRAP_KEY");
    refused(call("token till").env("TOKENSTRAP_KEY", "0f"), "TOKENSTRAP_KEY holds a key of 1 bytes");
    refused(call("show till").env("TOKENSTRAP_KEY_FILE", &own), &format!("there is no key file `{}`", own.display()));
    call("store init file").run().expect_code(0);
    refused(call("show till"), &format!("another key than the one from {own_name}"));
    fs::write(&other, &wrong).unwrap();
    refused(call("token till").env("TOKENSTRAP_KEY_FILE", &other), &format!("another key than the one from {other_name}"));

    call(&LOGIN.replace("till", "shop")).run().expect_code(0).expect_stderr(&format!("comes from {own_name};"));
    doctor_says(call("doctor"), "from the key file beside the settings");
}
