//! Calls about conversations.

use serde_json::Value;

use super::{Dispatcher, done, empty, method_not_found, read};
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
            "chat_ask" => done(api.chat_ask(read(params)?).await),
            "chat_price" => done(api.chat_price(read(params)?).await),
            "chat_book" => done(api.chat_book(read(params)?).await),
            "chat_book_change" => done(api.chat_book_change(read(params)?).await),
            "chat_block" => done(api.chat_block(read(params)?).await),
            "chat_nickname" => done(api.chat_nickname(read(params)?).await),
            "chat_verify" => done(api.chat_verify(read(params)?).await),
            "chat_send" => done(api.chat_send(read(params)?).await),
            "chat_about" => done(api.chat_about(read(params)?).await),
            "chat_read" => done(api.chat_read(read(params)?).await),
            "chat_search" => done(api.chat_search(read(params)?).await),
            "chat_backup" => done(api.chat_backup(read(params)?).await),
            "chat_restore" => done(api.chat_restore(read(params)?).await),
            "chat_mark" => done(api.chat_mark(read(params)?).await),
            "chat_keep" => done(api.chat_keep(read(params)?).await),
            "chat_show" => done(api.chat_show(read(params)?).await),
            "chat_upload" => done(api.chat_upload(read(params)?).await),
            "chat_attach" => done(api.chat_attach(read(params)?).await),
            "chat_fetch" => done(api.chat_fetch(read(params)?).await),
            "chat_file" => done(api.chat_file(read(params)?).await),
            "chat_poll" => done(api.chat_poll(read(params)?).await),
            "chat_vote" => done(api.chat_vote(read(params)?).await),
            "chat_list" => done(api.chat_list(read(params)?).await),
            "chat_list_change" => done(api.chat_list_change(read(params)?).await),
            "chat_memo" => done(api.chat_memo(read(params)?).await),
            "chat_reminders" => {
                read::<Nothing>(params)?;
                done(api.chat_reminders().await)
            }
            "chat_typing" => empty(api.chat_typing(read(params)?).await),
            "chat_presence" => empty(api.chat_presence(read(params)?).await),
            "chat_tells" => done(api.chat_tells(read(params)?).await),
            "chat_group_create" => done(api.chat_group_create(read(params)?).await),
            "chat_group_change" => done(api.chat_group_change(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }
}
