//! `byway fetch` against a SOCKS proxy that cuts, refuses and lies.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use byway_node::fetch::{
    AuthorityError, BadCertificate, FetchError, Refusal, Route, Url, fetch_to_file, fetch_to_sink,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

const CONTENT: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A proxy that plays the server too. Per connection: a SOCKS reply code, and what to make of the request.
pub async fn proxy<F>(reply: u8, answer: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    tokio::spawn(async move {
        loop {
            let stream = accept(&listener, reply).await;
            let number = counter.fetch_add(1, Ordering::SeqCst);
            if reply == 0 {
                serve(stream, number, &answer).await;
            }
        }
    });
    (address, connections)
}

/// Takes a connection as a SOCKS5 proxy.
async fn accept(listener: &TcpListener, reply: u8) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut greeting = [0; 3];
    stream.read_exact(&mut greeting).await.unwrap();
    stream.write_all(&[5, 0]).await.unwrap();
    let mut head = [0; 5];
    stream.read_exact(&mut head).await.unwrap();
    let mut rest = vec![0; usize::from(head[4]) + 2];
    stream.read_exact(&mut rest).await.unwrap();
    stream.write_all(&[5, reply, 0, 1, 0, 0, 0, 0, 0, 0]).await.unwrap();
    stream
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    number: usize,
    answer: &impl Fn(usize, &str) -> Vec<u8>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(&answer(number, &String::from_utf8(request).unwrap())).await.unwrap();
    // A client that has what it wants may be gone.
    let _ = stream.shutdown().await;
}

/// As [`proxy`] with an encrypting server behind it that shows the certificate of this name in `tls/`. The first `clear`
/// connections are not encrypted.
async fn tls_proxy<F>(certificate: &str, clear: usize, answer: F) -> String
where
    F: Fn(usize, &str) -> Vec<u8> + Send + Sync + 'static,
{
    let chain = vec![CertificateDer::from_pem_file(tls_file(certificate)).unwrap()];
    let key = PrivateKeyDer::from_pem_file(tls_file("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for number in 0.. {
            let stream = accept(&listener, 0).await;
            if number < clear {
                serve(stream, number, &answer).await;
            } else if let Ok(stream) = acceptor.accept(stream).await {
                // A client that doesn't believe the certificate has ended it before.
                serve(stream, number, &answer).await;
            }
        }
    });
    address
}

fn tls_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node/tls").join(name)
}

fn through(proxy: &str) -> Route {
    Route::new(proxy, None).unwrap()
}

fn trusting(proxy: &str) -> Route {
    Route::new(proxy, Some(&tls_file("authority.pem"))).unwrap()
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
    let fetched =
        fetch_to_file(&through(&proxy), &url(), &path, |bytes, total| seen.push((bytes, total))).await.unwrap();
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
    fetch_to_file(&through(&proxy), &url(), &path, |_, _| {}).await.unwrap();
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
    fetch_to_file(&through(&first), &url(), &path, |_, _| {}).await.unwrap();
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
        match fetch_to_sink(&through(&proxy), &url(), |_| Ok(())).await {
            Err(FetchError::Refused(refusal)) => assert_eq!(refusal, expected),
            other => panic!("{code}: {other:?}"),
        }
    }
    let (missing, _) = proxy(0, |_, _| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec()).await;
    assert!(matches!(fetch_to_sink(&through(&missing), &url(), |_| Ok(())).await, Err(FetchError::Status(404))));
    let (circle, hops) = proxy(0, |_, _| b"HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n".to_vec()).await;
    assert!(matches!(fetch_to_sink(&through(&circle), &url(), |_| Ok(())).await, Err(FetchError::Redirects(_))));
    assert_eq!(hops.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn what_is_encrypted_is_fetched_from_whom_the_certificate_names() {
    let url: Url = "https://example.test/file?x=1".parse().unwrap();
    let proxy = tls_proxy("server.pem", 0, |number, request| {
        assert!(request.starts_with("GET /file?x=1 HTTP/1.1\r\nHost: example.test\r\n"), "{request}");
        // The first is cut in the middle of the encrypted stream.
        if number == 0 { whole("v1", 10) } else { rest(10) }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let fetched = fetch_to_file(&trusting(&proxy), &url, &path, |_, _| {}).await.unwrap();
    assert_eq!((fetched.bytes, fetched.resumed), (36, 1));
    assert_eq!(std::fs::read(&path).unwrap(), CONTENT);
}

#[tokio::test]
async fn a_bad_certificate_says_what_is_wrong_with_it() {
    let (good, old) = ("server.pem", "expired.pem");
    for (certificate, host, trusts, expected) in [
        (good, "example.test", false, BadCertificate::Issuer),
        (good, "other.test", true, BadCertificate::Name),
        (old, "example.test", true, BadCertificate::Time),
    ] {
        let proxy = tls_proxy(certificate, 0, |_, request| panic!("{request}")).await;
        let route = if trusts { trusting(&proxy) } else { through(&proxy) };
        let url = format!("https://{host}/").parse().unwrap();
        match fetch_to_sink(&route, &url, |_| Ok(())).await {
            Err(FetchError::Certificate { host: named, why }) => assert_eq!((named.as_str(), why), (host, expected)),
            other => panic!("{host}: {other:?}"),
        }
    }
    // A server without encryption.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut stream = accept(&listener, 0).await;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let error = fetch_to_sink(&through(&address), &"https://a.test/".parse().unwrap(), |_| Ok(())).await.unwrap_err();
    assert!(matches!(error, FetchError::Tls { .. }) && error.to_string().contains("http://"), "{error}");
    for (file, expected) in [("server.key", "no certificate"), ("missing.pem", "can't be read")] {
        let error = Route::new("127.0.0.1:1", Some(&tls_file(file))).err().unwrap();
        assert!(error.to_string().contains(expected), "{error}");
        assert!(matches!(error, AuthorityError::NoCertificate(_) | AuthorityError::Read { .. }));
    }
}

#[tokio::test]
async fn a_redirect_may_lead_to_encryption_and_not_out_of_it() {
    let leads = |to: &'static str| {
        move |_: usize, _: &str| {
            format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
        }
    };
    let out = tls_proxy("server.pem", 0, leads("http://example.test/plain")).await;
    let error = fetch_to_sink(&trusting(&out), &"https://example.test/".parse().unwrap(), |_| Ok(())).await;
    assert!(matches!(error, Err(FetchError::Downgrade(to)) if to.to_string() == "http://example.test/plain"));
    let into = tls_proxy("server.pem", 1, move |number, request| match number {
        0 => leads("https://example.test/b")(0, request),
        _ => whole("v1", 36),
    })
    .await;
    let mut content = Vec::new();
    let keep = |block: &[u8]| {
        content.extend_from_slice(block);
        Ok(())
    };
    fetch_to_sink(&trusting(&into), &url(), keep).await.unwrap();
    assert_eq!(content, CONTENT);
    let (same, hops) = proxy(0, leads("//example.test/b")).await;
    assert!(matches!(fetch_to_sink(&through(&same), &url(), |_| Ok(())).await, Err(FetchError::Redirects(_))));
    assert_eq!(hops.load(Ordering::SeqCst), 6);
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
        ("https://a", Some(("a", 443, "/"))),
        ("https://a:80/b", Some(("a", 80, "/b"))),
        ("https:/a", None),
    ] {
        let url = text.parse::<Url>().ok();
        let parts = url.as_ref().map(|url| (url.host.as_str(), url.port, url.target.as_str()));
        assert_eq!(parts, expected, "{text}");
    }
}
