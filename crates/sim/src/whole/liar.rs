//! Kernel nodes that keep the kernel's rules among themselves and deceive their clients.
//!
//! Every way to lie in a step has its own test beside `byway_kernel::follower`; here are those that a whole network has
//! to live with: what is false, what is left out, and what is not done.

use byway_kernel::follower::protocol::{Answer, Request, Step};

/// What a liar does to its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lie {
    /// Changes an entry of the programs' state, where one changed.
    FalseEntry,
    /// Leaves out a payment.
    HiddenPayment,
    /// Passes on a signature that nobody made.
    ForgedSignature,
    /// Certifies with fewer members than it takes.
    LoneSigner,
    /// Says that there is nothing new.
    Withholder,
    /// Says that it took a transaction, and forgets it.
    Swallower,
    /// Doesn't answer.
    Mute,
}

impl Lie {
    /// Whether a follower that is told this lie can know that it is one. The others merely delay it.
    pub fn is_provable(self) -> bool {
        matches!(self, Lie::FalseEntry | Lie::HiddenPayment | Lie::ForgedSignature | Lie::LoneSigner)
    }

    /// What it answers by itself, if not what is true.
    pub fn answer(self, request: &Request) -> Option<Reply> {
        match (self, request) {
            (Lie::Mute, _) => Some(Reply::Nothing),
            (Lie::Swallower, Request::Submit { .. }) => Some(Reply::Answer(Answer::Taken)),
            (Lie::Withholder, Request::Follow { .. }) => Some(Reply::Answer(Answer::Steps(Vec::new()))),
            _ => None,
        }
    }

    /// What becomes of true steps. Where there is nothing to lie about they stay true.
    pub fn twist(self, mut steps: Vec<Step>) -> Vec<Step> {
        let lie: fn(&mut Step) -> Option<()> = match self {
            Lie::FalseEntry => falsify_entry,
            Lie::HiddenPayment => |step: &mut Step| step.scan.finals.pop().map(drop),
            Lie::ForgedSignature => {
                |step: &mut Step| step.certificate.signatures.last_mut().map(|(_, signature)| signature.0[40] ^= 1)
            }
            Lie::LoneSigner => |step: &mut Step| {
                step.certificate.signatures.truncate(1);
                Some(())
            },
            Lie::Withholder | Lie::Swallower | Lie::Mute => return steps,
        };
        // The first that can be lied about; what comes after it would not be looked at.
        let _ = steps.iter_mut().find_map(lie);
        steps
    }
}

/// What a liar replies.
#[derive(Debug)]
pub enum Reply {
    Answer(Answer),
    Nothing,
}

fn falsify_entry(step: &mut Step) -> Option<()> {
    let entries = step.differences.iter_mut().flat_map(|difference| &mut difference.entries);
    let value = entries.into_iter().find_map(|change| change.value.as_mut())?;
    value.last_mut().map(|byte| *byte ^= 1)
}
