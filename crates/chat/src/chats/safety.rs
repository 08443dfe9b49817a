//! What two people compare to know that nobody is between them (*safety number*, *safety words*), and that they have.
//!
//! Whoever finds an invite before the one it was meant for, or gives a card in the place of another's, is somebody else: another identity.
//! Every key of a device is certified by its person's identity, so it is the two identities that are to be compared, and nothing else.
//! Hence both are the same on all devices, whether or not there is a room, and stay so while keys are renewed and after a restore.
//!
//! Who wants to be between two people needs an identity for each of them such that both see the same. Trying for that takes some
//! 2^99 identities for the number, and 2^66 for the words (a collision of 199 and of 132 bits).

use byway_primitives::codec::Encode;
use byway_primitives::hash::Context;
use byway_primitives::{IdentityId, NetworkId, Time};

use super::{ChatError, Chats};
use crate::delivery::own_letter::OwnMatter;
use crate::people::Person;

const SAFETY: Context = Context("byway 1 chat safety of two people");
/// Groups of a number, of five digits each; and words.
const GROUPS: usize = 12;
const WORDS: usize = 12;
/// Bytes of which a group of digits is made; so many that each number is as likely as another, but for 2^-47.
const GROUP_BYTES: usize = 8;

/// What two people see alike, where each has the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safety {
    /// Twelve groups of five digits, between spaces.
    pub number: String,
    /// Twelve words of the list that seed phrases use, between spaces.
    pub words: String,
}

impl Safety {
    /// Of two people, whichever is named first.
    pub fn of(network: NetworkId, one: IdentityId, other: IdentityId) -> Self {
        let (lower, higher) = (one.min(other), one.max(other));
        let mut bytes = [0; GROUPS * GROUP_BYTES + WORDS * 2];
        SAFETY.expand(&[&network.to_bytes(), &lower.to_bytes(), &higher.to_bytes()], &mut bytes);
        let (digits, words) = bytes.split_at(GROUPS * GROUP_BYTES);
        let digits = digits.as_chunks::<GROUP_BYTES>().0.iter().map(|group| u64::from_be_bytes(*group) % 100_000);
        let words = words.as_chunks::<2>().0.iter().map(|word| byway_crypto::phrase::word(u16::from_be_bytes(*word)));
        Self {
            number: digits.map(|group| format!("{group:05}")).collect::<Vec<_>>().join(" "),
            words: words.collect::<Vec<_>>().join(" "),
        }
    }
}

impl Chats {
    /// What our person and that one compare.
    pub fn safety(&self, peer: IdentityId) -> Safety {
        Safety::of(self.device.certificate.network, self.me(), peer)
    }

    /// Our person has compared it with somebody, then; or is not sure of that any more.
    ///
    /// # Errors
    /// [`ChatError::Unknown`].
    pub fn set_verified(&mut self, peer: IdentityId, verified: Option<Time>) -> Result<(), ChatError> {
        let person = self.people.get(peer).cloned().ok_or(ChatError::Unknown(peer))?;
        if let Some(first) = self.own.first().filter(|_| !self.is_first()) {
            self.write_to(first, OwnMatter::Verified { who: peer, at: verified });
        }
        self.put_person(peer, Person { verified, ..person });
        Ok(())
    }
}
