//! What dishonest nodes say about the common coin.

use byway_crypto::NodeSecret;
use byway_crypto::threshold::ShareSecret;
use byway_crypto::threshold::ceremony::{Ceremony, Duty, Opened};
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::call::dealing::occasion;
use byway_records::call::{Contribution, KernelCall};
use byway_records::verified::verify;
use byway_records::{Body, Call, Genesis, Transaction, VerifiedTransaction, Witness};

use super::Setup;

/// A part of a key that is none of any network's.
pub fn foreign_share() -> ShareSecret {
    let secret = Setup::secret(0).dealing();
    let mut ceremony = Ceremony::new(Hash([1; 32]), vec![(0, secret.public())]);
    let dealing = ceremony.deal_as(0, &secret);
    ceremony.deal(0, dealing).and_then(|()| ceremony.confirm(0)).expect("it does so alone");
    let mut opened = Opened::default();
    ceremony.look(0, &secret, &mut opened);
    ceremony.share(&opened).expect("it has dealt it to itself")
}

/// The dealing of `dealer` in the first ceremony, false for `victim`.
pub fn false_dealing(genesis: &Genesis, dealer: usize, victim: usize) -> VerifiedTransaction {
    let ceremony = Ceremony::new(occasion(genesis.network(), 0), genesis.epoch().seats.receivers());
    let dealing = ceremony.deal_twisted_as(dealer as u8, &Setup::secret(dealer).dealing(), twist(victim as u8));
    let contribution = Contribution::Deal(Box::new(dealing));
    contribute(genesis.network(), dealer, contribution, Time::ZERO)
}

/// A complaint of `member` about `dealer` in the first ceremony that shows nothing. With another `expires` it is another
/// transaction.
pub fn false_complaint(genesis: &Genesis, member: usize, dealer: usize, expires: Time) -> VerifiedTransaction {
    let secret = Setup::secret(member).dealing();
    let receivers = vec![(0, Setup::secret(dealer).dealing().public()), (1, secret.public())];
    let mut other = Ceremony::new(Hash([1; 32]), receivers);
    for (number, node) in [(0, dealer), (1, member)] {
        let dealing = other.deal_twisted_as(number, &Setup::secret(node).dealing(), twist(1));
        other.deal(number, dealing).expect("nobody can tell");
    }
    let mut opened = Opened::default();
    other.look(1, &secret, &mut opened);
    let Duty::Complain { complaint, .. } = other.duty(1, &opened) else { panic!("the shares are false") };
    let contribution = Contribution::Complain { dealer: dealer as u8, complaint };
    contribute(genesis.network(), member, contribution, expires)
}

/// Spoils what is sealed for a victim.
fn twist(victim: u8) -> impl Fn(u8, [u8; 32]) -> [u8; 32] {
    move |receiver, mut bytes| {
        bytes[1] ^= u8::from(receiver == victim);
        bytes
    }
}

fn contribute(network: NetworkId, node: usize, contribution: Contribution, expires: Time) -> VerifiedTransaction {
    let (seat, secret): (u8, NodeSecret) = (node as u8, Setup::secret(node));
    let signature = contribution.sign(&secret, network, occasion(network, 0), seat);
    let call = Call::Kernel(KernelCall::Contribute { seat, contribution, signature });
    let call = Some(call.envelope(None, None));
    let body = Body { inputs: Vec::new(), outputs: Vec::new(), ghost: None, call, fee: Amount::ZERO, expires };
    let witness = Witness { spends: Vec::new(), authorisations: Vec::new() };
    verify(network, Transaction { body, witness }).expect("well-formed")
}
