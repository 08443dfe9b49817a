//! Which addresses the domains of a plan have had.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Side;

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
    /// What is in the firewall's sets.
    named: Aged,
    others: Aged,
}

/// What becomes of the firewall's sets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Change {
    pub(super) added: Vec<IpAddr>,
    pub(super) removed: Vec<IpAddr>,
}

/// More addresses are inside than can be kept in mind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Change {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }
}

impl Learnt {
    /// With addresses that are in the sets already.
    pub(super) fn starting(side: Side, addresses: Vec<IpAddr>) -> Self {
        let mut named = Aged::default();
        addresses.into_iter().for_each(|address| named.note(address));
        Self { side, named, others: Aged::default() }
    }

    /// What is in the sets.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.named.times.keys().copied()
    }

    /// What it takes that a name has these addresses, which is one of the domains' or not.
    pub(super) fn change(&self, is_named: bool, addresses: &[IpAddr]) -> Result<Change, Full> {
        let mut change = Change::default();
        for address in addresses.iter().filter(|address| is_host(address)) {
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
        let over = (self.named.len() + change.added.len()).saturating_sub(NAMED_MAX);
        match self.side {
            Side::Inside if over > 0 => Err(Full),
            _ => {
                change.removed.extend(self.named.oldest().take(over));
                Ok(change)
            }
        }
    }

    /// The sets have changed by `change`, which was asked for with the same.
    pub(super) fn apply(&mut self, is_named: bool, addresses: &[IpAddr], change: &Change) {
        change.added.iter().for_each(|address| self.named.note(*address));
        change.removed.iter().for_each(|address| self.named.forget(address));
        for address in addresses.iter().filter(|address| is_host(address)) {
            match is_named {
                true if self.named.holds(address) => self.named.note(*address),
                false if self.side == Side::Outside => self.others.note(*address),
                _ => {}
            }
        }
        let over = self.others.len().saturating_sub(OTHERS_MAX);
        for address in self.others.oldest().take(over).collect::<Vec<_>>() {
            self.others.forget(&address);
        }
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

/// Whether it is a host's that isn't this machine.
fn is_host(address: &IpAddr) -> bool {
    !address.is_loopback() && !address.is_unspecified() && !address.is_multicast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(number: usize) -> IpAddr {
        IpAddr::from([10, (number >> 16) as u8, (number >> 8) as u8, number as u8])
    }

    /// Applies at once what is learnt.
    fn learn(learnt: &mut Learnt, is_named: bool, addresses: &[IpAddr]) -> Change {
        let change = learnt.change(is_named, addresses).expect("there is room");
        learnt.apply(is_named, addresses, &change);
        change
    }

    #[test]
    fn an_address_of_two_names_is_inside() {
        let mut learnt = Learnt::starting(Side::Outside, Vec::new());
        let [shared, own, loopback] = [host(1), host(2), IpAddr::from([127, 0, 0, 1])];
        let change = learn(&mut learnt, true, &[own, shared, own, loopback]);
        assert_eq!(change, Change { added: vec![shared, own], removed: vec![] });
        assert!(learn(&mut learnt, true, &[own, shared]).is_empty(), "they are there");
        assert_eq!(learn(&mut learnt, false, &[shared]), Change { added: vec![], removed: vec![shared] });
        assert!(learn(&mut learnt, true, &[shared]).is_empty(), "it stays inside");
        assert_eq!(learnt.addresses().collect::<Vec<_>>(), [own]);

        let mut learnt = Learnt::starting(Side::Inside, vec![host(9)]);
        learn(&mut learnt, true, &[shared]);
        assert!(learn(&mut learnt, false, &[shared, own]).is_empty());
        assert_eq!(learnt.addresses().collect::<Vec<_>>(), [shared, host(9)]);
    }

    #[test]
    fn where_there_is_no_room_the_oldest_go_inside_and_nothing_goes_outside() {
        let hosts: Vec<IpAddr> = (0..NAMED_MAX).map(host).collect();
        let mut learnt = Learnt::starting(Side::Outside, hosts.clone());
        // In an answer again, so it is the youngest.
        learn(&mut learnt, true, &[host(0)]);
        let change = learn(&mut learnt, true, &[host(NAMED_MAX)]);
        assert_eq!(change, Change { added: vec![host(NAMED_MAX)], removed: vec![host(1)] });
        assert_eq!(learnt.addresses().count(), NAMED_MAX);

        let learnt = Learnt::starting(Side::Inside, hosts);
        assert_eq!(learnt.change(true, &[host(NAMED_MAX)]), Err(Full));
        assert!(learnt.change(true, &[host(0)]).expect("it is there").is_empty());

        let mut learnt = Learnt::starting(Side::Outside, Vec::new());
        let others: Vec<IpAddr> = (0..=OTHERS_MAX).map(host).collect();
        learn(&mut learnt, false, &others);
        assert_eq!(learnt.others.len(), OTHERS_MAX);
        assert_eq!(learn(&mut learnt, true, &[host(0), host(1)]).added, [host(0)], "the oldest was forgotten");
    }
}
