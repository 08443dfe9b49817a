//! What becomes of a member that broke the rules: evidence, marks, forfeited pledges, appeals.
//!
//! All that a member did wrong in one [`Place`] is one offence and is punished once, whatever evidence of it comes. The
//! *first* marks the member: from the next epoch on it counts for nothing. The *second*, anywhere else, takes its pledge
//! and its seat. A member that has left already loses no voice by the first, and its pledge by the second like any other.
//!
//! Evidence is judged by the [`Roll`](byway_records::Roll) of the epoch in which the offence was committed, and strikes
//! the member that signed, not whoever has its seat or its key now.
//!
//! **A mark always counts**, also where fewer members are left than may leave by themselves: with one faulty member less
//! among n, what is tolerated among the n - 1 that are left is no less than how many faulty ones may still be among them.
//! Only the last member is not marked, since nobody would be left to go on.
//!
//! **Appeals.** A conviction can be appealed for a time, once; then the appeal is open for as long again. Until it is
//! decided what is forfeited stands in the conviction and not yet in the pool, so that it can still be given back. What
//! nobody decides lapses, and the conviction stands. (Deciding comes with the votes of those who govern the network.)

use byway_primitives::Amount;
use byway_records::call::kernel::ConvictionId;
use byway_records::evidence::{Evidence, EvidenceError, Offence, Rolls};
use byway_records::state::{Conviction, KernelPledge, conviction_key, kernel_pledge_key, roll_key};
use byway_records::{ProgramId, Reject, Roll, Standing, VerifiedTransaction};

use super::super::system::{self, change_epoch, pay_pool};
use super::super::{Moment, authorised};
use super::{kernel_pledge, put_pledge, seated, set_standing};
use crate::state::{Expiring, Programs, View};

/// Convictions, and rolls, removed per commit because their time is over: bounds the work of a commit.
const EXPIRED_PER_COMMIT_MAX: usize = 64;

/// What a conviction costs.
enum Sentence {
    Mark,
    Forfeit(Amount),
}

impl Rolls for View<'_> {
    fn roll(&self, epoch: u32) -> Option<Roll> {
        self.load(ProgramId::KERNEL, &roll_key(epoch))
    }
}

pub(super) fn accuse(view: &mut View<'_>, now: Moment<'_>, evidence: &Evidence) -> Result<(), Reject> {
    let offence = evidence.judge(now.network, view).map_err(|error| match error {
        EvidenceError::Epoch => Reject::EvidenceEpoch,
        _ => Reject::EvidenceInnocent,
    })?;
    let voice = offence.voice;
    let pledge = kernel_pledge(view, voice.seat).filter(|pledge| pledge.since == voice.since);
    let pledge = pledge.ok_or(Reject::OffenderGone)?;
    match pledge.offence {
        Some(place) if place == offence.place => Err(Reject::OffenceKnown),
        Some(_) => forfeit(view, now, offence, pledge),
        None => mark(view, now, offence, pledge),
    }
}

pub(super) fn appeal(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    id: ConvictionId,
) -> Result<(), Reject> {
    let conviction: Conviction = view.load(ProgramId::KERNEL, &conviction_key(id)).ok_or(Reject::ConvictionUnknown)?;
    authorised(transaction, conviction.owner)?;
    if conviction.is_appealed {
        return Err(Reject::AppealedBefore);
    }
    let ends = now.after(now.parameters.appeal_time);
    view.store(ProgramId::KERNEL, conviction_key(id), &Conviction { is_appealed: true, ends, ..conviction });
    Ok(())
}

/// Removes convictions that nobody appealed in time or decided, and rolls that nobody needs any more.
pub(crate) fn expire(programs: &mut Programs, now: Moment<'_>) {
    let expired = |kind| programs.expired(kind, now.time, now.commit, EXPIRED_PER_COMMIT_MAX);
    let (convictions, rolls) = (expired(Expiring::Conviction), expired(Expiring::Roll));
    if convictions.is_empty() && rolls.is_empty() {
        return;
    }
    let mut view = programs.view();
    for key in convictions {
        let conviction: Conviction = view.load(ProgramId::KERNEL, &key).expect("what expires is there");
        pay_pool(&mut view, conviction.forfeited);
        view.remove(ProgramId::KERNEL, key);
    }
    rolls.into_iter().for_each(|key| view.remove(ProgramId::KERNEL, key));
    let writes = view.into_writes();
    programs.apply(writes);
}

fn mark(view: &mut View<'_>, now: Moment<'_>, offence: Offence, pledge: KernelPledge) -> Result<(), Reject> {
    let seat = offence.voice.seat;
    if seated(view, seat)?.standing == Standing::Counting {
        if system::epoch_prepared(view).seats.count() == 1 {
            return Err(Reject::LastMember);
        }
        set_standing(view, seat, Standing::Marked);
    }
    convict(view, now, offence, Sentence::Mark)?;
    put_pledge(view, seat, &KernelPledge { offence: Some(offence.place), approves: None, ..pledge });
    Ok(())
}

fn forfeit(view: &mut View<'_>, now: Moment<'_>, offence: Offence, pledge: KernelPledge) -> Result<(), Reject> {
    let seat = offence.voice.seat;
    convict(view, now, offence, Sentence::Forfeit(pledge.amount))?;
    view.remove(ProgramId::KERNEL, kernel_pledge_key(seat));
    change_epoch(view, |epoch| epoch.seats.free(seat));
    Ok(())
}

fn convict(view: &mut View<'_>, now: Moment<'_>, offence: Offence, sentence: Sentence) -> Result<(), Reject> {
    let Offence { voice, place, .. } = offence;
    let (is_second, forfeited) = match sentence {
        Sentence::Mark => (false, Amount::ZERO),
        Sentence::Forfeit(amount) => (true, amount),
    };
    let id = ConvictionId { seat: voice.seat, since: voice.since, is_second };
    let owner = seated(view, voice.seat)?.member.owner;
    let ends = now.after(now.parameters.appeal_time);
    let conviction = Conviction { owner, place, forfeited, is_appealed: false, ends };
    view.store(ProgramId::KERNEL, conviction_key(id), &conviction);
    Ok(())
}
