//! What a kernel node asks of clients that hand transactions in, over its real port.

use std::time::Duration;

use bytes::Bytes;
use byway_crypto::{IdentitySecret, Purpose};
use byway_driver::mesh::{Limits, MeshClient};
use byway_kernel::follower::{Answer, Refusal, Request};
use byway_kernel::stamp::{Demand, Stamp};
use byway_node::kernel_node::prologue;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, Encode, Hash, NetworkId, Time};
use byway_records::call::AccountsCall;
use byway_records::promise::ReservationId;
use byway_records::{Body, Call, Genesis, Transaction, Witness};

use crate::network::Network;

const REPLY_MAX: Duration = Duration::from_secs(90);

async fn connect(genesis: &Genesis, seed: u8) -> MeshClient {
    let (_, member) = genesis.members.iter().next().unwrap();
    let limits = Limits::default();
    let connected =
        MeshClient::connect(&member.address, member.mesh, &prologue(genesis), &[seed; 32], &limits).await.unwrap();
    connected.0
}

/// A well-formed call, of its own by its number.
fn call(network: NetworkId, number: u64) -> Transaction {
    let call = Call::Accounts(AccountsCall::Release { reservation: ReservationId(Hash([5; 32])) });
    let body = Body {
        inputs: Vec::new(),
        outputs: Vec::new(),
        ghost: None,
        call: Some(call.envelope(None, None)),
        fee: Amount::ZERO,
        expires: Time(u64::MAX - number),
    };
    let signer = IdentitySecret::from_bytes(&[5; 32]).unwrap();
    let signature = signer.sign(Purpose::Authorise, network, &body.authorise_message());
    Transaction { body, witness: Witness { spends: Vec::new(), authorisations: vec![signature] } }
}

async fn submit(client: &MeshClient, transaction: &Transaction, stamp: Option<Stamp>) -> Answer {
    let request = Request::Submit { transaction: transaction.to_bytes(), stamp };
    let reply = client.request(Bytes::from(request.to_bytes()), REPLY_MAX).await.unwrap();
    decode_exact(&reply).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hands_in_what_is_ill_signed_works_for_what_follows_and_others_do_not() {
    let network = Network::start(&[], &[]).await;
    let id = network.genesis.network();
    let (spoiler, other) = (connect(&network.genesis, 1).await, connect(&network.genesis, 2).await);
    let mut ill_signed = call(id, 0);
    ill_signed.witness.authorisations[0].0[64] ^= 0x40;
    assert!(matches!(submit(&spoiler, &ill_signed, None).await, Answer::Refused(Refusal::IllFormed(_))));
    // What it did reaches the machine beside its next requests, and before some later one.
    let mut number = 2;
    let (asked, demand): (Transaction, Demand) = loop {
        let next = call(id, number);
        match submit(&spoiler, &next, None).await {
            Answer::Refused(Refusal::Busy(demand)) => break (next, demand),
            answer => assert_eq!((answer, number < 100), (Answer::Taken, true), "it is asked for work in the end"),
        }
        number += 1;
    };
    let stamp = demand.work(asked.id());
    let another = call(id, 1_000);
    assert_eq!(submit(&spoiler, &another, stamp).await, Answer::Refused(Refusal::Busy(demand)), "another's stamp");
    assert_eq!(submit(&spoiler, &asked, stamp).await, Answer::Taken);
    assert_eq!(submit(&spoiler, &asked, None).await, Answer::Taken, "what is known needs no work");
    assert_eq!(submit(&other, &another, None).await, Answer::Taken, "another source");
}
