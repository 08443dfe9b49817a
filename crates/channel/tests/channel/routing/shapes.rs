//! A peer gives a contract's storage a shape in which to show a few locks takes much.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use byway_channel::CloseError;
use byway_channel::routing::conduit::{self, LockId};
use byway_channel::routing::{PARTS_MAX, Preimage, Reason};
use byway_primitives::Span;
use byway_primitives::hash::Context;
use byway_records::call::ChannelsCall;
use byway_records::channel::Side;
use byway_records::promise::ChannelId;
use byway_vm::{Address, code_hash};

use super::guards::{Lock, lock_for, make, order, propose};
use super::net::Net;
use super::parts::{part, refusals, stages, waiting};
use crate::world::{CHANNEL_PRICE, units};

const EACH: u128 = 400_000;
/// How deep the locks are to lie.
const BITS: u32 = 19;
const PATH: Context = Context("byway 1 state: path");

/// Where the three slots of a lock lie in the tree.
fn paths(id: LockId) -> [u128; 3] {
    let first = code_hash(&[id.0, [0; 32]].concat()).0;
    [0, 1, 2].map(|offset| {
        let mut slot = first;
        slot[31] = slot[31].wrapping_add(offset);
        let path = PATH.hash(&[&slot]).0;
        u128::from_be_bytes(*path.first_chunk().unwrap())
    })
}

/// Locks that branch off from the ways to these of the payee, at as many bits as can be found quickly.
fn neighbours(of: RangeInclusive<u8>) -> Vec<LockId> {
    let wanted: Vec<u128> = of.flat_map(|number| paths(LockId([number; 32]))).collect();
    let (mut met, mut found) = (BTreeSet::new(), Vec::new());
    for number in 0..1_000_000u64 {
        let mut id = [200; 32];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let pairs =
            paths(LockId(id)).into_iter().flat_map(|path| wanted.iter().enumerate().map(move |pair| (path, pair)));
        let bits = pairs.map(|(path, (place, wanted))| (place, (path ^ wanted).leading_zeros()));
        let new: Vec<_> = bits.filter(|pair| pair.1 <= BITS && !met.contains(pair)).collect();
        if !new.is_empty() {
            met.extend(new);
            found.push(LockId(id));
        }
    }
    found
}

/// The payer makes such locks of one unit, with so long between them.
fn surround(net: &mut Net, channel: ChannelId, locks: RangeInclusive<u8>, between: Span) {
    let place = conduit::all(net.machine(0, channel).state()).next().unwrap();
    let (until, payee) = (net.now + Span::minutes(60), Address::from(net.id(1)));
    for id in neighbours(locks) {
        let dust = conduit::lock(Side::Initiator, place, id, Preimage([3; 32]).hash(), until, payee, units(1));
        propose(net, 0, channel, dust);
        if between > Span::ZERO {
            net.tick(between);
        }
    }
}

fn gas_taken(call: &ChannelsCall) -> Option<u64> {
    if let ChannelsCall::ForceProgress(force) = call { Some(force.gas_taken()) } else { None }
}

#[test]
fn locks_that_a_peer_makes_too_large_to_be_shown_together_are_opened_in_several_calls() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, EACH * u128::from(PARTS_MAX)).terms.hash;
    net.run();
    let last = PARTS_MAX as u8;
    (1..last).for_each(|number| lock_for(&mut net, (0, 1), number, hash, EACH, &part(1)));
    let channel = make(&mut net, (0, 1), hash, Lock { number: last, amount: EACH, span: Span::minutes(10), place: 0 });
    surround(&mut net, channel, 1..=last, Span::ZERO);
    order(&mut net, (0, 1), hash, last, &part(1));
    while net.step(1) {}
    net.vanish(0);
    net.pass(Span::minutes(80));
    assert_eq!(stages(&net, 1), []);
    let all = (EACH * u128::from(PARTS_MAX)) as i128;
    let forced: Vec<u64> = net.calls.iter().filter_map(gas_taken).collect();
    assert!(forced.len() > 1, "one call is not enough");
    let taken = i128::from(forced.iter().sum::<u64>()) + (net.calls.len() as u128 * CHANNEL_PRICE) as i128;
    assert!(net.gain(1) >= all - taken, "it is paid, less what the ledger takes: {}, {:?}", net.gain(1), net.refused);
}

#[test]
fn a_lock_that_three_calls_could_not_show_beside_the_others_is_refused() {
    let mut net = Net::with_channels(2, &[(0, 1)]);
    let hash = net.invoice(1, 5_000_000).terms.hash;
    net.run();
    let channel = net.channel(0, 1);
    propose(&mut net, 0, channel, conduit::create(Side::Initiator));
    // More of the peer's calls are not executed in a time.
    surround(&mut net, channel, 1..=16, Span::millis(20));
    let lock = |net: &mut Net, number: u8| lock_for(net, (0, 1), number, hash, 1_000, &part(number / 8));
    (1..=12).for_each(|number| lock(&mut net, number));
    assert_eq!((waiting(&net, 1), refusals(&net, 1)), (12, vec![]));
    lock(&mut net, 13);
    assert_eq!((waiting(&net, 1), refusals(&net, 1)), (12, vec![Reason::Shape]), "far less than 24");

    let machine = net.machine(1, channel);
    let place = conduit::all(machine.state()).next().unwrap();
    let shown = |numbers: RangeInclusive<u8>| {
        let locks: Vec<_> = numbers.map(|number| (LockId([number; 32]), None)).collect();
        machine.can_force(&conduit::resolve(machine.side(), place, &locks))
    };
    // Where eight don't fit into one call four are tried.
    assert_eq!([shown(1..=4), shown(5..=8), shown(9..=12)], [Ok(()), Ok(()), Ok(())]);
    assert_eq!([shown(1..=8), shown(5..=12)], [Err(CloseError::TooLarge); 2]);
}
