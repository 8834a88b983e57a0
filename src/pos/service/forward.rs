//! Passing a register's call on to the integrator's own server, and what comes back on to the register.
//!
//! The wait is bounded, no redirect is followed, and what is not JSON never reaches the register. Headers that belong to the way
//! between register and us stay here.

use super::{Arc, Call, Till, reply::Reply};
use crate::{
    oauth::message,
    pos::{answers::safe, journal::Why, place::with_query},
    secret::Secret,
    text::printable,
};
use http::{HeaderMap, HeaderName, header};
use std::time::Instant;
use url::Url;

/// Headers that are passed on, beside those that begin with `x-kounta-`.
const PASSED_ON: [HeaderName; 4] = [header::ACCEPT, header::ACCEPT_LANGUAGE, header::AUTHORIZATION, header::CONTENT_TYPE];

impl Till {
    /// The answer of the integrator's own server; a safe one where none came.
    pub(super) async fn forward(self: &Arc<Self>, name: &'static str, url: &Url, call: &Call, query: &str) -> Reply {
        let asked = query.to_owned();
        let Ok(body) = String::from_utf8(call.body.to_vec()) else {
            return fallen(name, asked, "the body is not UTF-8 and was not passed on");
        };
        let request = message::Request {
            method: call.method.clone(),
            url: with_query(url, query),
            headers: passed_on(&call.headers),
            body: (!body.is_empty()).then(|| Secret::new(body)),
        };
        let (client, patience) = (Arc::clone(&self.client), self.patience);
        let sent = tokio::task::spawn_blocking(move || crate::ports::Transport::send(&*client, &request, Instant::now() + patience)).await;
        match sent {
            Ok(Ok(response)) => Reply {
                status: response.status.as_u16(),
                content_type: response.header(&header::CONTENT_TYPE).unwrap_or_default().to_owned(),
                answered: format!("{} from {}", response.status.as_u16(), printable(url.host_str().unwrap_or_default())),
                why: Why::Told(vec![format!("--forward sends {name} to {}", url.origin().ascii_serialization())]),
                asked,
                body: response.body.to_vec().into(),
                ..Reply::default()
            },
            Ok(Err(trouble)) => fallen(name, asked, &trouble.to_string()),
            Err(_) => fallen(name, asked, "this went wrong inside of the server"),
        }
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let goes = |name: &HeaderName| PASSED_ON.contains(name) || name.as_str().starts_with("x-kounta-");
    headers.iter().filter(|(name, _)| goes(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// No answer came.
fn fallen(name: &'static str, asked: String, why: &str) -> Reply {
    let document = safe(Some(name), "The server did not answer");
    let remark = format!("no answer to pass on: {why}; a safe one was sent in its place");
    Reply { asked, remarks: vec![remark], ..Reply::json(200, &document, format!("safe answer {document}")) }
}
