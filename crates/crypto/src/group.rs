//! m-of-n groups: several people hold money that any m of them can spend (row K2).
//!
//! A group has a view key of its own, which all members know, and each member's spend key B. Paying it derives one
//! one-time key per member from one shared secret:
//!
//! ```text
//! s_k = H(8·rA ‖ index ‖ k)        P_k = s_k·G + B_k        for member k, counted from 0
//! ```
//!
//! So whoever has the group's view key finds its outputs and can check *all* keys of the lock, not only its own, and
//! knows which group an output belongs to; and only the holder of b_k gives the secret s_k + b_k. Members are in rising
//! order of their spend keys, so that the same people make the same group whoever sets it up.

use std::fmt;
use std::str::FromStr;

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::ghost::{Address, GhostKey, SpendSecret, TransactionSecret, WalletSecret, shared_secret};

const GROUP_SCALAR: Context = Context("byway 1 ghost: group key scalar");
const GROUP_TAG: Context = Context("byway 1 ghost: group view tag");
const GROUP_VIEW: Context = Context("byway 1 ghost: group view scalar");
const GROUP_CHECK: Context = Context("byway 1 group address check");

const GROUP_VIEW_CHECK: Context = Context("byway 1 group key check");
const GROUP_VIEW_PREFIX: &str = "waygroup";

/// Members of a group: as many keys as a lock may have.
pub const GROUP_MEMBERS_MAX: usize = 16;
const CHECK_LENGTH: usize = 4;

/// A group's public keys: what one gives to be paid.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    threshold: u8,
    view: GhostKey,
    /// Rising, and none twice.
    spends: Vec<GhostKey>,
}

/// A group and its view secret, which all members have: finds what the group owns, can't spend it.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct GroupView {
    view: Scalar,
    #[zeroize(skip)]
    group: Group,
}

/// Keys and numbers that make no group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    #[error("a group has 2 to {GROUP_MEMBERS_MAX} members")]
    Members,
    #[error("a group needs at least one signature, and no more than it has members")]
    Threshold,
    #[error("a member is in the group twice")]
    Repeated,
}

/// A text is not a group's view key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupKeyError {
    #[error("a group's key starts with \"{GROUP_VIEW_PREFIX}\" and has hex digits after it")]
    Shape,
    #[error("the group's key has a typing error: its checksum does not match")]
    Checksum,
    #[error("the group's key does not hold valid keys")]
    Keys,
}

/// A text is not a group's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GroupAddressError {
    #[error("a group's address reads wayMofN, a hyphen, and hex digits")]
    Shape,
    #[error("the group's address has a typing error: its checksum does not match")]
    Checksum,
    #[error("the group's address does not hold valid keys, in their order")]
    Keys,
}

impl GroupView {
    /// A new group of these people. `seed` must be fresh and secret.
    pub fn new(threshold: u8, members: &[Address], seed: &[u8; 32]) -> Result<Self, GroupError> {
        let view = Scalar::from_bytes_mod_order_wide(&GROUP_VIEW.hash_wide(&[seed]));
        let mut spends: Vec<GhostKey> = members.iter().map(Address::spend_key).collect();
        spends.sort_unstable();
        Ok(Self { view, group: Group::new(threshold, public(&view), spends)? })
    }

    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Whether output `index` of the transaction with this R pays this group: all keys of its lock.
    pub fn owns(&self, transaction: GhostKey, index: u32, threshold: u8, keys: &[GhostKey], tags: &[u8]) -> bool {
        if !self.has_shape(threshold, keys) || keys.len() != tags.len() {
            return false;
        }
        let Some(shared) = shared_secret(&self.view, transaction) else { return false };
        let tags_fit = (0u8..).zip(tags).all(|(k, tag)| view_tag(&shared, index, k) == *tag);
        tags_fit && self.has_keys(&shared, index, keys)
    }

    /// As [`owns`](Self::owns), of a lock alone: what an input says of the output that it spends.
    pub fn has_lock(&self, transaction: GhostKey, index: u32, threshold: u8, keys: &[GhostKey]) -> bool {
        let shared = shared_secret(&self.view, transaction);
        self.has_shape(threshold, keys) && shared.is_some_and(|shared| self.has_keys(&shared, index, keys))
    }

    fn has_shape(&self, threshold: u8, keys: &[GhostKey]) -> bool {
        threshold == self.group.threshold && keys.len() == self.group.spends.len()
    }

    fn has_keys(&self, shared: &[u8; 32], index: u32, keys: &[GhostKey]) -> bool {
        let mut numbered = (0u8..).zip(keys.iter().zip(&self.group.spends));
        numbered.all(|(k, (key, spend))| one_time_key(shared, index, k, spend) == Some(*key))
    }

    /// `waygroup` and the hex of the encoding and a checksum, for handing to a member. Not `Display`, so that no log shows
    /// it by accident.
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.to_bytes());
        let check = GROUP_VIEW_CHECK.hash(&[&bytes]);
        let keys = Zeroizing::new(hex::encode(&*bytes));
        Zeroizing::new(format!("{GROUP_VIEW_PREFIX}{}{}", *keys, hex::encode(&check.0[..CHECK_LENGTH])))
    }

    /// The inverse of [`to_text`](Self::to_text).
    pub fn from_text(text: &str) -> Result<Self, GroupKeyError> {
        let digits = text.strip_prefix(GROUP_VIEW_PREFIX).ok_or(GroupKeyError::Shape)?;
        let bytes = Zeroizing::new(hex::decode(digits).map_err(|_| GroupKeyError::Shape)?);
        let at = bytes.len().checked_sub(CHECK_LENGTH).ok_or(GroupKeyError::Shape)?;
        let (keys, check) = bytes.split_at(at);
        if GROUP_VIEW_CHECK.hash(&[keys]).0[..CHECK_LENGTH] != *check {
            return Err(GroupKeyError::Checksum);
        }
        Self::from_bytes(keys).map_err(|_| GroupKeyError::Keys)
    }

    /// The secret that member `wallet` signs an output of the group with, and the member's number; `None` for whoever is
    /// no member, or where the output is not the group's.
    pub fn spend_secret(
        &self,
        wallet: &WalletSecret,
        transaction: GhostKey,
        index: u32,
        keys: &[GhostKey],
    ) -> Option<(u8, SpendSecret)> {
        let number = self.group.number_of(&wallet.address())?;
        let shared = shared_secret(&self.view, transaction)?;
        let secret = wallet.one_time_secret(key_scalar(&shared, index, number));
        (keys.get(usize::from(number)) == Some(&secret.public())).then_some((number, secret))
    }
}

impl Group {
    fn new(threshold: u8, view: GhostKey, spends: Vec<GhostKey>) -> Result<Self, GroupError> {
        if !(2..=GROUP_MEMBERS_MAX).contains(&spends.len()) {
            return Err(GroupError::Members);
        }
        if threshold == 0 || usize::from(threshold) > spends.len() {
            return Err(GroupError::Threshold);
        }
        if spends.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(GroupError::Repeated);
        }
        Ok(Self { threshold, view, spends })
    }

    /// How many members must sign.
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        self.spends.len()
    }

    /// The number of whoever has this address among the members.
    pub fn number_of(&self, address: &Address) -> Option<u8> {
        self.spends.iter().position(|spend| *spend == address.spend_key()).map(|number| number as u8)
    }

    fn bytes(&self) -> Vec<u8> {
        let keys = [self.view].into_iter().chain(self.spends.iter().copied());
        keys.flat_map(|key| key.0).collect()
    }
}

impl TransactionSecret {
    /// The one-time keys and view tags of output `index` to a group, in the order of its members.
    pub fn derive_group(&self, group: &Group, index: u32) -> (Vec<GhostKey>, Vec<u8>) {
        let shared = self.shared_with(group.view).expect("a Group holds valid points");
        let keys = (0u8..).zip(&group.spends).map(|(k, spend)| {
            let key = one_time_key(&shared, index, k, spend).expect("a Group holds valid points");
            (key, view_tag(&shared, index, k))
        });
        keys.unzip()
    }
}

fn public(secret: &Scalar) -> GhostKey {
    GhostKey(EdwardsPoint::mul_base(secret).compress().0)
}

fn key_scalar(shared: &[u8; 32], index: u32, member: u8) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&GROUP_SCALAR.hash_wide(&[shared, &index.to_le_bytes(), &[member]]))
}

fn view_tag(shared: &[u8; 32], index: u32, member: u8) -> u8 {
    GROUP_TAG.hash(&[shared, &index.to_le_bytes(), &[member]]).0[0]
}

fn one_time_key(shared: &[u8; 32], index: u32, member: u8, spend: &GhostKey) -> Option<GhostKey> {
    let spend = CompressedEdwardsY(spend.0).decompress()?;
    Some(GhostKey((EdwardsPoint::mul_base(&key_scalar(shared, index, member)) + spend).compress().0))
}

/// `wayMofN-` and the hex of A ‖ B_0 ‖ … ‖ checksum.
impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let check = GROUP_CHECK.hash(&[&[self.threshold], &self.bytes()]);
        let (keys, check) = (hex::encode(self.bytes()), hex::encode(&check.0[..CHECK_LENGTH]));
        f.pad(&format!("way{}of{}-{keys}{check}", self.threshold, self.spends.len()))
    }
}

impl FromStr for Group {
    type Err = GroupAddressError;

    fn from_str(text: &str) -> Result<Self, GroupAddressError> {
        let (head, digits) = text.split_once('-').ok_or(GroupAddressError::Shape)?;
        let (threshold, members) =
            head.strip_prefix("way").and_then(|head| head.split_once("of")).ok_or(GroupAddressError::Shape)?;
        let number = |text: &str| text.parse::<u8>().ok().filter(|number| number.to_string() == text);
        let (Some(threshold), Some(members)) = (number(threshold), number(members)) else {
            return Err(GroupAddressError::Shape);
        };
        let bytes = hex::decode(digits).map_err(|_| GroupAddressError::Shape)?;
        if usize::from(members) > GROUP_MEMBERS_MAX || bytes.len() != 32 * (usize::from(members) + 1) + CHECK_LENGTH {
            return Err(GroupAddressError::Shape);
        }
        let (keys, check) = bytes.split_at(bytes.len() - CHECK_LENGTH);
        if GROUP_CHECK.hash(&[&[threshold], keys]).0[..CHECK_LENGTH] != *check {
            return Err(GroupAddressError::Checksum);
        }
        Self::from_bytes(&[&[threshold, members][..], keys].concat()).map_err(|_| GroupAddressError::Keys)
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Group({} of {}, {}…)", self.threshold, self.spends.len(), hex::encode(&self.view.0[..4]))
    }
}

impl fmt::Debug for GroupView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupView({:?})", self.group)
    }
}

/// Threshold, number of members, A, then each B.
impl Encode for Group {
    fn encode(&self, out: &mut Writer) {
        out.byte(self.threshold);
        out.byte(self.spends.len() as u8);
        out.raw(&self.bytes());
    }
}

impl Decode for Group {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (threshold, count) = (input.byte()?, input.byte()?);
        if usize::from(count) > GROUP_MEMBERS_MAX {
            return Err(DecodeError::TooLong { length: count.into(), limit: GROUP_MEMBERS_MAX as u64 });
        }
        let view: GhostKey = input.value()?;
        let spends = (0..count).map(|_| input.value()).collect::<Result<Vec<GhostKey>, _>>()?;
        let in_order = spends.is_sorted_by(|a, b| a < b);
        if !in_order || !view.is_valid() || !spends.iter().all(GhostKey::is_valid) {
            return Err(DecodeError::Invalid("group"));
        }
        Self::new(threshold, view, spends).map_err(|_| DecodeError::Invalid("group"))
    }
}

/// The view secret, then the group.
impl Encode for GroupView {
    fn encode(&self, out: &mut Writer) {
        out.raw(self.view.as_bytes());
        out.value(&self.group);
    }
}

impl Decode for GroupView {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let view = Option::from(Scalar::from_canonical_bytes(input.array()?));
        let (view, group): (Scalar, Group) = (view.ok_or(DecodeError::Invalid("group view secret"))?, input.value()?);
        if public(&view) == group.view {
            Ok(Self { view, group })
        } else {
            Err(DecodeError::Invalid("group view secret"))
        }
    }
}

byway_primitives::serde_as_text!(Group);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ghost::verify_spend;
    use byway_primitives::{Hash, NetworkId};

    const NETWORK: NetworkId = NetworkId(Hash([7; 32]));

    fn wallet(seed: u8) -> WalletSecret {
        WalletSecret::from_seed(&[seed; 32])
    }

    fn group(threshold: u8, seeds: &[u8]) -> Result<GroupView, GroupError> {
        let members: Vec<Address> = seeds.iter().map(|seed| wallet(*seed).address()).collect();
        GroupView::new(threshold, &members, &[9; 32])
    }

    #[test]
    fn members_find_and_sign_what_the_group_was_paid_and_nobody_else_does() {
        let view = group(2, &[1, 2, 3]).expect("a group");
        let other = GroupView::new(2, &[wallet(1).address(), wallet(2).address(), wallet(3).address()], &[8; 32]);
        let secret = TransactionSecret::from_seed(&[5; 32]);
        for index in [0u32, 7, 300] {
            let (keys, tags) = secret.derive_group(view.group(), index);
            assert!(view.owns(secret.public(), index, 2, &keys, &tags));
            assert!(!view.owns(secret.public(), index, 1, &keys, &tags), "another threshold");
            assert!(!view.owns(secret.public(), index + 1, 2, &keys, &tags), "another place");
            assert!(!other.as_ref().expect("a group").owns(secret.public(), index, 2, &keys, &tags));
            let swapped = [keys[1], keys[0], keys[2]];
            assert!(!view.owns(secret.public(), index, 2, &swapped, &tags), "keys in another order");
            for seed in [1, 2, 3] {
                let spend = view.spend_secret(&wallet(seed), secret.public(), index, &keys);
                let (number, spend) = spend.expect("a member's");
                let signature = spend.sign(NETWORK, b"body");
                assert!(verify_spend(keys[usize::from(number)], NETWORK, b"body", signature));
            }
            assert!(view.spend_secret(&wallet(4), secret.public(), index, &keys).is_none());
        }
    }

    #[test]
    fn numbers_that_make_no_group_are_refused() {
        let many: Vec<u8> = (1..=17).collect();
        for (threshold, seeds, error) in [
            (1, &[1][..], GroupError::Members),
            (2, &many[..], GroupError::Members),
            (0, &[1, 2], GroupError::Threshold),
            (3, &[1, 2], GroupError::Threshold),
            (2, &[1, 2, 1], GroupError::Repeated),
        ] {
            assert_eq!(group(threshold, seeds).err(), Some(error), "{threshold} of {seeds:?}");
        }
        assert!(group(16, &many[..16]).is_ok());
    }

    #[test]
    fn an_address_and_a_view_key_survive_and_what_is_wrong_in_them_is_told() {
        let view = group(2, &[1, 2, 3]).expect("a group");
        let text = view.group().to_string();
        assert!(text.starts_with("way2of3-"));
        assert_eq!(text.parse::<Group>().as_ref(), Ok(view.group()));
        let last = if text.ends_with('0') { "1" } else { "0" };
        for (bad, error) in [
            (format!("{}{last}", &text[..text.len() - 1]), GroupAddressError::Checksum),
            (text.replacen("way2of3", "way1of3", 1), GroupAddressError::Checksum),
            (text.replacen("way2of3", "way02of3", 1), GroupAddressError::Shape),
            (text.replacen("way2of3", "way2of2", 1), GroupAddressError::Shape),
            (wallet(1).address().to_string(), GroupAddressError::Shape),
        ] {
            assert_eq!(bad.parse::<Group>(), Err(error), "{bad}");
        }
        let bytes = view.to_bytes();
        assert_eq!(GroupView::from_bytes(&bytes).map(|view| view.to_bytes()), Ok(bytes.clone()));
        let public = view.group().to_bytes();
        let members = |order: [usize; 3]| {
            let member = |k: usize| public[34 + 32 * k..66 + 32 * k].to_vec();
            [public[..34].to_vec(), member(order[0]), member(order[1]), member(order[2])].concat()
        };
        assert_eq!(Group::from_bytes(&members([0, 1, 2])).as_ref(), Ok(view.group()));
        for order in [[1, 0, 2], [0, 0, 1], [0, 2, 1]] {
            assert_eq!(Group::from_bytes(&members(order)), Err(DecodeError::Invalid("group")), "{order:?}");
        }
        let text = view.to_text();
        assert_eq!(GroupView::from_text(&text).map(|view| view.to_bytes()), Ok(bytes.clone()));
        assert_eq!(GroupView::from_text(&text[..text.len() - 2]).err(), Some(GroupKeyError::Checksum));
        assert_eq!(GroupView::from_text("waygroup00").err(), Some(GroupKeyError::Shape));
        let mut foreign = bytes.clone();
        foreign[0] ^= 1;
        assert!(GroupView::from_bytes(&foreign).is_err(), "a secret that is not the group's");
    }
}
