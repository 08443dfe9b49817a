//! Calls about holding.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_hold(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "hold_offer" => done(api.hold_offer(read(params)?).await),
            "hold_use" => done(api.hold_use(read(params)?).await),
            "hold_leave" => done(api.hold_leave(read(params)?).await),
            other => {
                read::<Nothing>(params)?;
                match other {
                    "hold_fetch" => done(api.hold_fetch().await),
                    "hold_status" => done(api.hold_status().await),
                    "hold_offer_list" => done(api.hold_offer_list().await),
                    other => Err(method_not_found(other)),
                }
            }
        }
    }
}
