//! Calls about conversations.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_chat(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "chat_people" => {
                read::<Nothing>(params)?;
                done(api.chat_people().await)
            }
            "chat_conversations" => {
                read::<Nothing>(params)?;
                done(api.chat_conversations().await)
            }
            "chat_invite" => done(api.chat_invite(read(params)?).await),
            "chat_accept" => done(api.chat_accept(read(params)?).await),
            "chat_block" => done(api.chat_block(read(params)?).await),
            "chat_nickname" => done(api.chat_nickname(read(params)?).await),
            "chat_send" => done(api.chat_send(read(params)?).await),
            "chat_about" => done(api.chat_about(read(params)?).await),
            "chat_read" => done(api.chat_read(read(params)?).await),
            "chat_mark" => done(api.chat_mark(read(params)?).await),
            "chat_group_create" => done(api.chat_group_create(read(params)?).await),
            "chat_group_change" => done(api.chat_group_change(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }
}
