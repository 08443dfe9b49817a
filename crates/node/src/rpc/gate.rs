//! Who may knock: checks of `Host` and `Origin` that stand before everything else.
//!
//! A web page in the same browser can send requests to a loopback port. It can't choose `Origin`, which its browser
//! sets; and a name that it re-binds to 127.0.0.1 shows in `Host`. Both are therefore compared with the two names that a
//! node is reached by.

use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];

/// Whether there is exactly one `Host`, and it is a loopback name with `port`.
pub fn host_is_ours(headers: &HeaderMap, port: u16) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    NAMES.iter().any(|name| host.as_bytes() == format!("{name}:{port}").as_bytes())
}

/// Whether no page asks, or the one that is served from `page_port`.
pub fn origin_is_ours(headers: &HeaderMap, page_port: u16) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(origin), None) => {
            NAMES.iter().any(|name| origin.as_bytes() == format!("http://{name}:{page_port}").as_bytes())
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether there is exactly one `Host`, and it is this one.
pub fn host_is(headers: &HeaderMap, host: &str) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    matches!((hosts.next(), hosts.next()), (Some(only), None) if only.as_bytes() == host.as_bytes())
}

/// Whether there is exactly one `Origin`, and it is this one.
pub fn origin_is(headers: &HeaderMap, origin: &str) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    matches!((origins.next(), origins.next()), (Some(only), None) if only.as_bytes() == origin.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn hosts() {
        for (values, ours) in [
            (&["127.0.0.1:7071"][..], true),
            (&["localhost:7071"], true),
            (&["localhost"], false),
            (&["localhost:7070"], false),
            (&["evil.example:7071"], false),
            (&["127.0.0.1.evil.example:7071"], false),
            (&["[::1]:7071"], false),
            (&["127.0.0.1:7071", "evil.example"], false),
            (&[], false),
        ] {
            assert_eq!(host_is_ours(&headers(HOST, values), 7071), ours, "{values:?}");
        }
    }

    #[test]
    fn origins() {
        for (values, ours) in [
            (&[][..], true),
            (&["http://127.0.0.1:7070"], true),
            (&["http://localhost:7070"], true),
            (&["https://127.0.0.1:7070"], false),
            (&["http://127.0.0.1:7071"], false),
            (&["http://127.0.0.1"], false),
            (&["https://evil.example"], false),
            (&["http://localhost:7070.evil.example"], false),
            (&["null"], false),
            (&["http://localhost:7070", "https://evil.example"], false),
        ] {
            assert_eq!(origin_is_ours(&headers(ORIGIN, values), 7070), ours, "{values:?}");
        }
    }
}
