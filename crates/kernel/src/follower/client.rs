//! Whom to ask, when, and what to do about silence and lies.
//!
//! One request for steps is out at a time, to one kernel node. An answer with true steps keeps the node; an empty answer,
//! a failure or a timeout moves on to the next one; a lie moves on and never comes back to that node while this one
//! runs. Which node is first differs by seed, so that followers spread.

use byway_primitives::time::Span;
use byway_primitives::{Store, Time};
use byway_records::ProgramId;

use super::protocol::{Answer, Request};
use super::{Advance, Follower, FollowerDamaged, Lie};
use byway_records::Genesis;

/// How patient a client is.
#[derive(Debug, Clone, Copy)]
pub struct ClientConfig {
    /// After this long without an answer another node is asked. Longer than a server holds an empty answer.
    pub answer_wait_max: Span,
    /// Pause after every node has failed in turn.
    pub retry_pause: Span,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { answer_wait_max: Span::seconds(8), retry_pause: Span::millis(500) }
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
    /// Call [`Client::handle_wake`] then.
    WakeAt(Time),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Failures in a row.
    Honest {
        failures: u32,
    },
    Liar,
}

/// Keeps a [`Follower`] going.
#[derive(Debug)]
pub struct Client {
    follower: Follower,
    config: ClientConfig,
    members: Vec<Standing>,
    current: usize,
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
        let count = follower.genesis().members.len();
        Ok(Self {
            follower,
            config,
            members: vec![Standing::Honest { failures: 0 }; count],
            current: (seed % count.max(1) as u64) as usize,
            asked: None,
            resume_at: None,
            failed_in_a_row: 0,
        })
    }

    pub fn follower(&self) -> &Follower {
        &self.follower
    }

    /// The member that is being asked.
    pub fn current(&self) -> u8 {
        self.current as u8
    }

    /// Whether nobody answers.
    pub fn is_cut_off(&self) -> bool {
        self.failed_in_a_row >= self.members.len()
    }

    /// Members that were caught lying.
    pub fn liars(&self) -> impl Iterator<Item = u8> {
        let numbered = self.members.iter().enumerate();
        numbered.filter(|(_, standing)| **standing == Standing::Liar).map(|(index, _)| index as u8)
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
        if self.asked.is_some() && usize::from(member) == self.current {
            self.fail(now);
            self.ask(now, &mut news);
        }
        news
    }

    /// An answer to a request for steps. Answers of others than the member that is asked come too late and are dropped.
    pub fn handle_answer(&mut self, now: Time, member: u8, answer: Answer) -> Vec<ClientNews> {
        let mut news = Vec::new();
        if self.asked.is_none() || usize::from(member) != self.current {
            return news;
        }
        match answer {
            Answer::Steps(steps) if steps.is_empty() => {
                // Nothing new, it says. The next one is asked, so that nobody can hide news for long.
                self.asked = None;
                self.failed_in_a_row = 0;
                self.members[self.current] = Standing::Honest { failures: 0 };
                self.turn();
            }
            Answer::Steps(steps) => {
                self.asked = None;
                self.failed_in_a_row = 0;
                for step in steps {
                    match self.follower.advance(step) {
                        Ok(advance) => news.push(ClientNews::Advanced(Box::new(advance))),
                        Err(lie) => {
                            news.push(ClientNews::Caught { member, lie });
                            self.members[self.current] = Standing::Liar;
                            self.turn();
                            break;
                        }
                    }
                }
            }
            _ => self.fail(now),
        }
        self.ask(now, &mut news);
        news
    }

    fn fail(&mut self, now: Time) {
        self.asked = None;
        self.failed_in_a_row += 1;
        if let Standing::Honest { failures } = &mut self.members[self.current] {
            *failures += 1;
        }
        self.turn();
        if self.failed_in_a_row % self.members.len() == 0 {
            self.resume_at = Some(now + self.config.retry_pause);
        }
    }

    /// On to the next member that has not lied. If all have, the first is asked again: there is nobody else.
    fn turn(&mut self) {
        let count = self.members.len();
        let next = (1..=count).map(|step| (self.current + step) % count);
        let honest = next.into_iter().find(|index| self.members[*index] != Standing::Liar);
        self.current = honest.unwrap_or((self.current + 1) % count);
    }

    fn ask(&mut self, now: Time, news: &mut Vec<ClientNews>) {
        if self.asked.is_some() {
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
        let request =
            Request::Follow { from: self.follower.next_height(), programs: self.follower.programs().collect() };
        news.push(ClientNews::Ask { member: self.current as u8, request });
        news.push(ClientNews::WakeAt(now + self.config.answer_wait_max));
    }
}
