//! Texts that people send each other.

use byway_chat::delivery::own_letter::LinkToken;
use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_crypto::{IdentitySecret, WalletSecret};
use byway_dialogue::StaticCertificate;
use byway_kernel::light;
use byway_peer::link::{DeviceOffer, Invite, InviteSeed, KernelPeer, NetworkLink, PeerCard};
use byway_primitives::Amount;
use byway_records::offer::Contact;
use byway_records::{Height, TransactionId};

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
    let peer = |number: u8| KernelPeer { key: StaticKey([number; 32]), address: format!("k{number}.example.org:7100") };
    let bare = NetworkLink::new(NETWORK, vec![peer(1)]);
    let full = NetworkLink {
        kernel: vec![peer(1), peer(2)],
        relay: Some("https://relay.example.org".to_owned().into()),
        checkpoint: Some(light::TrustedCheckpoint { height: Height(300), digest: HASH }),
        ..bare.clone()
    };
    [bare.to_string(), full.to_string(), full.to_string().to_uppercase()].map(String::into_bytes).into()
}

pub(crate) fn invite_link() -> Samples {
    let peer = KernelPeer { key: StaticKey([1; 32]), address: "k1.example.org:7100".to_owned() };
    let invite = Invite {
        network: NetworkLink::new(NETWORK, vec![peer]),
        seed: InviteSeed([5; 16].into()),
        transaction: TransactionId(HASH),
        ghost: TransactionSecret::from_seed(&[7; 32]).public(),
        outputs: vec![(0, Amount::from_coins(12)), (3, Amount::from_coins(9))],
        pledge: Amount::from_coins(1),
        expires: Some(TIME),
    };
    let endless = Invite { expires: None, pledge: Amount::ZERO, ..invite.clone() };
    [invite, endless].map(|invite| invite.to_text().as_bytes().to_vec()).into()
}

pub(crate) fn device_offer() -> Samples {
    let identity = IdentitySecret::from_bytes(&[1; 32]).expect("a key");
    let certificate = StaticCertificate::issue(&identity, NETWORK, StaticKey([3; 32]), TIME);
    let contacts = vec![Contact { protocol: "example".to_owned(), data: vec![1, 2, 3] }];
    let full = DeviceOffer { card: PeerCard { certificate, contacts }, token: LinkToken([5; 16].into()), until: TIME };
    let bare = DeviceOffer { card: PeerCard { certificate, contacts: Vec::new() }, ..full.clone() };
    let texts = [full.to_text(), bare.to_text(), full.to_text().to_uppercase().into()];
    texts.map(|text| text.as_bytes().to_vec()).into()
}
