//! The web page's server.

use byway_node::page;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::wire::{Answer, request};

async fn serve() -> (u16, watch::Sender<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (stop, stopping)) = (listener.local_addr().unwrap().port(), watch::channel(false));
    tokio::spawn(page::serve(listener, 7071, stopping));
    (port, stop)
}

async fn ask(port: u16, line: &str, headers: &[&str]) -> Answer {
    request(port, &format!("{line} HTTP/1.1"), headers, "").await
}

#[tokio::test]
async fn the_page_has_its_headers() {
    let (port, _stop) = serve().await;
    let answer = ask(port, "GET /", &[]).await;
    assert_eq!(answer.status, 200);
    assert!(String::from_utf8_lossy(&answer.body).contains("<title>Byway</title>"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("connect-src ws://127.0.0.1:7071 ws://localhost:7071;"), "{policy}");
    assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
    // What was read over the link may be shown and played, and nothing from elsewhere.
    assert!(policy.contains("img-src 'self' data: blob:; media-src blob:;"), "{policy}");
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("cache-control", "no-cache"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("permissions-policy", "microphone=(self), camera=(), geolocation=(), display-capture=()"),
    ] {
        assert_eq!(answer.header(name), Some(value));
    }
}

#[tokio::test]
async fn paths_hosts_and_methods() {
    let (port, _stop) = serve().await;
    for (line, headers, status) in [
        ("HEAD /", vec![], 200),
        ("GET /?utm=1", vec![], 200),
        ("GET /index.html", vec![], 404),
        ("GET /nothing", vec![], 404),
        ("GET /../Cargo.toml", vec![], 404),
        ("GET /assets/..%2f..%2fCargo.toml", vec![], 404),
        ("POST /", vec![], 405),
        ("GET /", vec!["Host: evil.example"], 403),
        ("GET /", vec!["Host: 127.0.0.1"], 403),
    ] {
        assert_eq!(ask(port, line, &headers).await.status, status, "{line} {headers:?}");
    }
    let body = ask(port, "GET /", &[]).await.body;
    // Every file that the page names is there, and those with a hash in their name stay.
    let text = String::from_utf8(body).unwrap();
    for path in text.split('"').filter(|part| part.starts_with("/assets/")) {
        let answer = ask(port, &format!("GET {path}"), &[]).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let expected = if path.ends_with(".js") { "text/javascript" } else { "text/css" };
        assert_eq!(answer.header("content-type"), Some(expected));
    }
}
