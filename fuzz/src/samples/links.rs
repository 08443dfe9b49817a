//! Texts that people send each other.

use byway_crypto::WalletSecret;
use byway_crypto::noise::StaticKey;
use byway_kernel::light;
use byway_records::Height;

use super::{HASH, NETWORK, Samples, TIME};

pub(crate) fn payment_link() -> Samples {
    let request = byway_peer::wallet::PaymentRequest {
        network: NETWORK,
        to: WalletSecret::from_seed(&[1; 32]).address().into(),
        amount: "2.5".parse().ok(),
        asset: byway_primitives::AssetId::WAY,
        note: "Invoice 271 & thanks".parse().ok(),
        expires: Some(TIME),
    };
    let bare = byway_peer::wallet::PaymentRequest { amount: None, note: None, expires: None, ..request.clone() };
    vec![request.to_string().into_bytes(), bare.to_string().into_bytes()]
}

pub(crate) fn network_link() -> Samples {
    let peer = |number: u8| byway_peer::link::KernelPeer {
        key: StaticKey([number; 32]),
        address: format!("k{number}.example.org:7100"),
    };
    let bare = byway_peer::link::NetworkLink::new(NETWORK, vec![peer(1)]);
    let full = byway_peer::link::NetworkLink {
        kernel: vec![peer(1), peer(2)],
        relay: Some("https://relay.example.org".to_owned().into()),
        checkpoint: Some(light::TrustedCheckpoint { height: Height(300), digest: HASH }),
        ..bare.clone()
    };
    [bare.to_string(), full.to_string(), full.to_string().to_uppercase()].map(String::into_bytes).into()
}
