//! What a person typed or piped for a call, checked before anything is sent.

use crate::{
    cli::failure::{Exit, Failure},
    secret::Secret,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use std::io::{IsTerminal, Read, stdin};

/// Largest body that is sent, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Headers that are ours: another value would send the token elsewhere, or the body in another shape.
const OWN: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
];

/// A method; those that turn the connection into something else, or show what was sent, are none here.
pub(super) fn method(text: &str) -> Result<Method, Failure> {
    let plain = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    let method = Method::from_bytes(text.to_ascii_uppercase().as_bytes()).ok().filter(|_| plain);
    method
        .filter(|method| !matches!(*method, Method::CONNECT | Method::TRACE))
        .ok_or_else(|| Failure::usage("this is not a method for an API call").hint("write GET, POST, PUT, PATCH, DELETE or HEAD"))
}

/// Headers as curl takes them. No value is quoted in an error.
pub(super) fn headers(texts: &[String]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    for text in texts {
        let wrong = || Failure::usage("a header is written NAME: VALUE");
        let (name, value) = text.split_once(':').ok_or_else(wrong)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| wrong())?;
        if OWN.contains(&name) {
            return Err(Failure::usage(format!("the header `{name}` is not yours to set here")));
        }
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// The body of a method that has one, from standard input where that is no terminal.
pub(super) fn body(method: &Method) -> Result<Option<Secret>, Failure> {
    if !matches!(*method, Method::POST | Method::PUT | Method::PATCH) || stdin().is_terminal() {
        return Ok(None);
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    let read = stdin().lock().take(LARGEST + 1).read_to_string(&mut text);
    match read {
        Ok(_) if text.len() as u64 > LARGEST => Err(Failure::usage("standard input holds more than 16 MiB")),
        Ok(_) => Ok(Some(Secret::new(text.as_str()))),
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => Err(Failure::usage("standard input is not UTF-8")),
        Err(error) => Err(Failure::new(Exit::Machine, "standard input cannot be read").because(error)),
    }
}
