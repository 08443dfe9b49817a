//! A co-signed state, sealed, in so many bytes.
//!
//! What the ledger's entry says of a channel (who its parties are, what is in it, how often something has gone in or out) is left out, and one balance with it: it is what the
//! total leaves.

use byway_crypto::{IdentitySignature, packet};
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use byway_primitives::{Amount, NetworkId};
use byway_records::Channel;
use byway_records::channel::{ChannelState, Cosigned, Environment, Position, Side, WatchSecret};
use byway_records::promise::ChannelId;

/// Bytes of every packet.
pub const PACKET_BYTES: usize = 256;
/// Bytes of its number: enough for milliseconds of some thousands of years.
const NUMBER_BYTES: usize = 6;
/// Random bytes behind the number: whoever has lost its disk may come to a number again, and then seals other contents under others.
pub const RANDOM_BYTES: usize = packet::NONCE_BYTES - NUMBER_BYTES;
const CONTENT_BYTES: usize = PACKET_BYTES - packet::NONCE_BYTES - packet::TAG_BYTES;
const KEY: Context = Context("byway 1 channel packet");

/// What a watchtower is given: its number and random bytes, then what nobody can read who does not know the secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Packet(pub [u8; PACKET_BYTES]);

/// Why a state can't be given to watchtowers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    #[error("both lanes are in use, contracts hold money, and the amounts are too large: absorb what was promised")]
    TooLong,
}

/// Why a packet gives no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    #[error("it was sealed under another secret, or damaged")]
    Unreadable,
    /// Whoever knew the secret has sealed this round, and both have not signed it for what the ledger has.
    #[error("it is of another total than the ledger's")]
    OtherTotal { round: u64 },
}

impl Packet {
    /// Seals a state under what both parties know. Each side has a key of its own, so their numbers may meet.
    pub fn seal(
        secret: WatchSecret,
        side: Side,
        number: u64,
        random: [u8; RANDOM_BYTES],
        state: &Cosigned<ChannelState>,
    ) -> Result<Self, PacketError> {
        let mut content = content(state).ok_or(PacketError::TooLong)?;
        if content.len() > CONTENT_BYTES || number >> (8 * NUMBER_BYTES) != 0 {
            return Err(PacketError::TooLong);
        }
        content.resize(CONTENT_BYTES, 0);
        let nonce = [&number.to_be_bytes()[8 - NUMBER_BYTES..], &random].concat();
        let nonce = nonce.try_into().expect("the two parts of a nonce");
        let sealed = packet::seal(&key(secret, side, state.body.channel), &nonce, &content);
        let bytes = [&nonce[..], &sealed].concat();
        Ok(Self(bytes.try_into().expect("the parts of a packet")))
    }

    pub fn number(&self) -> u64 {
        self.0[..NUMBER_BYTES].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// The state inside, where it is one of this channel, as the ledger has it, that both have signed.
    pub fn open(
        &self,
        secret: WatchSecret,
        side: Side,
        network: NetworkId,
        channel: ChannelId,
        entry: &Channel,
    ) -> Result<Cosigned<ChannelState>, Unopened> {
        let (nonce, sealed) = self.0.split_first_chunk().expect("a packet is longer than its nonce");
        let content = packet::open(&key(secret, side, channel), nonce, sealed).ok_or(Unopened::Unreadable)?;
        let (round, read) = read(&content, entry.total).map_err(|_| Unopened::Unreadable)?;
        let (position, signatures) = read.ok_or(Unopened::OtherTotal { round })?;
        let body = ChannelState { network, channel, total: entry.total, fundings: entry.fundings, position };
        let state = Cosigned { body, parties: entry.parties, signatures };
        state.verify().map_err(|_| Unopened::OtherTotal { round })?;
        Ok(state)
    }
}

fn key(secret: WatchSecret, side: Side, channel: ChannelId) -> [u8; 32] {
    KEY.hash(&[&secret.0, &side.to_bytes(), &channel.0.0]).0
}

/// The last byte of a signature says which of four keys it is; both fit into one.
fn content(state: &Cosigned<ChannelState>) -> Option<Vec<u8>> {
    let position = &state.body.position;
    let mut out = Writer::new();
    let [one, two] = state.signatures.map(|signature| signature.0);
    out.raw(&one[..64]);
    out.raw(&two[..64]);
    out.byte((one[64] < 16 && two[64] < 16).then_some(one[64] << 4 | two[64])?);
    out.varint(position.round);
    out.value(&position.balances[0]);
    out.value(&position.rest(state.body.total)?);
    position.lanes.iter().for_each(|lane| out.value(lane));
    out.value(&position.root);
    out.value(&position.environment);
    Some(out.into_bytes())
}

/// The round, and what else is in it where the total is enough for that.
type Read = (u64, Option<(Position, [IdentitySignature; 2])>);

/// Of another total than the state's what comes out is no state that anybody signed.
fn read(content: &[u8], total: Amount) -> Result<Read, DecodeError> {
    let mut input = Reader::new(content);
    let mut signatures: [[u8; 65]; 2] = [[0; 65]; 2];
    for signature in &mut signatures {
        signature[..64].copy_from_slice(input.raw(64)?);
    }
    let which = input.byte()?;
    (signatures[0][64], signatures[1][64]) = (which >> 4, which & 15);
    let round = input.u64()?;
    let (first, rest): (Amount, Amount) = (input.value()?, input.value()?);
    let lanes: [byway_records::channel::Lane; 2] = [input.value()?, input.value()?];
    let (root, environment): (_, Environment) = (input.value()?, input.value()?);
    let others = [first, rest, lanes[0].capacity, lanes[1].capacity];
    let second = Amount::checked_sum(others).and_then(|others| total.checked_sub(others));
    let position = second.map(|second| Position { round, balances: [first, second], lanes, root, environment });
    Ok((round, position.map(|position| (position, signatures.map(IdentitySignature)))))
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Packet({})", self.number())
    }
}

impl Encode for Packet {
    fn encode(&self, out: &mut Writer) {
        out.raw(&self.0);
    }
}

impl Decode for Packet {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.array()?))
    }
}
