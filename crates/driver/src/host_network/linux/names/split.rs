//! Answering by which side a name is on.

use std::sync::Arc;

use byway_records::Domain;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use super::learning::{Answered, Learning};
use super::{CANARY, Side};
use crate::names::message::{addresses, asked_name, no_such_name};
use crate::names::{Answers, Over, Upstream};

/// Who is asked for which names.
pub(super) struct Split {
    /// Of what is learnt by this one.
    pub(super) epoch: u64,
    pub(super) side: Side,
    pub(super) domains: Vec<Domain>,
    pub(super) inside: Upstream,
    pub(super) outside: Upstream,
    pub(super) learning: Learning,
}

/// The split that is in force, if one is yet.
pub(super) struct Current(pub(super) watch::Receiver<Option<Arc<Split>>>);

impl Answers for Current {
    fn answer<'a>(&'a self, question: &'a [u8], over: Over) -> BoxFuture<'a, Option<Vec<u8>>> {
        let split = self.0.borrow().clone();
        async move { split?.answer(question, over).await }.boxed()
    }
}

impl Split {
    async fn answer(&self, question: &[u8], over: Over) -> Option<Vec<u8>> {
        let (name, end) = asked_name(question)?;
        if name.trim_end_matches('.').eq_ignore_ascii_case(CANARY) {
            return Some(no_such_name(question, end));
        }
        let is_named = self.domains.iter().any(|domain| domain.holds(&name));
        let answer = self.upstream(is_named).ask(question, over).await?;
        let addresses = addresses(question, &answer)?;
        // In a task of its own: whoever asks may go away, and half of it must not be done.
        let (learning, answered) = (self.learning.clone(), Answered { epoch: self.epoch, is_named, addresses });
        tokio::spawn(async move { learning.learn(answered).await }).await.ok().flatten()?;
        Some(answer)
    }

    fn upstream(&self, is_named: bool) -> &Upstream {
        match (self.side, is_named) {
            (Side::Outside, true) | (Side::Inside, false) => &self.outside,
            (Side::Outside, false) | (Side::Inside, true) => &self.inside,
        }
    }
}
