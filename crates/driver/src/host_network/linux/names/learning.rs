//! Having the firewall know what is learnt of answers before anyone else does.
//!
//! A transaction of the firewall takes a process of its own, some 10 to 30 ms. Answers that come meanwhile wait, and all of them
//! are in the next one: however many are asked for at once, none waits for more than two.
//!
//! Where domains are outside, the addresses of all other names are kept in sets, too, which no rule asks: there a process after
//! this one finds what must not come to be outside. Nobody waits for that; it is put down [`RECORD_PAUSE`] later, or with what
//! has to be.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::{Mutex, MutexGuard, oneshot};
use tokio::time::sleep;

use super::Side;
use super::learnt::{Change, Learnt};
use crate::host_network::HostNetworkError;
use crate::host_network::linux::script::{CLIENT_TABLE, set};

/// For how long what is put down of names inside is gathered.
const RECORD_PAUSE: Duration = Duration::from_secs(1);
/// Answers in one transaction: with 64 addresses each at most, as many as are kept in mind.
const ANSWERS_MAX: usize = 64;

/// Who carries out a script as one transaction.
pub(super) type CarryOut = dyn Fn(String) -> BoxFuture<'static, Result<(), HostNetworkError>> + Send + Sync;

/// What was in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    /// Of the plan under which it was asked for.
    pub(super) epoch: u64,
    /// Whether the name is one of the domains'.
    pub(super) is_named: bool,
    pub(super) addresses: Vec<IpAddr>,
}

/// Clones share what is learnt.
#[derive(Clone)]
pub(super) struct Learning(Arc<Shared>);

struct Shared {
    learnt: Mutex<Learnt>,
    asked: SyncMutex<Vec<Asked>>,
    carry_out: Box<CarryOut>,
}

struct Asked {
    answered: Answered,
    verdict: oneshot::Sender<bool>,
}

impl Learning {
    pub(super) fn new(learnt: Learnt, carry_out: Box<CarryOut>) -> Self {
        Self(Arc::new(Shared { learnt: Mutex::new(learnt), asked: SyncMutex::default(), carry_out }))
    }

    /// Nothing is learnt while this is held.
    pub(super) async fn hold(&self) -> MutexGuard<'_, Learnt> {
        self.0.learnt.lock().await
    }

    /// Has the firewall know these addresses; `None` if it doesn't, and then nobody else may.
    pub(super) async fn learn(&self, answered: Answered) -> Option<()> {
        let (verdict, mut told) = oneshot::channel();
        self.0.asked().push(Asked { answered, verdict });
        let mut learnt = self.0.learnt.lock().await;
        // Whoever had the lock before may have seen to it.
        let is_known = loop {
            match told.try_recv() {
                Ok(is_known) => break is_known,
                Err(oneshot::error::TryRecvError::Closed) => break false,
                Err(oneshot::error::TryRecvError::Empty) => self.0.take_in(&mut learnt).await,
            }
        };
        if learnt.has_unrecorded() && !learnt.is_recording {
            learnt.is_recording = true;
            self.record_later();
        }
        is_known.then_some(())
    }

    fn record_later(&self) {
        let shared = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            sleep(RECORD_PAUSE).await;
            if let Some(shared) = shared.upgrade() {
                let mut learnt = shared.learnt.lock().await;
                learnt.is_recording = false;
                shared.commit(&mut learnt, Change::default()).await;
            }
        });
    }
}

impl Shared {
    fn asked(&self) -> std::sync::MutexGuard<'_, Vec<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in answers that wait: all of them, or as many as go into one transaction.
    async fn take_in(&self, learnt: &mut Learnt) {
        let asked: Vec<Asked> = {
            let mut asked = self.asked();
            let count = asked.len().min(ANSWERS_MAX);
            asked.drain(..count).collect()
        };
        let mut changing = Vec::new();
        for one in asked {
            let Answered { epoch, is_named, addresses } = &one.answered;
            match learnt.change(*is_named, addresses) {
                // It was asked for under another plan.
                _ if *epoch != learnt.epoch() => tell(one, false),
                Ok(change) if change.is_empty() => {
                    learnt.apply(*is_named, addresses, &change);
                    tell(one, true);
                }
                _ => changing.push(one),
            }
        }
        if changing.is_empty() {
            return;
        }
        let (mut next, mut all, mut known) = (learnt.clone(), Change::default(), Vec::new());
        for one in changing {
            let Answered { is_named, addresses, .. } = &one.answered;
            match next.change(*is_named, addresses) {
                Ok(change) => {
                    next.apply(*is_named, addresses, &change);
                    all.then(&change);
                    known.push(one);
                }
                Err(full) => {
                    tracing::warn!("{full}; a name is left unanswered");
                    tell(one, false);
                }
            }
        }
        let is_known = self.commit(&mut next, all).await;
        if is_known {
            *learnt = next;
        }
        known.into_iter().for_each(|one| tell(one, is_known));
    }

    /// Puts a change in force, with what was not put down yet. Where it fails another program has thrown the table away, and it
    /// is put back soon.
    async fn commit(&self, learnt: &mut Learnt, change: Change) -> bool {
        let script = script(learnt.side(), &change, learnt.unrecorded());
        let is_done = script.is_empty() || (self.carry_out)(script).await.is_ok();
        if is_done {
            learnt.recorded();
        }
        is_done
    }
}

fn tell(asked: Asked, is_known: bool) {
    // Whoever asked may have gone away.
    let _ = asked.verdict.send(is_known);
}

/// One transaction for all of it.
fn script(side: Side, change: &Change, unrecorded: &Change) -> String {
    let mut script = String::new();
    let records = side.records().map(|records| (records, unrecorded));
    for (sets, change) in [(side.sets(), change)].into_iter().chain(records) {
        for (verb, addresses) in [("add", &change.added), ("delete", &change.removed)] {
            for (name, is_v4) in sets.into_iter().zip([true, false]) {
                let of_family: BTreeSet<_> = addresses.iter().filter(|address| address.is_ipv4() == is_v4).collect();
                if !of_family.is_empty() {
                    let _ = writeln!(script, "{verb} element inet {CLIENT_TABLE} {name} {}", set(of_family));
                }
            }
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Semaphore;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn one_script_says_all_of_a_change() {
        let change = Change {
            added: ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(address).to_vec(),
            removed: vec![address("192.0.2.3")],
        };
        let unrecorded = Change { added: vec![address("192.0.2.4")], removed: Vec::new() };
        let expected = "add element inet byway outside_v4 { 192.0.2.1, 192.0.2.2 }\n\
                        add element inet byway outside_v6 { 2001:db8::1 }\n\
                        delete element inet byway outside_v4 { 192.0.2.3 }\n\
                        add element inet byway others_v4 { 192.0.2.4 }\n";
        assert_eq!(script(Side::Outside, &change, &unrecorded), expected);
    }

    /// A firewall whose transactions take until they are let through.
    struct Firewall {
        learning: Learning,
        begun: Arc<Semaphore>,
        through: Arc<Semaphore>,
        scripts: Arc<SyncMutex<Vec<String>>>,
        fails: Arc<AtomicUsize>,
    }

    impl Firewall {
        fn new(side: Side) -> Self {
            let (begun, through) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
            let (scripts, fails) = (Arc::new(SyncMutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
            let known = (begun.clone(), through.clone(), scripts.clone(), fails.clone());
            let carry_out: Box<CarryOut> = Box::new(move |script: String| {
                let (begun, through, scripts, fails) = known.clone();
                Box::pin(async move {
                    begun.add_permits(1);
                    through.acquire().await.expect("it is open").forget();
                    if fails.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                        return Err(HostNetworkError::Stopping);
                    }
                    scripts.lock().expect("nobody panics").push(script);
                    Ok(())
                })
            });
            let learning = Learning::new(Learnt::starting(side, Vec::new(), Vec::new()), carry_out);
            Self { learning, begun, through, scripts, fails }
        }

        fn learn(&self, is_named: bool, last: u8) -> tokio::task::JoinHandle<Option<()>> {
            let addresses = vec![IpAddr::from([198, 51, 100, last])];
            let (learning, answered) = (self.learning.clone(), Answered { epoch: 0, is_named, addresses });
            tokio::spawn(async move { learning.learn(answered).await })
        }

        async fn begins(&self) {
            self.begun.acquire().await.expect("it is open").forget();
        }

        fn scripts(&self) -> Vec<String> {
            self.scripts.lock().expect("nobody panics").clone()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_come_while_the_firewall_works_are_in_one_transaction_and_not_in_many() {
        let firewall = Firewall::new(Side::Outside);
        let first = firewall.learn(true, 1);
        firewall.begins().await;
        let others: Vec<_> = (2..50).map(|last| firewall.learn(true, last)).collect();
        while firewall.learning.0.asked().len() < others.len() {
            tokio::task::yield_now().await;
        }
        firewall.through.add_permits(99);
        assert_eq!(first.await.expect("no panic"), Some(()));
        for other in others {
            assert_eq!(other.await.expect("no panic"), Some(()));
        }
        let scripts = firewall.scripts();
        assert_eq!(scripts.len(), 2, "{scripts:#?}");
        assert!(scripts[1].contains("198.51.100.2,") && scripts[1].contains("198.51.100.49"), "{scripts:#?}");
        assert_eq!(firewall.learning.hold().await.addresses().count(), 49);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_firewall_does_not_take_is_not_known_and_is_asked_for_again() {
        let firewall = Firewall::new(Side::Inside);
        firewall.fails.store(1, Ordering::SeqCst);
        firewall.through.add_permits(9);
        assert_eq!(firewall.learn(true, 1).await.expect("no panic"), None);
        assert_eq!(firewall.learning.hold().await.addresses().count(), 0);
        assert_eq!(firewall.learn(true, 1).await.expect("no panic"), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn in_one_transaction_too_an_address_of_two_names_is_inside() {
        for order in [[true, false], [false, true]] {
            let firewall = Firewall::new(Side::Outside);
            let first = firewall.learn(true, 9);
            firewall.begins().await;
            let both = order.map(|is_named| firewall.learn(is_named, 1));
            while firewall.learning.0.asked().len() < 2 {
                tokio::task::yield_now().await;
            }
            firewall.through.add_permits(9);
            for learning in [first].into_iter().chain(both) {
                assert_eq!(learning.await.expect("no panic"), Some(()));
            }
            let outside: Vec<IpAddr> = firewall.learning.hold().await.addresses().collect();
            assert_eq!(outside, [address("198.51.100.9")], "{order:?}: {:#?}", firewall.scripts());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_names_inside_are_put_down_though_nobody_waits_for_that() {
        let firewall = Firewall::new(Side::Outside);
        for last in [1, 2, 2] {
            assert_eq!(firewall.learn(false, last).await.expect("no panic"), Some(()));
        }
        assert_eq!(firewall.scripts(), Vec::<String>::new());
        firewall.through.add_permits(9);
        firewall.begins().await;
        let learnt = firewall.learning.hold().await;
        assert!(!learnt.has_unrecorded());
        assert_eq!(firewall.scripts(), ["add element inet byway others_v4 { 198.51.100.1, 198.51.100.2 }\n"]);
    }
}
