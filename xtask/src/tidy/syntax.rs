//! What the purity rules need from tokens: code without its tests, and the paths it names.

use super::scan::{Kind, Token};

/// Code that is compiled into the product.
#[derive(Debug, Default)]
pub struct Production<'a> {
    pub tokens: Vec<Token<'a>>,
    /// Names in `#[cfg(test)] mod NAME;`, whose files are tests from the first line.
    pub test_modules: Vec<&'a str>,
}

/// Leaves out every item under `#[cfg(test)]`.
pub fn production<'a>(tokens: &[Token<'a>]) -> Production<'a> {
    let mut production = Production::default();
    let mut rest = tokens;
    while let Some(first) = rest.first() {
        let Some(attribute) = attribute_len(rest) else {
            production.tokens.push(*first);
            rest = &rest[1..];
            continue;
        };
        let (attribute, after) = rest.split_at(attribute);
        if !is_test_only(attribute) {
            production.tokens.extend(attribute);
            rest = after;
        } else if attribute[1].is("!") {
            // `#![cfg(test)]` covers the rest of the file.
            return production;
        } else {
            let (item, after) = after.split_at(item_len(after));
            production.test_modules.extend(module_declared(item));
            rest = after;
        }
    }
    production
}

/// The length of `#[…]` or `#![…]` at the start of `tokens`.
fn attribute_len(tokens: &[Token<'_>]) -> Option<usize> {
    if !tokens.first()?.is("#") {
        return None;
    }
    let open = if tokens.get(1)?.is("!") { 2 } else { 1 };
    if !tokens.get(open)?.is("[") {
        return None;
    }
    Some(open + group_len(&tokens[open..]))
}

/// The length of the bracketed group at the start of `tokens`, brackets included.
fn group_len(tokens: &[Token<'_>]) -> usize {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" if token.kind == Kind::Sign => depth += 1,
            ")" | "]" | "}" if token.kind == Kind::Sign => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    tokens.len()
}

fn is_test_only(attribute: &[Token<'_>]) -> bool {
    let words: Vec<_> = attribute.iter().filter(|token| token.kind == Kind::Word).map(|token| token.text).collect();
    words == ["cfg", "test"] || words.starts_with(&["cfg", "all", "test"])
}

/// The length of the item, field, arm or statement at the start of `tokens`, with its further attributes.
fn item_len(tokens: &[Token<'_>]) -> usize {
    let mut at = 0;
    while let Some(length) = attribute_len(&tokens[at..]) {
        at += length;
    }
    // Only fields and arms end in a comma; in an item it separates parameters.
    let is_item = tokens.get(at).is_some_and(|token| ITEM_WORDS.contains(&token.text));
    while let Some(token) = tokens.get(at) {
        if token.is(";") || (token.is(",") && !is_item) {
            return at + 1;
        }
        if token.is("}") {
            return at;
        }
        let is_body = token.is("{");
        at += group_len(&tokens[at..]);
        let goes_on = tokens.get(at).is_some_and(|next| next.is(";") || next.is(","));
        if is_body && !goes_on {
            return at;
        }
    }
    at
}

const ITEM_WORDS: [&str; 14] = [
    "async",
    "const",
    "enum",
    "extern",
    "fn",
    "impl",
    "macro_rules",
    "mod",
    "pub",
    "static",
    "struct",
    "trait",
    "unsafe",
    "use",
];

fn module_declared<'a>(item: &[Token<'a>]) -> Option<&'a str> {
    let position = item.iter().position(|token| token.is("mod"))?;
    let [name, end] = item.get(position + 1..position + 3)? else { return None };
    end.is(";").then_some(name.text)
}

/// A path as code names it, such as `std::time::Instant`; imports are written out in full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<'a> {
    pub segments: Vec<&'a str>,
    pub line: usize,
    /// In a `use` declaration, rather than in an expression or a type.
    pub is_import: bool,
}

/// Every path in `tokens`; a lone word is a path of one segment.
pub fn paths<'a>(tokens: &[Token<'a>]) -> Vec<Path<'a>> {
    let mut reader = PathReader { tokens, at: 0, paths: Vec::new() };
    while let Some(token) = tokens.get(reader.at) {
        // `use<'a>` in a return type is no import.
        let is_import = token.is("use") && !tokens.get(reader.at + 1).is_some_and(|next| next.is("<"));
        if is_import {
            reader.at += 1;
            reader.import_tree(&[]);
        } else if token.kind == Kind::Word {
            reader.expression();
        } else {
            reader.at += 1;
        }
    }
    reader.paths
}

struct PathReader<'a, 't> {
    tokens: &'t [Token<'a>],
    at: usize,
    paths: Vec<Path<'a>>,
}

impl<'a> PathReader<'a, '_> {
    fn peek(&self, text: &str) -> bool {
        self.tokens.get(self.at).is_some_and(|token| token.is(text))
    }

    /// Steps over `::`.
    fn separator(&mut self) -> bool {
        let is_next = self.peek(":") && self.tokens.get(self.at + 1).is_some_and(|token| token.is(":"));
        if is_next {
            self.at += 2;
        }
        is_next
    }

    fn expression(&mut self) {
        let line = self.tokens[self.at].line;
        let mut segments = Vec::new();
        while let Some(token) = self.tokens.get(self.at).filter(|token| token.kind == Kind::Word) {
            segments.push(token.text);
            self.at += 1;
            if !self.separator() {
                break;
            }
        }
        self.paths.push(Path { segments, line, is_import: false });
    }

    /// Reads `a::{b, c::*}` after `prefix`.
    fn import_tree(&mut self, prefix: &[&'a str]) {
        let mut segments = prefix.to_vec();
        self.separator();
        while let Some(token) = self.tokens.get(self.at) {
            if token.is("{") {
                self.at += 1;
                return self.import_group(&segments);
            }
            if token.kind != Kind::Word && !token.is("*") {
                return;
            }
            if token.text != "self" || segments.is_empty() {
                segments.push(token.text);
            }
            self.at += 1;
            if !self.separator() {
                self.paths.push(Path { segments, line: token.line, is_import: true });
                return self.alias();
            }
        }
    }

    fn import_group(&mut self, prefix: &[&'a str]) {
        while self.at < self.tokens.len() && !self.peek("}") {
            let before = self.at;
            self.import_tree(prefix);
            if self.peek(",") || self.at == before {
                self.at += 1;
            }
        }
        self.at += 1;
    }

    /// Steps over `as name`, which is no path of its own.
    fn alias(&mut self) {
        if self.peek("as") {
            self.at += 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::scan::scan;
    use super::*;

    #[test]
    fn tests_are_left_out() {
        for (source, kept) in [
            ("a #[cfg(test)] mod tests { b { c } } d", "a d"),
            ("a #[cfg(test)] #[path = \"x\"] mod tests; d", "a d"),
            ("a #[cfg(test)] use x::{y, z}; d", "a d"),
            ("a #[cfg(test)] fn f<T, U>(b: u8, c: [u8; 4]) -> u8 { b } d", "a d"),
            ("a #[cfg(test)] pub(crate) const X: [u8; 2] = [1, 2]; d", "a d"),
            ("{ a, #[cfg(test)] field: u8, d }", "{ a , d }"),
            ("{ a, #[cfg(test)] field: u8 } d", "{ a , } d"),
            ("#[cfg(all(test, unix))] fn b() {} d", "d"),
            ("#![cfg(test)] b c d", ""),
            ("#[cfg(not(test))] a", "# [ cfg ( not ( test ) ) ] a"),
            ("#[cfg(any(test, fuzzing))] a", "# [ cfg ( any ( test , fuzzing ) ) ] a"),
            ("#[cfg(test)]", ""),
        ] {
            let scan = scan(source);
            let production = production(&scan.tokens);
            let shown: Vec<_> = production.tokens.iter().map(|token| token.text).collect();
            assert_eq!(shown.join(" "), kept, "{source}");
        }
    }

    #[test]
    fn test_modules_in_their_own_file_are_named() {
        let scan = scan("#[cfg(test)] mod tests; #[cfg(test)] mod inline { } #[cfg(test)] pub(crate) mod pair;");
        assert_eq!(production(&scan.tokens).test_modules, ["tests", "pair"]);
    }

    #[test]
    fn paths_are_written_out() {
        for (source, expected) in [
            ("use std::time::Instant;", "std::time::Instant"),
            ("use std::{fs, time::{self, Duration}};", "std::fs std::time std::time::Duration"),
            ("use std::net as n; n", "std::net n"),
            ("use a::*; use b::{c as d, e};", "a::* b::c b::e"),
            ("use ::tokio::spawn;", "tokio::spawn"),
            ("let x = time::Instant::now()", "let x time::Instant::now"),
            ("x.await", "x await"),
            ("Vec::<u8>::new()", "Vec u8 new"),
            ("impl Iterator + use<'a>", "impl Iterator use"),
            ("use a::{b", "a::b"),
        ] {
            let scan = scan(source);
            let shown: Vec<_> = paths(&scan.tokens).iter().map(|path| path.segments.join("::")).collect();
            assert_eq!(shown.join(" "), expected, "{source}");
        }
    }
}
