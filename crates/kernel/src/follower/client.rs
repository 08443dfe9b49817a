//! Whom to ask, when, and what to do about silence and lies.
//!
//! One request for steps is out at a time, to one kernel node. An answer with true steps keeps the node for a while; an
//! empty answer, a failure or a timeout moves on to the next one; a lie moves on and never comes back to that node while
//! there is another. Which node is first differs by seed, so that followers spread.
//!
//! Nobody can hold the follower back for good: who says nothing is left after [`ClientConfig::answer_wait_max`], who says
//! that there is nothing at once, and who gives true steps more slowly than they are made after
//! [`ClientConfig::stay_max`].
//!
//! A step over a change in which members left longer ago than their pledges are locked stops the client, unless it leads to a
//! checkpoint that a person has named ([`OldKeys`], [`Client::trusting`]).
//!
//! An answer may come so late that the same node was asked again meanwhile. Its steps are then from before the tip. That
//! is no lie, and such steps are passed over.

use std::collections::BTreeSet;

use byway_primitives::time::Span;
use byway_primitives::{Store, Time};
use byway_records::{Genesis, ProgramId};

use super::protocol::{Answer, Request, Step};
use super::{Advance, Follower, FollowerDamaged, Lie};
use crate::light::{OldKeys, TrustedCheckpoint};

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// After this long without an answer another node is asked. Longer than a server holds an empty answer.
    pub answer_wait_max: Span,
    /// Pause after every node has failed in turn.
    pub retry_pause: Span,
    /// A node that gives true steps is left for another after this long nevertheless: it could give them more slowly than
    /// they are made. Long against an answer, since a silent node costs one wait for every turn.
    pub stay_max: Span,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { answer_wait_max: Span::seconds(8), retry_pause: Span::millis(500), stay_max: Span::seconds(30) }
    }
}

/// What the client wants done, or has to tell.
#[derive(Debug)]
pub enum ClientNews {
    /// Send this request to this member.
    Ask { member: u8, request: Request },
    /// The ledger went on.
    Advanced(Box<Advance>),
    /// This member lied and is not asked again.
    Caught { member: u8, lie: Lie },
    /// Nobody is asked any more: what comes next can't be believed, whoever shows it.
    Stopped(Stop),
    /// Call [`Client::handle_wake`] then.
    WakeAt(Time),
}

/// Why following can't go on without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    #[error(transparent)]
    OldKeys(#[from] OldKeys),
    #[error(
        "checkpoint {height} of the ledger that was followed is not the trusted {0}: if that is right, what was followed is \
         false; remove the folder that holds it, and follow anew with the same trusted checkpoint", height = .0.height
    )]
    NotTrusted(TrustedCheckpoint),
}

/// Keeps a [`Follower`] going.
#[derive(Debug)]
pub struct Client {
    follower: Follower,
    config: ClientConfig,
    /// What a person has named: until then the ledger is followed whoever left, and there it must be this one.
    trusted: Option<TrustedCheckpoint>,
    stopped: Option<Stop>,
    liars: BTreeSet<u8>,
    current: u8,
    /// When the current one was first asked in this turn.
    here_since: Option<Time>,
    asked: Option<Time>,
    resume_at: Option<Time>,
    failed_in_a_row: usize,
}

impl Client {
    /// Opens the follower. `seed` picks the node that is asked first.
    pub fn open(
        genesis: Genesis,
        programs: &[ProgramId],
        config: ClientConfig,
        seed: u64,
        store: &dyn Store,
    ) -> Result<Self, FollowerDamaged> {
        let follower = Follower::open(genesis, programs, store)?;
        let members: Vec<u8> = askable_seats(&follower).collect();
        let current = members.get((seed % members.len().max(1) as u64) as usize).copied().unwrap_or_default();
        Ok(Self {
            follower,
            config,
            trusted: None,
            stopped: None,
            liars: BTreeSet::new(),
            current,
            here_since: None,
            asked: None,
            resume_at: None,
            failed_in_a_row: 0,
        })
    }

    /// Follows what leads to a checkpoint that a person has named, whoever has left since (see [`OldKeys`]).
    pub fn trusting(self, trusted: Option<TrustedCheckpoint>) -> Self {
        Self { trusted, ..self }
    }

    /// Why nobody is asked any more.
    pub fn stopped(&self) -> Option<Stop> {
        self.stopped
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// The member that is being asked.
    pub fn current(&self) -> u8 {
        self.current
    }

    /// Whether nobody answers.
    pub fn is_cut_off(&self) -> bool {
        self.failed_in_a_row >= self.askable()
    }

    /// Members that were caught lying.
    pub fn liars(&self) -> impl Iterator<Item = u8> {
        self.liars.iter().copied()
    }

    /// Asks for the next step if nothing is asked.
    pub fn handle_wake(&mut self, now: Time) -> Vec<ClientNews> {
        let mut news = Vec::new();
        if let Some(asked) = self.asked {
            if now < asked + self.config.answer_wait_max {
                news.push(ClientNews::WakeAt(asked + self.config.answer_wait_max));
                return news;
            }
            self.fail(now);
        }
        self.ask(now, &mut news);
        news
    }

    /// A member could not be reached, or dropped the connection.
    pub fn handle_failed(&mut self, now: Time, member: u8) -> Vec<ClientNews> {
        let mut news = Vec::new();
        if self.asked.is_some() && member == self.current {
            self.fail(now);
            self.ask(now, &mut news);
        }
        news
    }

    /// An answer to a request for steps. Answers of others than the member that is asked come too late and are dropped.
    pub fn handle_answer(&mut self, now: Time, member: u8, answer: Answer) -> Vec<ClientNews> {
        let mut news = Vec::new();
        if self.asked.is_none() || member != self.current {
            return news;
        }
        match answer {
            Answer::Steps(steps) => {
                self.asked = None;
                self.failed_in_a_row = 0;
                self.take(now, steps, &mut news);
            }
            _ => self.fail(now),
        }
        self.ask(now, &mut news);
        news
    }

    /// Goes on by what is new in `steps`, and decides whom to ask next.
    fn take(&mut self, now: Time, steps: Vec<Step>, news: &mut Vec<ClientNews>) {
        let next = self.follower.next_height();
        let before = news.len();
        for step in steps.into_iter().skip_while(|step| step.certificate.checkpoint.height < next) {
            if let Err(stop) = self.check(now, &step) {
                self.stopped = Some(stop);
                return news.push(ClientNews::Stopped(stop));
            }
            match self.follower.advance(step) {
                Ok(advance) => news.push(ClientNews::Advanced(Box::new(advance))),
                Err(lie) => {
                    news.push(ClientNews::Caught { member: self.current, lie });
                    self.condemn(now);
                    return self.turn();
                }
            }
        }
        let nothing_new = news.len() == before;
        let long_here = self.here_since.is_none_or(|since| now >= since + self.config.stay_max);
        if nothing_new || long_here {
            self.turn();
        }
    }

    /// Whether a step, if it is certified, may be followed. One that isn't is for the follower to refuse.
    fn check(&self, now: Time, step: &Step) -> Result<(), Stop> {
        let (checkpoint, epoch) = (&step.certificate.checkpoint, self.follower.epoch());
        let trusted = self.trusted.filter(|trusted| checkpoint.height <= trusted.height);
        let is_false =
            trusted.is_some_and(|trusted| checkpoint.height == trusted.height && checkpoint.digest() != trusted.digest);
        let next = self.follower.epoch_after(step).ok().flatten();
        let is_in_doubt = is_false || (next.is_some() && trusted.is_none());
        if !is_in_doubt || step.certificate.verify(self.follower.network(), &epoch.seats).is_err() {
            return Ok(());
        }
        match (trusted, next) {
            (Some(trusted), _) if is_false => Err(Stop::NotTrusted(trusted)),
            (_, Some(next)) => {
                let lock = self.follower.genesis().parameters.pledge_lock.millis;
                Ok(OldKeys::check(epoch, &next, checkpoint, now, lock)?)
            }
            _ => Ok(()),
        }
    }

    /// The current member is not asked again while there is another.
    fn condemn(&mut self, now: Time) {
        self.liars.insert(self.current);
        if askable_seats(&self.follower).all(|member| self.liars.contains(&member)) {
            // Whoever is asked now has lied before, so there is no hurry.
            self.resume_at = Some(now + self.config.retry_pause);
        }
    }

    fn fail(&mut self, now: Time) {
        self.asked = None;
        self.failed_in_a_row += 1;
        self.turn();
        if self.failed_in_a_row.is_multiple_of(self.askable()) {
            self.resume_at = Some(now + self.config.retry_pause);
        }
    }

    /// How many can be asked: those that have not lied, or everyone if all have.
    fn askable(&self) -> usize {
        let honest = askable_seats(&self.follower).filter(|member| !self.liars.contains(member)).count();
        match honest {
            0 => askable_seats(&self.follower).count().max(1),
            honest => honest,
        }
    }

    /// On to the next member that has not lied. If all have, the next is asked nevertheless: there is nobody else.
    fn turn(&mut self) {
        let members: Vec<u8> = askable_seats(&self.follower).collect();
        let after = members.partition_point(|member| *member <= self.current);
        let mut in_turn = members[after..].iter().chain(&members[..after]).copied();
        let next = in_turn.clone().next();
        let honest = in_turn.find(|member| !self.liars.contains(member));
        self.current = honest.or(next).unwrap_or(self.current);
        self.here_since = None;
    }

    fn ask(&mut self, now: Time, news: &mut Vec<ClientNews>) {
        if self.asked.is_some() || self.stopped.is_some() {
            return;
        }
        if let Some(resume_at) = self.resume_at {
            if now < resume_at {
                news.push(ClientNews::WakeAt(resume_at));
                return;
            }
            self.resume_at = None;
        }
        self.asked = Some(now);
        self.here_since.get_or_insert(now);
        let request =
            Request::Follow { from: self.follower.next_height(), programs: self.follower.programs().collect() };
        news.push(ClientNews::Ask { member: self.current, request });
        news.push(ClientNews::WakeAt(now + self.config.answer_wait_max));
    }
}

/// The members that can be asked: those of the epoch in force that take part.
fn askable_seats(follower: &Follower) -> impl Iterator<Item = u8> + '_ {
    follower.epoch().seats.counting().map(|(seat, _)| seat)
}
