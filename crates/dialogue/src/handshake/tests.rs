use byway_crypto::IdentitySecret;
use byway_primitives::Span;

use super::*;
use crate::frame::{Frame, Positions, Record, Tag};
use crate::link::{LinkId, LinkProfile, MTU_MIN};
use crate::session::Session;

const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

fn local(byte: u8) -> Local {
    let identity = IdentitySecret::from_bytes(&[byte; 32]).expect("a key");
    let static_key = StaticKey::of(&[byte + 100; 32]);
    let certificate = StaticCertificate::issue(&identity, NETWORK, static_key, Time(1_800_000_000_000));
    Local::new(certificate, [byte + 100; 32]).expect("they fit")
}

fn hello() -> HelloPayload {
    let secret = DialogueSecret::from_bytes([5; 32]);
    HelloPayload { certificate: *local(1).certificate(), dialogue: secret.id(), incarnation: Incarnation([6; 8]) }
}

fn welcome(answer: Answer) -> WelcomePayload {
    WelcomePayload { certificate: *local(2).certificate(), incarnation: Incarnation([9; 8]), answer }
}

#[test]
fn the_payloads_are_frozen() {
    let payloads =
        [hello().to_bytes(), welcome(Answer::Known).to_bytes(), welcome(Answer::Refused(Refusal::Full)).to_bytes()];
    let frozen = [include_str!("hello.hex"), include_str!("welcome_known.hex"), include_str!("welcome_refused.hex")];
    assert_eq!(payloads.map(hex::encode), frozen.map(str::trim));
}

#[test]
fn payloads_come_back() {
    assert_eq!(HelloPayload::from_bytes(&hello().to_bytes()), Ok(hello()));
    for answer in
        [Answer::Known, Answer::Unknown, Answer::Refused(Refusal::Glare), Answer::Refused(Refusal::Certificate)]
    {
        assert_eq!(WelcomePayload::from_bytes(&welcome(answer).to_bytes()), Ok(welcome(answer)));
    }
}

#[test]
fn every_handshake_frame_fits_the_smallest_link() {
    let link = Link { id: LinkId(1), profile: LinkProfile::datagram(MTU_MIN, Span::millis(1)), binding: [0; 32] };
    let (alice, bob) = (local(1), local(2));
    let mut initiator = alice.initiate(NETWORK, &link, bob.certificate().static_key, &[1; 32]).expect("starts");
    let mut responder = bob.respond(NETWORK, &link, &[2; 32]).expect("starts");
    let first = initiator.write(&hello().to_bytes()).expect("writes");
    let tag = Tag::of(&first);
    responder.read(&first).expect("reads");
    let second = responder.write(&welcome(Answer::Refused(Refusal::Full)).to_bytes()).expect("writes");
    initiator.read(&second).expect("reads");
    let mut session = Session::new(link.id, tag, initiator.into_numbered_transport().expect("completes"));
    let positions = Positions { durable: u64::MAX, incarnation: Incarnation([1; 8]), volatile: u64::MAX };
    let credential = crate::frame::Credential::Resume(Hash([1; 32]));
    let live = session.seal(&[Record::Live { positions, credential }]);
    for frame in [Frame::Hello(first).to_bytes(), Frame::Welcome { tag, message: second }.to_bytes(), live] {
        assert!(frame.len() <= MTU_MIN, "{} bytes", frame.len());
    }
}

#[test]
fn a_proof_is_for_one_secret_role_and_handshake() {
    let secret = DialogueSecret::from_bytes([5; 32]);
    let proof = secret.proof(Role::Initiator, &[1; 64]);
    assert_ne!(proof, secret.proof(Role::Responder, &[1; 64]));
    assert_ne!(proof, secret.proof(Role::Initiator, &[2; 64]));
    assert_ne!(proof, DialogueSecret::from_bytes([6; 32]).proof(Role::Initiator, &[1; 64]));
}

#[test]
fn seeds_do_not_repeat() {
    let mut seeds = Seeds::new([1; 32]);
    let (first, second) = (seeds.draw(), seeds.draw());
    assert_ne!(*first, *second);
    assert_eq!(*first, *Seeds::new([1; 32]).draw());
}

#[test]
fn a_certificate_for_another_key_is_not_taken() {
    assert_eq!(Local::new(*local(1).certificate(), [3; 32]).map(|_| ()), Err(LocalError));
}
