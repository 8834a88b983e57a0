//! An integrator's server: one that does everything right but what it was told to get wrong.

use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};
use url::{Url, form_urlencoded};

/// What the server gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// A page where nobody is found.
    PageForNobody,
    /// An empty array of members where nobody is found, as PHP writes an empty object.
    ArrayForNobody,
    /// Points of a found customer are a number.
    PointsAsNumber,
    /// Whoever has no e-mail address lacks the member.
    NoEmailAddress,
    /// Odd characters are more than the server can take.
    BreaksOnOddCharacters,
    /// An answer that never comes, for a very long search text.
    SilentOnLongText,
    /// Nothing typed leads elsewhere.
    RedirectsOnNothing,
    /// `redeem_url` carries the same order whatever was asked.
    OrderFromMemory,
    /// `redeem_url` begins with a slash.
    RelativeRedeemUrl,
    /// The redeem call answers `ok` rather than `success`.
    RedeemSaysOk,
    /// Redeeming again is refused and costs points all the same.
    RefusalCostsPoints,
    /// The balance is a text.
    BalanceAsText,
    /// A payment does not change the balance.
    PaysFromNothing,
    /// A refund is answered and forgotten.
    ForgetsRefunds,
    /// Any card pays.
    UnknownCardPays,
    /// A card pays whatever is due.
    Overdraws,
    /// The content type of every answer is that of a page.
    WrongContentType,
    /// A body in JSON is not read.
    FormsOnly,
}

struct Shop {
    fault: Fault,
    origin: String,
    points: i64,
    cents: i64,
    redeemed: bool,
}

/// Starts a server with this fault on a free port, and gives its base.
pub fn start(fault: Fault) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let shop = Arc::new(Mutex::new(Shop { fault, origin: origin.clone(), points: 300, cents: 2000, redeemed: false }));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let shop = Arc::clone(&shop);
            thread::spawn(move || serve(stream.unwrap(), &shop));
        }
    });
    origin
}

fn serve(mut stream: TcpStream, shop: &Mutex<Shop>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let head: Vec<String> = reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(": "));
        fields.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    };
    let mut body = vec![0; header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let mut words = head.first().map(String::as_str).unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut shop = shop.lock().unwrap();
    let url = Url::parse(&format!("{}{target}", shop.origin)).unwrap();
    let mut fields: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    if header("content-type").contains("json") && shop.fault != Fault::FormsOnly {
        let members: BTreeMap<String, Value> = serde_json::from_slice(&body).unwrap();
        fields.extend(members.into_iter().map(|(name, value)| (name, value.as_str().map_or_else(|| value.to_string(), str::to_owned))));
    } else {
        fields.extend(form_urlencoded::parse(&body).into_owned());
    }
    let (status, mut kind, answer) = shop.answer(method, url.path(), &fields);
    if status == 0 {
        drop(shop);
        // Whoever waits goes away first.
        let _ = reader.read_to_end(&mut Vec::new());
        return;
    }
    if shop.fault == Fault::WrongContentType {
        kind = "text/html";
    }
    let head = format!("HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n", answer.len());
    let place = if status == 302 { "Location: /login\r\n" } else { "" };
    let _ = write!(stream, "{head}{place}\r\n{answer}");
}

type Answer = (u16, &'static str, String);

fn ok(document: &Value) -> Answer {
    (200, "application/json", document.to_string())
}

fn no(text: &str) -> Answer {
    ok(&json!({ "error": text }))
}

impl Shop {
    fn answer(&mut self, method: &str, path: &str, fields: &BTreeMap<String, String>) -> Answer {
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        match (path, method) {
            ("/search", "GET") => self.search(field("keyword")),
            ("/rewards", "GET") => self.rewards(field("reference_id"), field("order_id")),
            ("/redeem", "GET") => self.redeem(),
            ("/balance" | "/topup" | "/checkout" | "/refund", "POST") => self.pay(path, fields),
            _ => (405, "application/json", json!({ "error": "There is nothing to do here" }).to_string()),
        }
    }

    fn search(&self, keyword: &str) -> Answer {
        match self.fault {
            Fault::BreaksOnOddCharacters if keyword.contains('日') => return (500, "application/json", "{\"error\":\"SQL\"}".into()),
            Fault::SilentOnLongText if keyword.len() > 500 => return (0, "", String::new()),
            Fault::RedirectsOnNothing if keyword.is_empty() => return (302, "application/json", "{}".into()),
            _ => {}
        }
        let mut member = json!({ "id": "A", "first_name": "Ada", "email_address": "ada@example.test", "current_points": "300" });
        match self.fault {
            Fault::PointsAsNumber => member["current_points"] = json!(300),
            Fault::NoEmailAddress => drop(member.as_object_mut().unwrap().remove("email_address")),
            _ => {}
        }
        match (keyword == "ada", self.fault) {
            (true, _) => ok(&json!({ "members": { "A": member } })),
            (false, Fault::PageForNobody) => (404, "text/html", "<!doctype html><title>404</title>".into()),
            (false, Fault::ArrayForNobody) => ok(&json!({ "members": [] })),
            (false, _) => ok(&json!({ "members": {} })),
        }
    }

    fn rewards(&self, customer: &str, order: &str) -> Answer {
        if customer != "A" {
            return no("Unknown customer");
        }
        let order = if self.fault == Fault::OrderFromMemory { "111" } else { order };
        let origin = if self.fault == Fault::RelativeRedeemUrl { "" } else { &self.origin };
        let url = format!("{origin}/redeem?reward=R&order_id={order}");
        let reward = json!({ "id": "R", "title": "Tea", "terms": "", "points_required": 100, "redeem_url": url });
        ok(&json!({ "member": { "id": "A", "current_points": self.points }, "rewards": [reward] }))
    }

    fn redeem(&mut self) -> Answer {
        if self.fault == Fault::RedeemSaysOk {
            return ok(&json!({ "ok": true }));
        }
        if !self.redeemed || self.fault == Fault::RefusalCostsPoints {
            self.points -= 100;
        }
        let again = std::mem::replace(&mut self.redeemed, true);
        ok(&if again { json!({ "success": false, "error": "Redeemed already" }) } else { json!({ "success": true }) })
    }

    fn pay(&mut self, path: &str, fields: &BTreeMap<String, String>) -> Answer {
        let cents = |name: &str| fields.get(name).and_then(|text| text.parse::<f64>().ok()).map(|amount| (amount * 100.0).round() as i64);
        let amount = cents("amount").or_else(|| cents("topup_amount")).unwrap_or(0);
        let known = fields.get("reference_id").is_some_and(|id| id == "C-1");
        if !known && (self.fault != Fault::UnknownCardPays || path != "/checkout") {
            return no("Unknown card");
        }
        let money = |cents: i64| json!(cents as f64 / 100.0);
        match path {
            "/checkout" if known && amount > self.cents && self.fault != Fault::Overdraws => return no("Not enough on the card"),
            "/checkout" if self.fault != Fault::PaysFromNothing && known => self.cents -= amount,
            "/refund" if self.fault == Fault::ForgetsRefunds => {}
            "/refund" | "/topup" => self.cents += amount,
            _ => {}
        }
        match (path, self.fault) {
            ("/balance", Fault::BalanceAsText) => ok(&json!({ "balance": format!("{:.2}", self.cents as f64 / 100.0) })),
            ("/balance", _) => ok(&json!({ "balance": money(self.cents) })),
            _ => ok(&json!({ "amount": money(amount) })),
        }
    }
}
