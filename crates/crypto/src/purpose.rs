//! What a signature is for.

use byway_primitives::hash::Context;
use byway_primitives::{Hash, NetworkId};
use sha2::{Digest, Sha256};

/// The purposes that anything in Byway is signed for. Each has its own digest function; the texts are fixed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// An input of a transaction is spent (ed25519, one-time key).
    Spend,
    /// An identity authorises a transaction that calls a program (ECDSA).
    Authorise,
    /// The payer's signature on a promise (ECDSA).
    Promise,
    /// The payee's signature that lets a promise settle in whole (ECDSA).
    Settle,
    /// The payee's signature that lets a promise settle for what is there, and gives up the rest (ECDSA).
    SettleWhatIsThere,
    /// The signature of either of two that lets promises each way between them settle together (ECDSA).
    SettlePair,
    /// The signature of either party of a channel on a state of it (ECDSA).
    ChannelState,
    /// The signature of either party on a deposit or withdrawal of its channel (ECDSA).
    ChannelFunding,
    /// The signature of either party on how its channel is closed (ECDSA).
    ChannelClose,
    /// A party's signature on a call that the ledger is to execute (ECDSA).
    ChannelCall,
    /// What a payee asks to be paid over channels (ECDSA).
    ChannelInvoice,
    /// The signature of either party on the terms of a virtual channel (ECDSA).
    VirtualTerms,
    /// The signature of either party, or of the hub, on how a virtual channel ends (ECDSA). Contracts check it.
    VirtualClose,
    /// A service offer (ECDSA).
    Offer,
    /// A kernel node's snapshot (ed25519).
    Snapshot,
    /// A kernel node's vote on a checkpoint (ed25519).
    Checkpoint,
    /// A kernel node's share of the coin of a round (threshold BLS).
    Coin,
    /// A kernel node's hot key stands for a member that is to have a seat (ed25519).
    Member,
    /// A kernel node that has a seat has caught up (ed25519).
    Ready,
    /// What a kernel node contributes to the dealing of the coin's key (ed25519).
    Ceremony,
    /// An identity's certificate on the X25519 static key of its dialogues (ECDSA).
    DialogueStatic,
    /// Where an identity can be reached now (ECDSA).
    Contact,
    /// What an identity says of how a provider served it (ECDSA).
    Attestation,
    /// An identity's certificate on the key of one of its devices, for conversations (ECDSA).
    Device,
    /// A node agrees to be a device of another identity, for conversations (ECDSA).
    DeviceConsent,
    /// Who a sealed letter is from, inside its seal (ECDSA).
    HeldLetter,
    /// Whom a held letter is for has it (ECDSA).
    HeldReceipt,
}

impl Purpose {
    /// The digest to sign: of the purpose, the network and the message. What contracts check is digested as they can: with SHA-256, and
    /// with the digest of the purpose's text in front.
    pub fn digest(self, network: NetworkId, message: &[u8]) -> Hash {
        let context = self.context();
        if self != Purpose::VirtualClose {
            return context.hash(&[&network.0.0, message]);
        }
        let purpose = Sha256::digest(context.0.as_bytes());
        Hash(Sha256::new().chain_update(purpose).chain_update(network.0.0).chain_update(message).finalize().into())
    }

    fn context(self) -> Context {
        Context(match self {
            Purpose::Spend => "byway 1 signature: spend",
            Purpose::Authorise => "byway 1 signature: authorise",
            Purpose::Promise => "byway 1 signature: promise",
            Purpose::Settle => "byway 1 signature: settle",
            Purpose::SettleWhatIsThere => "byway 1 signature: settle what is there",
            Purpose::SettlePair => "byway 1 signature: settle pair",
            Purpose::ChannelState => "byway 1 signature: channel state",
            Purpose::ChannelFunding => "byway 1 signature: channel funding",
            Purpose::ChannelClose => "byway 1 signature: channel close",
            Purpose::ChannelCall => "byway 1 signature: channel call",
            Purpose::ChannelInvoice => "byway 1 signature: channel invoice",
            Purpose::VirtualTerms => "byway 1 signature: virtual terms",
            Purpose::VirtualClose => "byway 1 signature: virtual close",
            Purpose::Offer => "byway 1 signature: offer",
            Purpose::Snapshot => "byway 1 signature: snapshot",
            Purpose::Checkpoint => "byway 1 signature: checkpoint",
            Purpose::Coin => "byway 1 signature: coin",
            Purpose::Member => "byway 1 signature: member",
            Purpose::Ready => "byway 1 signature: ready",
            Purpose::Ceremony => "byway 1 signature: ceremony",
            Purpose::DialogueStatic => "byway 1 signature: dialogue static",
            Purpose::Contact => "byway 1 signature: contact",
            Purpose::Attestation => "byway 1 signature: attestation",
            Purpose::Device => "byway 1 signature: device",
            Purpose::DeviceConsent => "byway 1 signature: consent of a device",
            Purpose::HeldLetter => "byway 1 signature: held letter",
            Purpose::HeldReceipt => "byway 1 signature: held receipt",
        })
    }
}
