//! Calls about phones, and calls by them.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, ApiError, NodeApi, Nothing, PHONE_METHODS, PhoneId};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_phone(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "phone_link" => done(api.phone_link(read(params)?).await),
            "phone_unlink" => done(api.phone_unlink(read(params)?).await),
            "phone_list" => {
                read::<Nothing>(params)?;
                done(api.phone_list().await)
            }
            other => Err(method_not_found(other)),
        }
    }

    /// A call by the token of a phone.
    pub(super) async fn run_for_phone(&self, phone: PhoneId, method: &str, params: Option<Value>) -> Answer<Value> {
        if !PHONE_METHODS.contains(&method) {
            return Err(ApiError::phone_may_not(method));
        }
        if !self.api.phone_is_linked(phone) {
            return Err(ApiError::phone_unlinked());
        }
        self.run_keyed(method, params).await
    }
}
