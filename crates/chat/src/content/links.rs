//! Addresses in texts: which ones can be followed, and which ones seem to lead where they don't.

use std::net::Ipv4Addr;
use std::ops::Range;

use url::{Host, Url};

use super::display::is_hidden;

/// Bytes of an address: what browsers have in common.
const ADDRESS_BYTES_MAX: usize = 2048;

/// An address that can be opened with a click, as a browser reads it (WHATWG URL), and never by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    href: String,
    host: String,
}

/// What makes an address look like another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkCaution {
    /// The link's text names this host, and it leads to another.
    ShowsOther(String),
    /// The host's name has letters beyond ASCII, some of which look like others.
    Alphabet,
    /// A number instead of a name.
    Number,
}

impl Address {
    /// None unless it leads to the web or to a mailbox, and all of it can be seen. Names and passwords in front of a host are refused:
    /// they are there to be taken for it.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > ADDRESS_BYTES_MAX || text.chars().any(|c| is_hidden(c) || c.is_whitespace() || c == '\\') {
            return None;
        }
        let url = Url::parse(text).ok()?;
        match url.scheme() {
            "http" | "https" => {
                let has_login = !url.username().is_empty() || url.password().is_some();
                (!has_login).then(|| Self { host: host(&url), href: url.into() })
            }
            "mailto" => {
                // Without a subject, a text or a file that its sender has thought of.
                let (name, host) = url.path().rsplit_once('@')?;
                let is_one =
                    !name.is_empty() && !host.is_empty() && !name.contains(['@', ',', '%']) && !host.contains('%');
                is_one.then(|| Self { href: format!("mailto:{name}@{host}"), host: host.to_ascii_lowercase() })
            }
            _ => None,
        }
    }

    /// What a browser is given.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Where it leads to, as it stands in DNS.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What to tell whoever reads `text` and may follow it to this address.
    pub fn cautions(&self, text: &str) -> Vec<LinkCaution> {
        let named = text.split(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '(' | ')' | '"' | ','));
        let other = named.filter_map(named_host).find(|named| without_www(named) != without_www(&self.host));
        let is_beyond_ascii = self.host.split('.').any(|label| label.starts_with("xn--"));
        let is_number = self.host.starts_with('[') || self.host.parse::<Ipv4Addr>().is_ok();
        let other = other.map(LinkCaution::ShowsOther);
        let alphabet = is_beyond_ascii.then_some(LinkCaution::Alphabet);
        other.into_iter().chain(alphabet).chain(is_number.then_some(LinkCaution::Number)).collect()
    }
}

fn host(url: &Url) -> String {
    url.host().map(|host| host.to_string()).unwrap_or_default()
}

fn without_www(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// The host that a word names, if it reads as an address.
fn named_host(word: &str) -> Option<String> {
    let word = word.trim_matches(|c: char| matches!(c, '.' | ':' | ';' | '!' | '?' | '\'' | '[' | ']'));
    let after_scheme = word.split_once("://").map_or(word, |(_, rest)| rest);
    let end = after_scheme.find(['/', '?', '#', '\\']).unwrap_or(after_scheme.len());
    let before_path = &after_scheme[..end];
    let name = before_path.rsplit_once('@').map_or(before_path, |(_, host)| host);
    let url = Url::parse(&format!("http://{name}")).ok()?;
    match url.host()? {
        Host::Domain(domain) => {
            let (_, last) = domain.trim_end_matches('.').rsplit_once('.')?;
            let is_top = last.len() >= 2 && last.chars().all(|c| c.is_ascii_alphabetic()) || last.starts_with("xn--");
            is_top.then(|| domain.to_owned())
        }
        // `1.5` is a number, and so is what looks like an address to a URL's reader.
        Host::Ipv4(address) => {
            (name.split(':').next() == Some(address.to_string().as_str())).then(|| address.to_string())
        }
        Host::Ipv6(address) => Some(format!("[{address}]")),
    }
}

/// Where in a text addresses stand that were typed as they are, as ranges of bytes.
pub fn bare(text: &str) -> Vec<(Range<usize>, Address)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = next_scheme(text, from) {
        let rest = &text[start..];
        let is_end = |c: char| c.is_whitespace() || is_hidden(c) || matches!(c, '<' | '>' | '"' | '`');
        let run = &rest[..rest.find(is_end).unwrap_or(rest.len())];
        // What is no address as a whole is none in a part.
        from = start + run.len();
        let word = if run.len() <= 2 * ADDRESS_BYTES_MAX { without_end(run) } else { "" };
        found.extend(Address::parse(word).map(|address| (start..start + word.len(), address)));
    }
    found
}

/// The place of the next `http://` or `https://` that does not go on a word.
fn next_scheme(text: &str, from: usize) -> Option<usize> {
    let mut places = text[from..].match_indices("http").map(|(at, _)| from + at);
    places.find(|at| {
        let (before, after) = text.split_at(*at);
        let is_scheme = after.starts_with("http://") || after.starts_with("https://");
        is_scheme && !before.chars().next_back().is_some_and(char::is_alphanumeric)
    })
}

/// Without what ends a sentence, or closes a bracket that the address has not opened.
fn without_end(word: &str) -> &str {
    let count = |bracket: char| word.matches(bracket).count();
    let mut round_extra = count(')').saturating_sub(count('('));
    let mut square_extra = count(']').saturating_sub(count('['));
    word.trim_end_matches(|c: char| match c {
        ')' if round_extra > 0 => {
            round_extra -= 1;
            true
        }
        ']' if square_extra > 0 => {
            square_extra -= 1;
            true
        }
        c => matches!(c, '.' | ',' | ';' | ':' | '!' | '?' | '\'' | '*' | '_' | '~'),
    })
}
