//! Calls about bots on the market.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_bot(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "bot_offer" => done(api.bot_offer(read(params)?).await),
            "bot_find" => done(api.bot_find(read(params)?).await),
            "bot_hire" => done(api.bot_hire(read(params)?).await),
            "bot_dismiss" => done(api.bot_dismiss(read(params)?).await),
            other => {
                read::<Nothing>(params)?;
                match other {
                    "bot_withdraw" => done(api.bot_withdraw().await),
                    "bot_status" => done(api.bot_status().await),
                    "bot_work" => done(api.bot_work().await),
                    other => Err(method_not_found(other)),
                }
            }
        }
    }
}
