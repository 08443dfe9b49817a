//! Channels that the ledger has and the journal hasn't: the disk was lost, or its journal can't be read.
//!
//! What the ledger has is where such a side begins. What both signed since, its peer knows: it greets every connection with where it
//! stands, with our own signature under that. So a side that has lost its journal says nothing before it has heard the peer: one that
//! greets at once, as ours do, does not know of the loss, and shows its newest. A hostile one can wait, infer it from the silence, and
//! show an older state that both signed: nobody is left who could tell. All the rest is as with an old journal
//! (`reestablish`): rounds that may have been signed are left out (`rounds`), and the contracts' state is fetched.

use byway_primitives::{Amount, Batch, NetworkId, Time};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Cosigned, Held, Side, VirtualTerms};
use byway_records::promise::ChannelId;

use super::rounds::Present;
use super::{ChannelMachine, Link};
use crate::backing::Backing;
use crate::change::Ground;
use crate::journal::{Health, Life};
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Our side of a channel as the ledger has it; `None` where it is not ours.
    pub fn found(signer: S, network: NetworkId, id: ChannelId, entry: &Channel, now: Time) -> Option<Self> {
        let side = Side::BOTH.into_iter().find(|side| entry.parties[side.index()] == signer.id())?;
        let position = entry.position;
        // What each put in at first is known to nobody any more, and matters to nobody: it is what the first state divides.
        let (parties, deposits) = (entry.parties, position.balances);
        Amount::checked_sum(deposits)?;
        let (reserve, lock, remainder, secrets) = (entry.reserve, entry.lock, entry.remainder, entry.secrets);
        let terms = ChannelTerms { parties, deposits, reserve, lock, remainder, secrets, assets: entry.assets };
        // Which of the few that there can be with this peer.
        let peer = parties[side.other().index()];
        let mut own = (0..=u16::MAX).map(|number| signer.watch_secret(network, peer, number));
        let secret = own.find(|secret| secret.digest() == secrets[side.index()])?;
        let mut channel = Self::new(signer, Ground { network, terms }, side, secret, Life::Open, now);
        let record = &mut channel.record;
        (record.id, record.held, record.base, record.agreed) = (id, Held::of(entry), position, entry.signed);
        channel.present = Present::default();
        let (record, mut batch) = (&mut channel.record, Batch::new());
        // Where nothing was called the state follows from the balances.
        let state = record.ground.first_state(deposits, &entry.assets);
        if state.root() == position.root {
            channel.log.write_whole(&mut batch, id, &position, &state);
            channel.state = state;
        } else {
            record.health = Health::Recovering;
        }
        channel.persist(batch);
        Some(channel)
    }

    /// Our side of a virtual channel, as both agreed to open it: the ledger may have nothing of it. `None` where it is not ours.
    pub fn found_virtual(signer: S, terms: &Cosigned<VirtualTerms>, now: Time) -> Option<Self> {
        let VirtualTerms { network, terms: inner, hub, dispute, ends, environment, nonce } = terms.body;
        let root = Ground { network, terms: inner }.first_state(inner.deposits, &inner.assets).root();
        let entry = Channel::registered(&terms.body, terms.body.total()?, root);
        let mut channel = Self::found(signer, network, terms.body.id(), &entry, now)?;
        channel.record.backing = Some(Backing { hub, dispute, ends, environment, nonce });
        channel.record.authorisations = terms.signatures.map(Some);
        channel.persist(Batch::new());
        Some(channel)
    }

    /// There is a dialogue, and this side waits for the peer to speak first.
    pub fn listen(&mut self, now: Time) {
        self.begin(now);
        self.link = Link::Listening;
        self.beside.begin();
        self.persist(Batch::new());
        // Where both have lost the state nobody speaks first, unless their users do.
        self.say_split(now);
    }
}
