//! What `drive` and `drive_hostile` make of bytes that are drawn at random, and of some that once led to a fault. Bytes that a fuzzer
//! guided by coverage has found are looked at by the fuzz targets of the same names.

use proptest::prelude::*;

use crate::drive::drive;
use crate::hostile::drive_hostile;
use crate::random::{cases, config};

proptest! {
    #![proptest_config(config(2 * cases()))]

    #[test]
    fn whatever_happens_both_can_go_on_or_are_paid(bytes in prop::collection::vec(any::<u8>(), 0..160)) {
        drive(&bytes);
    }

    #[test]
    fn whatever_a_peer_does_an_honest_side_has_what_is_its(bytes in prop::collection::vec(any::<u8>(), 0..240)) {
        drive_hostile(&bytes);
    }
}

#[test]
fn a_side_that_has_nothing_but_the_reserve_goes_on_too() {
    drive(&[0, 40, 226, 60, 226, 85, 0, 0, 60, 226]);
}

#[test]
fn what_is_signed_in_the_last_of_several_writes_is_forgotten_with_it() {
    drive(&[0, 0, 53, 25, 0, 0, 0, 0, 0, 60, 162, 182, 64, 196, 7, 22, 113, 16, 60, 210, 204, 86]);
}

#[test]
fn what_a_failing_disk_and_an_old_one_have_both_forgotten_was_promised_all_the_same() {
    drive(&[250, 26, 169, 76, 212, 188, 0, 158, 25]);
}

#[test]
fn what_the_ledger_is_shown_is_not_forgotten_by_who_showed_it() {
    drive_hostile(&[
        49, 0, 0, 0, 44, 0, 44, 0, 0, 0, 0, 0, 79, 215, 109, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 153, 43, 0, 0, 0,
        0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 13, 0, 0, 0, 138, 0,
    ]);
    drive(&[88, 164, 23, 6, 0, 214, 70, 7, 11, 113, 149, 0, 14, 24]);
}

#[test]
fn who_starts_anew_after_a_disk_has_failed_claims_what_it_was_promised() {
    drive(&[218, 218, 23, 168, 21, 60, 250, 213, 156, 26, 68, 222]);
}

#[test]
fn a_lane_holds_what_was_promised_out_of_it_while_the_payee_did_not_see_the_ledger() {
    drive(&[53, 154, 105, 158, 206, 7, 39, 60, 84]);
}
