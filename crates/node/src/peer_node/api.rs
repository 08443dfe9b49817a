//! The local API over a running market node.
//!
//! Long because: it is one `impl` of a trait that has a method for each call, and no thought in any of them.

use byway_peer::wallet::{Payee, Recipient, Wish};
use byway_primitives::{AssetId, IdentityId, Time};
use byway_records::TransactionId;
use byway_records::call::{Call, OffersCall};

use super::actor::Actor;
use super::books::Order;
use super::once::Once;
use super::{PeerNode, accounts, audit, proof};
use crate::api::*;
use crate::phone::book;

impl NodeApi for PeerNode {
    fn events(&self) -> Events {
        self.events.subscribe()
    }

    async fn node_status(&self) -> Answer<NodeStatus> {
        self.ask(|actor| Ok(actor.status())).await
    }

    async fn identity_list(&self) -> Answer<Vec<Identity>> {
        self.ask(|actor| Ok(actor.identities())).await
    }

    async fn identity_register(&self, request: IdentityRegister) -> Answer<Entry> {
        let once = Once::new("identity_register", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let me = actor.me();
            match request.id {
                Some(other) if other != me => Err(actor.cannot_register(other)),
                _ if actor.is_registered(me) => Err(ApiError::already_registered(me)),
                _ => Ok(actor.registration()),
            }
        })
        .await
    }

    async fn offer_list(&self, request: OfferList) -> Answer<Vec<Offer>> {
        self.ask(move |actor| Ok(actor.offers(&request.filter, request.limit))).await
    }

    async fn offer_own(&self) -> Answer<Vec<Offer>> {
        self.ask(|actor| Ok(actor.own_offers())).await
    }

    async fn offer_terms(&self, request: OfferTermsAsk) -> Answer<OfferTerms> {
        self.ask_terms(request).await
    }

    async fn offer_prefer(&self, request: OfferPrefer) -> Answer<()> {
        self.ask(move |actor| {
            match request.preferred {
                true => actor.preferred.insert(request.provider),
                false => actor.preferred.remove(&request.provider),
            };
            actor.keep_choices();
            actor.publish_offers();
            Ok(())
        })
        .await
    }

    async fn offer_publish(&self, request: OfferPublish) -> Answer<Publication> {
        let once = Once::new("offer_publish", &request.idempotency_key, &request);
        let entry = self
            .spend_and_then(once, move |actor| {
                let terms = actor.terms_to_sell_under(&request)?;
                if !actor.is_registered(actor.me()) {
                    return Err(ApiError::not_registered(actor.me()));
                }
                if !actor.can_be_reached() {
                    return Err(ApiError::not_supported("address under which it could be reached"));
                }
                let order = actor.publication(&terms.selling, terms.service);
                let order = order.ok_or_else(|| {
                    ApiError::invalid_params("price_per_mb", "the offer is on the market with these terms already")
                })?;
                Ok((order, |actor: &mut Actor, id| actor.sell_under(terms, id)))
            })
            .await?;
        let id = entry.transaction_id;
        let offer_id = self.ask(move |actor| Ok(actor.notes.of(id).and_then(|note| note.offer_id))).await?;
        Ok(Publication { offer_id: offer_id.ok_or_else(ApiError::internal)?, entry })
    }

    async fn offer_withdraw(&self, request: OfferWithdraw) -> Answer<Entry> {
        let once = Once::new("offer_withdraw", &request.idempotency_key, &request);
        self.spend_and_then(once, move |actor| {
            let me = actor.me();
            let published = actor.index.offer(request.offer_id).filter(|o| o.offer.offer.provider == me);
            let published = published.ok_or_else(|| ApiError::offer_not_found(request.offer_id))?;
            let (serial, service) = (published.offer.offer.serial, published.offer.offer.service);
            let call = Some(Call::Offers(OffersCall::Withdraw { provider: me, serial }));
            let order = Order::signed(Wish { call, ..Wish::default() });
            Ok((order, move |actor: &mut Actor, _| actor.sell_no_more(service)))
        })
        .await
    }

    async fn connect(&self, request: Connect) -> Answer<Session> {
        self.connect_with(None, request).await
    }

    async fn disconnect(&self) -> Answer<()> {
        self.ask(|actor| {
            actor.disconnect();
            Ok(())
        })
        .await
    }

    async fn session_list(&self, limit: usize) -> Answer<Vec<Session>> {
        self.ask(move |actor| Ok(actor.session_records(limit))).await
    }

    async fn spending_allow(&self, request: SpendingAllow) -> Answer<Spending> {
        self.ask(move |actor| actor.allow_spending(request)).await
    }

    async fn spending_limits_set(&self, request: SpendingLimits) -> Answer<Spending> {
        self.ask(move |actor| Ok(actor.limit_spending(request))).await
    }

    async fn tunnel_settings(&self) -> Answer<TunnelSettings> {
        self.ask(|actor| Ok(actor.tunnel_settings())).await
    }

    async fn tunnel_settings_set(&self, request: TunnelSettingsSet) -> Answer<TunnelSettings> {
        self.ask(|actor| actor.set_tunnel(request)).await
    }

    async fn service_list(&self) -> Answer<ServiceList> {
        self.ask(|actor| Ok(ServiceList { sold: actor.service_programs(), open: actor.opened_services() })).await
    }

    async fn connect_for(&self, account: AccountNumber, request: Connect) -> Answer<Session> {
        self.connect_with(Some(account), request).await
    }

    async fn service_open(&self, request: ServiceOpen) -> Answer<ServiceOpened> {
        self.open_with(None, request).await
    }

    async fn service_open_for(&self, account: AccountNumber, request: ServiceOpen) -> Answer<ServiceOpened> {
        self.open_with(Some(account), request).await
    }

    async fn service_close(&self, request: ServiceClose) -> Answer<()> {
        self.ask(move |actor| actor.close_service(None, request.listen)).await
    }

    async fn service_close_for(&self, account: AccountNumber, request: ServiceClose) -> Answer<()> {
        self.ask(move |actor| actor.close_service(Some(account), request.listen)).await
    }

    async fn proxy_port_list(&self) -> Answer<Vec<ProxyPort>> {
        self.ask(|actor| Ok(actor.proxy_port_views())).await
    }

    async fn proxy_port_open(&self, request: ProxyPortOpen) -> Answer<ProxyPort> {
        self.open_proxy_port(request).await
    }

    async fn forward_list(&self) -> Answer<Vec<ForwardedPort>> {
        self.ask(|actor| Ok(actor.forward_views())).await
    }

    async fn forward_open(&self, request: ForwardOpen) -> Answer<ForwardedPort> {
        self.ask(move |actor| actor.open_forward(request)).await
    }

    async fn forward_close(&self, request: ForwardClose) -> Answer<()> {
        self.ask(move |actor| actor.close_forward((request.to, request.protocol))).await
    }

    async fn proxy_port_close(&self, request: ProxyPortClose) -> Answer<()> {
        self.ask(move |actor| actor.close_proxy_port(request.listen)).await
    }

    async fn sub_account_list(&self) -> Answer<Vec<SubAccount>> {
        self.ask(|actor| Ok(actor.sub_accounts())).await
    }

    async fn sub_account_create(&self, request: SubAccountCreate) -> Answer<SubAccountCreated> {
        let token = hex::encode(byway_driver::entropy::seed());
        self.ask(move |actor| actor.create_sub_account(request, token)).await
    }

    async fn sub_account_revoke(&self, request: SubAccountRevoke) -> Answer<SubAccount> {
        self.ask(move |actor| actor.revoke_sub_account(&request.name)).await
    }

    fn bearer(&self, token: &str) -> Option<AccountNumber> {
        accounts::bearer(&self.tokens, token)
    }

    async fn sub_account_show(&self, account: AccountNumber) -> Answer<SubAccount> {
        self.ask(move |actor| actor.sub_account(account)).await
    }

    async fn sub_account_sessions(&self, account: AccountNumber, limit: usize) -> Answer<Vec<Session>> {
        self.ask(move |actor| Ok(actor.sessions_of(account, limit))).await
    }

    async fn is_billed(&self, account: AccountNumber) -> Answer<bool> {
        self.ask(move |actor| Ok(actor.is_billed(account))).await
    }

    async fn phone_link(&self, request: PhoneLink) -> Answer<PhoneInvitation> {
        let drawn = byway_driver::entropy::seed();
        self.ask(move |actor| actor.offer_phone(request, drawn)).await
    }

    async fn phone_list(&self) -> Answer<PhoneStatus> {
        self.ask(|actor| Ok(actor.phone_status())).await
    }

    async fn phone_unlink(&self, request: PhoneUnlink) -> Answer<Phone> {
        self.ask(move |actor| actor.unlink_phone(&request.name)).await
    }

    async fn phone_take(&self, code: String) -> Answer<PhoneLinked> {
        let drawn = byway_driver::entropy::seed();
        self.ask(move |actor| actor.take_phone(&code, drawn)).await
    }

    fn phone_bearer(&self, token: &str) -> Option<PhoneId> {
        book::bearer(&self.phones, token)
    }

    fn phone_is_linked(&self, phone: PhoneId) -> bool {
        book::is_linked(&self.phones, phone)
    }

    async fn device_token(&self) -> Answer<DeviceToken> {
        self.ask_kept(Actor::offer_device).await
    }

    async fn device_link(&self, request: DeviceLink) -> Answer<Device> {
        self.link_device(request).await
    }

    async fn device_list(&self) -> Answer<DeviceStatus> {
        self.ask(|actor| Ok(actor.device_status())).await
    }

    async fn device_remove(&self, request: DeviceRemove) -> Answer<Device> {
        self.ask_kept(move |actor| actor.remove_device(&request)).await
    }

    async fn market_earnings(&self, request: MarketEarnings) -> Answer<ProviderEarnings> {
        self.ask(move |actor| Ok(actor.earnings(request))).await
    }

    async fn market_ports(&self) -> Answer<Vec<GivenPort>> {
        self.ask(|actor| Ok(actor.given_ports())).await
    }

    async fn market_port_close(&self, request: MarketPortClose) -> Answer<Vec<GivenPort>> {
        self.ask(move |actor| actor.close_given_port(request)).await
    }

    async fn market_blocks(&self) -> Answer<Vec<ProviderBlock>> {
        self.ask(|actor| Ok(actor.blocks())).await
    }

    async fn market_block(&self, request: MarketBlock) -> Answer<ProviderBlock> {
        self.ask(move |actor| actor.block(request)).await
    }

    async fn market_unblock(&self, request: MarketUnblock) -> Answer<ProviderBlock> {
        self.ask(move |actor| actor.unblock(&request.destination)).await
    }

    async fn channel_list(&self) -> Answer<Vec<ChannelRecord>> {
        self.ask(|actor| Ok(actor.channel_records())).await
    }

    async fn channel_show(&self, request: ChannelNamed) -> Answer<ChannelDetail> {
        self.ask(move |actor| actor.channel_shown(&request.channel)).await
    }

    async fn channel_log(&self, request: ChannelNamed) -> Answer<ChannelLog> {
        self.ask(move |actor| actor.channel_log(&request.channel)).await
    }

    async fn channel_open(&self, request: ChannelOpen) -> Answer<ChannelRecord> {
        self.open_channel(request).await
    }

    async fn channel_accept(&self, request: ChannelNamed) -> Answer<ChannelRecord> {
        self.accept_channel(request).await
    }

    async fn channel_decline(&self, request: ChannelNamed) -> Answer<()> {
        self.ask(move |actor| {
            let key = actor.channel_named(&request.channel)?;
            actor.decline_channel(key)
        })
        .await
    }

    async fn channel_pay(&self, request: ChannelPay) -> Answer<ChannelUpdated> {
        self.pay_in_channel(request).await
    }

    async fn channel_lane(&self, request: ChannelLane) -> Answer<ChannelUpdated> {
        self.fill_lane(request).await
    }

    async fn channel_absorb(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        self.absorb_promises(request).await
    }

    async fn channel_update(&self, request: ChannelUpdate) -> Answer<ChannelUpdated> {
        self.update_channel(request).await
    }

    async fn channel_message(&self, request: ChannelMessageSay) -> Answer<ChannelLogEntry> {
        self.ask(move |actor| actor.say_in_channel(request)).await
    }

    async fn channel_cancel(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        self.cancel_update(request).await
    }

    async fn channel_fund(&self, request: ChannelFund) -> Answer<ChannelRecord> {
        self.fund_channel(request).await
    }

    async fn channel_restore(&self, request: ChannelRestore) -> Answer<ChannelRecord> {
        self.ask(move |actor| actor.restore_channel(&request)).await
    }

    async fn channel_close(&self, request: ChannelClose) -> Answer<ChannelRecord> {
        self.close_channel(request).await
    }

    async fn channel_deploy(&self, request: ChannelDeploy) -> Answer<ChannelUpdated> {
        self.deploy_contract(request).await
    }

    async fn channel_call(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        self.call_contract(request).await
    }

    async fn channel_upgrade(&self, request: ChannelUpgrade) -> Answer<ChannelUpdated> {
        self.upgrade_contract(request).await
    }

    async fn channel_remove(&self, request: ChannelRemove) -> Answer<ChannelUpdated> {
        self.remove_contract(request).await
    }

    async fn channel_leave(&self, request: ChannelLeave) -> Answer<ChannelRecord> {
        self.let_contract_leave(request).await
    }

    async fn contract_list(&self) -> Answer<Vec<LedgerContractRecord>> {
        self.ask(|actor| Ok(actor.ledger_contracts())).await
    }

    async fn contract_show(&self, request: ContractNamed) -> Answer<LedgerContractDetail> {
        self.ask(move |actor| actor.ledger_contract_shown(&request.contract)).await
    }

    async fn contract_call(&self, request: ContractInvoke) -> Answer<ContractCalled> {
        self.call_on_ledger(request).await
    }

    async fn contract_look(&self, request: ContractLook) -> Answer<ContractOutput> {
        self.ask(move |actor| actor.look_on_ledger(&request)).await
    }

    async fn contract_export(&self, request: ContractNamed) -> Answer<ContractExport> {
        self.ask(move |actor| actor.export_contract(&request.contract)).await
    }

    async fn contract_import(&self, request: ContractImport) -> Answer<LedgerContractRecord> {
        self.import_contract(request).await
    }

    async fn channel_look(&self, request: ChannelLook) -> Answer<ContractOutput> {
        self.look_at_contract(request).await
    }

    async fn watch_run(&self, request: WatchRun) -> Answer<WatchStatus> {
        self.ask(move |actor| Ok(actor.run_watch(&request))).await
    }

    async fn watch_add(&self, request: WatchAdd) -> Answer<WatchStatus> {
        self.ask(move |actor| actor.add_watch(&request)).await
    }

    async fn watch_remove(&self, request: WatchRemove) -> Answer<WatchStatus> {
        self.ask(move |actor| actor.remove_watch(&request)).await
    }

    async fn watch_status(&self) -> Answer<WatchStatus> {
        self.ask(|actor| Ok(actor.watch_status())).await
    }

    async fn bot_offer(&self, request: BotOfferMake) -> Answer<BotStatus> {
        self.ask_kept(move |actor| actor.offer_bot(&request)).await
    }

    async fn bot_withdraw(&self) -> Answer<BotStatus> {
        self.ask_kept(|actor| Ok(actor.withdraw_bot())).await
    }

    async fn bot_find(&self, request: BotFind) -> Answer<Vec<BotOffer>> {
        self.ask(move |actor| Ok(actor.find_bots(&request))).await
    }

    async fn bot_hire(&self, request: BotHireMake) -> Answer<BotStatus> {
        self.ask_kept(move |actor| actor.hire_bot(&request)).await
    }

    async fn bot_dismiss(&self, request: BotDismiss) -> Answer<BotStatus> {
        self.ask_kept(move |actor| actor.dismiss_bot(&request)).await
    }

    async fn bot_status(&self) -> Answer<BotStatus> {
        self.ask(|actor| Ok(actor.bot_status())).await
    }

    async fn bot_work(&self) -> Answer<Vec<BotClient>> {
        self.ask(Actor::have_bot_work).await
    }

    async fn hold_offer(&self, request: HoldOffer) -> Answer<HoldStatus> {
        self.ask(move |actor| actor.offer_holding(&request)).await
    }

    async fn hold_use(&self, request: HoldUse) -> Answer<HoldStatus> {
        self.ask(move |actor| actor.use_holder(&request)).await
    }

    async fn hold_leave(&self, request: HoldLeave) -> Answer<HoldStatus> {
        self.ask(move |actor| actor.leave_holder(&request)).await
    }

    async fn hold_fetch(&self) -> Answer<HoldStatus> {
        self.ask(|actor| Ok(actor.fetch_held())).await
    }

    async fn hold_status(&self) -> Answer<HoldStatus> {
        self.ask(|actor| Ok(actor.hold_status())).await
    }

    async fn hold_offer_list(&self) -> Answer<Vec<HolderOffer>> {
        self.ask(|actor| Ok(actor.holder_offers())).await
    }

    async fn channel_force(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        self.force_in_channel(request).await
    }

    async fn channel_invoice(&self, request: ChannelInvoiceMake) -> Answer<ChannelInvoice> {
        self.ask(move |actor| actor.make_invoice(&request)).await
    }

    async fn channel_invoice_pay(&self, request: ChannelInvoicePay) -> Answer<InvoicePayment> {
        self.pay_invoice(request).await
    }

    async fn hub_run(&self, request: HubRun) -> Answer<HubStatus> {
        self.ask(move |actor| Ok(actor.run_hub(&request))).await
    }

    async fn hub_ask(&self, request: HubAsk) -> Answer<HubQuote> {
        self.ask_hub(request).await
    }

    async fn hub_list(&self) -> Answer<Vec<HubOffer>> {
        self.ask(|actor| Ok(actor.hub_offers())).await
    }

    async fn watch_offer_list(&self) -> Answer<Vec<WatchOffer>> {
        self.ask(|actor| Ok(actor.watch_offers())).await
    }

    async fn hub_rebalance(&self, request: HubRebalance) -> Answer<InvoicePayment> {
        self.rebalance(request).await
    }

    async fn chat_invite(&self, request: ChatInviteMake) -> Answer<ChatInvite> {
        self.ask_kept(move |actor| actor.make_chat_invite(&request)).await
    }

    async fn chat_accept(&self, request: ChatAccept) -> Answer<ChatPerson> {
        self.ask_kept(move |actor| actor.accept_in_chat(&request)).await
    }

    async fn chat_ask(&self, request: ChatAsk) -> Answer<ChatPerson> {
        self.ask_in_chat(request).await
    }

    async fn chat_price(&self, request: ChatPriceSet) -> Answer<ChatPrice> {
        self.ask_kept(move |actor| Ok(actor.price_in_chat(&request))).await
    }

    async fn chat_book(&self, request: ChatBookShow) -> Answer<ChatBook> {
        self.ask(move |actor| actor.chat_book(&request)).await
    }

    async fn chat_book_change(&self, request: ChatBookChange) -> Answer<ChatBook> {
        self.ask_kept(move |actor| actor.change_book(&request)).await
    }

    async fn chat_people(&self) -> Answer<Vec<ChatPerson>> {
        self.ask(|actor| Ok(actor.chat_people())).await
    }

    async fn chat_block(&self, request: ChatBlock) -> Answer<Vec<ChatPerson>> {
        self.ask_kept(move |actor| Ok(actor.block_in_chat(&request))).await
    }

    async fn chat_nickname(&self, request: ChatNickname) -> Answer<ChatPerson> {
        self.ask_kept(move |actor| actor.name_in_chat(&request)).await
    }

    async fn chat_verify(&self, request: ChatVerify) -> Answer<ChatPerson> {
        self.ask_kept(move |actor| actor.verify_in_chat(&request)).await
    }

    async fn chat_conversations(&self) -> Answer<Vec<ChatConversation>> {
        self.ask(|actor| Ok(actor.conversations())).await
    }

    async fn chat_send(&self, request: ChatSend) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.send_in_chat(&request)).await
    }

    async fn chat_about(&self, request: ChatAbout) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.say_about(&request)).await
    }

    async fn chat_read(&self, request: ChatRead) -> Answer<Vec<ChatItem>> {
        self.ask(move |actor| actor.read_chat(&request)).await
    }

    async fn chat_search(&self, request: ChatSearch) -> Answer<ChatFound> {
        self.search_in_chat(request).await
    }

    async fn chat_backup(&self, request: ChatBackup) -> Answer<ChatBackupPart> {
        self.ask(move |actor| actor.back_up_chats(&request)).await
    }

    async fn chat_restore(&self, request: ChatRestore) -> Answer<ChatRestored> {
        self.ask_kept(move |actor| actor.restore_chats(request)).await
    }

    async fn chat_mark(&self, request: ChatMark) -> Answer<ChatConversation> {
        self.ask_kept(move |actor| actor.mark_chat(&request)).await
    }

    async fn chat_keep(&self, request: ChatKeep) -> Answer<ChatConversation> {
        self.ask_kept(move |actor| actor.keep_of_chat(&request)).await
    }

    async fn chat_show(&self, request: ChatShow) -> Answer<ChatItem> {
        self.ask(move |actor| actor.show_in_chat(&request)).await
    }

    async fn chat_upload(&self, request: ChatUploadPart) -> Answer<ChatUpload> {
        self.upload_to_chat(request).await
    }

    async fn chat_attach(&self, request: ChatAttach) -> Answer<ChatItem> {
        self.attach_in_chat(request).await
    }

    async fn chat_fetch(&self, request: ChatFetch) -> Answer<ChatAttachment> {
        self.fetch_in_chat(request).await
    }

    async fn chat_file(&self, request: ChatFileRead) -> Answer<ChatFilePart> {
        self.read_chat_file(request).await
    }

    async fn chat_poll(&self, request: ChatPollAsk) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.ask_poll(&request)).await
    }

    async fn chat_vote(&self, request: ChatVote) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.vote_in_poll(&request)).await
    }

    async fn chat_list(&self, request: ChatListMake) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.make_list(&request)).await
    }

    async fn chat_list_change(&self, request: ChatListChange) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.change_list(&request)).await
    }

    async fn chat_memo(&self, request: ChatMemo) -> Answer<ChatItem> {
        self.ask_kept(move |actor| actor.note_memo(&request)).await
    }

    async fn chat_reminders(&self) -> Answer<Vec<ChatItem>> {
        self.ask(|actor| Ok(actor.chat_reminders())).await
    }

    async fn chat_typing(&self, request: ChatTyping) -> Answer<()> {
        self.ask(move |actor| actor.tell_typing(&request)).await
    }

    async fn chat_presence(&self, request: ChatPresenceSet) -> Answer<()> {
        self.ask(move |actor| actor.tell_presence(request)).await
    }

    async fn chat_tells(&self, request: ChatTellsSet) -> Answer<ChatTells> {
        self.ask_kept(move |actor| Ok(actor.set_chat_tells(&request))).await
    }

    async fn chat_group_create(&self, request: ChatGroupCreate) -> Answer<ChatConversation> {
        self.ask_kept(move |actor| actor.create_chat_group(&request)).await
    }

    async fn chat_group_change(&self, request: ChatGroupChange) -> Answer<ChatConversation> {
        self.ask_kept(move |actor| actor.change_chat_group(&request)).await
    }

    async fn hub_status(&self) -> Answer<HubStatus> {
        self.ask(|actor| Ok(actor.hub_status())).await
    }

    async fn identity_card(&self) -> Answer<IdentityCard> {
        self.ask(|actor| actor.own_card()).await
    }

    async fn backup_export(&self) -> Answer<BackupExport> {
        self.ask(|actor| actor.export().ok_or_else(ApiError::internal)).await
    }

    async fn promise_list(&self) -> Answer<Vec<Promise>> {
        self.ask(|actor| {
            let peers = actor.market.peers();
            Ok(peers.into_iter().flat_map(|peer| actor.promises_with(peer)).collect())
        })
        .await
    }

    async fn promise_settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
        self.settle(request).await
    }

    async fn wallet_address(&self) -> Answer<WalletAddress> {
        self.ask(|actor| Ok(WalletAddress { address: actor.wallet.address().to_string() })).await
    }

    async fn wallet_view_key(&self) -> Answer<WalletViewKey> {
        self.ask(|actor| Ok(actor.view_key())).await
    }

    async fn wallet_balance(&self) -> Answer<Balance> {
        self.ask(|actor| Ok(actor.balance())).await
    }

    async fn wallet_history(&self, request: WalletHistory) -> Answer<Vec<Entry>> {
        self.ask(move |actor| {
            let before = request.before_ms.unwrap_or(Time(u64::MAX));
            let entries = actor.entries(usize::MAX / 4).into_iter().filter(|entry| entry.time_ms < before);
            Ok(entries.take(request.limit).collect())
        })
        .await
    }

    async fn wallet_send(&self, request: WalletSend) -> Answer<Entry> {
        let to: Recipient = request.to.parse().map_err(|why| ApiError::invalid_address("to", why))?;
        let once = Once::new("wallet_send", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let value = actor.value_of(request.asset.unwrap_or(AssetId::WAY), request.amount)?;
            Ok(Actor::payment(Payee { to, value }))
        })
        .await
    }

    async fn wallet_deposit(&self, request: WalletMove) -> Answer<Entry> {
        let once = Once::new("wallet_deposit", &request.idempotency_key, &request);
        self.spend(once, move |actor| {
            let value = actor.value_of(request.asset.unwrap_or(AssetId::WAY), request.amount)?;
            Ok(actor.deposit_of(value))
        })
        .await
    }

    async fn wallet_withdraw(&self, request: WalletWithdraw) -> Answer<Entry> {
        let once = Once::new("wallet_withdraw", &request.idempotency_key, &request);
        self.spend(once, move |actor| match request.asset {
            Some(asset) if asset != AssetId::WAY => actor.asset_withdrawal(actor.value_of(asset, request.amount)?),
            _ => actor.withdrawal(&request),
        })
        .await
    }

    async fn wallet_withdraw_cancel(&self, request: WalletWithdrawCancel) -> Answer<Entry> {
        let once = Once::new("wallet_withdraw_cancel", &request.idempotency_key, &request);
        self.spend(once, |actor| actor.withdrawal_cancelled()).await
    }

    async fn wallet_consolidate(&self, request: WalletConsolidate) -> Answer<Consolidation> {
        self.ask(move |actor| actor.consolidate(request)).await
    }

    async fn network_link(&self, request: NetworkLinkShow) -> Answer<NetworkInvitation> {
        self.ask(move |actor| actor.network_link(request)).await
    }

    async fn invite_new(&self, request: InviteNew) -> Answer<GivenInvite> {
        let once = Once::new("invite_new", &request.idempotency_key, &request);
        let paid = self.send_once(once, move |actor, once| actor.invite(&request, once)).await?;
        self.ask(move |actor| actor.invites.by_payment(paid.transaction_id).ok_or_else(ApiError::internal)).await
    }

    async fn invite_list(&self) -> Answer<InviteList> {
        self.ask(|actor| Ok(InviteList { given: actor.invites.views(), accepted: actor.claims.views() })).await
    }

    async fn invite_show(&self, request: InviteShow) -> Answer<InviteLink> {
        self.ask(move |actor| actor.invite_link(request.number, request.relay)).await
    }

    async fn invite_take_back(&self, request: InviteTakeBack) -> Answer<Entry> {
        let once = Once::new("invite_take_back", &request.idempotency_key, &request);
        self.send_once(once, move |actor, once| actor.take_back(request.number, Some(once))).await
    }

    async fn name_list(&self) -> Answer<NameList> {
        self.ask(|actor| actor.names()).await
    }

    async fn name_show(&self, request: NameShow) -> Answer<NameShown> {
        self.ask(move |actor| actor.name_shown(&request.name)).await
    }

    async fn name_register(&self, request: NameRegister) -> Answer<NameWanted> {
        let once = Once::new("name_register", &request.idempotency_key, &request);
        let name = request.name.clone();
        self.send_once(once, move |actor, once| actor.register_name(&request, once)).await?;
        self.ask(move |actor| actor.wanted_name(&name)).await
    }

    async fn name_renew(&self, request: NameRenew) -> Answer<Entry> {
        let once = Once::new("name_renew", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.name_renewal(&request)).await
    }

    async fn name_transfer(&self, request: NameTransfer) -> Answer<Entry> {
        let once = Once::new("name_transfer", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.name_transfer(&request)).await
    }

    async fn name_release(&self, request: NameRelease) -> Answer<Entry> {
        let once = Once::new("name_release", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.name_release(&request)).await
    }

    async fn name_primary(&self, request: NamePrimary) -> Answer<Entry> {
        let once = Once::new("name_primary", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.name_primary(&request)).await
    }

    async fn wallet_request(&self, request: WalletRequest) -> Answer<PaymentLink> {
        self.ask(move |actor| actor.request_payment(request)).await
    }

    async fn wallet_link(&self, request: WalletLink) -> Answer<PaymentLink> {
        self.ask(move |actor| actor.look_at_link(&request.link)).await
    }

    async fn wallet_pay(&self, request: WalletPay) -> Answer<Entry> {
        let once = Once::new("wallet_pay", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.payment_of_link(&request)).await
    }

    async fn asset_list(&self) -> Answer<Vec<Asset>> {
        self.ask(|actor| Ok(actor.assets())).await
    }

    async fn asset_register(&self, request: AssetRegister) -> Answer<Entry> {
        let once = Once::new("asset_register", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.asset_registration(&request)).await
    }

    async fn asset_issue(&self, request: AssetIssue) -> Answer<Entry> {
        let to = request.to.as_ref().map(|to| to.parse()).transpose();
        let to: Option<Recipient> = to.map_err(|why| ApiError::invalid_address("to", why))?;
        let once = Once::new("asset_issue", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.issue(actor.value_of(request.asset, request.amount)?, to)).await
    }

    async fn asset_burn(&self, request: AssetBurn) -> Answer<Entry> {
        let once = Once::new("asset_burn", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.burn(actor.value_of(request.asset, request.amount)?)).await
    }

    async fn group_list(&self) -> Answer<Vec<GroupRecord>> {
        self.ask(|actor| Ok(actor.group_records())).await
    }

    async fn group_join(&self, request: GroupJoin) -> Answer<GroupRecord> {
        self.ask(move |actor| actor.join_group(&request)).await
    }

    async fn group_propose(&self, request: GroupPropose) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.propose(&request)).await
    }

    async fn group_show(&self, request: GroupLook) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.look_at(&request)).await
    }

    async fn group_sign(&self, request: GroupLook) -> Answer<GroupProposal> {
        self.ask(move |actor| actor.countersign(&request)).await
    }

    async fn group_submit(&self, request: GroupSubmit) -> Answer<Entry> {
        let once = Once::new("group_submit", &request.idempotency_key, &request);
        self.send_once(once, move |actor, once| actor.submit_proposal(&request, once)).await
    }

    async fn kernel_owner(&self) -> Answer<KernelOwner> {
        self.ask(|actor| Ok(KernelOwner { owner: actor.owner() })).await
    }

    async fn kernel_look(&self, request: KernelLook) -> Answer<KernelPlan> {
        self.ask(move |actor| actor.plan(&request)).await
    }

    async fn kernel_join(&self, request: KernelJoin) -> Answer<Entry> {
        let once = Once::new("kernel_join", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.join(&request)).await
    }

    async fn kernel_leave(&self, request: KernelSeat) -> Answer<Entry> {
        let once = Once::new("kernel_leave", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.leave(request.seat)).await
    }

    async fn kernel_reclaim(&self, request: KernelSeat) -> Answer<Entry> {
        let once = Once::new("kernel_reclaim", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.reclaim(request.seat)).await
    }

    async fn kernel_rotate(&self, request: KernelRotate) -> Answer<Entry> {
        let once = Once::new("kernel_rotate", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.rotate(&request)).await
    }

    async fn kernel_appeal(&self, request: KernelAppeal) -> Answer<Entry> {
        let once = Once::new("kernel_appeal", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.appeal(&request)).await
    }

    async fn kernel_upgrade(&self, request: KernelUpgrade) -> Answer<Entry> {
        let once = Once::new("kernel_upgrade", &request.idempotency_key, &request);
        self.spend(once, move |actor| actor.upgrade(&request)).await
    }

    async fn ledger_audit(&self) -> Answer<Audit> {
        let tip = self.ask(|actor| Ok(actor.ledger.follower().tip().map(|tip| tip.height))).await?;
        audit::audit(&self.kernel, self.genesis.clone(), tip.unwrap_or_default()).await
    }

    async fn ledger_transaction(&self, id: TransactionId) -> Answer<TransactionRecord> {
        let reachable: Vec<u8> = self.ask(|actor| Ok(actor.kernel_view.keys().copied().collect())).await?;
        match proof::prove(self, id, &reachable).await {
            Ok(record) => Ok(record),
            // What is ours is known here too, if with less around it.
            Err(error) => self.ask(move |actor| actor.own_record(id).ok_or(error)).await,
        }
    }

    async fn ledger_identity(&self, id: IdentityId) -> Answer<IdentityRecord> {
        self.ask(move |actor| {
            let registration = actor.registered(id);
            let account = actor.account(id);
            let withdrawing = account.withdrawal.filter(|withdrawal| !withdrawal.amount.is_zero());
            Ok(IdentityRecord {
                id,
                registered: registration.is_some(),
                pledge: registration.map(|registration| registration.pledge),
                since_ms: registration.map(|registration| registration.since),
                account: account.balance,
                withdrawing: withdrawing
                    .map(|w| Withdrawing { amount: w.amount, available_ms: w.ready.time, to: None })
                    .into_iter()
                    .collect(),
                offers: actor.index.of_provider(id).map(|offer| offer.id()).collect(),
                bounces: actor.bounces(id).count,
            })
        })
        .await
    }
}
