//! Which addresses the domains of a plan have had.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Side;

/// Addresses in one answer for a domain. Real ones have a few; more are as they were.
pub(super) const ANSWER_MAX: usize = 64;
/// Addresses of the domains that are kept in mind.
pub(super) const NAMED_MAX: usize = 4096;
/// Addresses of other names that are kept in mind, where domains are outside.
pub(super) const OTHERS_MAX: usize = 16_384;

/// Addresses by when they were last in an answer.
#[derive(Debug, Clone, Default)]
struct Aged {
    times: BTreeMap<IpAddr, u64>,
    order: BTreeMap<u64, IpAddr>,
    next: u64,
}

/// What was in answers so far.
#[derive(Debug, Clone)]
pub(in super::super) struct Learnt {
    side: Side,
    /// Which plan's it is: questions that were asked under another teach nothing.
    epoch: u64,
    /// What is in the firewall's sets.
    named: Aged,
    others: Aged,
    /// What of the others is not in the firewall's sets yet, or is not to be there any more.
    unrecorded: Change,
    /// Somebody is about to put that down.
    pub(super) is_recording: bool,
}

/// What becomes of the firewall's sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub(super) added: Vec<IpAddr>,
    pub(super) removed: Vec<IpAddr>,
}

/// Why an address can't be inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more addresses would be inside than can be kept in mind")]
pub(super) struct Full;

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// This one, and `next` after it. What the one adds and the other removes is in neither.
    pub(super) fn then(&mut self, next: &Self) {
        next.added.iter().for_each(|address| note(address, &mut self.added, &mut self.removed));
        next.removed.iter().for_each(|address| note(address, &mut self.removed, &mut self.added));
    }
}

/// Puts an address into a list, unless it is in the one against that, and then into neither.
fn note(address: &IpAddr, list: &mut Vec<IpAddr>, against: &mut Vec<IpAddr>) {
    match against.iter().position(|other| other == address) {
        Some(at) => drop(against.remove(at)),
        None => list.push(*address),
    }
}

impl Learnt {
    /// With addresses of the domains, and of other names, that are in the sets already.
    pub(super) fn starting(side: Side, named: Vec<IpAddr>, others: Vec<IpAddr>) -> Self {
        let [named, others] = [named, others].map(|addresses| {
            let mut aged = Aged::default();
            addresses.into_iter().for_each(|address| aged.note(address));
            aged
        });
        Self { side, epoch: 0, named, others, unrecorded: Change::default(), is_recording: false }
    }

    /// For the plan after this one, with addresses that were found in the sets. What is outside is as the domains say, so it is
    /// forgotten with them; what was inside for one of them stays so.
    pub(super) fn next(&self, side: Side, has_same_domains: bool, found: [Vec<IpAddr>; 2]) -> Self {
        let is_kept = self.side == side && (side == Side::Inside || has_same_domains);
        let [named, others] = found;
        let mut next = Self::starting(side, if is_kept { self.addresses().collect() } else { named }, others);
        (next.epoch, next.is_recording) = (self.epoch + 1, self.is_recording);
        if self.side == side {
            next.others = self.others.clone();
        }
        next
    }

    pub(super) fn side(&self) -> Side {
        self.side
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What is in the sets.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.named.times.keys().copied()
    }

    /// Of names that are none of the domains', where those are outside.
    pub(super) fn others(&self) -> impl Iterator<Item = IpAddr> {
        self.others.times.keys().copied()
    }

    pub(super) fn unrecorded(&self) -> &Change {
        &self.unrecorded
    }

    pub(super) fn has_unrecorded(&self) -> bool {
        !self.unrecorded.is_empty()
    }

    /// The sets hold the addresses of other names as they are here.
    pub(super) fn recorded(&mut self) {
        self.unrecorded = Change::default();
    }

    /// What it takes that a name has these addresses, which is one of the domains' or not.
    pub(super) fn change(&self, is_named: bool, addresses: &[IpAddr]) -> Result<Change, Full> {
        let mut change = Change::default();
        for address in self.meant(addresses) {
            match (self.side, is_named, self.named.holds(address)) {
                (Side::Outside, false, true) => change.removed.push(*address),
                (Side::Outside, true, false) if !self.others.holds(address) => change.added.push(*address),
                (Side::Inside, true, false) => change.added.push(*address),
                _ => {}
            }
        }
        for list in [&mut change.added, &mut change.removed] {
            list.sort_unstable();
            list.dedup();
        }
        match self.side {
            Side::Outside => change.added.truncate(ANSWER_MAX),
            Side::Inside if change.added.len() > ANSWER_MAX => return Err(Full),
            Side::Inside => {}
        }
        let over = (self.named.len() + change.added.len()).saturating_sub(NAMED_MAX);
        if over > 0 && self.side == Side::Inside {
            return Err(Full);
        }
        if is_named {
            change.removed.extend(self.named.oldest().filter(|address| !addresses.contains(address)).take(over));
        }
        Ok(change)
    }

    /// The sets have changed by `change`, which was asked for with the same.
    pub(super) fn apply(&mut self, is_named: bool, addresses: &[IpAddr], change: &Change) {
        change.added.iter().for_each(|address| self.named.note(*address));
        change.removed.iter().for_each(|address| self.named.forget(address));
        let meant: Vec<IpAddr> = self.meant(addresses).copied().collect();
        for address in &meant {
            match is_named {
                true if self.named.holds(address) => self.named.note(*address),
                false if self.side == Side::Outside => {
                    if !self.others.holds(address) {
                        note(address, &mut self.unrecorded.added, &mut self.unrecorded.removed);
                    }
                    self.others.note(*address);
                }
                _ => {}
            }
        }
        let over = self.others.len().saturating_sub(OTHERS_MAX);
        for address in self.others.oldest().take(over).collect::<Vec<_>>() {
            self.others.forget(&address);
            note(&address, &mut self.unrecorded.removed, &mut self.unrecorded.added);
        }
    }

    /// Those of an answer that are hosts'. Of domains inside the public ones alone: nobody who answers for a name is to draw
    /// a neighbour's traffic into the tunnel.
    fn meant<'a>(&self, addresses: &'a [IpAddr]) -> impl Iterator<Item = &'a IpAddr> {
        let is_inside = self.side == Side::Inside;
        addresses.iter().filter(move |address| is_host(address) && !(is_inside && is_private(address)))
    }
}

impl Aged {
    fn len(&self) -> usize {
        self.times.len()
    }

    fn holds(&self, address: &IpAddr) -> bool {
        self.times.contains_key(address)
    }

    fn note(&mut self, address: IpAddr) {
        self.forget(&address);
        self.times.insert(address, self.next);
        self.order.insert(self.next, address);
        self.next += 1;
    }

    fn forget(&mut self, address: &IpAddr) {
        if let Some(time) = self.times.remove(address) {
            self.order.remove(&time);
        }
    }

    fn oldest(&self) -> impl Iterator<Item = IpAddr> {
        self.order.values().copied()
    }
}

/// Whether it is one host's, and not this machine's.
fn is_host(address: &IpAddr) -> bool {
    let is_of_link = match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_broadcast(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast() && !is_of_link
}

fn is_private(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> IpAddr {
        IpAddr::from([11, (number >> 16) as u8, (number >> 8) as u8, number as u8])
    }

    /// Applies at once what is learnt.
    fn learn(learnt: &mut Learnt, is_named: bool, addresses: &[IpAddr]) -> Change {
        let change = learnt.change(is_named, addresses).expect("there is room");
        learnt.apply(is_named, addresses, &change);
        change
    }

    #[test]
    fn an_address_of_two_names_is_inside() {
        let mut learnt = Learnt::starting(Side::Outside, Vec::new(), Vec::new());
        let [shared, own, loopback] = [host(1), host(2), IpAddr::from([127, 0, 0, 1])];
        let link = "fe80::1".parse().expect("an address");
        let change = learn(&mut learnt, true, &[own, shared, own, loopback, link]);
        assert_eq!(change, Change { added: vec![shared, own], removed: vec![] });
        assert!(learn(&mut learnt, true, &[own, shared]).is_empty(), "they are there");
        assert_eq!(learn(&mut learnt, false, &[shared]), Change { added: vec![], removed: vec![shared] });
        assert!(learn(&mut learnt, true, &[shared]).is_empty(), "it stays inside");
        assert_eq!(learnt.addresses().collect::<Vec<_>>(), [own]);

        let mut learnt = Learnt::starting(Side::Inside, vec![host(9)], Vec::new());
        learn(&mut learnt, true, &[shared, IpAddr::from([192, 168, 1, 5])]);
        assert!(learn(&mut learnt, false, &[shared, own]).is_empty());
        assert_eq!(learnt.addresses().collect::<Vec<_>>(), [shared, host(9)]);
    }

    #[test]
    fn the_plan_after_keeps_what_hides() {
        let mut outside = Learnt::starting(Side::Outside, Vec::new(), Vec::new());
        learn(&mut outside, true, &[host(1)]);
        learn(&mut outside, false, &[host(2)]);
        assert_eq!(outside.next(Side::Outside, true, Default::default()).addresses().collect::<Vec<_>>(), [host(1)]);
        let mut changed = outside.next(Side::Outside, false, Default::default());
        assert_eq!((changed.addresses().count(), changed.epoch()), (0, 1));
        assert!(learn(&mut changed, true, &[host(2)]).is_empty(), "it is another name's");
        let mut inside = outside.next(Side::Inside, false, [vec![host(3)], Vec::new()]);
        learn(&mut inside, true, &[host(4)]);
        assert_eq!(
            inside.next(Side::Inside, false, Default::default()).addresses().collect::<Vec<_>>(),
            [host(3), host(4)]
        );
    }

    #[test]
    fn one_answer_moves_few() {
        let hosts: Vec<IpAddr> = (0..=ANSWER_MAX).map(host).collect();
        let change =
            Learnt::starting(Side::Outside, Vec::new(), Vec::new()).change(true, &hosts).expect("there is room");
        assert_eq!(change.added.len(), ANSWER_MAX, "the others stay inside");
        assert_eq!(Learnt::starting(Side::Inside, Vec::new(), Vec::new()).change(true, &hosts), Err(Full));
    }

    #[test]
    fn where_there_is_no_room_the_oldest_go_inside_and_nothing_goes_outside() {
        let hosts: Vec<IpAddr> = (0..NAMED_MAX).map(host).collect();
        let mut learnt = Learnt::starting(Side::Outside, hosts.clone(), Vec::new());
        // In an answer again, so it is the youngest.
        learn(&mut learnt, true, &[host(0)]);
        let change = learn(&mut learnt, true, &[host(NAMED_MAX)]);
        assert_eq!(change, Change { added: vec![host(NAMED_MAX)], removed: vec![host(1)] });
        assert_eq!(learnt.addresses().count(), NAMED_MAX);

        let learnt = Learnt::starting(Side::Inside, hosts, Vec::new());
        assert_eq!(learnt.change(true, &[host(NAMED_MAX)]), Err(Full));
        assert!(learnt.change(true, &[host(0)]).expect("it is there").is_empty());

        let mut learnt = Learnt::starting(Side::Outside, Vec::new(), Vec::new());
        let others: Vec<IpAddr> = (0..=OTHERS_MAX).map(host).collect();
        learn(&mut learnt, false, &others);
        assert_eq!(learnt.others.len(), OTHERS_MAX);
        assert_eq!(learn(&mut learnt, true, &[host(0), host(1)]).added, [host(0)], "the oldest was forgotten");
    }

    #[test]
    fn what_a_process_before_this_one_learnt_of_names_inside_never_comes_to_be_outside() {
        let mut learnt = Learnt::starting(Side::Outside, Vec::new(), vec![host(1)]);
        assert!(!learnt.has_unrecorded());
        assert_eq!(learn(&mut learnt, true, &[host(1), host(2)]).added, [host(2)]);
        learn(&mut learnt, false, &[host(1), host(3)]);
        assert_eq!(learnt.unrecorded(), &Change { added: vec![host(3)], removed: vec![] });
        let next = learnt.next(Side::Outside, false, Default::default());
        assert!(!next.has_unrecorded(), "they are in the table that was made of it");
        assert_eq!(next.others().collect::<Vec<_>>(), [host(1), host(3)]);
    }

    #[test]
    fn a_change_that_is_taken_back_is_none() {
        let change = |added: &[usize], removed: &[usize]| Change {
            added: added.iter().copied().map(host).collect(),
            removed: removed.iter().copied().map(host).collect(),
        };
        let mut all = change(&[1, 2], &[3]);
        all.then(&change(&[3, 4], &[1]));
        assert_eq!(all, change(&[2, 4], &[]));
    }
}
