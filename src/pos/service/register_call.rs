//! One call of the register from its arrival to its answer.

use super::{Arc, Bytes, Call, Noted, Request, Till, name_of, register, reply::Reply, server, signature, soon::Soon};
use crate::pos::{desk::Due, journal::Why, shop::Values};
use http::Method;
use serde_json::json;

impl Till {
    /// Answers a call below the prefix.
    pub(super) fn call(self: &Arc<Self>, request: Request<Bytes>, path: String) -> Soon<server::Answer> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default();
        let call = Call::of(parts.method, &parts.uri, parts.headers, body).at(&path);
        let name = name_of(&path);
        let mut noted = Noted::begin(name, &call, Some(query));
        if let Some(key) = self.key.as_ref().filter(|_| call.method == Method::POST) {
            noted.0.signature = Some(signature::check(key, &call.headers, &call.body));
        }
        let due = name.map_or(Due::NONE, |name| self.desk().due(name));
        if !due.delay.is_zero() {
            let (till, query) = (Arc::clone(self), query.to_owned());
            return Soon::later(async move {
                tokio::time::sleep(due.delay).await;
                let reply = till.reply(name, call, &query).get().await;
                till.finish(noted, reply, due.fault)
            });
        }
        match self.reply(name, call, query) {
            Soon::Now(reply) => Soon::Now(self.finish(noted, reply, due.fault)),
            Soon::Later(reply) => {
                let till = Arc::clone(self);
                Soon::later(async move { till.finish(noted, reply.await, due.fault) })
            }
        }
    }

    fn reply(self: &Arc<Self>, name: Option<&'static str>, call: Call, query: &str) -> Soon<Reply> {
        let Some(name) = name else { return Soon::Now(self.unnamed(&call)) };
        if name == "webhook" {
            return Soon::Now(webhook(&call));
        }
        let (canned, forward) = {
            let mut desk = self.desk();
            let by_hand = desk.by_hand(name);
            (by_hand.canned.clone(), by_hand.forward.clone())
        };
        if let Some(url) = forward {
            let (till, query) = (Arc::clone(self), query.to_owned());
            return Soon::later(async move { till.forward(name, &url, &call, &query).await.sound(Some(name)) });
        }
        if let Some(wrong) = self.wrong_method(name, &call) {
            return Soon::Now(wrong);
        }
        if let Some(body) = canned {
            let reply = Reply { status: 200, content_type: super::answer::JSON.to_owned(), body, ..Reply::default() };
            let why = Why::Told(vec!["--answer names a file for this call".into()]);
            return Soon::Now(Reply { answered: "the answer of the file".into(), why, ..reply }.sound(Some(name)));
        }
        self.decide(name, call, query)
    }

    /// Payments are posted; the rest is fetched, but a register that posts it is understood.
    fn wrong_method(&self, name: &str, call: &Call) -> Option<Reply> {
        let posted = register::by_name(name).is_some_and(|known| known.method == "POST");
        let allowed = match call.method {
            Method::POST => true,
            Method::GET | Method::HEAD => !posted,
            _ => false,
        };
        let allow = if posted { "POST" } else { "GET, POST" };
        let words = if posted { "This call is made with POST" } else { "This call is made with GET" };
        (!allowed).then(|| Reply { allow: Some(allow), ..Reply::error(405, words, format!("405 in JSON; it takes {allow}")) })
    }

    /// A path that is none of the calls: an example of the user's own collection, or nothing.
    fn unnamed(&self, call: &Call) -> Reply {
        let asked = format!("/{}{}", self.gate.prefix, call.path);
        let answers = Arc::clone(&self.desk().answers);
        if answers.is_own {
            return Reply { asked, ..self.matched(None, &answers, call, &Values::new()) };
        }
        let near = nearest(&call.path);
        let meant = near.map(|name| format!("; meant /{name}?")).unwrap_or_default();
        let document = match near {
            Some(name) => json!({ "error": "There is nothing at this path", "meant": format!("/{name}") }),
            None => json!({ "error": "There is nothing at this path" }),
        };
        Reply { asked, ..Reply::json(404, &document, format!("404 in JSON{meant}")) }
    }
}

/// The `orders/completed` webhook and its like: received and shown.
fn webhook(call: &Call) -> Reply {
    if call.method != Method::POST {
        return Reply { allow: Some("POST"), ..Reply::error(405, "A webhook is posted", "405 in JSON; it takes POST") };
    }
    let id = call.field("id").or_else(|| call.field("order.id")).or_else(|| call.field("order_id"));
    let topic = call.header("x-kounta-topic").or_else(|| call.field("topic")).map(str::to_owned);
    let asked = topic.into_iter().chain(id.map(|id| format!("order {id}"))).collect::<Vec<_>>().join("  ");
    Reply { asked, ..Reply::json(200, &json!({ "received": true }), "received") }
}

/// The call whose name is nearly this path.
fn nearest(path: &str) -> Option<&'static str> {
    let last = path.trim_matches('/').rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    // Longer than any name, and the cost of comparing grows with the length.
    let wanted = last.get(..16).unwrap_or(&last);
    let names = register::CALLS.iter().flat_map(|call| call.aliases.iter().chain([&call.name]).map(|known| (call.name, *known)));
    let near = names.map(|(name, known)| (strsim::damerau_levenshtein(wanted, known), name)).min()?;
    (near.0 <= 2).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_nearly_a_call_says_which() {
        for (path, name) in [("/serach", Some("search")), ("/k7/Rewards/", Some("rewards")), ("/checkuot", Some("checkout")), ("/x", None)]
        {
            assert_eq!(nearest(path), name, "{path}");
        }
        assert_eq!(nearest(&format!("/{}", "é".repeat(5000))), None);
    }
}
