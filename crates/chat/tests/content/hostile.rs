//! Names, files and addresses that were made to deceive.

use byway_chat::content::display::{self, Likeness};
use byway_chat::content::files::{FileCaution, FileName, Media, shown_as, sniff, thumbnail};
use byway_chat::content::limits::FILE_NAME_BYTES_MAX;
use byway_chat::content::links::{Address, LinkCaution};
use proptest::prelude::*;

#[test]
fn names_show_what_can_be_seen_and_no_more() {
    for (name, shown) in [
        ("Ada Lovelace", Some("Ada Lovelace")),
        ("  Ada\n\tLovelace\u{a0} ", Some("Ada Lovelace")),
        ("\u{202e}adA", Some("adA")),
        ("A\u{200b}d\u{2060}a\u{feff}", Some("Ada")),
        ("A\u{ad}da\u{7}", Some("Ada")),
        ("e\u{301}", Some("é")),
        ("A\u{e0041}da", Some("Ada")),
        ("\u{200b}\u{2800}\u{3164} ", None),
        ("\u{301}", None),
        ("", None),
        ("علی‌رضا", Some("علی‌رضا")),
        ("👩‍💻", Some("👩‍💻")),
        ("🏴󠁧󠁢󠁥󠁮󠁧󠁿", Some("🏴󠁧󠁢󠁥󠁮󠁧󠁿")),
        ("A\u{200d}da", Some("Ada")),
        ("Ada\u{200d}", Some("Ada")),
        ("नमस्ते", Some("नमस्ते")),
    ] {
        assert_eq!(display::name(name).as_deref(), shown, "{name:?}");
    }
    assert_eq!(display::name(&"x".repeat(500)).unwrap().len(), 64);
    for hidden in ["", "\u{200b}", "\u{200d}"] {
        let pile = format!("\u{337}{hidden}").repeat(50);
        let piled = display::name(&format!("a{pile}b")).unwrap();
        assert_eq!(piled.chars().count(), 8, "six marks, and what they stand between: {hidden:?}");
    }
}

#[test]
fn a_text_in_an_isolate_can_turn_nothing_around_it() {
    assert_eq!(display::isolated("a\u{2069}b\u{2066}"), "\u{2068}ab\u{2069}");
    assert_eq!(display::text("a\u{202e}b\r\nc\u{200f}d"), "ab\nc\u{200f}d");
}

#[test]
fn names_that_look_alike_are_alike() {
    let is_like = |one, other| Likeness::of(one).is_like(&Likeness::of(other));
    for (one, other, expected) in [
        ("Ada", "Ada", true),
        ("Ada", "ada", true),
        ("Ada", "Аdа", true),
        ("Ada", "A d a", true),
        ("Ada", "A\u{200b}da", true),
        ("paypal", "раураl", true),
        ("modern", "rnodern", true),
        ("Bill", "BiIl", true),
        ("OliveO", "0live0", true),
        ("Ada", "Eda", false),
        ("Ada", "Adam", false),
        ("🦊", "🐻", false),
        ("", "", false),
    ] {
        assert_eq!(is_like(one, other), expected, "{one} {other}");
    }
    for (name, is_mixed) in [("Ada", false), ("Аdа", true), ("Ада", false), ("田中さくら", false), ("Ada 🦊 2", false)]
    {
        assert_eq!(display::is_mixed(name), is_mixed, "{name}");
    }
}

#[test]
fn files_get_names_that_can_be_written() {
    use FileCaution::{Hidden, Place, Runs, TwoEndings};
    let long = "x".repeat(300) + ".tar.gz";
    let table: [(&str, &str, &[FileCaution]); 22] = [
        ("map.png", "map.png", &[]),
        ("Résumé 2026 (1).pdf", "Résumé 2026 (1).pdf", &[]),
        ("../../etc/passwd", "passwd", &[Place]),
        ("C:\\Windows\\a.txt", "a.txt", &[Place]),
        ("a:b.txt", "a_b.txt", &[Place]),
        ("..", "file", &[Place]),
        ("", "file", &[Place]),
        ("   ", "file", &[Place]),
        (".bashrc", "bashrc", &[Place]),
        ("a.txt. . .", "a.txt", &[Place]),
        ("CON", "_CON", &[Place]),
        ("nul.txt", "_nul.txt", &[Place]),
        ("com1.png", "_com1.png", &[Place]),
        ("LPT².png", "_LPT².png", &[Place]),
        ("common.png", "common.png", &[]),
        ("photo\u{202e}gpj.exe", "photogpj.exe", &[Hidden, Runs]),
        ("a\0b.txt", "ab.txt", &[Hidden]),
        ("setup.exe", "setup.exe", &[Runs]),
        ("invoice.pdf.exe", "invoice.pdf.exe", &[TwoEndings]),
        ("invoice.pdf        .EXE", "invoice.pdf .EXE", &[TwoEndings]),
        ("page.html", "page.html", &[Runs]),
        ("archive.tar.gz", "archive.tar.gz", &[]),
    ];
    for (said, name, cautions) in table {
        let found = FileName::of(said);
        assert_eq!((found.name.as_str(), &found.cautions[..]), (name, cautions), "{said:?}");
    }
    let cut = FileName::of(&long).name;
    assert!(cut.len() <= FILE_NAME_BYTES_MAX && cut.ends_with(".gz"), "{cut}");
}

proptest! {
    #[test]
    fn every_file_name_is_one(said in "(\\PC|[./\\\\:\u{0}\u{202e} ]|con|\\.exe){0,90}") {
        let FileName { name, .. } = FileName::of(&said);
        prop_assert!((1..=FILE_NAME_BYTES_MAX).contains(&name.len()));
        prop_assert!(!name.contains(|c: char| c.is_control() || r#"/\<>:"|?*"#.contains(c)), "{:?}", name);
        prop_assert!(!name.starts_with('.') && !name.ends_with(['.', ' ']), "{:?}", name);
        prop_assert_eq!(&FileName::of(&name).name, &name);
    }

    #[test]
    fn a_shown_name_is_shown_the_same(name in "(\\PC|[\u{200b}-\u{200f}\u{202e}\u{301}\u{fe0f}\u{e0041} ]){0,40}") {
        if let Some(shown) = display::name(&name) {
            prop_assert_eq!(display::name(&shown), Some(shown));
        }
    }
}

#[test]
fn media_are_what_their_bytes_say_and_their_sender_too() {
    let mp4 = [&[0, 0, 0, 0x20][..], b"ftypisom"].concat();
    let webm = [&[0x1a, 0x45, 0xdf, 0xa3, 0x9f, 0x42, 0x86, 0x81, 1, 0x42, 0x82, 0x84][..], b"webm"].concat();
    let matroska = [&[0x1a, 0x45, 0xdf, 0xa3, 0xa3, 0x42, 0x82, 0x88][..], b"matroska"].concat();
    let table: [(&str, &[u8], Option<Media>); 17] = [
        ("image/png", b"\x89PNG\r\n\x1a\n....", Some(Media::Png)),
        ("image/jpeg", &[0xff, 0xd8, 0xff, 0xe0], Some(Media::Jpeg)),
        ("IMAGE/GIF", b"GIF89a", Some(Media::Gif)),
        ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 ", Some(Media::Webp)),
        ("video/mp4; codecs=avc1", &mp4, Some(Media::Mp4)),
        ("audio/mp4", &mp4, Some(Media::Mp4)),
        ("video/webm", &webm, Some(Media::Webm)),
        ("video/webm", &matroska, None),
        ("audio/ogg;codecs=opus", b"OggS\0\x02", Some(Media::Ogg)),
        ("audio/mpeg", b"ID3\x04", Some(Media::Mp3)),
        ("image/png", &[0xff, 0xd8, 0xff, 0xe0], None),
        ("image/png", b"<html><script>", None),
        ("text/html", b"<html><script>", None),
        ("image/svg+xml", b"<svg onload=alert(1)>", None),
        ("application/pdf", b"%PDF-1.7", None),
        ("text/html", b"\x89PNG\r\n\x1a\n", None),
        ("image/png", b"", None),
    ];
    for (claimed, head, expected) in table {
        assert_eq!(shown_as(claimed, head), expected, "{claimed} {head:?}");
    }
    assert_eq!(sniff(b"GIF89a").map(Media::is_picture), Some(true));
    assert_eq!((thumbnail(b"GIF89a"), thumbnail(&[0xff, 0xd8, 0xff])), (None, Some(Media::Jpeg)));
}

#[test]
fn a_link_that_leads_elsewhere_than_it_reads_is_flagged() {
    let other = |host: &str| vec![LinkCaution::ShowsOther(host.to_owned())];
    for (text, to, expected) in [
        ("here", "https://example.org/", vec![]),
        ("https://example.org/a", "https://example.org/b", vec![]),
        ("www.example.org", "https://example.org/", vec![]),
        ("Example.ORG:443", "https://example.org/", vec![]),
        ("version 1.5, e.g. now...", "https://example.org/", vec![]),
        ("bank.example", "https://evil.example/bank.example", other("bank.example")),
        ("go to https://bank.example/login now", "https://evil.example/", other("bank.example")),
        ("https://bank.example@evil.example", "https://bank.example/", other("evil.example")),
        ("10.0.0.1", "https://evil.example/", other("10.0.0.1")),
        ("here", "https://xn--pple-43d.com/", vec![LinkCaution::Alphabet]),
        ("https://аpple.com", "https://аpple.com", vec![LinkCaution::Alphabet]),
        (
            "https://apple.com",
            "https://аpple.com",
            vec![LinkCaution::ShowsOther("apple.com".into()), LinkCaution::Alphabet],
        ),
        ("here", "http://0x7f.1/", vec![LinkCaution::Number]),
        ("here", "http://[::1]/", vec![LinkCaution::Number]),
    ] {
        assert_eq!(Address::parse(to).unwrap().cautions(text), expected, "{text} {to}");
    }
    for refused in [
        "javascript:alert(1)",
        "ftp://example.org",
        "https://",
        "https://a b",
        "https://a\u{202e}b.example",
        "mailto:a",
        "mailto:a@b,c@d",
        "mailto:a%0ab@c.example",
        "https:\\\\example.org",
        "example.org",
        "",
    ] {
        assert_eq!(Address::parse(refused), None, "{refused}");
    }
    assert_eq!(Address::parse(&format!("https://example.org/{}", "x".repeat(3000))), None);
}
