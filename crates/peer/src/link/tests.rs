//! What comes back from a link, and what is none.

use byway_crypto::ghost::TransactionSecret;
use byway_crypto::noise::StaticKey;
use byway_kernel::light::TrustedCheckpoint;
use byway_primitives::codec::Encode;
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::{Height, TransactionId};
use proptest::prelude::*;
use zeroize::Zeroizing;

use super::*;

fn peer(number: u8, address: &str) -> KernelPeer {
    KernelPeer { key: StaticKey([number; 32]), address: address.to_owned() }
}

fn link() -> NetworkLink {
    NetworkLink {
        relay: Some(Zeroizing::new("https://relay.example.org".to_owned())),
        checkpoint: Some(TrustedCheckpoint { height: Height(300), digest: Hash([3; 32]) }),
        ..NetworkLink::new(
            NetworkId(Hash([7; 32])),
            vec![peer(1, "k1.example.org:7100"), peer(2, "[2001:db8::2]:7100")],
        )
    }
}

/// A part with these bytes and a check that fits.
fn with_bytes(version: u8, content: &impl Encode) -> Result<NetworkLink, LinkError> {
    let bytes = [vec![version], content.to_bytes()].concat();
    let part = text::write(network::CHECK, &bytes);
    format!("byway:net/{}", *part).parse()
}

/// Frozen: links that were sent must be read by later versions.
#[test]
fn a_network_link_is_this_text() {
    let link = NetworkLink::new(NetworkId(Hash([7; 32])), vec![peer(1, "k1.example.org:7100")]);
    let text = link.to_string();
    assert_eq!(text, GOLDEN);
    assert_eq!(text.parse(), Ok(link.clone()));
    assert_eq!(text.to_uppercase().parse(), Ok(link));
}

const GOLDEN: &str = "byway:net/aedqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqobyha4dqoaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaeaqcaibaejwwmjomv4gc3lqnrss433sm45domjqgaaaaox3rxwa";

#[test]
fn what_is_no_link_is_named() {
    let text = link().to_string();
    let last = if text.ends_with('a') { 'b' } else { 'a' };
    for (text, expected) in [
        (text[1..].to_owned(), LinkError::Scheme),
        ("byway:network/abc".to_owned(), LinkError::Scheme),
        ("byway:pay?network=".to_owned(), LinkError::Payment),
        ("byway:net/".to_owned(), LinkError::Check),
        (text[..text.len() - 1].to_owned(), LinkError::Check),
        (format!("{}{last}", &text[..text.len() - 1]), LinkError::Check),
        (format!("{text}\u{2026}"), LinkError::Check),
        (format!("{text}{}", "a".repeat(LINK_MAX)), LinkError::TooLong),
    ] {
        assert_eq!(text.parse::<NetworkLink>(), Err(expected), "{text}");
    }
    assert_eq!(with_bytes(2, &link()), Err(LinkError::Version(2)));
}

#[test]
fn what_makes_no_sense_is_refused() {
    assert_eq!(with_bytes(1, &link()), Ok(link()));
    let relay = |text: &str| NetworkLink { relay: Some(Zeroizing::new(text.to_owned())), ..link() };
    let kernel = |kernel: Vec<KernelPeer>| NetworkLink { kernel, ..link() };
    for (what, damaged) in [
        ("nobody to ask", kernel(Vec::new())),
        ("too many", kernel(vec![peer(1, "a:1"); KERNEL_PEERS_MAX + 1])),
        ("no port", kernel(vec![peer(1, "k1.example.org")])),
        ("no host", kernel(vec![peer(1, ":7100")])),
        ("what would end a line of a file", kernel(vec![peer(1, "a\"\nrole = \"relay:1")])),
        ("a relay that would", relay("http://a\"b")),
        ("a relay with a space", relay("http://a b")),
        ("a long relay", relay(&"x".repeat(RELAY_TEXT_MAX + 1))),
    ] {
        let read = with_bytes(1, &damaged);
        assert!(matches!(read, Err(LinkError::Content(_))), "{what}: {read:?}");
    }
}

#[test]
fn a_relays_secret_is_not_shown() {
    let relay = Zeroizing::new("https://www.example.org/#secret=5ec4e7".to_owned());
    assert!(!format!("{:?}", NetworkLink { relay: Some(relay), ..link() }).contains("5ec4e7"));
}

#[test]
fn a_peer_is_a_key_and_an_address() {
    let key = "0b".repeat(32);
    let text = format!("{key}@k1.example.org:7100");
    assert_eq!(
        (text.parse(), peer(11, "k1.example.org:7100").to_string()),
        (Ok(peer(11, "k1.example.org:7100")), text)
    );
    for wrong in ["k1.example.org:7100", &format!("{key}@"), &format!("{key}@k1"), &format!("{key}@:7100"), "0b@a:1"] {
        assert_eq!(wrong.parse::<KernelPeer>(), Err(NoPeer), "{wrong}");
    }
}

fn invite() -> Invite {
    Invite {
        network: NetworkLink::new(NetworkId(Hash([7; 32])), vec![peer(1, "k1.example.org:7100")]),
        seed: InviteSeed(Zeroizing::new([5; 16])),
        transaction: TransactionId(Hash([6; 32])),
        ghost: TransactionSecret::from_seed(&[7; 32]).public(),
        outputs: vec![(0, Amount::from_coins(12)), (3, Amount::from_coins(9))],
        pledge: Amount::from_coins(1),
        expires: Some(Time(1_790_000_000_000)),
    }
}

/// Frozen, as a network link.
#[test]
fn an_invite_is_a_network_link_and_a_secret() {
    let text = invite().to_text();
    assert_eq!(*text, format!("byway:invite/{}/{GOLDEN_SECRET}", &GOLDEN["byway:net/".len()..]));
    assert_eq!(text.parse(), Ok(Link::Invite(Box::new(invite()))));
    assert_eq!(text.to_uppercase().parse(), Ok(Link::Invite(Box::new(invite()))));
    assert_eq!(invite().coins(), Amount::from_coins(20));
    // Without its last part it is what anyone may have.
    let (public, _) = text.rsplit_once('/').unwrap();
    let network = public.replacen("invite", "net", 1);
    assert_eq!(network.parse(), Ok(Link::Network(invite().network)));
}

const GOLDEN_SECRET: &str = "aecqkbifaucqkbifaucqkbifaucqmbqgaydambqgaydambqgaydambqgaydambqgaydambqgaydambwxk4e55oapgxryp7672bqgmlwl56eqvzqyupgyxxpmcmaco3izxababaeaydc33dneystaca4aqcijjduktpzxzaeasc53vvvn6agqdagyygriynece2seq";

#[test]
fn an_invite_without_sense_is_refused_and_none_is_shown() {
    let shown = format!("{:?}", Link::Invite(Box::new(invite())));
    assert!(!shown.contains(&hex::encode([5; 16])) && !shown.contains("5, 5"), "{shown}");
    let read = |invite: &Invite| invite.to_text().parse::<Link>();
    let coins = |outputs: Vec<(u32, u64)>| Invite {
        outputs: outputs.into_iter().map(|(index, coins)| (index, Amount::from_coins(coins))).collect(),
        ..invite()
    };
    for (what, damaged) in [
        ("no coins", coins(vec![])),
        ("nothing in them", Invite { pledge: Amount::ZERO, ..coins(vec![(1, 0)]) }),
        ("an output twice", coins(vec![(1, 5), (1, 5)])),
        ("in another order", coins(vec![(2, 5), (1, 5)])),
        ("too many", coins((0..=INVITE_OUTPUTS_MAX as u32).map(|index| (index, 1)).collect())),
        ("less than the pledge", Invite { pledge: Amount::from_coins(22), ..invite() }),
        ("more than there can be", Invite { outputs: vec![(0, Amount::MAX), (1, Amount::MAX)], ..invite() }),
    ] {
        assert!(matches!(read(&damaged), Err(LinkError::Content(_))), "{what}: {:?}", read(&damaged));
    }
    let text = invite().to_text();
    for (text, expected) in [
        (text.replacen("invite", "net", 1), LinkError::Check),
        (text[..text.len() - 1].to_owned(), LinkError::Check),
        (text.rsplit_once('/').unwrap().0.to_owned(), LinkError::Check),
    ] {
        assert_eq!(text.parse::<Link>(), Err(expected), "{text}");
    }
}

fn any_link() -> impl Strategy<Value = NetworkLink> {
    let address = ("[a-z0-9.-]{1,20}", any::<u16>()).prop_map(|(host, port)| format!("{host}:{port}"));
    let peer = (any::<[u8; 32]>(), address).prop_map(|(key, address)| KernelPeer { key: StaticKey(key), address });
    let checkpoint = (any::<u64>(), any::<[u8; 32]>());
    let parts = (
        any::<[u8; 32]>(),
        proptest::collection::vec(peer, 1..=KERNEL_PEERS_MAX),
        proptest::option::of("[!#-&(-\\[\\]-~]{1,40}"),
        proptest::option::of(checkpoint),
    );
    parts.prop_map(|(network, kernel, relay, checkpoint)| NetworkLink {
        network: NetworkId(Hash(network)),
        kernel,
        relay: relay.map(Zeroizing::new),
        checkpoint: checkpoint
            .map(|(height, digest)| TrustedCheckpoint { height: Height(height), digest: Hash(digest) }),
    })
}

proptest! {
    #[test]
    fn a_link_comes_back_small_or_capital(link in any_link()) {
        let text = link.to_string();
        prop_assert_eq!(text.to_uppercase().parse(), Ok(link.clone()));
        prop_assert_eq!(text.parse(), Ok(link));
    }

    #[test]
    fn another_letter_leads_nowhere(link in any_link(), at: prop::sample::Index, to in "[a-z2-7]") {
        let mut text = link.to_string();
        let at = "byway:net/".len() + at.index(text.len() - "byway:net/".len());
        if text[at..=at] != to {
            text.replace_range(at..=at, &to);
            prop_assert_eq!(text.parse::<NetworkLink>(), Err(LinkError::Check));
        }
    }
}

#[test]
fn what_a_node_shows_to_become_a_device_is_read_back_and_nothing_else_is() {
    let identity = byway_crypto::IdentitySecret::from_bytes(&[1; 32]).unwrap();
    let network = NetworkId(Hash([7; 32]));
    let certificate = byway_dialogue::StaticCertificate::issue(&identity, network, StaticKey([3; 32]), Time(900));
    let card = PeerCard { certificate, contacts: Vec::new() };
    let token = byway_chat::delivery::own_letter::LinkToken([5; 16].into());
    let offer = DeviceOffer { card: card.clone(), token, until: Time(600) };
    let text = offer.to_text();
    assert!(text.starts_with("byway:device/"));
    assert_eq!(text.parse(), Ok(offer.clone()));
    assert_eq!(text.to_uppercase().parse(), Ok(offer));
    let chat = ChatLink { card: card.clone(), token: byway_chat::delivery::InviteToken([5; 16].into()) }.to_text();
    for (wrong, expected) in [
        (card.to_string(), LinkError::Scheme),
        (chat.to_string(), LinkError::Scheme),
        (chat.replace("chat/", "device/"), LinkError::Check),
        (text[..text.len() - 1].to_owned(), LinkError::Check),
        (format!("{}{}", *text, "a".repeat(LINK_MAX)), LinkError::TooLong),
    ] {
        let read: Result<DeviceOffer, LinkError> = wrong.parse();
        assert_eq!(read, Err(expected));
    }
}
