//! Calls about other devices of the person in whose name the node talks.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_device(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "device_token" => {
                read::<Nothing>(params)?;
                done(api.device_token().await)
            }
            "device_link" => done(api.device_link(read(params)?).await),
            "device_list" => {
                read::<Nothing>(params)?;
                done(api.device_list().await)
            }
            "device_remove" => done(api.device_remove(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }
}
