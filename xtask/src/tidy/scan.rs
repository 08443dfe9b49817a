//! A small tokenizer for Rust: enough to tell code from comments, strings and tests.
//!
//! It is not a parser. A real one (`syn`) would have to be built before every `cargo xtask`, and no rule needs more than
//! words, their order, and the full paths of imports.

/// A word or sign of code, with its line from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    pub line: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An identifier or keyword.
    Word,
    /// A single character of punctuation.
    Sign,
    /// A string, character, number or lifetime; no rule looks inside.
    Other,
}

impl Token<'_> {
    pub fn is(&self, text: &str) -> bool {
        self.kind != Kind::Other && self.text == text
    }
}

/// Starts a comment that exempts its own and the next line: `tidy-allow: RULE because REASON`.
const WAIVER: &str = "tidy-allow: ";

/// A file's code, without comments.
#[derive(Debug, Default)]
pub struct Scan<'a> {
    pub tokens: Vec<Token<'a>>,
    /// Lines with a waiver, and the rule waived.
    waivers: Vec<(usize, &'a str)>,
}

impl Scan<'_> {
    /// Whether a comment in `line` or the one before it exempts that line from `rule`, and says why.
    pub fn is_waived(&self, line: usize, rule: &str) -> bool {
        self.waivers.iter().any(|(at, waived)| *waived == rule && (*at == line || at + 1 == line))
    }
}

/// Splits `source` into tokens. Code that doesn't compile gives some tokens, never an error.
pub fn scan(source: &str) -> Scan<'_> {
    let mut scanner = Scanner { source, at: 0, line: 1, scan: Scan::default() };
    while scanner.step() {}
    scanner.scan
}

struct Scanner<'a> {
    source: &'a str,
    /// Byte offset of what comes next.
    at: usize,
    line: usize,
    scan: Scan<'a>,
}

impl<'a> Scanner<'a> {
    /// Reads one token or comment; `false` at the end.
    fn step(&mut self) -> bool {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return false };
        if first.is_whitespace() {
            self.skip(first.len_utf8());
        } else if rest.starts_with("//") {
            self.line_comment();
        } else if rest.starts_with("/*") {
            self.skip(block_comment_len(rest));
        } else if let Some(length) = string_len(rest) {
            self.push(Kind::Other, length);
        } else if first == '\'' {
            self.push(Kind::Other, quote_len(rest));
        } else if first.is_ascii_digit() {
            self.push(Kind::Other, number_len(rest));
        } else if is_word_start(first) {
            self.push(Kind::Word, word_len(rest));
        } else {
            self.push(Kind::Sign, first.len_utf8());
        }
        true
    }

    fn rest(&self) -> &'a str {
        &self.source[self.at..]
    }

    fn skip(&mut self, length: usize) {
        let skipped = &self.rest()[..length];
        self.line += skipped.matches('\n').count();
        self.at += length;
    }

    fn push(&mut self, kind: Kind, length: usize) {
        let text = &self.rest()[..length];
        self.scan.tokens.push(Token { kind, text, line: self.line });
        self.skip(length);
    }

    fn line_comment(&mut self) {
        let comment = self.rest().lines().next().unwrap_or_default();
        let waiver = comment.trim_start_matches(['/', ' ']).strip_prefix(WAIVER);
        if let Some((rule, _reason)) = waiver.and_then(|waiver| waiver.split_once(" because ")) {
            self.scan.waivers.push((self.line, rule));
        }
        self.skip(comment.len());
    }
}

fn is_word_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn word_len(rest: &str) -> usize {
    // `r#type` is one word.
    let prefix = if rest.starts_with("r#") { 2 } else { 0 };
    let word = &rest[prefix..];
    let end = word.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(word.len());
    prefix + end
}

fn number_len(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let mut end = 0;
    while let Some(byte) = bytes.get(end) {
        // `1.5` is a number; `1..5` and `1.max(5)` go on after the 1.
        let is_fraction = *byte == b'.' && bytes.get(end + 1).is_some_and(u8::is_ascii_digit);
        if !byte.is_ascii_alphanumeric() && *byte != b'_' && !is_fraction {
            break;
        }
        end += 1;
    }
    end
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// The length of the string literal at the start of `rest`, whatever its prefix.
fn string_len(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""]
        .into_iter()
        .find(|prefix| rest.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['"', '#'])))?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let quoted = body[hashes..].strip_prefix('"')?;
    if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = quoted.find(&end).map_or(quoted.len(), |at| at + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    if hashes > 0 {
        return None;
    }
    Some(prefix.len() + 1 + escaped_len(quoted, b'"'))
}

/// The length of what `'` begins: a character, or a lifetime.
fn quote_len(rest: &str) -> usize {
    let inner = &rest[1..];
    let mut chars = inner.chars();
    let first = chars.next();
    if first == Some('\\') || chars.next() == Some('\'') {
        return 1 + escaped_len(inner, b'\'');
    }
    1 + word_len(inner)
}

/// Up to and including the first `end` that no backslash precedes.
fn escaped_len(text: &str, end: u8) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            _ if byte == end => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of `source`, joined by spaces, with literals shown as `_`.
    fn check(source: &str, expected: &str) {
        let scan = scan(source);
        let shown = scan.tokens.iter().map(|token| match token.kind {
            Kind::Other => "_",
            _ => token.text,
        });
        assert_eq!(shown.collect::<Vec<_>>().join(" "), expected, "{source}");
    }

    #[test]
    fn tells_code_from_the_rest() {
        check("let x = 1; // tokio", "let x = _ ;");
        check("/// std::fs\nfn f() {}", "fn f ( ) { }");
        check("a /* b /* c */ d */ e", "a e");
        check("a /* never closed", "a");
        check(r#"f("std::fs \" rand::")g"#, "f ( _ ) g");
        check(r##"f(r#"a " b"#)g"##, "f ( _ ) g");
        check(r#"f(b"a", c"b", br"c")"#, "f ( _ , _ , _ )");
        check(r"('\'', '\\', 'x', 'é')", "( _ , _ , _ , _ )");
        check("&'static mut T", "& _ mut T");
        check("b'x' + b", "b _ + b");
        check("r#type.field", "r#type . field");
        check("1.5e3 + 0..10 + 1.max(2)", "_ + _ . . _ + _ . max ( _ )");
        check("#[cfg(test)]", "# [ cfg ( test ) ]");
        check("\"never closed", "_");
    }

    #[test]
    fn counts_lines_through_comments_and_strings() {
        let scan = scan("/* 1\n2 */\n\"3\n4\"\nfive");
        assert_eq!(scan.tokens.last().unwrap().line, 5);
    }

    #[test]
    fn a_waiver_needs_a_reason_and_covers_two_lines() {
        for (comment, line, waived) in [
            ("// tidy-allow: purity because it never iterates", 1, true),
            ("// tidy-allow: purity because it never iterates", 2, true),
            ("// tidy-allow: purity because it never iterates", 3, false),
            ("// tidy-allow: purity", 2, false),
            ("// tidy-allow: length because it is a table", 2, false),
        ] {
            let source = format!("{comment}\ncode\nmore");
            assert_eq!(scan(&source).is_waived(line, "purity"), waived, "{comment} in line {line}");
        }
    }
}
