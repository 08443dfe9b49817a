//! Random sequences of what Alice, Bob and their hub may do with a virtual channel.

use byway_ledger::Verdict;
use byway_primitives::{Amount, Span};
use byway_records::call::ChannelsCall;
use byway_records::channel::Phase;
use byway_records::genesis::Wait;
use proptest::prelude::*;

use super::guaranteed::{DISPUTE, TOTAL, certificate, end, outcome, registered, virtual_terms_of, with_fee};
use super::sequences::{cases, config};
use super::{BANK, GAS, Scene, draft};
use crate::world::{CAROL, CHANNEL_PRICE, Draft, units};

#[derive(Debug, Clone)]
enum Act {
    Register,
    Snapshot { by: usize, round: u64 },
    Close { by: usize, round: u64 },
    End { by: usize, round: u64 },
    Slash { by: usize, round: u64 },
    Force { by: usize },
    Certify { moved: u128, hub: usize },
    Mutual,
    Settle,
    Wait { seconds: u64, commits: u64 },
}

/// What Alice has in the state of a round; both have signed it.
fn balances(round: u64) -> [u128; 2] {
    let moved = u128::from(round) * 1_000;
    [TOTAL / 2 + moved, TOTAL / 2 - moved]
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let (person, round) = (0..3usize, 0..9u64);
    let act = prop_oneof![
        1 => Just(Act::Register),
        2 => (person.clone(), round.clone()).prop_map(|(by, round)| Act::Snapshot { by, round }),
        2 => (person.clone(), round.clone()).prop_map(|(by, round)| Act::Close { by, round }),
        1 => (person.clone(), round.clone()).prop_map(|(by, round)| Act::End { by, round }),
        3 => (person.clone(), round).prop_map(|(by, round)| Act::Slash { by, round }),
        4 => (0..2usize).prop_map(|by| Act::Force { by }),
        1 => (0..TOTAL / 2, person).prop_map(|(moved, hub)| Act::Certify { moved, hub }),
        1 => Just(Act::Mutual),
        2 => Just(Act::Settle),
        4 => (1..12u64, 1..6u64).prop_map(|(seconds, commits)| Act::Wait { seconds, commits }),
    ];
    prop::collection::vec(act, 1..40)
}

/// The call, and what its transaction pays; none where there is no channel to say it of.
fn drafted(scene: &Scene, act: &Act) -> Option<(Draft, u128)> {
    let state = |round: u64| (round > 0).then(|| scene.signed(round, balances(round)));
    let plain = |draft| Some((draft, CHANNEL_PRICE));
    if let Act::Register = act {
        return plain(draft(ChannelsCall::RegisterVirtual(scene.cosign(virtual_terms_of(scene))), &[]));
    }
    let channel = scene.open_channel()?;
    match act {
        Act::Snapshot { by, round } => plain(scene.snapshot(*by, state(*round)?)),
        Act::Close { by, round } => plain(scene.close(*by, state(*round))),
        Act::End { by, round } => {
            plain(draft(ChannelsCall::EndVirtual { channel: scene.id, state: state(*round) }, &[*by]))
        }
        Act::Slash { by, round } => plain(scene.slash(*by, state(*round)?)),
        Act::Force { by } => {
            let base = scene.state(channel.position.balances.map(Amount::units));
            let call = scene.vm_call(*by, BANK, 10, &[]);
            Some((scene.force(&base, None, &call, *by), CHANNEL_PRICE + u128::from(GAS)))
        }
        Act::Certify { moved, hub } => plain(certificate(scene, [moved + TOTAL / 2, TOTAL / 2 - moved], *hub)),
        Act::Mutual => plain(scene.close_mutual([TOTAL / 2; 2], scene.world.time + Span::minutes(1))),
        Act::Settle => plain(scene.settle()),
        Act::Register | Act::Wait { .. } => None,
    }
}

/// What must hold after whatever was done.
fn check(scene: &Scene, before: Option<[u128; 2]>) -> Result<(), TestCaseError> {
    let after = outcome(scene);
    prop_assert!(before.is_none() || after == before, "an outcome stays");
    prop_assert_eq!(scene.accounts(), [0; 2]);
    if let Some(paid) = after {
        prop_assert_eq!(paid[0] + paid[1], TOTAL);
        prop_assert_eq!(scene.open_channel(), None);
        return Ok(());
    }
    let Some(channel) = scene.open_channel() else { return Ok(()) };
    prop_assert_eq!((channel.total, channel.charged), (units(TOTAL), [units(0); 2]));
    let ends = channel.guaranteed.and_then(|guaranteed| guaranteed.end);
    match channel.phase {
        Phase::Active => prop_assert_eq!(ends, None),
        Phase::Closing { until, .. } => {
            let ends = ends.expect("it is closing");
            prop_assert!(until.time <= ends.time && until.commits <= ends.commits);
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn whatever_is_done_it_can_be_ended_and_pays_all_of_it_once(acts in acts()) {
        let mut scene = registered();
        let mut ended_at = None;
        for act in &acts {
            let (before, was_closing) = (outcome(&scene), scene.open_channel().map(|channel| channel.phase));
            if let Act::Wait { seconds, commits } = act {
                scene.world.wait(Wait { millis: Span::seconds(*seconds), commits: *commits });
            } else if let Some((draft, fee)) = drafted(&scene, act) {
                let verdict = scene.world.run(&with_fee(&scene, &draft, fee));
                if let (Act::End { by, .. } | Act::Certify { hub: by, .. }, Verdict::Final) = (act, verdict) {
                    prop_assert_eq!(*by, CAROL, "nobody else is the hub");
                }
                prop_assert!(!matches!((act, verdict), (Act::Mutual, Verdict::Final)));
            }
            check(&scene, before)?;
            if was_closing == Some(Phase::Active) && scene.open_channel().is_some_and(|now| now.phase != Phase::Active) {
                ended_at = Some(scene.world.time);
            }
        }
        // The hub alone, whatever the others have done.
        if scene.open_channel().is_some_and(|channel| channel.phase == Phase::Active) {
            let end = end(&scene, CAROL);
            scene.world.must(&with_fee(&scene, &end, CHANNEL_PRICE));
            ended_at = Some(scene.world.time);
        }
        if let (Some(_), Some(ended_at)) = (scene.open_channel(), ended_at) {
            let left = (ended_at + DISPUTE.millis).0.saturating_sub(scene.world.time.0);
            scene.world.wait(Wait { millis: Span::millis(left), commits: DISPUTE.commits });
            let settle = scene.settle();
            scene.world.must(&with_fee(&scene, &settle, CHANNEL_PRICE));
        }
        check(&scene, None)?;
        prop_assert!(outcome(&scene).is_some());
    }
}
