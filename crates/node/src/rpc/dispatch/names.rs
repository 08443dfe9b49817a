//! Calls about names.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_name(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "name_list" => {
                read::<Nothing>(params)?;
                done(api.name_list().await)
            }
            "name_show" => done(api.name_show(read(params)?).await),
            "name_register" => done(api.name_register(read(params)?).await),
            "name_renew" => done(api.name_renew(read(params)?).await),
            "name_transfer" => done(api.name_transfer(read(params)?).await),
            "name_release" => done(api.name_release(read(params)?).await),
            "name_primary" => done(api.name_primary(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }
}
