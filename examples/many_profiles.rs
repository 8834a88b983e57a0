//! Makes many profiles out of one, for `tests/bench/scale.py`.
//!
//! `many_profiles PROFILE FROM TO` copies settings and grant of PROFILE to `PROFILE-FROM` up to below `PROFILE-TO`, in the
//! file store whose key is in `TOKENSTRAP_KEY`.

use std::{env, error::Error, fs, io, process::ExitCode};
use tokenstrap::{
    config::{Config, Folders},
    http::client::{Client, Options},
    platform::{clock::SystemClock, entropy::SystemEntropy},
    profile::ProfileName,
    secret::Secret,
    store::{self, KeySource},
};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = io::Write::write_all(&mut io::stderr(), format!("many_profiles: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(model), Some(from), Some(to)) = (arguments.next(), arguments.next(), arguments.next()) else {
        return Err("PROFILE, FROM and TO are needed".into());
    };
    let folders = Folders::of(&|name| env::var(name).ok())?;
    let transport = Client::new(Options::default());
    let world = store::World {
        data: folders.data.clone(),
        state: folders.state.clone(),
        config: folders.config.clone(),
        key: KeySource::Text(Secret::new(env::var("TOKENSTRAP_KEY")?)),
        vault: Default::default(),
        env: &|name| env::var(name).ok(),
        transport: &transport,
        command: &[],
        prompt: false,
        entropy: &SystemEntropy,
        clock: &SystemClock,
    };
    let store = store::by_name("file").ok_or("there is no file store")?.open(&world)?;
    let model: ProfileName = model.parse()?;
    let mut record = store.load(&model)?.ok_or("there is no such grant")?;
    record.generation = 1;
    let settings = toml::to_string(&Config::new(folders.config.clone(), None).settings(&model)?)?;
    for number in from.parse::<usize>()?..to.parse()? {
        record.profile = format!("{model}-{number}").parse()?;
        store.save(&record)?;
        let path = folders.config.join("profiles").join(format!("{}.toml", record.profile));
        fs::write(&path, &settings)?;
        restrict(&path)?;
    }
    Ok(())
}

/// Settings that others could have written are not believed.
fn restrict(path: &std::path::Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
