//! Names of hosts as people list them: a name and all below it.

use std::fmt;
use std::str::FromStr;

use byway_primitives::DecodeError;

/// Bytes of a name in DNS (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Bytes of one label in it.
const LABEL_BYTES_MAX: usize = 63;

/// A name and all below it, as it stands in DNS: in lower-case ASCII, letters beyond it in punycode, without a dot at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Domain(String);

impl Domain {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `name`, as a stream or a question has it, is this or below it.
    pub fn holds(&self, name: &str) -> bool {
        // However many dots end it, a resolver looks for the same.
        let name = name.trim_end_matches('.');
        let Some(start) = name.len().checked_sub(self.0.len()) else { return false };
        let (above, end) = name.as_bytes().split_at(start);
        end.eq_ignore_ascii_case(self.0.as_bytes()) && (above.is_empty() || above.ends_with(b"."))
    }
}

impl FromStr for Domain {
    type Err = DecodeError;

    /// Reads `example.com`, `*.example.com`, `WWW.Example.com.` and names beyond ASCII.
    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let text = text.strip_prefix("*.").unwrap_or(text);
        let name = idna::domain_to_ascii(text).unwrap_or_default();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let fits = |label: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            (1..=LABEL_BYTES_MAX).contains(&label.len()) && label.bytes().all(is_plain)
        };
        let is_number = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if name.len() <= NAME_BYTES_MAX && name.split('.').all(fits) && !is_number {
            return Ok(Self(name.to_owned()));
        }
        Err(DecodeError::Invalid("destination: a name such as example.com or an address is needed"))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

byway_primitives::serde_as_text!(Domain);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form_and_is_read_from_many() {
        for (text, shown) in [
            ("example.com", "example.com"),
            ("*.Example.COM.", "example.com"),
            ("_dmarc.example-1.com", "_dmarc.example-1.com"),
            ("Bücher.example", "xn--bcher-kva.example"),
            ("例え。example", "xn--r8jz45g.example"),
            ("localhost", "localhost"),
        ] {
            let domain: Domain = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(domain.to_string(), shown, "{text}");
            assert_eq!(shown.parse(), Ok(domain), "{text}");
        }
        let long = format!("{}.com", "a".repeat(64));
        for text in ["", ".", "a..b", "1.2.3", "192.0.2.1", "ex ample.com", "*", "a/b", "xn--\u{fe0f}", &long] {
            assert!(text.parse::<Domain>().is_err(), "{text}");
        }
    }

    #[test]
    fn it_holds_itself_and_what_is_below() {
        let domain: Domain = "example.com".parse().expect("a name");
        for (name, is_held) in [
            ("example.com", true),
            ("EXAMPLE.com..", true),
            ("a.b.example.com", true),
            ("badexample.com", false),
            ("com", false),
            ("example.com.evil", false),
            ("", false),
        ] {
            assert_eq!(domain.holds(name), is_held, "{name}");
        }
    }
}
