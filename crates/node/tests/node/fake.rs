//! A node that answers from a fixed world and remembers what it was asked.
//!
//! Long because: it implements one trait, in one block, with a method for each call there is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use byway_node::api::event::EVENTS_BUFFERED;
use byway_node::api::*;
use byway_node::config::TunnelConfig;
use byway_node::rpc::{self, Settings, Token};
use byway_primitives::{Amount, AssetId, Hash, IdentityId, Time};
use byway_records::{Height, Member, OfferId, TransactionId};
use tokio::net::TcpListener;
use tokio::sync::{Notify, broadcast, watch};

use super::fake_channels::FakeChannels;
use super::fake_chat;
use super::fake_contracts;
use super::fake_devices;
use super::fake_forwards;
use super::fake_hiring;
use super::fake_holding;
use super::fake_hubs;
use super::fake_invites;
use super::fake_names;
use super::fake_phones::FakePhones;
pub use super::fake_status::status;

pub const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
pub const PAGE_PORT: u16 = 7070;

pub struct Fake {
    pub events: broadcast::Sender<Arc<Event>>,
    /// How many transactions were made.
    pub transactions: AtomicU64,
    pub history: Mutex<Vec<Entry>>,
    /// Holds `wallet_deposit` up until it is notified, where set.
    pub gate: Option<Notify>,
    /// Heard when a held call arrives.
    pub arrived: Notify,
    pub balanced: bool,
    /// What `session_list` answers, one after the other and then the last for ever; the usual where empty.
    pub sessions: Mutex<Vec<Vec<Session>>>,
    pub channels: FakeChannels,
    pub phones: FakePhones,
}

/// A fake node on a loopback port.
pub struct Served {
    pub fake: Arc<Fake>,
    pub port: u16,
    pub stop: watch::Sender<bool>,
}

impl Fake {
    pub fn new() -> Self {
        let events = broadcast::channel(EVENTS_BUFFERED).0;
        Self {
            channels: FakeChannels::new(events.clone()),
            phones: FakePhones::new(events.clone()),
            events,
            transactions: AtomicU64::new(0),
            history: Mutex::default(),
            gate: None,
            arrived: Notify::new(),
            balanced: true,
            sessions: Mutex::default(),
        }
    }

    pub async fn serve(self) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (port, (stop, stopping)) = (listener.local_addr().unwrap().port(), watch::channel(false));
        let fake = Arc::new(self);
        let settings = Settings { token: Token::parse(TOKEN).unwrap(), page_port: PAGE_PORT };
        tokio::spawn(rpc::serve(listener, settings, fake.clone(), stopping));
        Served { fake, port, stop }
    }

    pub fn publish(&self, event: Event) {
        // Nobody need listen.
        let _ = self.events.send(Arc::new(event));
    }

    async fn transact(&self, kind: EntryKind, amount: Amount) -> Answer<Entry> {
        let number = self.transactions.fetch_add(1, Ordering::SeqCst);
        let entry = Entry {
            transaction_id: TransactionId(Hash([number as u8; 32])),
            time_ms: Time(1),
            kind,
            amount,
            asset: None,
            fee: Amount::ZERO,
            counterparty: None,
            stage: Stage::Sent,
            reason: None,
        };
        self.history.lock().unwrap().push(entry.clone());
        Ok(entry)
    }
}

pub fn id(byte: u8) -> IdentityId {
    IdentityId([byte; 20])
}

pub fn price() -> Price {
    Price { unit: Unit::Mb, amount: "0.01".parse().unwrap(), asset: AssetId::WAY, min_reputation: 0 }
}

/// What opens the sub-account.
pub const ACCOUNT_TOKEN: &str = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";

fn proxy_port(listen: std::net::SocketAddr, wish: ProxyWish) -> ProxyPort {
    let reason = Some(Reason::new("cannot_listen", "the port is taken"));
    ProxyPort { listen, wish, configured: false, connection: None, reason }
}

fn sub_account() -> SubAccount {
    SubAccount {
        name: "shop".to_owned(),
        limit: "5".parse().unwrap(),
        per: Period::Day,
        spent: "5".parse().unwrap(),
        spent_in_all: "7".parse().unwrap(),
        created_ms: byway_primitives::Time(1),
        revoked: false,
    }
}

pub fn session(name: &str, state: SessionState, bytes_down: u64) -> Session {
    Session {
        id: SessionId(name.to_owned()),
        offer_id: OfferId::of(id(1), 0),
        provider: id(1),
        client: None,
        service: byway_records::offer::Service::SOCKS,
        country: "DE".parse().ok(),
        bytes_up: 10,
        bytes_down,
        seconds: 60,
        seconds_served: 58,
        price: price(),
        cost: "0.5".parse().unwrap(),
        paid: "0.75".parse().unwrap(),
        channel: None,
        state,
        reason: None,
        started_ms: Time(1_000),
        ended_ms: None,
    }
}

/// An asset of this issuer, with a symbol that others use too.
pub fn asset(issuer: IdentityId) -> Asset {
    let symbol: byway_records::asset::Symbol = "ABC".parse().unwrap();
    Asset {
        asset: byway_records::asset::asset_id(issuer, &symbol),
        symbol,
        name: "a bond".parse().unwrap(),
        decimals: 2,
        issuer,
        supply: Amount::from_coins(5),
        faucet_max: None,
        ours: issuer == id(7),
    }
}

fn promise() -> Promise {
    Promise {
        direction: Direction::In,
        counterparty: id(1),
        serial: params::Serial(17),
        amount: Amount::from_coins(2),
        settled: Amount::from_coins(1),
        backing: BackingKind::Account,
        updated_ms: Time(9),
        settled_ms: None,
    }
}

impl NodeApi for Fake {
    fn events(&self) -> Events {
        self.events.subscribe()
    }

    async fn node_status(&self) -> Answer<NodeStatus> {
        Ok(status(ConnectionState::Idle))
    }

    async fn identity_list(&self) -> Answer<Vec<Identity>> {
        let own = status(ConnectionState::Idle).identity;
        let other = Identity { id: id(8), name: "work".into(), registered: false, purpose: None, number: Some(3) };
        Ok(vec![Identity { number: Some(0), ..own }, other])
    }

    async fn identity_register(&self, _: IdentityRegister) -> Answer<Entry> {
        self.transact(EntryKind::Pledge, Amount::from_coins(1)).await
    }

    async fn offer_list(&self, request: OfferList) -> Answer<Vec<Offer>> {
        let offer = Offer {
            offer_id: OfferId::of(id(1), 0),
            provider: id(1),
            serial: params::Serial(0),
            service: byway_records::offer::Service::SOCKS,
            service_name: None,
            country: "DE".parse().unwrap(),
            exit_country: "DE".parse().unwrap(),
            asn: 64496,
            bandwidth_bps: 100_000_000,
            prices: vec![price()],
            price: Some(price()),
            exit_policy: vec![],
            contacts: vec![],
            published_ms: Time(1),
            expires_ms: Time(2),
            preferred: false,
            forwards: false,
            quality: None,
        };
        let matches = request.filter.country.is_none_or(|country| country == offer.exit_country);
        Ok(if matches { vec![offer] } else { vec![] })
    }

    async fn offer_own(&self) -> Answer<Vec<Offer>> {
        Ok(Vec::new())
    }

    async fn offer_terms(&self, request: OfferTermsAsk) -> Answer<OfferTerms> {
        Err(ApiError::offer_not_found(request.offer_id))
    }

    async fn offer_prefer(&self, _: OfferPrefer) -> Answer<()> {
        Ok(())
    }

    async fn offer_publish(&self, _: OfferPublish) -> Answer<Publication> {
        let entry = self.transact(EntryKind::Publish, Amount::ZERO).await?;
        Ok(Publication { offer_id: OfferId::of(id(7), 1), entry })
    }

    async fn offer_withdraw(&self, _: OfferWithdraw) -> Answer<Entry> {
        self.transact(EntryKind::Publish, Amount::ZERO).await
    }

    async fn connect(&self, request: Connect) -> Answer<Session> {
        match request.target {
            ConnectTarget::Offer { offer_id, .. } if offer_id != OfferId::of(id(1), 0) => {
                Err(ApiError::offer_not_found(offer_id))
            }
            _ => Ok(session("a1", SessionState::Active, 0)),
        }
    }

    async fn disconnect(&self) -> Answer<()> {
        Ok(())
    }

    async fn network_link(&self, _request: NetworkLinkShow) -> Answer<NetworkInvitation> {
        Ok(fake_invites::network())
    }

    async fn invite_new(&self, request: InviteNew) -> Answer<GivenInvite> {
        Ok(fake_invites::paid(&request))
    }

    async fn invite_list(&self) -> Answer<InviteList> {
        Ok(fake_invites::list())
    }

    async fn invite_show(&self, request: InviteShow) -> Answer<InviteLink> {
        Ok(fake_invites::open(request.number))
    }

    async fn name_list(&self) -> Answer<NameList> {
        fake_names::list()
    }

    async fn name_show(&self, request: NameShow) -> Answer<NameShown> {
        fake_names::shown(&request.name)
    }

    async fn name_register(&self, request: NameRegister) -> Answer<NameWanted> {
        fake_names::wanted(&request)
    }

    async fn name_renew(&self, request: NameRenew) -> Answer<Entry> {
        fake_names::shown(&request.name)?;
        self.transact(EntryKind::Fee, Amount::ZERO).await
    }

    async fn name_transfer(&self, request: NameTransfer) -> Answer<Entry> {
        fake_names::shown(&request.name)?;
        self.transact(EntryKind::Fee, Amount::ZERO).await
    }

    async fn name_release(&self, request: NameRelease) -> Answer<Entry> {
        fake_names::shown(&request.name)?;
        self.transact(EntryKind::Fee, Amount::ZERO).await
    }

    async fn name_primary(&self, request: NamePrimary) -> Answer<Entry> {
        request.name.map(|name| fake_names::shown(&name)).transpose()?;
        self.transact(EntryKind::Fee, Amount::ZERO).await
    }

    async fn invite_take_back(&self, request: InviteTakeBack) -> Answer<Entry> {
        Err(ApiError::invite_not_open(&fake_invites::taken(request.number)))
    }

    async fn wallet_request(&self, request: WalletRequest) -> Answer<PaymentLink> {
        let WalletRequest { amount, note, expires_ms, .. } = request;
        Ok(PaymentLink {
            link: "byway:pay?".to_owned(),
            to: "somebody".to_owned(),
            amount,
            asset: byway_primitives::AssetId::WAY,
            note,
            expires_ms,
        })
    }

    async fn wallet_link(&self, request: WalletLink) -> Answer<PaymentLink> {
        let why = request.link.parse::<byway_peer::wallet::PaymentRequest>().unwrap_err();
        Err(ApiError::link_refused(why))
    }

    async fn wallet_pay(&self, request: WalletPay) -> Answer<Entry> {
        let why = request.link.parse::<byway_peer::wallet::PaymentRequest>().unwrap_err();
        Err(ApiError::link_refused(why))
    }

    async fn sub_account_list(&self) -> Answer<Vec<SubAccount>> {
        Ok(vec![sub_account()])
    }

    async fn sub_account_create(&self, _: SubAccountCreate) -> Answer<SubAccountCreated> {
        Ok(SubAccountCreated { account: sub_account(), token: ACCOUNT_TOKEN.to_owned() })
    }

    async fn sub_account_revoke(&self, _: SubAccountRevoke) -> Answer<SubAccount> {
        Ok(SubAccount { revoked: true, ..sub_account() })
    }

    async fn device_token(&self) -> Answer<DeviceToken> {
        Ok(fake_devices::token())
    }

    async fn device_link(&self, request: DeviceLink) -> Answer<Device> {
        fake_devices::link(&request)
    }

    async fn device_list(&self) -> Answer<DeviceStatus> {
        Ok(fake_devices::status())
    }

    async fn device_remove(&self, request: DeviceRemove) -> Answer<Device> {
        fake_devices::remove(&request)
    }

    async fn phone_link(&self, request: PhoneLink) -> Answer<PhoneInvitation> {
        self.phones.link(request)
    }

    async fn phone_list(&self) -> Answer<PhoneStatus> {
        Ok(self.phones.status())
    }

    async fn phone_unlink(&self, request: PhoneUnlink) -> Answer<Phone> {
        self.phones.unlink(&request.name)
    }

    async fn phone_take(&self, code: String) -> Answer<PhoneLinked> {
        self.phones.take(&code)
    }

    fn phone_bearer(&self, token: &str) -> Option<PhoneId> {
        self.phones.bearer(token)
    }

    fn phone_is_linked(&self, phone: PhoneId) -> bool {
        self.phones.is_linked(phone)
    }

    fn bearer(&self, token: &str) -> Option<AccountNumber> {
        (token == ACCOUNT_TOKEN).then_some(AccountNumber(1))
    }

    async fn connect_for(&self, _: AccountNumber, _: Connect) -> Answer<Session> {
        Err(ApiError::account_spent(sub_account().limit))
    }

    async fn service_open_for(&self, _: AccountNumber, request: ServiceOpen) -> Answer<ServiceOpened> {
        self.service_open(request).await
    }

    async fn service_close_for(&self, _: AccountNumber, _: ServiceClose) -> Answer<()> {
        Err(ApiError::not_allowed("service_close"))
    }

    async fn sub_account_show(&self, _: AccountNumber) -> Answer<SubAccount> {
        Ok(sub_account())
    }

    async fn sub_account_sessions(&self, _: AccountNumber, _: usize) -> Answer<Vec<Session>> {
        Ok(Vec::new())
    }

    async fn is_billed(&self, _: AccountNumber) -> Answer<bool> {
        Ok(false)
    }

    async fn service_list(&self) -> Answer<ServiceList> {
        Ok(ServiceList { sold: Vec::new(), open: Vec::new() })
    }

    async fn service_open(&self, request: ServiceOpen) -> Answer<ServiceOpened> {
        let listen = request.listen.unwrap_or_else(|| ([127, 0, 0, 1], 9).into());
        let access = ServiceAccess { service: request.service, listen };
        Ok(ServiceOpened { access, session: session("a1", SessionState::Active, 0) })
    }

    async fn service_close(&self, request: ServiceClose) -> Answer<()> {
        Err(ApiError::service_not_open(request.listen))
    }

    async fn proxy_port_list(&self) -> Answer<Vec<ProxyPort>> {
        Ok(vec![proxy_port(([127, 0, 0, 1], 1081).into(), ProxyWish::default())])
    }

    async fn proxy_port_open(&self, request: ProxyPortOpen) -> Answer<ProxyPort> {
        Ok(proxy_port(request.listen.unwrap_or_else(|| ([127, 0, 0, 1], 1081).into()), request.wish))
    }

    async fn forward_list(&self) -> Answer<Vec<ForwardedPort>> {
        Ok(vec![fake_forwards::forwarded(([127, 0, 0, 1], 8080).into(), Protocol::Tcp)])
    }

    async fn forward_open(&self, request: ForwardOpen) -> Answer<ForwardedPort> {
        Ok(fake_forwards::forwarded(request.to, request.protocol))
    }

    async fn forward_close(&self, request: ForwardClose) -> Answer<()> {
        Err(ApiError::forward_not_open(request.to))
    }

    async fn proxy_port_close(&self, request: ProxyPortClose) -> Answer<()> {
        Err(ApiError::proxy_port_not_open(request.listen))
    }

    async fn session_list(&self, limit: usize) -> Answer<Vec<Session>> {
        let mut planned = self.sessions.lock().unwrap();
        match planned.len() {
            0 => {}
            1 => return Ok(planned[0].clone()),
            _ => return Ok(planned.remove(0)),
        }
        drop(planned);
        let sessions = [session("a1", SessionState::Active, 5_000_000), session("a0", SessionState::Closed, 9)];
        Ok(sessions.into_iter().take(limit).collect())
    }

    async fn spending_allow(&self, _: SpendingAllow) -> Answer<Spending> {
        Err(ApiError::nothing_to_allow())
    }

    async fn spending_limits_set(&self, request: SpendingLimits) -> Answer<Spending> {
        let SpendingLimits { session_max, day_max } = request;
        let (session_max, day_max) = (session_max.flatten(), day_max.flatten());
        Ok(Spending { session_max, day_max, day_allowed: None, day_spent: Amount::ZERO, asks: Vec::new() })
    }

    async fn tunnel_settings(&self) -> Answer<TunnelSettings> {
        self.tunnel_settings_set(TunnelSettingsSet::default()).await
    }

    async fn tunnel_settings_set(&self, request: TunnelSettingsSet) -> Answer<TunnelSettings> {
        Ok(TunnelSettings::new(true, request.applied_to(&TunnelConfig::default())?))
    }

    async fn market_earnings(&self, request: MarketEarnings) -> Answer<ProviderEarnings> {
        let usage = ProviderUsage {
            month: "2026-11".into(),
            month_bytes: 5_000_000,
            month_max_bytes: Some(1_000_000_000),
            clients: 1,
            clients_max: None,
            rate_max_bps: None,
            client_rate_max_bps: None,
        };
        let service = ServiceEarnings {
            service: "socks".parse().unwrap(),
            sessions: 2,
            bytes_up: 1_000,
            bytes_down: 2_000_000,
            earned: "0.25".parse().unwrap(),
        };
        let period = EarningsPeriod {
            period: "2026-11-27".into(),
            from_ms: Time(1_795_737_600_000),
            sessions: 2,
            bytes_up: 1_000,
            bytes_down: 2_000_000,
            earned: "0.25".parse().unwrap(),
            settled: "0.2".parse().unwrap(),
            fees: Amount::ZERO,
            bounced: Amount::ZERO,
            services: vec![service],
        };
        Ok(ProviderEarnings { by: request.by, periods: vec![period], unsettled: "0.05".parse().unwrap(), usage })
    }

    async fn channel_list(&self) -> Answer<Vec<ChannelRecord>> {
        Ok(self.channels.list())
    }

    async fn channel_show(&self, request: ChannelNamed) -> Answer<ChannelDetail> {
        self.channels.show(&request.channel)
    }

    async fn channel_log(&self, request: ChannelNamed) -> Answer<ChannelLog> {
        self.channels.log(&request.channel)
    }

    async fn channel_open(&self, request: ChannelOpen) -> Answer<ChannelRecord> {
        self.channels.open(request)
    }

    async fn channel_accept(&self, request: ChannelNamed) -> Answer<ChannelRecord> {
        self.channels.accept(&request.channel)
    }

    async fn channel_decline(&self, request: ChannelNamed) -> Answer<()> {
        self.channels.decline(&request.channel)
    }

    async fn channel_pay(&self, request: ChannelPay) -> Answer<ChannelUpdated> {
        self.channels.pay(&request)
    }

    async fn channel_lane(&self, request: ChannelLane) -> Answer<ChannelUpdated> {
        self.channels.lane(&request)
    }

    async fn channel_absorb(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        self.channels.absorb(&request.channel)
    }

    async fn channel_update(&self, request: ChannelUpdate) -> Answer<ChannelUpdated> {
        self.channels.settle(&request)
    }

    async fn channel_message(&self, request: ChannelMessageSay) -> Answer<ChannelLogEntry> {
        self.channels.say(request)
    }

    async fn channel_cancel(&self, request: ChannelNamed) -> Answer<ChannelUpdated> {
        self.channels.cancel(&request.channel)
    }

    async fn channel_fund(&self, request: ChannelFund) -> Answer<ChannelRecord> {
        self.channels.fund(&request)
    }

    async fn channel_restore(&self, request: ChannelRestore) -> Answer<ChannelRecord> {
        self.channels.restore(&request)
    }

    async fn channel_close(&self, request: ChannelClose) -> Answer<ChannelRecord> {
        self.channels.close(&request)
    }

    async fn channel_deploy(&self, request: ChannelDeploy) -> Answer<ChannelUpdated> {
        self.channels.deploy(&request)
    }

    async fn channel_call(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        self.channels.call(&request)
    }

    async fn channel_upgrade(&self, request: ChannelUpgrade) -> Answer<ChannelUpdated> {
        self.channels.upgrade(&request)
    }

    async fn channel_remove(&self, request: ChannelRemove) -> Answer<ChannelUpdated> {
        self.channels.remove(&request)
    }

    async fn channel_leave(&self, request: ChannelLeave) -> Answer<ChannelRecord> {
        self.channels.leave(&request)
    }

    async fn contract_list(&self) -> Answer<Vec<LedgerContractRecord>> {
        Ok(fake_contracts::list())
    }

    async fn contract_show(&self, request: ContractNamed) -> Answer<LedgerContractDetail> {
        fake_contracts::show(&request.contract)
    }

    async fn contract_call(&self, request: ContractInvoke) -> Answer<ContractCalled> {
        fake_contracts::call(&request)
    }

    async fn contract_look(&self, request: ContractLook) -> Answer<ContractOutput> {
        fake_contracts::look(&request)
    }

    async fn contract_export(&self, request: ContractNamed) -> Answer<ContractExport> {
        fake_contracts::export(&request.contract)
    }

    async fn contract_import(&self, request: ContractImport) -> Answer<LedgerContractRecord> {
        fake_contracts::import(&request.content)
    }

    async fn channel_look(&self, request: ChannelLook) -> Answer<ContractOutput> {
        self.channels.look(&request)
    }

    async fn watch_run(&self, request: WatchRun) -> Answer<WatchStatus> {
        self.channels.run_watch(&request)
    }

    async fn watch_add(&self, request: WatchAdd) -> Answer<WatchStatus> {
        self.channels.add_watch(&request)
    }

    async fn watch_remove(&self, request: WatchRemove) -> Answer<WatchStatus> {
        self.channels.remove_watch(&request)
    }

    async fn watch_status(&self) -> Answer<WatchStatus> {
        Ok(super::fake_watching::status())
    }

    async fn bot_offer(&self, request: BotOfferMake) -> Answer<BotStatus> {
        Ok(fake_hiring::offered(&request))
    }

    async fn bot_withdraw(&self) -> Answer<BotStatus> {
        Ok(BotStatus { offer: None, ..fake_hiring::status() })
    }

    async fn bot_find(&self, request: BotFind) -> Answer<Vec<BotOffer>> {
        Ok(fake_hiring::found(&request))
    }

    async fn bot_hire(&self, request: BotHireMake) -> Answer<BotStatus> {
        fake_hiring::hire(&request)
    }

    async fn bot_dismiss(&self, request: BotDismiss) -> Answer<BotStatus> {
        fake_hiring::dismiss(&request)
    }

    async fn bot_status(&self) -> Answer<BotStatus> {
        Ok(fake_hiring::status())
    }

    async fn bot_work(&self) -> Answer<Vec<BotClient>> {
        Ok(fake_hiring::clients())
    }

    async fn hold_offer(&self, request: HoldOffer) -> Answer<HoldStatus> {
        Ok(fake_holding::offer(&request))
    }

    async fn hold_use(&self, request: HoldUse) -> Answer<HoldStatus> {
        fake_holding::use_holder(&request)
    }

    async fn hold_leave(&self, request: HoldLeave) -> Answer<HoldStatus> {
        fake_holding::leave(&request)
    }

    async fn hold_fetch(&self) -> Answer<HoldStatus> {
        Ok(fake_holding::status())
    }

    async fn hold_status(&self) -> Answer<HoldStatus> {
        Ok(fake_holding::status())
    }

    async fn hold_offer_list(&self) -> Answer<Vec<HolderOffer>> {
        Ok(fake_holding::offers())
    }

    async fn channel_force(&self, request: ChannelCall) -> Answer<ChannelUpdated> {
        self.channels.force(&request)
    }

    async fn channel_invoice(&self, request: ChannelInvoiceMake) -> Answer<ChannelInvoice> {
        fake_hubs::invoice(&request)
    }

    async fn channel_invoice_pay(&self, request: ChannelInvoicePay) -> Answer<InvoicePayment> {
        fake_hubs::pay(&request)
    }

    async fn hub_run(&self, request: HubRun) -> Answer<HubStatus> {
        Ok(fake_hubs::run(&request))
    }

    async fn hub_ask(&self, request: HubAsk) -> Answer<HubQuote> {
        fake_hubs::ask(&request)
    }

    async fn hub_list(&self) -> Answer<Vec<HubOffer>> {
        let fee_base = Amount::from_units(100_000_000_000_000);
        Ok(vec![HubOffer { hub: super::fake_watching::TOWER, fee_base, connected: true, channels: 1 }])
    }

    async fn watch_offer_list(&self) -> Answer<Vec<WatchOffer>> {
        Ok(super::fake_watching::offers())
    }

    async fn hub_rebalance(&self, request: HubRebalance) -> Answer<InvoicePayment> {
        fake_hubs::rebalance(&request)
    }

    async fn chat_invite(&self, request: ChatInviteMake) -> Answer<ChatInvite> {
        let expires_ms = Time(1_700_000_000_000 + request.days.unwrap_or(7) * 86_400_000);
        Ok(ChatInvite { link: "byway:chat/aeba".to_owned(), expires_ms })
    }

    async fn chat_accept(&self, _: ChatAccept) -> Answer<ChatPerson> {
        Ok(fake_chat::person())
    }

    async fn chat_ask(&self, request: ChatAsk) -> Answer<ChatPerson> {
        fake_chat::ask(&request)
    }

    async fn chat_price(&self, request: ChatPriceSet) -> Answer<ChatPrice> {
        Ok(fake_chat::price(&request))
    }

    async fn chat_book(&self, request: ChatBookShow) -> Answer<ChatBook> {
        fake_chat::named(&request.to).map(|()| fake_chat::book())
    }

    async fn chat_book_change(&self, request: ChatBookChange) -> Answer<ChatBook> {
        fake_chat::change_book(&request)
    }

    async fn chat_people(&self) -> Answer<Vec<ChatPerson>> {
        Ok(vec![fake_chat::person()])
    }

    async fn chat_block(&self, _: ChatBlock) -> Answer<Vec<ChatPerson>> {
        Ok(vec![fake_chat::person()])
    }

    async fn chat_nickname(&self, request: ChatNickname) -> Answer<ChatPerson> {
        fake_chat::nickname(&request)
    }

    async fn chat_verify(&self, request: ChatVerify) -> Answer<ChatPerson> {
        fake_chat::verify(&request)
    }

    async fn chat_conversations(&self) -> Answer<Vec<ChatConversation>> {
        Ok(vec![fake_chat::conversation()])
    }

    async fn chat_send(&self, request: ChatSend) -> Answer<ChatItem> {
        fake_chat::send(&request)
    }

    async fn chat_about(&self, request: ChatAbout) -> Answer<ChatItem> {
        fake_chat::about(&request)
    }

    async fn chat_read(&self, request: ChatRead) -> Answer<Vec<ChatItem>> {
        fake_chat::named(&request.to).map(|()| vec![fake_chat::item()])
    }

    async fn chat_search(&self, request: ChatSearch) -> Answer<ChatFound> {
        fake_chat::search(&request)
    }

    async fn chat_backup(&self, request: ChatBackup) -> Answer<ChatBackupPart> {
        fake_chat::backup(&request)
    }

    async fn chat_restore(&self, request: ChatRestore) -> Answer<ChatRestored> {
        fake_chat::restore(&request)
    }

    async fn chat_mark(&self, request: ChatMark) -> Answer<ChatConversation> {
        fake_chat::named(&request.to).map(|()| fake_chat::conversation())
    }

    async fn chat_keep(&self, request: ChatKeep) -> Answer<ChatConversation> {
        fake_chat::named(&request.to).map(|()| fake_chat::conversation())
    }

    async fn chat_show(&self, request: ChatShow) -> Answer<ChatItem> {
        fake_chat::message(&request.to, &request.message)
    }

    async fn chat_upload(&self, request: ChatUploadPart) -> Answer<ChatUpload> {
        Ok(ChatUpload { upload: request.upload, size: request.at + request.bytes.0.len() as u64 })
    }

    async fn chat_attach(&self, request: ChatAttach) -> Answer<ChatItem> {
        fake_chat::named(&request.to).map(|()| fake_chat::item())
    }

    async fn chat_fetch(&self, request: ChatFetch) -> Answer<ChatAttachment> {
        fake_chat::message(&request.to, &request.message).map(|_| fake_chat::attachment())
    }

    async fn chat_file(&self, request: ChatFileRead) -> Answer<ChatFilePart> {
        fake_chat::message(&request.to, &request.message).map(|_| fake_chat::part(request.at))
    }

    async fn chat_poll(&self, request: ChatPollAsk) -> Answer<ChatItem> {
        fake_chat::named(&request.to).map(|()| fake_chat::item())
    }

    async fn chat_vote(&self, request: ChatVote) -> Answer<ChatItem> {
        fake_chat::message(&request.to, &request.message)
    }

    async fn chat_list(&self, request: ChatListMake) -> Answer<ChatItem> {
        fake_chat::named(&request.to).map(|()| fake_chat::item())
    }

    async fn chat_list_change(&self, request: ChatListChange) -> Answer<ChatItem> {
        fake_chat::message(&request.to, &request.message)
    }

    async fn chat_memo(&self, request: ChatMemo) -> Answer<ChatItem> {
        Ok(ChatItem { kind: "memo".to_owned(), text: request.text, remind_ms: request.remind_ms, ..fake_chat::item() })
    }

    async fn chat_reminders(&self) -> Answer<Vec<ChatItem>> {
        let remind_ms = Some(byway_primitives::Time(1_800_000_000_000));
        Ok(vec![ChatItem { kind: "memo".to_owned(), remind_ms, ..fake_chat::item() }])
    }

    async fn chat_typing(&self, request: ChatTyping) -> Answer<()> {
        fake_chat::named(&request.to)
    }

    async fn chat_presence(&self, _: ChatPresenceSet) -> Answer<()> {
        Ok(())
    }

    async fn chat_tells(&self, request: ChatTellsSet) -> Answer<ChatTells> {
        Ok(ChatTells { typing: request.typing.unwrap_or(true), ..ChatTells::default() })
    }

    async fn chat_group_create(&self, request: ChatGroupCreate) -> Answer<ChatConversation> {
        Ok(fake_chat::group(&request.title))
    }

    async fn chat_group_change(&self, request: ChatGroupChange) -> Answer<ChatConversation> {
        fake_chat::change(&request)
    }

    async fn hub_status(&self) -> Answer<HubStatus> {
        Ok(fake_hubs::status())
    }

    async fn identity_card(&self) -> Answer<IdentityCard> {
        Ok(IdentityCard { card: "byway:peer/7777".to_owned(), expires_ms: Time(9) })
    }

    async fn backup_export(&self) -> Answer<BackupExport> {
        Ok(BackupExport {
            made_ms: Time(5),
            identity: id(7),
            peers: 1,
            left_out: 0,
            unsettled: "0.5".parse().unwrap(),
            content: "6279776179657870".to_owned(),
        })
    }

    async fn market_ports(&self) -> Answer<Vec<GivenPort>> {
        Ok(vec![fake_forwards::given()])
    }

    async fn market_port_close(&self, request: MarketPortClose) -> Answer<Vec<GivenPort>> {
        Err(ApiError::port_not_given(request.port))
    }

    async fn market_blocks(&self) -> Answer<Vec<ProviderBlock>> {
        let destination = "bad.example:443".parse().unwrap();
        Ok(vec![ProviderBlock { destination, since_ms: Time(5), until_ms: Some(Time(9)), note: Some("spam".into()) }])
    }

    async fn market_block(&self, request: MarketBlock) -> Answer<ProviderBlock> {
        let MarketBlock { destination, for_ms, note } = request;
        Ok(ProviderBlock { destination, since_ms: Time(5), until_ms: for_ms.map(|span| Time(5) + span), note })
    }

    async fn market_unblock(&self, request: MarketUnblock) -> Answer<ProviderBlock> {
        Err(ApiError::block_not_found(&request.destination.to_string()))
    }

    async fn promise_list(&self) -> Answer<Vec<Promise>> {
        Ok(vec![promise()])
    }

    async fn promise_settle(&self, request: PromiseSettle) -> Answer<PromiseSettlement> {
        if request.counterparty != id(1) {
            return Err(ApiError::promise_not_found(request.counterparty));
        }
        let entry = self.transact(EntryKind::SettleIn, Amount::from_coins(1)).await?;
        Ok(PromiseSettlement { entries: vec![entry], asked: true })
    }

    async fn wallet_address(&self) -> Answer<WalletAddress> {
        Ok(WalletAddress { address: "way00".into() })
    }

    async fn wallet_view_key(&self) -> Answer<WalletViewKey> {
        Ok(WalletViewKey { view_key: "wayview00".into(), address: "way00".into() })
    }

    async fn wallet_balance(&self) -> Answer<Balance> {
        Ok(status(ConnectionState::Idle).balance)
    }

    async fn wallet_history(&self, _: WalletHistory) -> Answer<Vec<Entry>> {
        Ok(self.history.lock().unwrap().clone())
    }

    async fn wallet_send(&self, request: WalletSend) -> Answer<Entry> {
        if !request.to.starts_with("way") {
            return Err(ApiError::invalid_address("to", "it has another form"));
        }
        self.transact(EntryKind::Send, request.amount).await
    }

    async fn wallet_deposit(&self, request: WalletMove) -> Answer<Entry> {
        if let Some(gate) = &self.gate {
            self.arrived.notify_one();
            gate.notified().await;
        }
        self.transact(EntryKind::Deposit, request.amount).await
    }

    async fn wallet_withdraw(&self, request: WalletWithdraw) -> Answer<Entry> {
        Err(ApiError::insufficient_account(request.amount, "12.5".parse().unwrap()))
    }

    async fn wallet_withdraw_cancel(&self, _: WalletWithdrawCancel) -> Answer<Entry> {
        Err(ApiError::nothing_to_withdraw())
    }

    async fn wallet_consolidate(&self, request: WalletConsolidate) -> Answer<Consolidation> {
        let transactions = if request.mix { 1 } else { 2 };
        Ok(Consolidation { transactions, outputs: 6, until_ms: Time(request.within_seconds * 1000) })
    }

    async fn asset_list(&self) -> Answer<Vec<Asset>> {
        Ok(vec![asset(id(1)), asset(id(2)), Asset { symbol: "XYZ".parse().unwrap(), ..asset(id(7)) }])
    }

    async fn asset_register(&self, _: AssetRegister) -> Answer<Entry> {
        self.transact(EntryKind::AssetRegister, Amount::from_coins(1)).await
    }

    async fn asset_issue(&self, request: AssetIssue) -> Answer<Entry> {
        match request.to {
            Some(to) if !to.starts_with("way") => Err(ApiError::invalid_address("to", "it has another form")),
            _ => self.transact(EntryKind::Issue, request.amount).await,
        }
    }

    async fn asset_burn(&self, request: AssetBurn) -> Answer<Entry> {
        self.transact(EntryKind::Burn, request.amount).await
    }

    async fn group_list(&self) -> Answer<Vec<GroupRecord>> {
        Ok(vec![])
    }

    async fn group_join(&self, _: GroupJoin) -> Answer<GroupRecord> {
        Err(ApiError::invalid_params("key", "it has another form"))
    }

    async fn group_propose(&self, _: GroupPropose) -> Answer<GroupProposal> {
        Err(ApiError::group_not_found())
    }

    async fn group_show(&self, _: GroupLook) -> Answer<GroupProposal> {
        Err(ApiError::group_not_found())
    }

    async fn group_sign(&self, _: GroupLook) -> Answer<GroupProposal> {
        Err(ApiError::proposal_refused("it is a fake"))
    }

    async fn group_submit(&self, _: GroupSubmit) -> Answer<Entry> {
        self.transact(EntryKind::GroupSend, Amount::ZERO).await
    }

    async fn kernel_owner(&self) -> Answer<KernelOwner> {
        Ok(KernelOwner { owner: id(9) })
    }

    async fn kernel_look(&self, request: KernelLook) -> Answer<KernelPlan> {
        let signed: byway_records::SignedEntry = request.entry.parse().map_err(ApiError::entry_refused)?;
        let Member { name, address, key, owner, .. } = signed.entry.member;
        let (pledge, wallet) = (Amount::from_coins(10_000), Amount::from_coins(99));
        Ok(KernelPlan { name, address, key, owner, seat: request.seat, pledge, lock_ms: 7, lock_commits: 8, wallet })
    }

    async fn kernel_join(&self, _: KernelJoin) -> Answer<Entry> {
        self.transact(EntryKind::NodePledge, Amount::from_coins(10_000)).await
    }

    async fn kernel_leave(&self, request: KernelSeat) -> Answer<Entry> {
        match request.seat {
            0 => self.transact(EntryKind::NodeCall, Amount::ZERO).await,
            other => Err(ApiError::seat_not_found(other)),
        }
    }

    async fn kernel_reclaim(&self, _: KernelSeat) -> Answer<Entry> {
        self.transact(EntryKind::NodeReclaim, Amount::from_coins(10_000)).await
    }

    async fn kernel_rotate(&self, _: KernelRotate) -> Answer<Entry> {
        self.transact(EntryKind::NodeCall, Amount::ZERO).await
    }

    async fn kernel_appeal(&self, request: KernelAppeal) -> Answer<Entry> {
        Err(ApiError::conviction_not_found(request.seat))
    }

    async fn kernel_upgrade(&self, _: KernelUpgrade) -> Answer<Entry> {
        self.transact(EntryKind::NodeCall, Amount::ZERO).await
    }

    async fn ledger_audit(&self) -> Answer<Audit> {
        let pool = Amount::from_coins(if self.balanced { 1_000_000 } else { 999_999 });
        let parts = AuditParts { pool, ..AuditParts::default() };
        Ok(Audit::of(Height(3), Time(5), Amount::from_coins(1_000_000), parts))
    }

    async fn ledger_transaction(&self, _: TransactionId) -> Answer<TransactionRecord> {
        Err(ApiError::transaction_not_found())
    }

    async fn ledger_identity(&self, id: IdentityId) -> Answer<IdentityRecord> {
        Ok(IdentityRecord {
            id,
            registered: true,
            pledge: Some(Amount::from_coins(1)),
            since_ms: None,
            account: Amount::from_coins(12),
            withdrawing: vec![],
            offers: vec![],
            bounces: 0,
        })
    }
}
