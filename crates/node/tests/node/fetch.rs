//! `byway fetch` against a SOCKS proxy that cuts, refuses and lies.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use byway_node::fetch::{FetchError, Refusal, Url, fetch_to_file, fetch_to_sink};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A proxy that plays the server too. Per connection: a SOCKS reply code, and what to make of the request.
async fn proxy<F>(reply: u8, answer: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let number = counter.fetch_add(1, Ordering::SeqCst);
            let mut greeting = [0; 3];
            stream.read_exact(&mut greeting).await.unwrap();
            stream.write_all(&[5, 0]).await.unwrap();
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.unwrap();
            let mut rest = vec![0; usize::from(head[4]) + 2];
            stream.read_exact(&mut rest).await.unwrap();
            stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
            if reply != 0 {
                continue;
            }
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(&answer(number, &String::from_utf8(request).unwrap())).await.unwrap();
        }
    });
    (address, connections)
}

fn whole(tag: &str, cut: usize) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"{tag}\"\r\n\r\n", CONTENT.len());
    [head.as_bytes(), &CONTENT[..cut]].concat()
}

fn rest(from: usize) -> Vec<u8> {
    let (left, length) = (CONTENT.len() - from, CONTENT.len());
    let head = format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {left}\r\nContent-Range: bytes {from}-{}/{length}\r\n\r\n",
        length - 1
    );
    [head.as_bytes(), &CONTENT[from..]].concat()
}

fn url() -> Url {
    "http://example.test:8080/file?x=1#part".parse().unwrap()
}

#[tokio::test]
async fn a_cut_download_is_taken_up_again() {
    let (proxy, connections) = proxy(0, |number, request| {
        if number == 0 {
            assert!(request.starts_with("GET /file?x=1 HTTP/1.1\r\nHost: example.test:8080\r\n"), "{request}");
            return whole("v1", 10);
        }
        assert!(request.contains("Range: bytes=10-\r\nIf-Range: \"v1\"\r\n"), "{request}");
        rest(10)
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let mut seen = Vec::new();
    let fetched = fetch_to_file(&proxy, &url(), &path, |bytes, total| seen.push((bytes, total))).await.unwrap();
    assert_eq!((fetched.bytes, fetched.resumed, connections.load(Ordering::SeqCst)), (36, 1, 2));
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
    assert_eq!(seen.last(), Some(&(36, Some(36))));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside the file");
}

#[tokio::test]
async fn content_that_changed_meanwhile_is_fetched_anew() {
    let (proxy, _) = proxy(0, |number, _| whole(&format!("v{number}"), if number == 0 { 10 } else { 36 })).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fetch_to_file(&proxy, &url(), &path, |_, _| {}).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_later_run_goes_on_where_the_first_ended() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(folder.path().join("file.part"), &CONTENT[..20]).unwrap();
    let note = r#"{"url":"http://example.test:8080/file?x=1","validator":"\"v1\""}"#;
    std::fs::write(folder.path().join("file.part.json"), note).unwrap();
    let (first, _) = proxy(0, |_, request| {
        assert!(request.contains("Range: bytes=20-"), "{request}");
        rest(20)
    })
    .await;
    fetch_to_file(&first, &url(), &path, |_, _| {}).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
}

#[tokio::test]
async fn what_can_go_wrong_is_told() {
    for (code, expected) in [
        (1, Refusal::General),
        (2, Refusal::NotAllowed),
        (4, Refusal::Host),
        (5, Refusal::Connection),
        (8, Refusal::NotSocks),
    ] {
        let (proxy, _) = proxy(code, |_, _| vec![]).await;
        match fetch_to_sink(&proxy, &url(), |_| Ok(())).await {
            Err(FetchError::Refused(refusal)) => assert_eq!(refusal, expected),
            other => panic!("{code}: {other:?}"),
        }
    }
    let (missing, _) = proxy(0, |_, _| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert!(matches!(fetch_to_sink(&missing, &url(), |_| Ok(())).await, Err(FetchError::Status(404))));
    let (circle, hops) = proxy(0, |_, _| b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n".to_vec()).await;
    assert!(matches!(fetch_to_sink(&circle, &url(), |_| Ok(())).await, Err(FetchError::Redirects(_))));
    assert_eq!(hops.load(Ordering::SeqCst), 6);
    let (away, _) = proxy(0, |_, _| b"HTTP/1.1 302 Found\r\nLocation: https://example.test/\r\n\r\n".to_vec()).await;
    let error = fetch_to_sink(&away, &url(), |_| Ok(())).await.unwrap_err().to_string();
    assert!(error.contains("curl -x socks5h://"), "{error}");
}

#[test]
fn urls() {
    for (text, expected) in [
        ("http://a", Some(("a", 80, "/"))),
        ("http://a:81/b?c#d", Some(("a", 81, "/b?c"))),
        ("http://a?q", Some(("a", 80, "/?q"))),
        ("http://[::1]:81/", Some(("::1", 81, "/"))),
        ("http://[::1]", Some(("::1", 80, "/"))),
        ("ftp://a", None),
        ("a", None),
        ("http://", None),
        ("http://a:b", None),
        ("http://a b/", None),
        ("http://a/\r\nX: 1", None),
        ("http://user:pass@a/", None),
        ("https://a", None),
    ] {
        let url = text.parse::<Url>().ok();
        let parts = url.as_ref().map(|url| (url.host.as_str(), url.port, url.target.as_str()));
        assert_eq!(parts, expected, "{text}");
    }
}
