//! Chains of hops, as calls ask for and answer them (row A12).

use std::fmt;
use std::str::FromStr;

use byway_primitives::{Amount, IdentityId};
use byway_records::offer::Country;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::market::Pay;
use super::market::SessionId;
use super::requests::ConnectTarget;
use super::values::{ConnectionState, Reason};

/// Hops before the exit, at most: each adds its price and its way to every packet's, and no more protection than another
/// operator who would have to talk.
pub const HOPS_MAX: usize = 3;

/// Who is to be a hop; as text `best`, a country such as `DE`, or a provider's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopWish {
    /// What is worth its price most, anywhere.
    Best,
    Country(Country),
    Provider(IdentityId),
}

impl FromStr for HopWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "best" {
            return Ok(Self::Best);
        }
        let country = text.parse().map(Self::Country);
        let wish = country.or_else(|_| text.parse().map(Self::Provider));
        wish.map_err(|_| format!("`{text}` is no hop; write `best`, a country such as DE, or a provider's id"))
    }
}

impl fmt::Display for HopWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.pad("best"),
            Self::Country(country) => fmt::Display::fmt(country, f),
            Self::Provider(provider) => fmt::Display::fmt(provider, f),
        }
    }
}

impl Serialize for HopWish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HopWish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What to connect to, and over whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Connect {
    #[serde(flatten)]
    pub target: ConnectTarget,
    /// Hops before the exit, the first one first; none: straight to it. Those that there are, when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<Vec<HopWish>>,
    /// Out of what it is paid; as before when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pay: Option<Pay>,
}

impl From<ConnectTarget> for Connect {
    fn from(target: ConnectTarget) -> Self {
        Self { target, via: None, pay: None }
    }
}

/// A hop as it is at present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    pub wish: HopWish,
    pub state: ConnectionState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<IdentityId>,
    /// Where what goes through it comes out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Country>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Of its session so far.
    pub cost: Amount,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What is wrong with a chain, if anything is: how long it is, and who is in it twice.
pub fn chain_problem(via: &[HopWish]) -> Option<String> {
    if via.len() > HOPS_MAX {
        return Some(format!("a chain has {HOPS_MAX} hops at most"));
    }
    let twice = via.iter().enumerate().find_map(|(at, wish)| match wish {
        HopWish::Provider(provider) if via[..at].contains(wish) => Some(provider),
        _ => None,
    });
    twice.map(|provider| format!("{provider} would be two of its hops, and know what is before and behind"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_in_text_comes_back_and_what_is_none_is_refused() {
        let provider = IdentityId([7; 20]).to_string();
        for text in ["best", "DE", &provider] {
            assert_eq!(text.parse::<HopWish>().map(|wish| wish.to_string()), Ok(text.to_owned()));
        }
        for text in ["", "worst", "Germany", "id:nobody"] {
            assert!(text.parse::<HopWish>().is_err(), "{text}");
        }
    }

    #[test]
    fn nobody_is_two_hops_and_a_chain_has_an_end() {
        let [one, two] = [1, 2].map(|seed| HopWish::Provider(IdentityId([seed; 20])));
        assert_eq!(chain_problem(&[one, two, HopWish::Best]), None);
        assert_eq!(chain_problem(&[HopWish::Best; HOPS_MAX]), None, "the best are told apart when they are chosen");
        assert!(chain_problem(&[one, two, one]).is_some());
        assert!(chain_problem(&[HopWish::Best; HOPS_MAX + 1]).is_some());
    }
}
