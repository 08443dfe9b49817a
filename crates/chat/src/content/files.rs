//! Files of others: what they are called on this machine, and what of them is shown where they stand.

use super::display;
use super::limits::FILE_NAME_BYTES_MAX;

/// What a file is called where it has no name left.
const NAMELESS: &str = "file";

/// Names that Windows keeps for devices, whatever follows a dot.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// Endings of what runs when it is opened, on the systems in use.
const RUNS: &[&str] = &[
    "exe", "com", "bat", "cmd", "msi", "msix", "appx", "scr", "pif", "cpl", "hta", "js", "jse", "vb", "vbs", "vbe",
    "ws", "wsf", "wsh", "ps1", "psm1", "reg", "inf", "lnk", "url", "scf", "jar", "jnlp", "gadget", "chm", "iso", "img",
    "vhd", "vhdx", "app", "pkg", "dmg", "command", "terminal", "sh", "bash", "run", "desktop", "appimage", "deb",
    "rpm", "apk", "html", "htm", "xhtml", "mht", "mhtml", "svg", "docm", "xlsm", "pptm",
];

/// A file's name that can be shown and written to a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileName {
    pub name: String,
    pub cautions: Vec<FileCaution>,
}

/// What a file's name was made to hide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileCaution {
    /// It led to another folder, or was not a name.
    Place,
    /// It had characters that can't be seen, or turn others around.
    Hidden,
    /// It runs when it is opened.
    Runs,
    /// It runs, and looks as if it were a document.
    TwoEndings,
}

impl FileName {
    /// From the name that an attachment says it has. Never empty, no path, no device, no longer than file systems take.
    pub fn of(said: &str) -> Self {
        let mut cautions = Vec::new();
        if said.chars().any(|c| display::is_hidden(c) && !matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')) {
            cautions.push(FileCaution::Hidden);
        }
        let last = said.rsplit(['/', '\\']).next().unwrap_or_default();
        let shown = display::line(last);
        let written: String = shown.chars().map(|c| if r#"<>:"|?*"#.contains(c) { '_' } else { c }).collect();
        let trimmed = written.trim_matches(|c: char| c.is_whitespace() || c == '.');
        let mut name = cut(trimmed);
        if is_reserved(&name) {
            name.insert(0, '_');
        }
        if name.is_empty() {
            name.push_str(NAMELESS);
        }
        if last != said || written != shown || trimmed != written || name != trimmed {
            cautions.push(FileCaution::Place);
        }
        cautions.extend(endings(&name));
        Self { name, cautions }
    }
}

/// With room for a sign in front, and with its ending.
fn cut(name: &str) -> String {
    let bytes_max = FILE_NAME_BYTES_MAX - 1;
    if name.len() <= bytes_max {
        return name.to_owned();
    }
    let ending = name.rfind('.').map_or("", |at| &name[at..]);
    let ending = if ending.len() <= 16 { ending } else { "" };
    let stem = &name[..name.floor_char_boundary(bytes_max - ending.len())];
    format!("{}{ending}", stem.trim_end_matches(['.', ' ']))
}

fn is_reserved(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_lowercase();
    let is_port = |port: &str| {
        let mut number = stem.strip_prefix(port).unwrap_or_default().chars();
        matches!((number.next(), number.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
    };
    RESERVED.contains(&stem.as_str()) || is_port("com") || is_port("lpt")
}

fn endings(name: &str) -> Option<FileCaution> {
    let (stem, last) = name.rsplit_once('.')?;
    if !RUNS.contains(&last.to_lowercase().as_str()) {
        return None;
    }
    let before = stem.trim_end().rsplit_once('.').map(|(_, ending)| ending);
    let is_ending = |ending: &str| (1..=5).contains(&ending.len()) && ending.chars().all(|c| c.is_ascii_alphanumeric());
    Some(if before.is_some_and(is_ending) { FileCaution::TwoEndings } else { FileCaution::Runs })
}

/// What is shown where it stands: pictures, recordings and videos that browsers show, and that run nothing. Everything else is a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Png,
    Jpeg,
    Gif,
    Webp,
    Avif,
    Mp4,
    Webm,
    Ogg,
    Mp3,
    Wav,
    Flac,
}

/// Bytes from a file's beginning that [`sniff`] needs.
pub const HEAD_BYTES: usize = 64;

/// What a file is by its first [`HEAD_BYTES`], if it is one that is shown.
pub fn sniff(head: &[u8]) -> Option<Media> {
    let has = |at: usize, what: &[u8]| head.get(at..).is_some_and(|rest| rest.starts_with(what));
    Some(match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Media::Png,
        [0xff, 0xd8, 0xff, ..] => Media::Jpeg,
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Media::Gif,
        _ if has(0, b"RIFF") && has(8, b"WEBP") => Media::Webp,
        _ if has(0, b"RIFF") && has(8, b"WAVE") => Media::Wav,
        _ if has(4, b"ftypavif") || has(4, b"ftypavis") => Media::Avif,
        _ if has(4, b"ftyp") && is_mp4(head) => Media::Mp4,
        [0x1a, 0x45, 0xdf, 0xa3, ..] if is_webm(head) => Media::Webm,
        [b'O', b'g', b'g', b'S', 0, ..] => Media::Ogg,
        [b'f', b'L', b'a', b'C', ..] => Media::Flac,
        [b'I', b'D', b'3', ..] | [0xff, 0xfb | 0xf3 | 0xf2, ..] => Media::Mp3,
        _ => return None,
    })
}

fn is_mp4(head: &[u8]) -> bool {
    let brands: [&[u8]; 8] = [b"isom", b"iso", b"mp4", b"avc1", b"M4A ", b"M4V ", b"dash", b"MSNV"];
    head.get(8..).is_some_and(|brand| brands.iter().any(|known| brand.starts_with(known)))
}

/// A Matroska file says in its head what kind of one it is.
fn is_webm(head: &[u8]) -> bool {
    let head = &head[..head.len().min(HEAD_BYTES)];
    head.windows(7).any(|part| part == [0x42, 0x82, 0x84, b'w', b'e', b'b', b'm'])
}

impl Media {
    /// As it is shown, whatever its sender calls it.
    pub fn media_type(self) -> &'static str {
        self.media_types()[0]
    }

    /// What it may be called.
    fn media_types(self) -> &'static [&'static str] {
        match self {
            Self::Png => &["image/png"],
            Self::Jpeg => &["image/jpeg", "image/jpg"],
            Self::Gif => &["image/gif"],
            Self::Webp => &["image/webp"],
            Self::Avif => &["image/avif"],
            Self::Mp4 => &["video/mp4", "audio/mp4", "audio/x-m4a"],
            Self::Webm => &["video/webm", "audio/webm"],
            Self::Ogg => &["audio/ogg", "video/ogg", "application/ogg"],
            Self::Mp3 => &["audio/mpeg", "audio/mp3"],
            Self::Wav => &["audio/wav", "audio/x-wav", "audio/vnd.wave"],
            Self::Flac => &["audio/flac", "audio/x-flac"],
        }
    }

    pub fn is_picture(self) -> bool {
        matches!(self, Self::Png | Self::Jpeg | Self::Gif | Self::Webp | Self::Avif)
    }
}

/// How a file is shown that says it is of the type `claimed` and begins with `head`. None: as a file to be saved, because it is no
/// [`Media`], or another one than it says.
pub fn shown_as(claimed: &str, head: &[u8]) -> Option<Media> {
    let claimed = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    sniff(head).filter(|media| media.media_types().contains(&claimed.as_str()))
}

/// What a thumbnail, or a picture of a person, is, if it is one that can be shown: nothing that moves.
pub fn thumbnail(bytes: &[u8]) -> Option<Media> {
    sniff(bytes).filter(|media| matches!(media, Media::Png | Media::Jpeg | Media::Webp))
}
