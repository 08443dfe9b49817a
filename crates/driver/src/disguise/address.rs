//! A relay as its users name it: its URL, and behind `#` how it is reached in disguise.
//!
//! ```text
//! https://www.example.org/#secret=64 HEX DIGITS
//! https://www.example.org/#secret=…&pin=64 HEX DIGITS
//! http://relay.example.org:7200/#front=www.example.org:443&secret=…
//! ```
//!
//! What is before `#` is the relay's name, which stands in offers; peers with the same meet there, whichever way each goes.
//! The front is at the URL's host on port 443 if `front` doesn't say otherwise. With a `pin` the front is known by its key
//! (SHA-256 of its public key's DER), whoever vouches for its certificate; without, by the public authorities.

use std::fmt;

use iroh::RelayUrl;
use tokio_rustls::rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use super::secret::{Secret, SecretError};
use super::tls::Pin;

const PORT: u16 = 443;

/// A relay and, where it has one, its front.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAddress {
    /// Without anything secret.
    pub url: RelayUrl,
    pub front: Option<FrontAddress>,
}

/// Where a front is and how it is passed.
#[derive(Clone, PartialEq, Eq)]
pub struct FrontAddress {
    pub host: String,
    pub port: u16,
    pub pin: Option<Pin>,
    pub secret: Secret,
}

/// What is wrong with a relay's address. It repeats nothing of what may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("it is not a URL that begins with https:// or http:// and names a host")]
    Url,
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("there is a `#` but no `secret=` behind it")]
    NoSecret,
    #[error("`pin=` is 64 hex digits")]
    Pin,
    #[error("`front=` is a host and a port, such as www.example.org:443")]
    Front,
    #[error("behind `#` only `secret=`, `pin=` and `front=` are known, each once")]
    Unknown,
}

impl RelayAddress {
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (url, hidden) = text.split_once('#').map_or((text, None), |(url, hidden)| (url, Some(hidden)));
        let url: RelayUrl = url.parse().map_err(|_| AddressError::Url)?;
        let host = url.host_str().filter(|_| matches!(url.scheme(), "http" | "https")).ok_or(AddressError::Url)?;
        let front = hidden.map(|hidden| FrontAddress::parse(hidden, host)).transpose()?;
        Ok(Self { url, front })
    }

    /// As [`parse`](Self::parse) takes it, with the secret.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(self.url.to_string());
        if let Some(front) = &self.front {
            text.push_str("#secret=");
            text.push_str(&front.secret.to_text());
            if let Some(pin) = &front.pin {
                text.push_str(&format!("&pin={pin}"));
            }
            if self.url.host_str() != Some(&*front.host) || front.port != PORT {
                text.push_str(&format!("&front={}", front.host_and_port()));
            }
        }
        text
    }
}

impl FrontAddress {
    fn parse(hidden: &str, host: &str) -> Result<Self, AddressError> {
        let (mut secret, mut pin, mut place) = (None, None, None);
        for part in hidden.split('&') {
            let (name, value) = part.split_once('=').ok_or(AddressError::Unknown)?;
            let is_new = match name {
                "secret" => secret.replace(Secret::parse(value)?).is_none(),
                "pin" => pin.replace(value.parse().map_err(|_| AddressError::Pin)?).is_none(),
                "front" => place.replace(value).is_none(),
                _ => false,
            };
            if !is_new {
                return Err(AddressError::Unknown);
            }
        }
        let (host, port) = match place {
            Some(place) => {
                let (host, port) = place.rsplit_once(':').ok_or(AddressError::Front)?;
                (host, port.parse().map_err(|_| AddressError::Front)?)
            }
            None => (host, PORT),
        };
        let front = Self { host: host.to_owned(), port, pin, secret: secret.ok_or(AddressError::NoSecret)? };
        front.server_name().map(|_| ()).ok_or(AddressError::Front)?;
        Ok(front)
    }

    pub fn host_and_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Whom the front's certificate must name. There is one if this was parsed.
    pub(super) fn server_name(&self) -> Option<ServerName<'static>> {
        ServerName::try_from(self.host.trim_matches(['[', ']']).to_owned()).ok()
    }
}

/// Neither the secret nor what goes with it.
impl fmt::Debug for FrontAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FrontAddress").field(&self.host_and_port()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

    #[test]
    fn an_address_comes_back() {
        for (text, place) in [
            ("http://10.0.0.5:7200/".to_owned(), None),
            (format!("https://www.example.org/#secret={HEX}"), Some("www.example.org:443")),
            (format!("https://www.example.org/#secret={HEX}&pin={HEX}"), Some("www.example.org:443")),
            (format!("http://10.0.0.5:7200/#secret={HEX}&front=[2001:db8::1]:8443"), Some("[2001:db8::1]:8443")),
        ] {
            let address = RelayAddress::parse(&text).unwrap();
            assert_eq!(address.front.as_ref().map(FrontAddress::host_and_port).as_deref(), place, "{text}");
            assert_eq!(*address.to_text(), text);
            assert_eq!(address.url.as_str(), text.split('#').next().unwrap());
            assert!(!format!("{address:?}").contains("0011"), "{address:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_without_repeating_it() {
        let with = |hidden: &str| format!("https://www.example.org/#{}", hidden.replace("HEX", HEX));
        for (text, error) in [
            ("www.example.org".to_owned(), AddressError::Url),
            ("ftp://www.example.org".to_owned(), AddressError::Url),
            (with(""), AddressError::Unknown),
            (with("pin=HEX"), AddressError::NoSecret),
            (with("secret=12"), AddressError::Secret(SecretError)),
            (with("secret=HEX&secret=HEX"), AddressError::Unknown),
            (with("secret=HEX&colour=red"), AddressError::Unknown),
            (with("secret=HEX&pin=1"), AddressError::Pin),
            (with("secret=HEX&front=host"), AddressError::Front),
            (with("secret=HEX&front=a b:443"), AddressError::Front),
        ] {
            let wrong = RelayAddress::parse(&text).unwrap_err();
            assert!(!wrong.to_string().contains(HEX));
            assert_eq!(wrong, error, "{text}");
        }
    }
}
