//! Devices as the fake node has them: a first one beside it, and whoever is linked.

use byway_node::api::*;
use byway_primitives::{IdentityId, Time};

const AT: Time = Time(1_700_000_000_000);
const NODE: IdentityId = IdentityId([0x77; 20]);
const PERSON: IdentityId = IdentityId([0x88; 20]);

pub fn token() -> DeviceToken {
    DeviceToken { token: "byway:device/abc".to_owned(), expires_ms: AT }
}

pub fn device(name: &str, state: DeviceState) -> Device {
    Device {
        name: name.to_owned(),
        node: NODE,
        state,
        since_ms: AT,
        until_ms: Some(AT),
        online: false,
        heard_ms: Some(AT),
        history: Some(DeviceHistory { messages: 5000, given: 1200, whole: false }),
    }
}

pub fn status() -> DeviceStatus {
    DeviceStatus {
        person: PERSON,
        role: DeviceRole::Linked,
        until_ms: Some(AT),
        devices: vec![device("Laptop", DeviceState::Linked)],
        token_until_ms: Some(AT),
    }
}

/// A token says what is to come of it.
pub fn link(request: &DeviceLink) -> Answer<Device> {
    let name = request.name.as_deref().unwrap_or("Device");
    match request.token.as_str() {
        "old" => Err(ApiError::device_token_expired()),
        "away" => Ok(device(name, DeviceState::Calling)),
        _ => Ok(device(name, DeviceState::Linked)),
    }
}

pub fn remove(request: &DeviceRemove) -> Answer<Device> {
    if request.device == "Laptop" {
        Ok(device("Laptop", DeviceState::Linked))
    } else {
        Err(ApiError::device_not_found())
    }
}
