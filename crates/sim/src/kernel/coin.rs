//! A coin for simulated kernels, dealt among the nodes before the world begins.

use std::sync::Arc;

use byway_crypto::threshold::dealing::{Dealing, DealingSecret, VerifiedDealing};
use byway_crypto::threshold::{ShareSecret, ThresholdKey};
use byway_kernel::coin::CoinKey;
use byway_primitives::Hash;
use byway_records::genesis::faults_tolerated;

/// What each of `nodes` nodes holds after f + 1 of them have dealt.
pub fn deal(nodes: usize) -> Vec<CoinKey> {
    let (members, threshold) = (nodes as u8, faults_tolerated(nodes) + 1);
    let secret = |node: u8| DealingSecret::from_seed(&[node; 32]);
    let receivers: Vec<_> = (0..members).map(|node| (node, secret(node).public())).collect();
    let dealt = |dealer: usize| {
        let occasion = Hash([dealer as u8; 32]);
        let dealing = Dealing::deal(&[dealer as u8; 32], occasion, threshold, &receivers);
        dealing.verify(occasion, threshold, &receivers).expect("honest nodes deal soundly")
    };
    let dealings: Vec<VerifiedDealing> = (0..threshold).map(dealt).collect();
    let public = Arc::new(ThresholdKey::sum(&dealings, members).expect("there are dealings"));
    let part = |node: u8| {
        let opened = dealings.iter().filter_map(|dealing| dealing.open(node, &secret(node), &[node; 32])?.ok());
        CoinKey { public: public.clone(), secret: ShareSecret::sum(opened) }
    };
    (0..members).map(part).collect()
}
