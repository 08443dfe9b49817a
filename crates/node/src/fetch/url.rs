//! What can be fetched: `http://` and `https://` URLs.

use std::fmt;

/// A URL whose parts are safe to put into a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub scheme: Scheme,
    pub host: String,
    pub port: u16,
    /// Path and query.
    pub target: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

/// Why a URL can't be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    #[error("{0:?} is not a URL; write https://host/path or http://host/path")]
    Malformed(String),
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl std::str::FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let malformed = || UrlError::Malformed(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            _ => return Err(malformed()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| malformed())?),
            _ => (authority, scheme.port()),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_graphic());
        if host.is_empty() || host.len() > 255 || host.contains('@') || !is_plain(host) || !is_plain(target) {
            return Err(malformed());
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { scheme, host: host.to_owned(), port, target })
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.scheme.name(), self.authority(), self.target)
    }
}

impl Url {
    /// As in a `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == self.scheme.port() { host } else { format!("{host}:{}", self.port) }
    }

    /// Where a `Location` header of this URL's answer points.
    pub(super) fn join(&self, location: &str) -> Result<Self, UrlError> {
        let scheme = self.scheme.name();
        match location.strip_prefix("//") {
            Some(rest) => format!("{scheme}://{rest}").parse(),
            None if location.starts_with('/') => format!("{scheme}://{}{location}", self.authority()).parse(),
            None => location.parse(),
        }
    }
}
