//! What the market machine tells the shell around it.

use byway_access::quality::{AttestationFault, VerifiedAttestation};
use byway_access::session::{ClientNews, ProviderNews};
use byway_access::warning::WarningFault;
use byway_channel::guarantee::GuaranteeNews;
use byway_channel::routing::RoutingNews;
use byway_channel::watching::TowerNews;
use byway_channel::{ChannelKey, ChannelNews, PeerFault};
use byway_chat::chats::ChatNews;
use byway_chat::holding::{HeldFault, HolderNews, Judged};
use byway_dialogue::payment::PaymentNews;
use byway_dialogue::{ClosedBecause, LinkEnd, LinkId, RefusedBecause};
use byway_primitives::{DecodeError, Effect, IdentityId};
use byway_records::Promise;
use byway_records::call::AccountsCall;
use byway_records::promise::ChannelId;

use super::CardFault;
use crate::link::PeerCard;

/// What the shell is asked to do.
pub type Output = Effect<LinkId, Vec<u8>, MarketNews>;

/// News of the market.
#[derive(Debug, Clone)]
pub enum MarketNews {
    /// A dialogue is open, or open again, on this link.
    Talking {
        peer: IdentityId,
        link: LinkId,
    },
    /// Right after [`Talking`](Self::Talking): what the peer asked for before it knew that the dialogue is open. When the market
    /// knows of the peer what the shell knows, hand it back with [`Market::handle_early`](super::Market::handle_early).
    Early {
        peer: IdentityId,
        bytes: Vec<u8>,
    },
    /// The dialogue lost its link and waits for another.
    Detached {
        peer: IdentityId,
    },
    Closed {
        peer: IdentityId,
        reason: ClosedBecause,
        link: Option<LinkId>,
    },
    Refused {
        peer: IdentityId,
        link: LinkId,
        reason: RefusedBecause,
    },
    /// End this link.
    LinkEnded {
        link: LinkId,
        reason: LinkEnd,
    },
    /// There are too many links; end this one.
    LinkUnwanted(LinkId),
    /// A peer sent what makes no sense; the dialogue is closed.
    Malformed {
        peer: IdentityId,
        error: DecodeError,
    },
    /// The journal with a peer can't be read; the dialogue is closed.
    Damaged {
        peer: IdentityId,
        error: String,
    },
    /// Submit this call to the ledger and report with `handle_settlement`. It may be asked again. `promise` is the one that
    /// pays us, also where one of ours is settled along with it.
    Submit {
        peer: IdentityId,
        promise: Promise,
        call: Box<AccountsCall>,
    },
    /// A client asks for credit: ask other providers about it ([`Market::ask_about`](super::Market::ask_about)), those that
    /// are there or can be reached, or say that there is nobody.
    WarningsWanted {
        issuer: IdentityId,
    },
    /// Others hold promises of this client: say where the ledger stands with them
    /// ([`Market::note_settled_elsewhere`](super::Market::note_settled_elsewhere)).
    Warned {
        issuer: IdentityId,
    },
    /// A peer's question or answer about somebody is not what it should be.
    WarningFault {
        peer: IdentityId,
        fault: WarningFault,
    },
    /// A peer asks what we know of providers, from `start` on: answer with
    /// [`Market::tell_quality`](super::Market::tell_quality), or don't.
    QualityAsked {
        peer: IdentityId,
        start: IdentityId,
    },
    /// What a peer that we asked knows of providers. Whether the attesters are registered is for the shell to look up.
    QualityTold {
        peer: IdentityId,
        words: Vec<VerifiedAttestation>,
    },
    /// A peer that we asked passed on what is nobody's word.
    QualityFault {
        peer: IdentityId,
        fault: AttestationFault,
    },
    /// Something of the conversations has changed.
    Chat(ChatNews),
    /// What is held for others.
    Holding(HolderNews),
    /// Where one stands with those who hold for us has changed.
    HeldFor,
    /// What one who holds for us did, by what others handed over.
    HeldJudged {
        holder: IdentityId,
        judged: Judged,
    },
    /// What a holder says, or hands over, is not what it should be.
    HeldFault {
        holder: IdentityId,
        fault: HeldFault,
    },
    /// Somebody has hired our bot, or dismissed it, or said something to it.
    BotClient {
        client: IdentityId,
    },
    /// One stands otherwise with the host of a bot that we have hired.
    Hired {
        host: IdentityId,
    },
    /// A peer says where it is reached, or another who is in a group with both; the card is good.
    Whereabouts {
        peer: IdentityId,
        card: Box<PeerCard>,
    },
    /// A peer passed on a card that is not good, or not its own.
    CardFault {
        peer: IdentityId,
        fault: CardFault,
    },
    /// A session that we use.
    Using {
        provider: IdentityId,
        news: ClientNews,
    },
    /// A session that we serve.
    Serving {
        client: IdentityId,
        news: ProviderNews,
    },
    Payment {
        peer: IdentityId,
        news: PaymentNews,
    },
    /// A channel.
    Channel {
        key: ChannelKey,
        news: Box<ChannelNews>,
    },
    /// What a peer has us watch.
    Watching(TowerNews),
    /// What is watched for us has changed.
    Watched {
        channel: ChannelId,
    },
    /// A watchtower says that it has answered for us.
    WatchAnswered {
        channel: ChannelId,
        tower: IdentityId,
    },
    /// What became of a payment over several channels.
    Routing(RoutingNews),
    /// A guarantee of a virtual channel: of ours, or of others'.
    Guarantee(Box<GuaranteeNews>),
    /// Something was said in a channel, by us or by the peer, of so many bytes.
    ChannelSaid {
        key: ChannelKey,
        is_ours: bool,
        message: &'static str,
        round: Option<u64>,
        bytes: usize,
    },
    /// A peer breaks the rules of a channel.
    ChannelFault {
        peer: IdentityId,
        fault: PeerFault,
    },
}

impl MarketNews {
    /// Whether a peer has promised us more.
    pub(super) fn is_credit(&self) -> bool {
        matches!(self, MarketNews::Payment { news: PaymentNews::Credited { .. }, .. })
    }

    /// Whether it asks for something to be handed to the ledger. Whoever carries it out waits until all is durable that was
    /// written by then: a node that has forgotten after a crash what the ledger was shown can't go on from there.
    pub fn goes_to_ledger(&self) -> bool {
        match self {
            MarketNews::Submit { .. } | MarketNews::Watching(TowerNews::Submit { .. }) => true,
            MarketNews::Channel { news, .. } => news.goes_to_ledger(),
            _ => false,
        }
    }
}
