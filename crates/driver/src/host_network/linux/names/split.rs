//! Answering by which side a name is on.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::Arc;

use byway_records::Domain;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};

use super::learnt::{Change, Learnt};
use super::{CANARY, Side};
use crate::host_network::linux::nft;
use crate::host_network::linux::script::{CLIENT_TABLE, set};
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
    pub(super) learnt: Arc<Mutex<Learnt>>,
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
        let learning = learn(self.learnt.clone(), self.epoch, is_named, addresses);
        tokio::spawn(learning).await.ok().flatten()?;
        Some(answer)
    }

    fn upstream(&self, is_named: bool) -> &Upstream {
        match (self.side, is_named) {
            (Side::Outside, true) | (Side::Inside, false) => &self.outside,
            (Side::Outside, false) | (Side::Inside, true) => &self.inside,
        }
    }
}

/// Has the firewall know these addresses; `None` if it doesn't, and then nobody else may.
async fn learn(learnt: Arc<Mutex<Learnt>>, epoch: u64, is_named: bool, addresses: Vec<IpAddr>) -> Option<()> {
    let mut learnt = learnt.lock().await;
    if learnt.epoch() != epoch {
        // It was asked for under another plan.
        return None;
    }
    let change = match learnt.change(is_named, &addresses) {
        Ok(change) => change,
        Err(full) => {
            tracing::warn!("{full}; a name is left unanswered");
            return None;
        }
    };
    if !change.is_empty() {
        // Where it fails another program has thrown the table away, and it is put back soon.
        nft::carry_out(&script(learnt.side(), &change)).await.ok()?;
    }
    learnt.apply(is_named, &addresses, &change);
    Some(())
}

/// One transaction for all of it.
fn script(side: Side, change: &Change) -> String {
    let mut script = String::new();
    for (verb, addresses) in [("add", &change.added), ("delete", &change.removed)] {
        for (name, is_v4) in side.sets().into_iter().zip([true, false]) {
            let of_family: Vec<_> = addresses.iter().filter(|address| address.is_ipv4() == is_v4).collect();
            if !of_family.is_empty() {
                let _ = writeln!(script, "{verb} element inet {CLIENT_TABLE} {name} {}", set(of_family));
            }
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_script_says_all_of_a_change() {
        let address = |text: &str| text.parse().expect("an address");
        let change = Change {
            added: vec![address("192.0.2.1"), address("192.0.2.2"), address("2001:db8::1")],
            removed: vec![address("192.0.2.3")],
        };
        let expected = "add element inet byway outside_v4 { 192.0.2.1, 192.0.2.2 }\n\
                        add element inet byway outside_v6 { 2001:db8::1 }\n\
                        delete element inet byway outside_v4 { 192.0.2.3 }\n";
        assert_eq!(script(Side::Outside, &change), expected);
    }
}
