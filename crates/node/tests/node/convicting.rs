//! Real nodes catch one that signs twice, the ledger convicts it, and everyone can see it.

use byway_node::api::*;
use byway_node::kernel_node::KernelService;
use byway_primitives::Amount;

use super::network::Network;

const CULPRIT: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_signs_twice_is_marked_and_everyone_sees_why() {
    let mut network = Network::start(&[], &[CULPRIT]).await;
    let (round, twins) = network.sign_twice(CULPRIT);
    let user = network.node("user", "").await;
    let convicted = |evidence: Vec<EvidenceRecord>| evidence.into_iter().find(|record| record.conviction.is_some());
    let record = user
        .until("the market node shows the conviction", async |api| convicted(api.kernel_evidence().await.ok()?))
        .await;
    assert_eq!((record.member, record.round, record.height), (CULPRIT as u8, Some(round), None));
    let conviction = record.conviction.unwrap();
    let founder = network.genesis.members.get(CULPRIT as u8).unwrap();
    assert_eq!((conviction.offence, conviction.owner), (Offence::First, founder.owner));
    assert_eq!((conviction.forfeited, conviction.appealed), (Amount::ZERO, false), "a mark costs no money");

    // A kernel node that saw it shows what it saw, too.
    let service = KernelService::start(network.genesis.clone(), network.running_kernel(0).desk());
    let own = user.until("a kernel node shows it", async |_| convicted(service.kernel_evidence().await.ok()?)).await;
    assert_eq!((own.kind, own.round), (EvidenceKind::SignedTwice, Some(round)));
    let mut seen = [own.first.unwrap(), own.second.unwrap()];
    let mut signed = twins;
    seen.sort_unstable();
    signed.sort_unstable();
    assert_eq!(seen, signed);

    let members = user
        .until("the member is marked", async |api| {
            let members = api.kernel_members().await.ok()?;
            let marked = |member: &KernelMember| member.standing == Standing::Marked;
            members.iter().any(marked).then_some(members)
        })
        .await;
    let marked: Vec<u8> = members.iter().filter(|m| m.standing == Standing::Marked).map(|m| m.index).collect();
    assert_eq!(marked, [CULPRIT as u8], "nobody else");
    let pledge = network.genesis.parameters.kernel_pledge;
    assert!(members.iter().all(|member| member.pledge == pledge), "nothing is forfeited by a first offence");
}
