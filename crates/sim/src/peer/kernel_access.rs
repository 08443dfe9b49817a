//! A market node's questions to kernel nodes: which are out, and what became of them.
//!
//! Nothing here judges answers; whoever asked does.

use std::collections::{BTreeMap, BTreeSet};

use byway_kernel::follower::protocol::Request;
use byway_primitives::{Effect, Encode, Span, Time};
use byway_records::TransactionId;

use crate::whole::message::NetMessage;
use crate::whole::node::NetEffect;

/// Longer than a kernel node keeps a follower's question open.
const REPLY_WAIT: Span = Span::seconds(7);

/// Why something was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Follow,
    Submit(TransactionId),
    /// With the work that the member asked for.
    SubmitStamped(TransactionId),
}

/// A question that is out.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub member: u8,
    pub purpose: Purpose,
    until: Time,
}

#[derive(Debug, Default)]
pub struct KernelAccess {
    next: u64,
    asked: BTreeMap<u64, Asked>,
    /// Kernel nodes whose process is there.
    reachable: BTreeSet<usize>,
}

impl KernelAccess {
    /// `life` tells this run's numbers from those of runs before, whose answers may still be under way.
    pub fn new(life: u64) -> Self {
        Self { next: life << 32, ..Self::default() }
    }

    /// What sends the question, and when to look after it; `None` where the member can't be reached.
    pub fn ask(&mut self, now: Time, member: u8, purpose: Purpose, request: &Request) -> Option<[NetEffect; 2]> {
        if !self.reachable.contains(&usize::from(member)) {
            return None;
        }
        let (number, until) = (self.next, now + REPLY_WAIT);
        self.next += 1;
        self.asked.insert(number, Asked { member, purpose, until });
        let message = NetMessage::Ask { number, request: request.to_bytes() };
        Some([Effect::Send { to: usize::from(member), message, after: None }, Effect::WakeAt(until)])
    }

    /// What an answer is to; `None` if that is not asked any more, or was asked of another.
    pub fn answered(&mut self, from: usize, number: u64) -> Option<Asked> {
        let is_from = self.asked.get(&number).is_some_and(|asked| usize::from(asked.member) == from);
        if is_from { self.asked.remove(&number) } else { None }
    }

    pub fn came(&mut self, member: usize) {
        self.reachable.insert(member);
    }

    /// A member's process is gone; gives the questions that it will not answer.
    pub fn gone(&mut self, member: usize) -> Vec<Asked> {
        self.reachable.remove(&member);
        self.take(|asked| usize::from(asked.member) == member)
    }

    /// The questions that nobody will answer any more.
    pub fn overdue(&mut self, now: Time) -> Vec<Asked> {
        self.take(|asked| now >= asked.until)
    }

    /// When to look after that.
    pub fn next_overdue(&self) -> Option<Time> {
        self.asked.values().map(|asked| asked.until).min()
    }

    fn take(&mut self, which: impl Fn(&Asked) -> bool) -> Vec<Asked> {
        let taken: Vec<u64> = self.asked.iter().filter(|(_, asked)| which(asked)).map(|(number, _)| *number).collect();
        taken.iter().filter_map(|number| self.asked.remove(number)).collect()
    }
}
