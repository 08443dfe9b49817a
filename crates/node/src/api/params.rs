//! Reading parameters by hand, so that an error names the field.
//!
//! Every request takes its fields out of [`Params`]; what is left in the end is unknown and refused.

use std::fmt;
use std::str::FromStr;

use byway_primitives::{Amount, DecodeError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::ApiError;

/// Characters of an idempotency key.
pub const KEY_CHARACTERS_MAX: usize = 64;
/// Most entries of one list, and how many there are without a wish.
pub const LIMIT_MAX: u64 = 1000;
pub const LIMIT_DEFAULT: u64 = 200;

/// A u64 as a decimal string, since a JSON number ends at 2^53.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Serial(pub u64);

/// Chosen by a caller so that a repeated call does nothing twice: 1 to 64 characters of `[A-Za-z0-9_-]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

/// The parameters of one call that were not read yet.
pub struct Params(Map<String, Value>);

impl Params {
    /// Only an object, or nothing.
    pub fn new(params: Option<Value>) -> Result<Self, ApiError> {
        match params {
            None => Ok(Self(Map::new())),
            Some(Value::Object(map)) => Ok(Self(map)),
            Some(_) => Err(ApiError::new(
                super::ErrorKind::InvalidParams,
                "`params` must be an object.",
                "Give parameters by name and call again.",
            )),
        }
    }

    /// A field that may be left out or null.
    pub fn optional<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<T>, ApiError> {
        Ok(self.nullable(field)?.flatten())
    }

    pub fn required<T: DeserializeOwned>(&mut self, field: &str) -> Result<T, ApiError> {
        self.optional(field)?.ok_or_else(|| ApiError::invalid_params(field, "it is missing"))
    }

    /// `None` when left out, `Some(None)` when null.
    pub fn nullable<T: DeserializeOwned>(&mut self, field: &str) -> Result<Option<Option<T>>, ApiError> {
        match self.0.remove(field) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(value) => serde_json::from_value(value)
                .map(|value| Some(Some(value)))
                .map_err(|error| ApiError::invalid_params(field, error)),
        }
    }

    /// An amount in the one form that the document allows.
    pub fn amount(&mut self, field: &str) -> Result<Option<Amount>, ApiError> {
        Ok(self.nullable_amount(field)?.flatten())
    }

    pub fn required_amount(&mut self, field: &str) -> Result<Amount, ApiError> {
        self.amount(field)?.ok_or_else(|| ApiError::invalid_params(field, "it is missing"))
    }

    pub fn nullable_amount(&mut self, field: &str) -> Result<Option<Option<Amount>>, ApiError> {
        let Some(text) = self.nullable::<String>(field)? else { return Ok(None) };
        let Some(text) = text else { return Ok(Some(None)) };
        let whole = text.split('.').next().unwrap_or_default();
        if whole.len() > 1 && whole.starts_with('0') {
            return Err(ApiError::invalid_params(field, "an amount has no leading zeros"));
        }
        let amount = text.parse().map_err(|error| ApiError::invalid_params(field, error))?;
        Ok(Some(Some(amount)))
    }

    /// `limit`, within its bounds.
    pub fn limit(&mut self) -> Result<usize, ApiError> {
        self.limit_within(LIMIT_DEFAULT, LIMIT_MAX)
    }

    /// `limit`, within other bounds.
    pub fn limit_within(&mut self, default: u64, max: u64) -> Result<usize, ApiError> {
        let limit = self.optional::<u64>("limit")?.unwrap_or(default);
        if (1..=max).contains(&limit) {
            return Ok(limit as usize);
        }
        Err(ApiError::invalid_params("limit", format_args!("it must lie in 1 to {max}")))
    }

    pub fn key(&mut self) -> Result<Option<IdempotencyKey>, ApiError> {
        self.optional("idempotency_key")
    }

    pub fn required_key(&mut self) -> Result<IdempotencyKey, ApiError> {
        self.required("idempotency_key")
    }

    /// Refuses what no request asked for.
    pub fn finish(self) -> Result<(), ApiError> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(field) => Err(ApiError::invalid_params(field, "this call has no such parameter")),
        }
    }
}

impl IdempotencyKey {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for IdempotencyKey {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        let fits = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if fits && (1..=KEY_CHARACTERS_MAX).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(DecodeError::Invalid("idempotency key: 1 to 64 letters, digits, _ and - are needed"))
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Serial {
    type Err = DecodeError;

    fn from_str(text: &str) -> Result<Self, DecodeError> {
        text.parse().map(Self).map_err(|_| DecodeError::Invalid("serial: a whole number is needed"))
    }
}

byway_primitives::serde_as_text!(Serial, IdempotencyKey);
