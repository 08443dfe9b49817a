//! What a node can be asked, as types: the contract of `docs/formats/rpc.md` and nothing else.
//!
//! [`NodeApi`] has one method per call of a market node, [`KernelApi`] those about the kernel, which kernel nodes answer
//! too; real nodes implement them, tests implement them by a fake, and [`rpc`](crate::rpc) carries them over HTTP and
//! WebSocket. [`requests`] are the parameters, [`values`] and the modules of
//! one subject each the results, [`Event`] what subscribers hear, [`ApiError`] what goes wrong. The command line uses the same types on the other end
//! of the wire.
//!
//! The trait has native `async` methods and is therefore used as a generic parameter and not as a trait object.

pub mod accounts;
pub mod backup;
pub mod chain;
pub mod channel_requests;
pub mod channels;
pub mod chat;
pub mod chat_ask;
pub mod chat_backup;
pub mod chat_book;
pub mod chat_content;
pub mod chat_files;
pub mod chat_groups;
pub mod chat_search;
pub mod contracts;
pub mod devices;
pub mod error;
pub mod event;
pub mod forwarding;
pub mod groups;
pub mod guarantees;
pub mod hiring;
pub mod holding;
pub mod hubs;
pub mod joining;
pub mod kernel;
pub mod ledger;
pub mod market;
pub mod membership;
pub mod money;
pub mod names;
pub mod params;
pub mod payments;
pub mod phones;
pub mod provider;
pub mod proxy;
pub mod pulse;
pub mod requests;
pub mod services;
pub mod spending;
pub mod terms;
pub mod tunnel;
pub mod values;
pub mod watching;
pub mod words;

use std::future::Future;

use byway_primitives::IdentityId;
use byway_records::TransactionId;

pub use accounts::*;
pub use backup::*;
pub use chain::*;
pub use channel_requests::*;
pub use channels::*;
pub use chat::*;
pub use chat_ask::*;
pub use chat_backup::*;
pub use chat_book::*;
pub use chat_content::*;
pub use chat_files::*;
pub use chat_groups::*;
pub use chat_search::*;
pub use contracts::*;
pub use devices::*;
pub use error::{ApiError, ErrorKind};
pub use event::{Event, Events, Topic};
pub use forwarding::*;
pub use groups::*;
pub use guarantees::*;
pub use hiring::*;
pub use holding::*;
pub use hubs::*;
pub use joining::*;
pub use kernel::*;
pub use ledger::*;
pub use market::*;
pub use membership::*;
pub use money::*;
pub use names::*;
pub use payments::*;
pub use phones::*;
pub use provider::*;
pub use proxy::*;
pub use pulse::*;
pub use requests::*;
pub use services::*;
pub use spending::*;
pub use terms::*;
pub use tunnel::*;
pub use values::*;
pub use watching::*;

/// The answer of every call.
pub type Answer<T> = Result<T, ApiError>;

/// A running node as its local API sees it.
///
/// Calls that write take an `idempotency_key` in their request. The server in front joins calls of one key that run at
/// once and remembers recent results; an implementation that journals the key with the effect makes it hold across
/// restarts too.
pub trait NodeApi: KernelApi {
    /// Whatever changes from now on. Every change of state is followed by an event, at whatever pace: the server
    /// thins them out.
    fn events(&self) -> Events;

    fn node_status(&self) -> impl Future<Output = Answer<NodeStatus>> + Send;

    fn network_link(&self, request: NetworkLinkShow) -> impl Future<Output = Answer<NetworkInvitation>> + Send;
    fn invite_new(&self, request: InviteNew) -> impl Future<Output = Answer<GivenInvite>> + Send;
    fn invite_list(&self) -> impl Future<Output = Answer<InviteList>> + Send;
    fn invite_show(&self, request: InviteShow) -> impl Future<Output = Answer<InviteLink>> + Send;
    fn invite_take_back(&self, request: InviteTakeBack) -> impl Future<Output = Answer<Entry>> + Send;

    fn name_list(&self) -> impl Future<Output = Answer<NameList>> + Send;
    fn name_show(&self, request: NameShow) -> impl Future<Output = Answer<NameShown>> + Send;
    fn name_register(&self, request: NameRegister) -> impl Future<Output = Answer<NameWanted>> + Send;
    fn name_renew(&self, request: NameRenew) -> impl Future<Output = Answer<Entry>> + Send;
    fn name_transfer(&self, request: NameTransfer) -> impl Future<Output = Answer<Entry>> + Send;
    fn name_release(&self, request: NameRelease) -> impl Future<Output = Answer<Entry>> + Send;
    fn name_primary(&self, request: NamePrimary) -> impl Future<Output = Answer<Entry>> + Send;

    fn identity_list(&self) -> impl Future<Output = Answer<Vec<Identity>>> + Send;
    fn identity_register(&self, request: IdentityRegister) -> impl Future<Output = Answer<Entry>> + Send;

    fn offer_list(&self, request: OfferList) -> impl Future<Output = Answer<Vec<Offer>>> + Send;
    fn offer_own(&self) -> impl Future<Output = Answer<Vec<Offer>>> + Send;
    /// Asks its provider on what terms it would sell to us.
    fn offer_terms(&self, request: OfferTermsAsk) -> impl Future<Output = Answer<OfferTerms>> + Send;
    fn offer_prefer(&self, request: OfferPrefer) -> impl Future<Output = Answer<()>> + Send;
    fn offer_publish(&self, request: OfferPublish) -> impl Future<Output = Answer<Publication>> + Send;
    fn offer_withdraw(&self, request: OfferWithdraw) -> impl Future<Output = Answer<Entry>> + Send;

    fn connect(&self, request: Connect) -> impl Future<Output = Answer<Session>> + Send;
    fn disconnect(&self) -> impl Future<Output = Answer<()>> + Send;
    fn session_list(&self, limit: usize) -> impl Future<Output = Answer<Vec<Session>>> + Send;
    fn spending_limits_set(&self, request: SpendingLimits) -> impl Future<Output = Answer<Spending>> + Send;
    /// Lets what a limit has stopped go on.
    fn spending_allow(&self, request: SpendingAllow) -> impl Future<Output = Answer<Spending>> + Send;
    fn tunnel_settings(&self) -> impl Future<Output = Answer<TunnelSettings>> + Send;
    fn tunnel_settings_set(&self, request: TunnelSettingsSet) -> impl Future<Output = Answer<TunnelSettings>> + Send;

    fn service_list(&self) -> impl Future<Output = Answer<ServiceList>> + Send;
    fn service_open(&self, request: ServiceOpen) -> impl Future<Output = Answer<ServiceOpened>> + Send;
    fn service_close(&self, request: ServiceClose) -> impl Future<Output = Answer<()>> + Send;
    /// Proxy ports beside the main one.
    fn proxy_port_list(&self) -> impl Future<Output = Answer<Vec<ProxyPort>>> + Send;
    /// Opens one, which stays across restarts until it is closed.
    fn proxy_port_open(&self, request: ProxyPortOpen) -> impl Future<Output = Answer<ProxyPort>> + Send;
    fn proxy_port_close(&self, request: ProxyPortClose) -> impl Future<Output = Answer<()>> + Send;
    /// Ports at the exit that lead to programs here.
    fn forward_list(&self) -> impl Future<Output = Answer<Vec<ForwardedPort>>> + Send;
    /// Asks the exit of the main way for one, and each that comes after it, until it is closed.
    fn forward_open(&self, request: ForwardOpen) -> impl Future<Output = Answer<ForwardedPort>> + Send;
    fn forward_close(&self, request: ForwardClose) -> impl Future<Output = Answer<()>> + Send;

    fn sub_account_list(&self) -> impl Future<Output = Answer<Vec<SubAccount>>> + Send;
    fn sub_account_create(&self, request: SubAccountCreate) -> impl Future<Output = Answer<SubAccountCreated>> + Send;
    fn sub_account_revoke(&self, request: SubAccountRevoke) -> impl Future<Output = Answer<SubAccount>> + Send;

    /// The sub-account that a token opens.
    fn bearer(&self, token: &str) -> Option<AccountNumber>;
    /// As [`connect`](Self::connect), on a sub-account's bill.
    fn connect_for(&self, account: AccountNumber, request: Connect) -> impl Future<Output = Answer<Session>> + Send;
    /// As [`service_open`](Self::service_open), likewise.
    fn service_open_for(
        &self,
        account: AccountNumber,
        request: ServiceOpen,
    ) -> impl Future<Output = Answer<ServiceOpened>> + Send;
    /// As [`service_close`](Self::service_close), of what the sub-account opened.
    fn service_close_for(
        &self,
        account: AccountNumber,
        request: ServiceClose,
    ) -> impl Future<Output = Answer<()>> + Send;
    fn sub_account_show(&self, account: AccountNumber) -> impl Future<Output = Answer<SubAccount>> + Send;
    /// Its sessions, newest first.
    fn sub_account_sessions(
        &self,
        account: AccountNumber,
        limit: usize,
    ) -> impl Future<Output = Answer<Vec<Session>>> + Send;
    /// Whether the session in use is on its bill.
    fn is_billed(&self, account: AccountNumber) -> impl Future<Output = Answer<bool>> + Send;

    /// A code by which a phone's browser is linked.
    fn phone_link(&self, request: PhoneLink) -> impl Future<Output = Answer<PhoneInvitation>> + Send;
    fn phone_list(&self) -> impl Future<Output = Answer<PhoneStatus>> + Send;
    fn phone_unlink(&self, request: PhoneUnlink) -> impl Future<Output = Answer<Phone>> + Send;
    /// A phone hands in such a code, at its own door.
    fn phone_take(&self, code: String) -> impl Future<Output = Answer<PhoneLinked>> + Send;
    /// The phone that a token opens that door to.
    fn phone_bearer(&self, token: &str) -> Option<PhoneId>;
    /// Whether it is still linked.
    fn phone_is_linked(&self, phone: PhoneId) -> bool;

    /// What makes this node a device of whoever types it in at their first one.
    fn device_token(&self) -> impl Future<Output = Answer<DeviceToken>> + Send;
    /// Makes a node a device of our person; answers when it is one, or after a while in which it was not reached.
    fn device_link(&self, request: DeviceLink) -> impl Future<Output = Answer<Device>> + Send;
    fn device_list(&self) -> impl Future<Output = Answer<DeviceStatus>> + Send;
    /// Takes one away, out of all conversations.
    fn device_remove(&self, request: DeviceRemove) -> impl Future<Output = Answer<Device>> + Send;

    fn market_earnings(&self, request: MarketEarnings) -> impl Future<Output = Answer<ProviderEarnings>> + Send;
    /// The ports that clients have here, by number.
    fn market_ports(&self) -> impl Future<Output = Answer<Vec<GivenPort>>> + Send;
    /// Gives those that were closed.
    fn market_port_close(&self, request: MarketPortClose) -> impl Future<Output = Answer<Vec<GivenPort>>> + Send;

    fn market_blocks(&self) -> impl Future<Output = Answer<Vec<ProviderBlock>>> + Send;
    fn market_block(&self, request: MarketBlock) -> impl Future<Output = Answer<ProviderBlock>> + Send;
    fn market_unblock(&self, request: MarketUnblock) -> impl Future<Output = Answer<ProviderBlock>> + Send;

    fn channel_list(&self) -> impl Future<Output = Answer<Vec<ChannelRecord>>> + Send;
    fn channel_show(&self, request: ChannelNamed) -> impl Future<Output = Answer<ChannelDetail>> + Send;
    /// What happened, and what both sides said, lately.
    fn channel_log(&self, request: ChannelNamed) -> impl Future<Output = Answer<ChannelLog>> + Send;
    /// Proposes one, and answers when the ledger has it.
    fn channel_open(&self, request: ChannelOpen) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    /// Agrees to one that a peer proposes, and answers when the ledger has it.
    fn channel_accept(&self, request: ChannelNamed) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    fn channel_decline(&self, request: ChannelNamed) -> impl Future<Output = Answer<()>> + Send;
    fn channel_pay(&self, request: ChannelPay) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Sets aside what is paid by promises.
    fn channel_lane(&self, request: ChannelLane) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Takes what the peer has promised into the balance.
    fn channel_absorb(&self, request: ChannelNamed) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Absorbs what both have promised, and sets what is in our lane.
    fn channel_update(&self, request: ChannelUpdate) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Says something to the peer beside the state.
    fn channel_message(&self, request: ChannelMessageSay) -> impl Future<Output = Answer<ChannelLogEntry>> + Send;
    /// Takes back an update that the peer has not signed.
    fn channel_cancel(&self, request: ChannelNamed) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Puts money in or takes some out while it is open.
    fn channel_fund(&self, request: ChannelFund) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    /// Looks for the peer of a channel whose journal is lost, or can't be read.
    fn channel_restore(&self, request: ChannelRestore) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    fn channel_close(&self, request: ChannelClose) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    fn channel_deploy(&self, request: ChannelDeploy) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    fn channel_call(&self, request: ChannelCall) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Gives a contract other code, where the peer's user asks for the same.
    fn channel_upgrade(&self, request: ChannelUpgrade) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Removes a contract, where the peer's user asks for the same.
    fn channel_remove(&self, request: ChannelRemove) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// Lets a contract leave for the ledger, where the peer's user asks for the same, and answers when the ledger has it.
    fn channel_leave(&self, request: ChannelLeave) -> impl Future<Output = Answer<ChannelRecord>> + Send;
    fn channel_look(&self, request: ChannelLook) -> impl Future<Output = Answer<ContractOutput>> + Send;
    /// Has the ledger execute a call that the peer doesn't sign, and answers when it has.
    fn channel_force(&self, request: ChannelCall) -> impl Future<Output = Answer<ChannelUpdated>> + Send;
    /// The contracts on the ledger that this node follows, or was a party of the channel of.
    fn contract_list(&self) -> impl Future<Output = Answer<Vec<LedgerContractRecord>>> + Send;
    fn contract_show(&self, request: ContractNamed) -> impl Future<Output = Answer<LedgerContractDetail>> + Send;
    /// Has the ledger execute a call, and answers when it has.
    fn contract_call(&self, request: ContractInvoke) -> impl Future<Output = Answer<ContractCalled>> + Send;
    fn contract_look(&self, request: ContractLook) -> impl Future<Output = Answer<ContractOutput>> + Send;
    /// What a contract has stored, for whoever is to follow it too.
    fn contract_export(&self, request: ContractNamed) -> impl Future<Output = Answer<ContractExport>> + Send;
    /// Takes that up, if it is what the ledger has the root of.
    fn contract_import(&self, request: ContractImport) -> impl Future<Output = Answer<LedgerContractRecord>> + Send;
    /// Watches channels of others, or takes on no more.
    fn watch_run(&self, request: WatchRun) -> impl Future<Output = Answer<WatchStatus>> + Send;
    /// Has somebody watch a channel of ours.
    fn watch_add(&self, request: WatchAdd) -> impl Future<Output = Answer<WatchStatus>> + Send;
    fn watch_remove(&self, request: WatchRemove) -> impl Future<Output = Answer<WatchStatus>> + Send;
    fn watch_status(&self) -> impl Future<Output = Answer<WatchStatus>> + Send;
    /// Offers our bot on the market.
    fn bot_offer(&self, request: BotOfferMake) -> impl Future<Output = Answer<BotStatus>> + Send;
    fn bot_withdraw(&self) -> impl Future<Output = Answer<BotStatus>> + Send;
    /// Bots on the market, the cheapest first.
    fn bot_find(&self, request: BotFind) -> impl Future<Output = Answer<Vec<BotOffer>>> + Send;
    /// Hires a bot, and becomes a contact of its host.
    fn bot_hire(&self, request: BotHireMake) -> impl Future<Output = Answer<BotStatus>> + Send;
    fn bot_dismiss(&self, request: BotDismiss) -> impl Future<Output = Answer<BotStatus>> + Send;
    fn bot_status(&self) -> impl Future<Output = Answer<BotStatus>> + Send;
    /// The program of our bot is there, and is given what it may be: what clients said whose next answer is paid.
    fn bot_work(&self) -> impl Future<Output = Answer<Vec<BotClient>>> + Send;
    /// Holds for others who are away, or takes nothing new.
    fn hold_offer(&self, request: HoldOffer) -> impl Future<Output = Answer<HoldStatus>> + Send;
    /// Has somebody hold for us.
    fn hold_use(&self, request: HoldUse) -> impl Future<Output = Answer<HoldStatus>> + Send;
    fn hold_leave(&self, request: HoldLeave) -> impl Future<Output = Answer<HoldStatus>> + Send;
    /// Looks now whether those who are there hold something.
    fn hold_fetch(&self) -> impl Future<Output = Answer<HoldStatus>> + Send;
    fn hold_status(&self) -> impl Future<Output = Answer<HoldStatus>> + Send;
    /// Those who offer on the market to hold, the cheapest first.
    fn hold_offer_list(&self) -> impl Future<Output = Answer<Vec<HolderOffer>>> + Send;
    /// Asks to be paid over channels.
    fn channel_invoice(&self, request: ChannelInvoiceMake) -> impl Future<Output = Answer<ChannelInvoice>> + Send;
    /// Pays an invoice, once however often it is asked for, and answers when it is paid, or on its way for a while.
    fn channel_invoice_pay(&self, request: ChannelInvoicePay) -> impl Future<Output = Answer<InvoicePayment>> + Send;
    /// Sends payments of others on, or does so no more.
    fn hub_run(&self, request: HubRun) -> impl Future<Output = Answer<HubStatus>> + Send;
    /// What a hub takes for guaranteeing a virtual channel.
    fn hub_ask(&self, request: HubAsk) -> impl Future<Output = Answer<HubQuote>> + Send;
    /// Hubs and watchtowers that have an offer on the market, the cheapest first.
    fn hub_list(&self) -> impl Future<Output = Answer<Vec<HubOffer>>> + Send;
    fn watch_offer_list(&self) -> impl Future<Output = Answer<Vec<WatchOffer>>> + Send;
    /// Pays itself in a circle, so that there is room where it has run out.
    fn hub_rebalance(&self, request: HubRebalance) -> impl Future<Output = Answer<InvoicePayment>> + Send;
    fn hub_status(&self) -> impl Future<Output = Answer<HubStatus>> + Send;
    fn identity_card(&self) -> impl Future<Output = Answer<IdentityCard>> + Send;

    /// A link by which one person becomes a contact.
    fn chat_invite(&self, request: ChatInviteMake) -> impl Future<Output = Answer<ChatInvite>> + Send;
    /// Asks somebody to be a contact, or agrees where they have asked.
    fn chat_accept(&self, request: ChatAccept) -> impl Future<Output = Answer<ChatPerson>> + Send;
    /// Asks somebody, with what it may cost, and waits a moment for what they say.
    fn chat_ask(&self, request: ChatAsk) -> impl Future<Output = Answer<ChatPerson>> + Send;
    /// What a first message costs, and changes it.
    fn chat_price(&self, request: ChatPriceSet) -> impl Future<Output = Answer<ChatPrice>> + Send;
    /// The address book of a group.
    fn chat_book(&self, request: ChatBookShow) -> impl Future<Output = Answer<ChatBook>> + Send;
    fn chat_book_change(&self, request: ChatBookChange) -> impl Future<Output = Answer<ChatBook>> + Send;
    fn chat_people(&self) -> impl Future<Output = Answer<Vec<ChatPerson>>> + Send;
    /// Hears somebody no more, or hears them again.
    fn chat_block(&self, request: ChatBlock) -> impl Future<Output = Answer<Vec<ChatPerson>>> + Send;
    fn chat_nickname(&self, request: ChatNickname) -> impl Future<Output = Answer<ChatPerson>> + Send;
    fn chat_verify(&self, request: ChatVerify) -> impl Future<Output = Answer<ChatPerson>> + Send;
    /// Conversations, that with the newest message first.
    fn chat_conversations(&self) -> impl Future<Output = Answer<Vec<ChatConversation>>> + Send;
    /// Says something; it waits here until it has arrived.
    fn chat_send(&self, request: ChatSend) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Edits, deletes, or reacts to a message, which is given as it stands then.
    fn chat_about(&self, request: ChatAbout) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Messages of a conversation, the newest first.
    fn chat_read(&self, request: ChatRead) -> impl Future<Output = Answer<Vec<ChatItem>>> + Send;
    /// Looks for messages, people and groups.
    fn chat_search(&self, request: ChatSearch) -> impl Future<Output = Answer<ChatFound>> + Send;
    /// Gives a part of a backup of all conversations.
    fn chat_backup(&self, request: ChatBackup) -> impl Future<Output = Answer<ChatBackupPart>> + Send;
    /// Takes bytes of a backup.
    fn chat_restore(&self, request: ChatRestore) -> impl Future<Output = Answer<ChatRestored>> + Send;
    /// Says that one's person has looked at a conversation.
    fn chat_mark(&self, request: ChatMark) -> impl Future<Output = Answer<ChatConversation>> + Send;
    /// What our person keeps of a conversation for itself.
    fn chat_keep(&self, request: ChatKeep) -> impl Future<Output = Answer<ChatConversation>> + Send;
    /// One message as it stands.
    fn chat_show(&self, request: ChatShow) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Takes a part of a file that is to be attached, and seals it.
    fn chat_upload(&self, request: ChatUploadPart) -> impl Future<Output = Answer<ChatUpload>> + Send;
    /// Says something with files that were uploaded.
    fn chat_attach(&self, request: ChatAttach) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Has a file of a message fetched, or says how far it is.
    fn chat_fetch(&self, request: ChatFetch) -> impl Future<Output = Answer<ChatAttachment>> + Send;
    /// A part of a file that is here.
    fn chat_file(&self, request: ChatFileRead) -> impl Future<Output = Answer<ChatFilePart>> + Send;
    /// Asks a question with options.
    fn chat_poll(&self, request: ChatPollAsk) -> impl Future<Output = Answer<ChatItem>> + Send;
    fn chat_vote(&self, request: ChatVote) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Begins a list.
    fn chat_list(&self, request: ChatListMake) -> impl Future<Output = Answer<ChatItem>> + Send;
    fn chat_list_change(&self, request: ChatListChange) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Notes something for oneself.
    fn chat_memo(&self, request: ChatMemo) -> impl Future<Output = Answer<ChatItem>> + Send;
    /// Notes of which one wanted to be reminded within the last day.
    fn chat_reminders(&self) -> impl Future<Output = Answer<Vec<ChatItem>>> + Send;
    /// Says that our person is writing, or has stopped, where others are told of it.
    fn chat_typing(&self, request: ChatTyping) -> impl Future<Output = Answer<()>> + Send;
    /// Says that our person is there, or not, where others are told of it.
    fn chat_presence(&self, request: ChatPresenceSet) -> impl Future<Output = Answer<()>> + Send;
    /// What others are told of our person beside what it says, and changes it.
    fn chat_tells(&self, request: ChatTellsSet) -> impl Future<Output = Answer<ChatTells>> + Send;
    /// Founds a group, and adds contacts to it.
    fn chat_group_create(&self, request: ChatGroupCreate) -> impl Future<Output = Answer<ChatConversation>> + Send;
    /// Adds people to a group, removes them, changes what they are in it or what it is called, or leaves it.
    fn chat_group_change(&self, request: ChatGroupChange) -> impl Future<Output = Answer<ChatConversation>> + Send;

    /// The books of payment, sealed under the seed phrase.
    fn backup_export(&self) -> impl Future<Output = Answer<BackupExport>> + Send;

    fn promise_list(&self) -> impl Future<Output = Answer<Vec<Promise>>> + Send;
    fn promise_settle(&self, request: PromiseSettle) -> impl Future<Output = Answer<PromiseSettlement>> + Send;

    fn wallet_address(&self) -> impl Future<Output = Answer<WalletAddress>> + Send;
    /// Shows no secret to a caller who doesn't know what it opens: see [`WalletViewKeyShow`].
    fn wallet_view_key(&self) -> impl Future<Output = Answer<WalletViewKey>> + Send;
    fn wallet_balance(&self) -> impl Future<Output = Answer<Balance>> + Send;
    fn wallet_history(&self, request: WalletHistory) -> impl Future<Output = Answer<Vec<Entry>>> + Send;
    fn wallet_send(&self, request: WalletSend) -> impl Future<Output = Answer<Entry>> + Send;
    fn wallet_deposit(&self, request: WalletMove) -> impl Future<Output = Answer<Entry>> + Send;
    fn wallet_withdraw(&self, request: WalletWithdraw) -> impl Future<Output = Answer<Entry>> + Send;
    fn wallet_withdraw_cancel(&self, request: WalletWithdrawCancel) -> impl Future<Output = Answer<Entry>> + Send;

    fn wallet_consolidate(&self, request: WalletConsolidate) -> impl Future<Output = Answer<Consolidation>> + Send;

    fn wallet_request(&self, request: WalletRequest) -> impl Future<Output = Answer<PaymentLink>> + Send;
    fn wallet_link(&self, request: WalletLink) -> impl Future<Output = Answer<PaymentLink>> + Send;
    fn wallet_pay(&self, request: WalletPay) -> impl Future<Output = Answer<Entry>> + Send;

    fn asset_list(&self) -> impl Future<Output = Answer<Vec<Asset>>> + Send;
    fn asset_register(&self, request: AssetRegister) -> impl Future<Output = Answer<Entry>> + Send;
    fn asset_issue(&self, request: AssetIssue) -> impl Future<Output = Answer<Entry>> + Send;
    fn asset_burn(&self, request: AssetBurn) -> impl Future<Output = Answer<Entry>> + Send;

    fn group_list(&self) -> impl Future<Output = Answer<Vec<GroupRecord>>> + Send;
    fn group_join(&self, request: GroupJoin) -> impl Future<Output = Answer<GroupRecord>> + Send;
    fn group_propose(&self, request: GroupPropose) -> impl Future<Output = Answer<GroupProposal>> + Send;
    fn group_show(&self, request: GroupLook) -> impl Future<Output = Answer<GroupProposal>> + Send;
    fn group_sign(&self, request: GroupLook) -> impl Future<Output = Answer<GroupProposal>> + Send;
    fn group_submit(&self, request: GroupSubmit) -> impl Future<Output = Answer<Entry>> + Send;

    fn kernel_owner(&self) -> impl Future<Output = Answer<KernelOwner>> + Send;
    fn kernel_look(&self, request: KernelLook) -> impl Future<Output = Answer<KernelPlan>> + Send;
    fn kernel_join(&self, request: KernelJoin) -> impl Future<Output = Answer<Entry>> + Send;
    fn kernel_leave(&self, request: KernelSeat) -> impl Future<Output = Answer<Entry>> + Send;
    fn kernel_reclaim(&self, request: KernelSeat) -> impl Future<Output = Answer<Entry>> + Send;
    fn kernel_rotate(&self, request: KernelRotate) -> impl Future<Output = Answer<Entry>> + Send;
    fn kernel_appeal(&self, request: KernelAppeal) -> impl Future<Output = Answer<Entry>> + Send;
    fn kernel_upgrade(&self, request: KernelUpgrade) -> impl Future<Output = Answer<Entry>> + Send;

    fn ledger_audit(&self) -> impl Future<Output = Answer<Audit>> + Send;
    fn ledger_transaction(&self, id: TransactionId) -> impl Future<Output = Answer<TransactionRecord>> + Send;
    fn ledger_identity(&self, id: IdentityId) -> impl Future<Output = Answer<IdentityRecord>> + Send;
}
