//! From flags and files to the desk, and again where a file has changed.

use super::{
    Failure, Serve,
    files::{self, Watched},
};
use crate::{
    oauth::endpoint::is_loopback,
    pos::{
        answers::Answers,
        collection::{self, Variables},
        desk::Desk,
        faults::for_call,
        matching::{ByField, Rules},
        register,
        shop::{self, Data, Shop},
    },
    text::printable,
};
use std::path::{Path, PathBuf};
use url::Url;

/// Largest file of one canned answer, in bytes.
const MOST_ANSWER: usize = 1024 * 1024;

/// The files behind a desk, and how they are read.
pub(super) struct Files {
    collection: Option<PathBuf>,
    environments: Vec<PathBuf>,
    data: Option<PathBuf>,
    answers: Vec<(&'static str, PathBuf)>,
    rules: Rules,
    watched: Vec<Watched>,
}

/// The desk as the flags say, and the files to look at again.
pub(super) fn desk(serve: &Serve) -> Result<(Desk, Files), Failure> {
    let answers = serve.answers.iter().map(|order| named(order, "--answer", "answer.json").map(|(call, path)| (call, PathBuf::from(path))));
    let answers = answers.collect::<Result<Vec<_>, _>>()?;
    let fields = if serve.fields.is_empty() { ByField::Differing } else { ByField::Listed(serve.fields.clone()) };
    let all = serve.collection.iter().chain(&serve.environments).chain(&serve.data).chain(answers.iter().map(|(_, path)| path));
    let files = Files {
        watched: all.map(|path| Watched::new(path)).collect(),
        collection: serve.collection.clone(),
        environments: serve.environments.clone(),
        data: serve.data.clone(),
        answers,
        rules: Rules { fields, near: !serve.strict },
    };
    let mut desk = Desk::new(Shop::new(files.shop()?), files.examples()?);
    files.can(&mut desk)?;
    for order in &serve.forwards {
        let (call, url) = named(order, "--forward", "https://example.test/search")?;
        desk.by_hand(call).forward = Some(target(url)?);
    }
    for order in &serve.faults {
        let (call, fault) = named(order, "--fault", "html")?;
        set(&mut desk, "--fault", &format!("{call}.fault"), fault)?;
    }
    for order in &serve.delays {
        let calls = match order.split_once('=') {
            Some(_) => vec![named(order, "--delay", "3s")?],
            None => register::CALLS.iter().map(|call| (call.name, order.as_str())).collect(),
        };
        for (call, delay) in calls {
            set(&mut desk, "--delay", &format!("{call}.delay"), delay)?;
        }
    }
    Ok((desk, files))
}

fn named<'a>(order: &'a str, flag: &str, example: &'static str) -> Result<(&'static str, &'a str), Failure> {
    for_call(order, example)
        .map_err(|error| Failure::usage(format!("the value of {flag} is not one that it takes")).because(printable(&error.to_string())))
}

fn set(desk: &mut Desk, flag: &str, word: &str, value: &str) -> Result<(), Failure> {
    let set = desk.set(word, value);
    set.map(drop)
        .map_err(|error| Failure::usage(format!("the value of {flag} is not one that it takes")).because(printable(&error.to_string())))
}

/// The integrator's own server: on this machine, or over https.
fn target(text: &str) -> Result<Url, Failure> {
    let refused = |why: &str| Failure::usage("the address of --forward is not one that calls go on to").because(why);
    let url = Url::parse(text).map_err(|_| refused("it is not an absolute URL"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it carries a user name or password"));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(refused("names and cards would travel in clear text; use https, or an address of this machine")),
        _ => Err(refused("it is neither http nor https")),
    }
}

impl Files {
    fn examples(&self) -> Result<Answers, Failure> {
        let read = |path: &Path| files::read(path, collection::MOST_BYTES);
        let unreadable = |path: &Path, error: collection::CollectionFault| {
            Failure::usage(format!("`{}` cannot be served", printable(&path.to_string_lossy()))).because(error)
        };
        let environments =
            self.environments.iter().map(|path| Variables::read_environment(&read(path)?).map_err(|error| unreadable(path, error)));
        let environments = environments.collect::<Result<Vec<_>, _>>()?;
        let Some(path) = &self.collection else { return Ok(Answers::built_in()) };
        Answers::read(&read(path)?, environments, self.rules.clone()).map_err(|error| unreadable(path, error))
    }

    fn shop(&self) -> Result<Data, Failure> {
        let Some(path) = &self.data else { return Ok(Data::sample()) };
        Data::read(&files::read(path, shop::MOST_BYTES)?).map_err(|error| {
            Failure::usage(format!("`{}` does not hold the data of a shop", printable(&path.to_string_lossy())))
                .because(printable(&error.to_string()))
                .hint("`tokenstrap pos init DIR` writes a file to begin with")
        })
    }

    /// Puts the canned answers on the desk.
    fn can(&self, desk: &mut Desk) -> Result<(), Failure> {
        for (call, path) in &self.answers {
            desk.by_hand(call).canned = Some(files::read(path, MOST_ANSWER)?.into());
        }
        Ok(())
    }

    /// Looks whether a file has changed; gives what to say about it. What cannot be read any more leaves everything as it was.
    pub fn look_again(&mut self, change: impl FnOnce(&mut dyn FnMut(&mut Desk))) -> Option<String> {
        let changed: Vec<_> = self.watched.iter_mut().filter_map(|file| file.has_changed().then(|| file.path.clone())).collect();
        let first = changed.first()?;
        let shown = printable(&first.to_string_lossy());
        let has_data = self.data.as_ref().is_some_and(|path| changed.contains(path));
        let read = || -> Result<_, Failure> {
            let data = if has_data { Some(self.shop()?) } else { None };
            let mut canned = Vec::new();
            for (call, path) in &self.answers {
                canned.push((*call, files::read(path, MOST_ANSWER)?));
            }
            Ok((self.examples()?, data, canned))
        };
        let (answers, data, canned) = match read() {
            Ok(read) => read,
            Err(failure) => {
                let causes = failure.causes.join(", ");
                return Some(format!("{}{}{causes}; the old one stays", failure.fact, if causes.is_empty() { "" } else { ": " }));
            }
        };
        let count = answers.remarks().0;
        let mut parts = Some((answers, data, canned));
        change(&mut |desk| {
            let Some((answers, data, canned)) = parts.take() else { return };
            desk.answers = answers.into();
            if let Some(data) = data {
                desk.shop = Shop::new(data);
            }
            for (call, bytes) in canned {
                desk.by_hand(call).canned = Some(bytes.into());
            }
        });
        let what = if has_data { ", points and balances as it says" } else { "" };
        Some(format!("`{shown}` has changed and was read again: {count} examples{what}"))
    }
}
