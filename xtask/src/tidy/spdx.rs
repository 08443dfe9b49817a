//! Licence expressions (SPDX, annex D) and whether a list of licences satisfies them.

use std::fmt;

/// What a crate may be used under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// One licence, with its exception if it has one: `Apache-2.0 WITH LLVM-exception`.
    Licence(String),
    /// All of them bind.
    And(Vec<Expression>),
    /// The user chooses.
    Or(Vec<Expression>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The word that doesn't belong there, or `None` at the end.
    found: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.found {
            Some(word) => write!(f, "unexpected `{word}`"),
            None => write!(f, "it ends too early"),
        }
    }
}

impl Expression {
    /// Parses `text`. `A/B`, which old crates write, means `A OR B`.
    pub fn parse(text: &str) -> Result<Expression, ParseError> {
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<_> = spaced.split_whitespace().collect();
        let mut parser = Parser { words: &words };
        let expression = parser.alternatives()?;
        match parser.words.first() {
            None => Ok(expression),
            Some(word) => Err(ParseError { found: Some((*word).to_owned()) }),
        }
    }

    /// Whether one may use the crate with nothing but the licences that `is_allowed`.
    pub fn is_satisfied(&self, is_allowed: &dyn Fn(&str) -> bool) -> bool {
        match self {
            Expression::Licence(licence) => is_allowed(licence),
            Expression::And(parts) => parts.iter().all(|part| part.is_satisfied(is_allowed)),
            Expression::Or(parts) => parts.iter().any(|part| part.is_satisfied(is_allowed)),
        }
    }
}

struct Parser<'a> {
    words: &'a [&'a str],
}

impl Parser<'_> {
    fn accept(&mut self, word: &str) -> bool {
        let is_next = self.words.first() == Some(&word);
        if is_next {
            self.words = &self.words[1..];
        }
        is_next
    }

    /// `AND` binds tighter than `OR`.
    fn alternatives(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.conjunction()?];
        while self.accept("OR") {
            parts.push(self.conjunction()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    fn conjunction(&mut self) -> Result<Expression, ParseError> {
        let mut parts = vec![self.licence()?];
        while self.accept("AND") {
            parts.push(self.licence()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    fn licence(&mut self) -> Result<Expression, ParseError> {
        if self.accept("(") {
            let inner = self.alternatives()?;
            return match self.accept(")") {
                true => Ok(inner),
                false => Err(self.unexpected()),
            };
        }
        let mut licence = self.identifier()?;
        if self.accept("WITH") {
            licence = format!("{licence} WITH {}", self.identifier()?);
        }
        Ok(Expression::Licence(licence))
    }

    fn identifier(&mut self) -> Result<String, ParseError> {
        match self.words.split_first() {
            Some((word, rest)) if !["(", ")", "AND", "OR", "WITH"].contains(word) => {
                self.words = rest;
                Ok((*word).to_owned())
            }
            _ => Err(self.unexpected()),
        }
    }

    fn unexpected(&self) -> ParseError {
        ParseError { found: self.words.first().map(|word| (*word).to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decides_what_the_allowed_licences_satisfy() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        for (text, satisfied) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("Apache-2.0", false),
            ("MIT OR Apache-2.0", true),
            ("Apache-2.0 OR GPL-2.0-only", false),
            ("Apache-2.0/MIT", true),
            ("Apache-2.0 / MIT", true),
            ("MIT AND ISC", true),
            ("MIT AND GPL-3.0-only", false),
            ("(GPL-3.0-only OR MIT) AND ISC", true),
            ("GPL-3.0-only OR MIT AND ISC", true),
            ("MIT OR ISC AND GPL-3.0-only", true),
            ("(MIT OR ISC) AND GPL-3.0-only", false),
            ("((MIT))", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0-only WITH Classpath-exception-2.0", false),
            ("Apache-2.0 WITH LLVM-exception AND MIT", true),
        ] {
            let expression = Expression::parse(text).unwrap();
            assert_eq!(expression.is_satisfied(&|name| allowed.contains(&name)), satisfied, "{text}");
        }
    }

    #[test]
    fn malformed_expressions_are_refused() {
        for (text, error) in [
            ("", "it ends too early"),
            ("MIT OR", "it ends too early"),
            ("(MIT", "it ends too early"),
            ("MIT)", "unexpected `)`"),
            ("MIT ISC", "unexpected `ISC`"),
            ("OR MIT", "unexpected `OR`"),
            ("MIT WITH AND", "unexpected `AND`"),
        ] {
            assert_eq!(Expression::parse(text).unwrap_err().to_string(), error, "{text:?}");
        }
    }
}
