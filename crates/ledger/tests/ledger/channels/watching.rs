//! What whoever closes shows those who watch for the other side.

use byway_primitives::Encode;
use byway_records::Reject;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Closer, Phase, WatchSecret};

use super::{DEPOSIT, SECRET, Scene, draft, side_of};
use crate::world::{ALICE, BOB, CAROL};

#[test]
fn whoever_closes_shows_the_secret_that_both_agreed_on_whatever_the_state() {
    for is_shown in [false, true] {
        let mut scene = Scene::new();
        let state = is_shown.then(|| scene.signed(3, [DEPOSIT; 2]));
        let before = scene.channel();
        let secret = WatchSecret([8; 16]);
        let close = ChannelsCall::CloseSolo { channel: scene.id, side: side_of(ALICE), secret, state };
        scene.refuses(&draft(close, &[ALICE]), Reject::ChannelSecret);
        assert_eq!(scene.channel(), before);
        scene.world.must(&scene.close(ALICE, state));
        assert!(
            matches!(scene.channel().phase, Phase::Closing { by: Closer::Party { secret, .. }, .. } if secret == SECRET)
        );
    }
}

#[test]
fn the_secret_stays_on_the_ledger_until_the_channel_is_closed_and_is_not_there_before() {
    let mut scene = Scene::new();
    scene.world.must(&scene.snapshot(BOB, scene.signed(1, [DEPOSIT; 2])));
    let entry = scene.channel().to_bytes();
    assert!(!entry.windows(SECRET.0.len()).any(|window| window == SECRET.0));
    scene.world.must(&scene.close(ALICE, None));
    scene.world.must(&scene.slash(BOB, scene.signed(2, [DEPOSIT; 2])));
    assert!(
        matches!(scene.channel().phase, Phase::Closing { by: Closer::Party { secret, .. }, .. } if secret == SECRET)
    );
}

#[test]
fn a_watchtower_answers_from_the_entry_alone_after_the_lock_period_as_well() {
    let mut scene = Scene::new();
    let delegates = vec![scene.world.id(CAROL)];
    let appoint = ChannelsCall::SetDelegates { channel: scene.id, side: side_of(BOB), delegates };
    scene.world.must(&draft(appoint, &[BOB]));
    scene.world.must(&scene.close(ALICE, None));
    scene.wait();
    let answer = ChannelsCall::Slash { side: side_of(BOB), state: scene.signed(9, [2_000_000, 8_000_000]) };
    scene.world.must(&draft(answer, &[CAROL]));
    assert_eq!(scene.channel().signed, 9);
    scene.refuses(&scene.settle(), Reject::ChannelLocked);
}
