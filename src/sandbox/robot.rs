//! A robot in the place of browser and person: it opens the page, picks a company, presses a button, follows the redirects.
//!
//! It speaks just enough HTTP/1.1 for this program's own servers and goes nowhere but to the loopback interface.

use super::page::TICKET;
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};
use url::{Host, Url};

/// Longest answer that is read, in bytes; the pages here have two thousand.
const MOST: u64 = 1024 * 1024;

/// Longest wait for a byte. The listener's last page is held for five seconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// Redirects that are followed: from the button to the listener, and from there to its last page.
const MOST_REDIRECTS: usize = 5;

/// What the robot does at the page.
#[derive(Debug, Clone, Default)]
pub struct Robot {
    denies: bool,
    company: Option<u64>,
}

/// Where a visit ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The address of the last page.
    pub url: String,
    /// Its status.
    pub status: u16,
    /// Its text.
    pub body: String,
}

/// Grants what the page at `url` asks for, follows the redirects home, and gives the last page.
///
/// # Errors
/// As [`Robot::visit`].
pub fn approve(url: &str) -> io::Result<Arrival> {
    Robot::default().visit(url)
}

impl Robot {
    /// Presses Deny.
    #[must_use]
    pub fn denying(mut self) -> Self {
        self.denies = true;
        self
    }

    /// Picks this company instead of the first.
    #[must_use]
    pub fn picking(mut self, company: u64) -> Self {
        self.company = Some(company);
        self
    }

    /// Opens the page, presses the button, and follows the redirects to the end.
    ///
    /// # Errors
    /// Where an address is not on this machine, nobody answers there, or a page has nothing to press.
    pub fn visit(&self, url: &str) -> io::Result<Arrival> {
        let mut page = self.press(url)?;
        for _ in 0..MOST_REDIRECTS {
            match page.location()? {
                Some(next) => page = Page::load(&next, None)?,
                None => return Ok(Arrival { url: page.url.to_string(), status: page.status, body: page.body }),
            }
        }
        Err(strange("too many redirects"))
    }

    /// Opens the page, presses the button, and gives the redirect URL without going there.
    ///
    /// # Errors
    /// As [`Robot::visit`], and where nothing leads on.
    pub fn redirect_of(&self, url: &str) -> io::Result<String> {
        self.press(url)?.location()?.map(String::from).ok_or_else(|| strange("the page leads nowhere"))
    }

    /// The answer to the button; a page that leads on by itself is one too.
    fn press(&self, url: &str) -> io::Result<Page> {
        let page = Page::load(&Url::parse(url).map_err(io::Error::other)?, None)?;
        if page.location()?.is_some() {
            return Ok(page);
        }
        let member = [TICKET, "user_code"].into_iter().find_map(|name| Some((name, page.hidden(name)?)));
        let member = member.ok_or_else(|| strange(&format!("the page has nothing to press ({})", page.status)))?;
        let company = self.company.map_or_else(|| page.checked(), |id| Some(id.to_string())).unwrap_or_default();
        let decision = if self.denies { "deny" } else { "grant" };
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs([(member.0, member.1.as_str()), ("company", &company), ("decision", decision)]);
        let mut target = page.url.clone();
        target.set_query(None);
        Page::load(&target, Some(&form.finish()))
    }
}

/// One answer.
struct Page {
    url: Url,
    status: u16,
    head: String,
    body: String,
}

impl Page {
    /// GET, or POST where there is a form.
    fn load(url: &Url, form: Option<&str>) -> io::Result<Self> {
        let mut stream = connect(url)?;
        let target = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let common = format!("Host: {host}\r\nConnection: close\r\nAccept: text/html\r\nUser-Agent: tokenstrap-robot\r\n");
        let request = form.map_or_else(
            || format!("GET {target} HTTP/1.1\r\n{common}\r\n"),
            |form| {
                let kind = "application/x-www-form-urlencoded";
                let length = form.len();
                format!("POST {target} HTTP/1.1\r\n{common}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{form}")
            },
        );
        stream.write_all(request.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MOST).read_to_end(&mut answer)?;
        Self::read(url.clone(), &String::from_utf8_lossy(&answer)).ok_or_else(|| strange("this is not an answer"))
    }

    fn read(url: Url, answer: &str) -> Option<Self> {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { url, status, head: head.to_owned(), body: body.to_owned() })
    }

    /// Where it leads on to.
    fn location(&self) -> io::Result<Option<Url>> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        let location = fields.filter(|(name, _)| name.eq_ignore_ascii_case("location")).map(|(_, value)| value.trim()).next();
        match location {
            Some(text) if (300..400).contains(&self.status) => self.url.join(text).map(Some).map_err(io::Error::other),
            _ => Ok(None),
        }
    }

    /// The value of a hidden member of the form.
    fn hidden(&self, name: &str) -> Option<String> {
        between(&self.body, &format!("name=\"{name}\" value=\""), "\"")
    }

    /// The company that is picked beforehand.
    fn checked(&self) -> Option<String> {
        let (before, _) = self.body.split_once("\" checked")?;
        before.rsplit_once('"').map(|(_, value)| value.to_owned())
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let (_, rest) = text.split_once(start)?;
    rest.split_once(end).map(|(value, _)| value.to_owned())
}

fn connect(url: &Url) -> io::Result<TcpStream> {
    let elsewhere = || strange("the robot stays on this machine");
    let port = url.port_or_known_default().ok_or_else(elsewhere)?;
    let addresses = match url.host().filter(|_| url.scheme() == "http" && crate::oauth::endpoint::is_loopback(url)) {
        Some(Host::Ipv4(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Ipv6(address)) => vec![SocketAddr::from((address, port))],
        Some(Host::Domain(_)) => vec![SocketAddr::from(([127, 0, 0, 1], port)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], port))],
        None => return Err(elsewhere()),
    };
    let stream = TcpStream::connect(addresses.as_slice())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

fn strange(what: &str) -> io::Error {
    io::Error::other(what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_robot_stays_on_this_machine() {
        for url in ["https://127.0.0.1/", "http://192.0.2.1/", "http://127.0.0.1.evil.example/", "ftp://localhost/"] {
            let refusal = approve(url).expect_err(url);
            assert_eq!(refusal.to_string(), "the robot stays on this machine", "{url}");
        }
    }
}
