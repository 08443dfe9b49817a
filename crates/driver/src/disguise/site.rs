//! What a front shows to everyone: the files of a folder, or a page that is built in.

use std::io;
use std::path::{Component, Path, PathBuf};

use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};

use http_body_util::Full;
use hyper::body::Bytes;

/// A larger file is not there, since files are sent from memory.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// What is sent for a folder.
const INDEX: &str = "index.html";

/// Pages by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Site {
    /// One page that says little.
    BuiltIn,
    Folder(PathBuf),
}

impl Site {
    /// The answer to a request, whoever asks.
    pub(super) async fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = page(StatusCode::METHOD_NOT_ALLOWED, "405 Method Not Allowed");
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return answer;
        }
        match self.content(path).await {
            Some((kind, content)) => respond(StatusCode::OK, kind, content),
            None => page(StatusCode::NOT_FOUND, "404 Not Found"),
        }
    }

    async fn content(&self, path: &str) -> Option<(&'static str, Bytes)> {
        match self {
            Self::BuiltIn if matches!(path, "/" | "/index.html") => Some((HTML, Bytes::from(html("Welcome")))),
            Self::BuiltIn => None,
            Self::Folder(folder) => {
                let file = folder.join(inside(path)?);
                let file = if path.ends_with('/') { file.join(INDEX) } else { file };
                let content = read(&file).await.ok()?;
                Some((kind_of(&file), content.into()))
            }
        }
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// The path within the folder. `None` if it leads out of it, or to what is hidden.
fn inside(path: &str) -> Option<PathBuf> {
    let decoded = percent_decoded(path.strip_prefix('/')?)?;
    let parts = Path::new(&decoded).components();
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.to_string_lossy().starts_with('.'),
        _ => false,
    };
    parts.clone().all(is_plain).then(|| parts.as_path().to_owned())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, behind) = rest.split_at_checked(2)?;
        bytes.extend(hex::decode(digits).ok()?);
        rest = behind;
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

async fn read(file: &Path) -> io::Result<Vec<u8>> {
    let found = tokio::fs::metadata(file).await?;
    if !found.is_file() || found.len() > FILE_BYTES_MAX {
        return Err(io::ErrorKind::NotFound.into());
    }
    tokio::fs::read(file).await
}

fn kind_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" | "htm" => HTML,
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "pdf" => "application/pdf",
        "txt" => "text/plain; charset=utf-8",
        "xml" => "application/xml",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn html(words: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>{words}</title></head>\n\
         <body><h1>{words}</h1></body>\n</html>\n"
    )
}

fn page(status: StatusCode, words: &str) -> Response<Full<Bytes>> {
    respond(status, HTML, html(words).into())
}

fn respond(status: StatusCode, kind: &'static str, content: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(content));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_folder_or_to_what_is_hidden() {
        for (path, expected) in [
            ("/", Some("")),
            ("/a/b.html", Some("a/b.html")),
            ("/a%20b.txt", Some("a b.txt")),
            ("//etc/passwd", None),
            ("/../secret", None),
            ("/a/../../secret", None),
            ("/%2e%2e/secret", None),
            ("/%2fetc/passwd", None),
            ("/.git/config", None),
            ("/a%00b", None),
            ("/a%zz", None),
            ("/a%2", None),
            ("*", None),
        ] {
            assert_eq!(inside(path), expected.map(PathBuf::from), "{path}");
        }
    }
}
