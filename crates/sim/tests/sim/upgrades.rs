//! The owners decide on a version of the protocol that the nodes don't speak.

use byway_kernel::config::PROTOCOL_KNOWN;
use byway_kernel::{Committee, Config, Fatal, Kernel, OpenError, VerifiedSnapshot};
use byway_primitives::Time;
use byway_records::call::kernel::{KernelCall, Upgrade};
use byway_records::{Call, Height};
use byway_sim::{Act, KernelSim, Setup};

use crate::kernel::{assert_all_certified, warm};
use crate::seeds;

const NEXT: u16 = PROTOCOL_KNOWN + 1;
const STOPPED: Fatal = Fatal::OldSoftware { decided: NEXT, known: PROTOCOL_KNOWN };

/// Five of seven owners agree to another version from a height on that is a second or two away.
fn decide(sim: &mut KernelSim) {
    let at = Height(sim.checks().progress[0].certified.0 + 5);
    for seat in 0..5u8 {
        let call = Call::Kernel(KernelCall::Upgrade { seat, to: Upgrade { protocol: NEXT, at } });
        let transaction = sim.purse.call(&call, u64::from(seat), &Setup::owner(usize::from(seat)));
        sim.submit_in(0, usize::from(seat), transaction);
    }
}

/// Opens a node from its disk with the software that there is.
fn reopened(sim: &KernelSim, node: usize) -> Result<Kernel, OpenError> {
    let mut verify = |committee: &Committee, bytes| VerifiedSnapshot::verify(committee, bytes).map(Into::into);
    let (config, disk) = (Config::new(Setup::secret(node)), sim.world.disk(node).visible());
    Kernel::open(config, &sim.setup.genesis(), Time(sim.world.now_us() / 1000), disk, &mut verify)
}

#[test]
fn nodes_stop_before_a_version_that_they_do_not_speak_and_go_on_with_one_that_does() {
    seeds(2, 60, |seed| {
        let mut sim = warm(Setup::local(seed));
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5, 6], 20, 400);
        sim.run_ms(1_000);
        sim.assert_settled();
        sim.world.observer.expected_to_stop = (0..7).map(|node| (node, None)).collect();
        decide(&mut sim);
        for number in 0..40 {
            // What is handed in when they stop is the client's to hand in again.
            let transfer = sim.fresh_transfer();
            sim.submit_in(number * 60_000, number as usize % 7, transfer);
        }
        sim.run_ms(3_500);
        for node in 0..7 {
            assert_eq!(sim.checks().expected_to_stop[&node], Some(STOPPED), "seed {seed}, node {node}");
            assert_eq!(sim.kernel(node).ledger().epoch().protocol, NEXT, "seed {seed}: it knows where it stopped");
        }
        let told = STOPPED.to_string();
        assert!(told.contains("version 2") && told.contains("install the new version"), "{told}");

        (0..7).for_each(|node| sim.world.act_in(0, Act::Crash { node }));
        sim.run_ms(1);
        let refused = reopened(&sim, 3).err();
        assert!(matches!(refused, Some(OpenError::OldSoftware(STOPPED))), "seed {seed}: {refused:?}");

        // The new program, at all nodes but one.
        sim.world.observer.expected_to_stop.clear();
        sim.setup.protocol_known.set(NEXT);
        let commits = sim.checks().commits();
        (0..6).for_each(|node| sim.world.act_in(0, Act::Start { node }));
        sim.run_ms(500);
        sim.pay_steadily(&[0, 1, 2, 3, 4, 5], 20, 500);
        sim.run_ms(2_000);
        assert!(sim.checks().commits() > commits, "seed {seed}");
        sim.assert_settled();
        // The last one comes later.
        sim.world.act_in(0, Act::Start { node: 6 });
        sim.run_ms(2_000);
        sim.assert_settled();
        assert_all_certified(&sim);
    });
}
