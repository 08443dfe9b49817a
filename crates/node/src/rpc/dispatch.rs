//! From a method's name to a call of [`NodeApi`] and back to JSON.
//!
//! Long because: it is a line for each call there is, and no thought in any of them.

mod chat;
mod contracts;
mod devices;
mod hiring;
mod holding;
mod names;
mod phones;

use std::sync::Arc;

use byway_records::TransactionId;
use serde::Serialize;
use serde_json::{Value, json};

use super::replay::{self, Begin, Replays};
use super::surface::Surface;
use super::{Right, kernel};
use crate::api::params::{LIMIT_MAX, Params};
use crate::api::*;

/// Carries calls to a node. Cheap to clone.
pub struct Dispatcher<A> {
    api: Arc<A>,
    replays: Arc<Replays>,
}

/// The calls that exist on both transports, beside those about the kernel ([`kernel::METHODS`]); `subscribe` and
/// `unsubscribe` belong to the WebSocket.
pub const METHODS: &[&str] = &[
    "node_status",
    "network_link",
    "invite_new",
    "invite_list",
    "invite_show",
    "invite_take_back",
    "name_list",
    "name_show",
    "name_register",
    "name_renew",
    "name_transfer",
    "name_release",
    "name_primary",
    "identity_list",
    "identity_register",
    "identity_card",
    "offer_list",
    "offer_own",
    "offer_terms",
    "offer_prefer",
    "offer_publish",
    "offer_withdraw",
    "connect",
    "disconnect",
    "session_list",
    "spending_limits_set",
    "spending_allow",
    "tunnel_settings",
    "tunnel_settings_set",
    "sub_account_list",
    "sub_account_create",
    "sub_account_revoke",
    "proxy_port_list",
    "proxy_port_open",
    "proxy_port_close",
    "forward_list",
    "forward_open",
    "forward_close",
    "service_list",
    "service_open",
    "service_close",
    "phone_link",
    "phone_list",
    "phone_unlink",
    "device_token",
    "device_link",
    "device_list",
    "device_remove",
    "market_earnings",
    "market_ports",
    "market_port_close",
    "market_blocks",
    "market_block",
    "market_unblock",
    "channel_list",
    "channel_show",
    "channel_log",
    "channel_open",
    "channel_accept",
    "channel_decline",
    "channel_pay",
    "channel_lane",
    "channel_absorb",
    "channel_update",
    "channel_message",
    "channel_cancel",
    "channel_fund",
    "channel_restore",
    "channel_close",
    "channel_deploy",
    "channel_call",
    "channel_upgrade",
    "channel_remove",
    "channel_leave",
    "channel_look",
    "channel_force",
    "contract_list",
    "contract_show",
    "contract_call",
    "contract_look",
    "contract_export",
    "contract_import",
    "watch_run",
    "watch_add",
    "watch_remove",
    "watch_status",
    "watch_offer_list",
    "bot_offer",
    "bot_withdraw",
    "bot_find",
    "bot_hire",
    "bot_dismiss",
    "bot_status",
    "bot_work",
    "hold_offer",
    "hold_use",
    "hold_leave",
    "hold_fetch",
    "hold_status",
    "hold_offer_list",
    "channel_invoice",
    "channel_invoice_pay",
    "hub_run",
    "hub_rebalance",
    "hub_status",
    "hub_list",
    "hub_ask",
    "chat_invite",
    "chat_accept",
    "chat_ask",
    "chat_price",
    "chat_book",
    "chat_book_change",
    "chat_people",
    "chat_block",
    "chat_nickname",
    "chat_verify",
    "chat_conversations",
    "chat_send",
    "chat_about",
    "chat_read",
    "chat_mark",
    "chat_keep",
    "chat_show",
    "chat_search",
    "chat_backup",
    "chat_restore",
    "chat_upload",
    "chat_attach",
    "chat_fetch",
    "chat_file",
    "chat_poll",
    "chat_vote",
    "chat_list",
    "chat_list_change",
    "chat_memo",
    "chat_reminders",
    "chat_typing",
    "chat_presence",
    "chat_tells",
    "chat_group_create",
    "chat_group_change",
    "backup_export",
    "promise_list",
    "promise_settle",
    "wallet_address",
    "wallet_view_key",
    "wallet_balance",
    "wallet_history",
    "wallet_send",
    "wallet_deposit",
    "wallet_withdraw",
    "wallet_withdraw_cancel",
    "wallet_consolidate",
    "wallet_request",
    "wallet_link",
    "wallet_pay",
    "asset_list",
    "asset_register",
    "asset_issue",
    "asset_burn",
    "group_list",
    "group_join",
    "group_propose",
    "group_show",
    "group_sign",
    "group_submit",
    "kernel_owner",
    "kernel_look",
    "kernel_join",
    "kernel_leave",
    "kernel_reclaim",
    "kernel_rotate",
    "kernel_appeal",
    "kernel_upgrade",
    "ledger_audit",
    "ledger_transaction",
    "ledger_identity",
];

impl<A> Clone for Dispatcher<A> {
    fn clone(&self) -> Self {
        Self { api: self.api.clone(), replays: self.replays.clone() }
    }
}

impl<A: NodeApi> Dispatcher<A> {
    pub fn new(api: Arc<A>) -> Self {
        Self { api, replays: Arc::default() }
    }

    /// A call by the token of a sub-account.
    async fn run_for(&self, account: AccountNumber, method: &str, params: Option<Value>) -> Answer<Value> {
        if !ACCOUNT_METHODS.contains(&method) {
            return Err(ApiError::not_allowed(method));
        }
        let api = &*self.api;
        if api.sub_account_show(account).await?.revoked {
            return Err(ApiError::account_revoked());
        }
        match method {
            "sub_account_show" => {
                read::<Nothing>(Params::new(params)?)?;
                done(api.sub_account_show(account).await)
            }
            "session_list" => {
                let SessionList { limit } = read(Params::new(params)?)?;
                done(api.sub_account_sessions(account, limit).await)
            }
            "connect" => done(api.connect_for(account, read(Params::new(params)?)?).await),
            "service_open" => done(api.service_open_for(account, read(Params::new(params)?)?).await),
            "service_close" => empty(api.service_close_for(account, read(Params::new(params)?)?).await),
            // What others have open is not its own to end.
            "disconnect" if !api.is_billed(account).await? => Err(ApiError::not_allowed(method)),
            _ => self.run_keyed(method, params).await,
        }
    }

    async fn run_keyed(&self, method: &str, params: Option<Value>) -> Answer<Value> {
        if kernel::METHODS.contains(&method) {
            return kernel::call(&*self.api, method, Params::new(params)?).await;
        }
        let Some(method) = METHODS.iter().copied().find(|name| *name == method) else {
            return Err(method_not_found(method));
        };
        let key = params.as_ref().and_then(|params| params.get("idempotency_key")).and_then(Value::as_str);
        let (Some(key), Some(params)) = (key.map(str::to_owned), params.clone()) else {
            return self.call(method, params).await;
        };
        match self.replays.begin(&key, &replay::Request { method, params: params.clone() }) {
            Begin::Conflict => Err(ApiError::idempotency_conflict()),
            Begin::Joined(outcome) => {
                let mut result = replay::joined(outcome).await?;
                self.refresh(&mut result).await;
                Ok(result)
            }
            Begin::Run(ticket) => {
                let outcome = self.call(method, Some(params)).await;
                self.replays.finish(ticket, outcome.clone());
                outcome
            }
        }
    }

    /// A result that can't be refreshed is shown as it was.
    async fn refresh(&self, result: &mut Value) {
        let recent = WalletHistory { limit: LIMIT_MAX as usize, before_ms: None };
        if let Ok(entries) = self.api.wallet_history(recent).await {
            let entries: Vec<Value> = entries.iter().map(|entry| json!(entry)).collect();
            replay::refresh(result, &entries);
        }
    }

    async fn call(&self, method: &'static str, params: Option<Value>) -> Answer<Value> {
        let api = &*self.api;
        let params = Params::new(params)?;
        match method {
            "network_link" => done(api.network_link(read(params)?).await),
            "invite_new" => done(api.invite_new(read(params)?).await),
            "invite_show" => done(api.invite_show(read(params)?).await),
            "invite_take_back" => done(api.invite_take_back(read(params)?).await),
            "identity_register" => done(api.identity_register(read(params)?).await),
            "offer_list" => done(api.offer_list(read(params)?).await),
            "offer_terms" => done(api.offer_terms(read(params)?).await),
            "offer_prefer" => empty(api.offer_prefer(read(params)?).await),
            "offer_publish" => done(api.offer_publish(read(params)?).await),
            "offer_withdraw" => done(api.offer_withdraw(read(params)?).await),
            "connect" => done(api.connect(read(params)?).await),
            "session_list" => done(api.session_list(read::<SessionList>(params)?.limit).await),
            "spending_limits_set" => done(api.spending_limits_set(read(params)?).await),
            "spending_allow" => done(api.spending_allow(read(params)?).await),
            "tunnel_settings_set" => done(api.tunnel_settings_set(read(params)?).await),
            "sub_account_create" => done(api.sub_account_create(read(params)?).await),
            "sub_account_revoke" => done(api.sub_account_revoke(read(params)?).await),
            "service_open" => done(api.service_open(read(params)?).await),
            "service_close" => empty(api.service_close(read(params)?).await),
            "proxy_port_open" => done(api.proxy_port_open(read(params)?).await),
            "proxy_port_close" => empty(api.proxy_port_close(read(params)?).await),
            "forward_open" => done(api.forward_open(read(params)?).await),
            "forward_close" => empty(api.forward_close(read(params)?).await),
            "market_earnings" => done(api.market_earnings(read(params)?).await),
            "market_port_close" => done(api.market_port_close(read(params)?).await),
            "market_block" => done(api.market_block(read(params)?).await),
            "market_unblock" => done(api.market_unblock(read(params)?).await),
            "promise_settle" => done(api.promise_settle(read(params)?).await),
            "wallet_view_key" => {
                read::<WalletViewKeyShow>(params)?;
                done(api.wallet_view_key().await)
            }
            "wallet_history" => done(api.wallet_history(read(params)?).await),
            "wallet_send" => done(api.wallet_send(read(params)?).await),
            "wallet_deposit" => done(api.wallet_deposit(read(params)?).await),
            "wallet_withdraw" => done(api.wallet_withdraw(read(params)?).await),
            "wallet_withdraw_cancel" => done(api.wallet_withdraw_cancel(read(params)?).await),
            "wallet_consolidate" => done(api.wallet_consolidate(read(params)?).await),
            "wallet_request" => done(api.wallet_request(read(params)?).await),
            "wallet_link" => done(api.wallet_link(read(params)?).await),
            "wallet_pay" => done(api.wallet_pay(read(params)?).await),
            "asset_register" => done(api.asset_register(read(params)?).await),
            "asset_issue" => done(api.asset_issue(read(params)?).await),
            "asset_burn" => done(api.asset_burn(read(params)?).await),
            "group_join" => done(api.group_join(read(params)?).await),
            "group_propose" => done(api.group_propose(read(params)?).await),
            "group_show" => done(api.group_show(read(params)?).await),
            "group_sign" => done(api.group_sign(read(params)?).await),
            "group_submit" => done(api.group_submit(read(params)?).await),
            "ledger_transaction" => {
                done(api.ledger_transaction(read::<LedgerTransaction>(params)?.transaction_id).await)
            }
            "ledger_identity" => done(api.ledger_identity(read::<LedgerIdentity>(params)?.id).await),
            other => self.call_family(other, params).await,
        }
    }

    /// The calls that begin with the name of what they are about.
    async fn call_family(&self, method: &'static str, params: Params) -> Answer<Value> {
        match method {
            kernel if kernel.starts_with("kernel_") => self.call_kernel(kernel, params).await,
            channel if channel.starts_with("channel_") => self.call_channel(channel, params).await,
            "watch_run" | "watch_add" | "watch_remove" | "hub_run" | "hub_rebalance" | "hub_ask" => {
                self.call_channel(method, params).await
            }
            bot if bot.starts_with("bot_") => self.call_bot(bot, params).await,
            hold if hold.starts_with("hold_") => self.call_hold(hold, params).await,
            phone if phone.starts_with("phone_") => self.call_phone(phone, params).await,
            device if device.starts_with("device_") => self.call_device(device, params).await,
            chat if chat.starts_with("chat_") => self.call_chat(chat, params).await,
            name if name.starts_with("name_") => self.call_name(name, params).await,
            contract if contract.starts_with("contract_") => self.call_contract(contract, params).await,
            other => self.call_plain(other, params).await,
        }
    }

    /// The calls about seats in the kernel.
    async fn call_kernel(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "kernel_owner" => {
                read::<Nothing>(params)?;
                done(api.kernel_owner().await)
            }
            "kernel_look" => done(api.kernel_look(read(params)?).await),
            "kernel_join" => done(api.kernel_join(read(params)?).await),
            "kernel_leave" => done(api.kernel_leave(read(params)?).await),
            "kernel_reclaim" => done(api.kernel_reclaim(read(params)?).await),
            "kernel_rotate" => done(api.kernel_rotate(read(params)?).await),
            "kernel_appeal" => done(api.kernel_appeal(read(params)?).await),
            "kernel_upgrade" => done(api.kernel_upgrade(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }

    /// The calls about channels, and what goes over them.
    async fn call_channel(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "channel_list" => {
                read::<Nothing>(params)?;
                done(api.channel_list().await)
            }
            "channel_show" => done(api.channel_show(read(params)?).await),
            "channel_log" => done(api.channel_log(read(params)?).await),
            "channel_open" => done(api.channel_open(read(params)?).await),
            "channel_accept" => done(api.channel_accept(read(params)?).await),
            "channel_decline" => empty(api.channel_decline(read(params)?).await),
            "channel_pay" => done(api.channel_pay(read(params)?).await),
            "channel_lane" => done(api.channel_lane(read(params)?).await),
            "channel_absorb" => done(api.channel_absorb(read(params)?).await),
            "channel_update" => done(api.channel_update(read(params)?).await),
            "channel_message" => done(api.channel_message(read(params)?).await),
            "channel_cancel" => done(api.channel_cancel(read(params)?).await),
            "channel_fund" => done(api.channel_fund(read(params)?).await),
            "channel_restore" => done(api.channel_restore(read(params)?).await),
            "channel_close" => done(api.channel_close(read(params)?).await),
            "channel_deploy" => done(api.channel_deploy(read(params)?).await),
            "channel_call" => done(api.channel_call(read(params)?).await),
            "channel_upgrade" => done(api.channel_upgrade(read(params)?).await),
            "channel_remove" => done(api.channel_remove(read(params)?).await),
            "channel_leave" => done(api.channel_leave(read(params)?).await),
            "channel_look" => done(api.channel_look(read(params)?).await),
            "channel_force" => done(api.channel_force(read(params)?).await),
            "watch_run" => done(api.watch_run(read(params)?).await),
            "watch_add" => done(api.watch_add(read(params)?).await),
            "watch_remove" => done(api.watch_remove(read(params)?).await),
            "channel_invoice" => done(api.channel_invoice(read(params)?).await),
            "channel_invoice_pay" => done(api.channel_invoice_pay(read(params)?).await),
            "hub_run" => done(api.hub_run(read(params)?).await),
            "hub_rebalance" => done(api.hub_rebalance(read(params)?).await),
            "hub_ask" => done(api.hub_ask(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }

    /// The calls that take no parameters.
    async fn call_plain(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        read::<Nothing>(params)?;
        match method {
            "node_status" => done(api.node_status().await),
            "watch_status" => done(api.watch_status().await),
            "identity_list" => done(api.identity_list().await),
            "identity_card" => done(api.identity_card().await),
            "hub_status" => done(api.hub_status().await),
            "hub_list" => done(api.hub_list().await),
            "watch_offer_list" => done(api.watch_offer_list().await),
            "invite_list" => done(api.invite_list().await),
            "offer_own" => done(api.offer_own().await),
            "disconnect" => empty(api.disconnect().await),
            "sub_account_list" => done(api.sub_account_list().await),
            "service_list" => done(api.service_list().await),
            "proxy_port_list" => done(api.proxy_port_list().await),
            "forward_list" => done(api.forward_list().await),
            "market_ports" => done(api.market_ports().await),
            "market_blocks" => done(api.market_blocks().await),
            "backup_export" => done(api.backup_export().await),
            "promise_list" => done(api.promise_list().await),
            "tunnel_settings" => done(api.tunnel_settings().await),
            "wallet_address" => done(api.wallet_address().await),
            "wallet_balance" => done(api.wallet_balance().await),
            "asset_list" => done(api.asset_list().await),
            "group_list" => done(api.group_list().await),
            "ledger_audit" => done(api.ledger_audit().await),
            other => Err(method_not_found(other)),
        }
    }
}

impl<A: NodeApi> Surface for Dispatcher<A> {
    /// Runs a call to its end, even where whoever asked goes away meanwhile: an attempt to connect or a payment is not
    /// half done because a browser tab closed.
    async fn run(&self, right: Right, method: String, params: Option<Value>) -> Answer<Value> {
        let own = self.clone();
        let task = tokio::spawn(async move {
            match right {
                Right::Account(account) => own.run_for(account, &method, params).await,
                Right::Phone(phone) => own.run_for_phone(phone, &method, params).await,
                Right::All | Right::Read => own.run_keyed(&method, params).await,
            }
        });
        match task.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a call of the local API panicked");
                Err(ApiError::internal())
            }
        }
    }

    fn bearer(&self, token: &str) -> Option<AccountNumber> {
        self.api.bearer(token)
    }

    fn phone(&self, token: &str) -> Option<PhoneId> {
        self.api.phone_bearer(token)
    }

    fn holds(&self, right: Right) -> bool {
        match right {
            Right::Phone(phone) => self.api.phone_is_linked(phone),
            Right::All | Right::Read | Right::Account(_) => true,
        }
    }

    fn events(&self) -> Events {
        self.api.events()
    }

    fn topics(&self, right: Right) -> &'static [Topic] {
        match right {
            Right::Phone(_) => PHONE_TOPICS,
            Right::All | Right::Read | Right::Account(_) => &Topic::ALL,
        }
    }

    async fn state(&self, topic: Topic) -> Answer<Vec<Event>> {
        let api = &*self.api;
        Ok(match topic {
            Topic::Status => vec![Event::Status(Box::new(api.node_status().await?))],
            Topic::Session => {
                let sessions = api.session_list(LIMIT_MAX as usize).await?;
                sessions.into_iter().filter(|session| session.state.is_open()).map(Event::Session).collect()
            }
            Topic::Offers => vec![Event::Offers(api.offer_list(OfferList::default()).await?)],
            Topic::Wallet => {
                let balance = api.wallet_balance().await?;
                vec![Event::Wallet(event::WalletChange { balance, entries: Vec::new() })]
            }
            Topic::Promise => {
                let promises = api.promise_list().await?;
                promises.into_iter().filter(|promise| promise.settled < promise.amount).map(Event::Promise).collect()
            }
            Topic::Channel => {
                let mut details = Vec::new();
                for record in api.channel_list().await? {
                    // One that has just been closed is not there any more.
                    if let Ok(detail) = api.channel_show(ChannelNamed { channel: record.channel }).await {
                        details.push(Event::Channel(Box::new(detail)));
                    }
                }
                details
            }
            Topic::People => api.chat_people().await?.into_iter().map(Event::ChatPerson).collect(),
            Topic::Conversation => {
                let all = api.chat_conversations().await?.into_iter();
                all.map(|talk| Event::ChatConversation(Box::new(talk))).collect()
            }
            Topic::Reminder => {
                let items = api.chat_reminders().await?.into_iter();
                items.map(|item| Event::ChatReminder(Box::new(item))).collect()
            }
            Topic::Bot => api.bot_status().await?.hired.into_iter().map(Event::Bot).collect(),
            Topic::Phone => vec![Event::Phones(api.phone_list().await?)],
            Topic::Device => vec![Event::Devices(api.device_list().await?)],
            Topic::Holding => vec![Event::Holding(Box::new(api.hold_status().await?))],
            // Whoever shows a conversation asks for its messages; what is true for a moment is said again.
            Topic::Message | Topic::Sign | Topic::Book => Vec::new(),
            Topic::Pulse | Topic::Checkpoint | Topic::Transaction => crate::api::kernel::state(api, topic).await?,
        })
    }

    async fn watched(&self, id: TransactionId) -> Answer<KernelTransactionRecord> {
        self.api.kernel_transaction(KernelTransaction { transaction_id: id, proof: false }).await
    }
}

/// A request out of all parameters, none left over.
pub fn read<R: Request>(mut params: Params) -> Answer<R> {
    let request = R::read(&mut params)?;
    params.finish()?;
    Ok(request)
}

pub fn method_not_found(method: &str) -> ApiError {
    // The name is the caller's and may be long; an answer need not be.
    let shown: String = method.chars().take(64).collect();
    ApiError::new(
        ErrorKind::MethodNotFound,
        format!("There is no method {shown:?} here."),
        "docs/formats/rpc.md lists those there are.",
    )
}

pub(super) fn done<T: Serialize>(answer: Answer<T>) -> Answer<Value> {
    let value = answer?;
    serde_json::to_value(value).map_err(|error| {
        tracing::error!(%error, "a result of the local API has no JSON form");
        ApiError::internal()
    })
}

fn empty(answer: Answer<()>) -> Answer<Value> {
    answer.map(|()| json!({}))
}
