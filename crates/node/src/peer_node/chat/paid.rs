//! What somebody pays a first message with: a promise of what they have set aside on the ledger for the one whom they ask.

use byway_chat::delivery::PaymentFault;
use byway_primitives::codec::decode_exact;
use byway_primitives::{Amount, AssetId, Decode, Hash, IdentityId, NetworkId, Span, Time};
use byway_records::promise::{ReservationId, Series, SignedPromise};
use byway_records::state::{RESERVATIONS, Reservation, Settled, reservation_key, settled_key};
use byway_records::tree::StateTree;
use byway_records::{Backing, Promise};

/// For how long it has to be set aside at the least, when somebody asks: a person has to look at it.
const SET_ASIDE_MIN: Span = Span::days(1);

/// A promise that came with a request, from who asks to the one asked.
pub(super) struct Paid(pub SignedPromise);

impl Paid {
    /// # Errors
    /// It is not signed by `payer`, or not for `payee`, or is backed by anything but what was set aside.
    pub fn read(
        bytes: &[u8],
        network: NetworkId,
        (payer, payee): (IdentityId, IdentityId),
    ) -> Result<Self, PaymentFault> {
        let signed: SignedPromise = decode_exact(bytes).map_err(|_| PaymentFault::Unreadable)?;
        let Series { payer: by, payee: to, asset, backing } = signed.promise.series;
        let is_reserved = matches!(backing, Backing::Reservation(_));
        if (signed.promise.network, by, to, asset, is_reserved) != (network, payer, payee, AssetId::WAY, true) {
            return Err(PaymentFault::Foreign);
        }
        signed.verify().map_err(|_| PaymentFault::Unreadable)?;
        Ok(Self(signed))
    }

    /// Whether as much is set aside for it as it says, nothing of it was paid out, and it stays there for a while from `now` on.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn look(&self, accounts: &StateTree, now: Time) -> Result<(), PaymentFault> {
        let Promise { series, amount, .. } = self.0.promise;
        let Backing::Reservation(id) = series.backing else { return Err(PaymentFault::Foreign) };
        let known: Reservation = accounts.read(&reservation_key(id)).ok_or(PaymentFault::Unbacked)?;
        if (known.payer, known.payee, known.value.asset) != (series.payer, series.payee, series.asset) {
            return Err(PaymentFault::Foreign);
        }
        let is_settled = accounts.read::<Settled>(&settled_key(&series)).is_some();
        if known.value.amount < amount || is_settled {
            return Err(PaymentFault::Unbacked);
        }
        if known.until.time < now + SET_ASIDE_MIN { Err(PaymentFault::Short) } else { Ok(()) }
    }
}

/// What one has set aside for another until a time or longer, if it is enough.
pub(super) fn set_aside(
    accounts: &StateTree,
    (payer, payee): (IdentityId, IdentityId),
    amount: Amount,
    until: Time,
) -> Option<ReservationId> {
    let is_it = |known: &Reservation| {
        (known.payer, known.payee, known.value.asset) == (payer, payee, AssetId::WAY)
            && known.value.amount >= amount
            && known.until.time >= until
    };
    reservations(accounts).find(|(_, known)| is_it(known)).map(|(id, _)| id)
}

/// What one has set aside for anybody, the time of which is over at this moment, and of which something is left.
pub(super) fn not_collected(
    accounts: &StateTree,
    payer: IdentityId,
    (time, commits): (Time, u64),
) -> Option<ReservationId> {
    let is_over = |known: &Reservation| {
        known.payer == payer && known.until.passed(time, commits) && !known.value.amount.is_zero()
    };
    reservations(accounts).find(|(_, known)| is_over(known)).map(|(id, _)| id)
}

fn reservations(accounts: &StateTree) -> impl Iterator<Item = (ReservationId, Reservation)> {
    accounts.iter_prefix(&RESERVATIONS).filter_map(|(key, value)| {
        let id: [u8; 32] = key.get(RESERVATIONS.len()..)?.try_into().ok()?;
        Some((ReservationId(Hash(id)), Reservation::from_bytes(value).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use byway_crypto::IdentitySecret;
    use byway_primitives::Encode;
    use byway_records::Value;
    use byway_records::state::Deadline;

    use super::*;

    const NETWORK: NetworkId = NetworkId(Hash([3; 32]));
    const ID: ReservationId = ReservationId(Hash([5; 32]));
    const NOW: Time = Time(1_000_000_000);
    const PRICE: Amount = Amount::from_coins(2);

    fn secret(byte: u8) -> IdentitySecret {
        IdentitySecret::from_bytes(&[byte; 32]).unwrap()
    }

    fn ids() -> (IdentityId, IdentityId) {
        (secret(1).id(), secret(2).id())
    }

    fn promise() -> Promise {
        let (payer, payee) = ids();
        let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Reservation(ID) };
        Promise { network: NETWORK, series, serial: 0, amount: PRICE }
    }

    fn reservation() -> Reservation {
        let (payer, payee) = ids();
        let value = Value { asset: AssetId::WAY, amount: PRICE };
        Reservation { payer, payee, value, until: Deadline { time: NOW + Span::days(7), commits: 10 } }
    }

    fn ledger(known: Reservation) -> StateTree {
        let mut tree = StateTree::new();
        tree.insert(reservation_key(ID), known.to_bytes());
        tree
    }

    fn read(signed: SignedPromise) -> Result<Paid, PaymentFault> {
        Paid::read(&signed.to_bytes(), NETWORK, ids())
    }

    #[test]
    fn a_promise_counts_that_is_from_who_asks_to_who_is_asked() {
        assert!(read(promise().sign(&secret(1))).is_ok());
        let table = [
            ("of another network", Promise { network: NetworkId(Hash([4; 32])), ..promise() }),
            ("by somebody else", Promise { series: Series { payer: secret(3).id(), ..promise().series }, ..promise() }),
            (
                "for somebody else",
                Promise { series: Series { payee: secret(3).id(), ..promise().series }, ..promise() },
            ),
            ("on credit", Promise { series: Series { backing: Backing::Account, ..promise().series }, ..promise() }),
            (
                "in another coin",
                Promise { series: Series { asset: AssetId(Hash([9; 32])), ..promise().series }, ..promise() },
            ),
        ];
        for (what, promise) in table {
            let signer = if promise.series.payer == secret(1).id() { secret(1) } else { secret(3) };
            assert_eq!(read(promise.sign(&signer)).err(), Some(PaymentFault::Foreign), "{what}");
        }
        assert_eq!(read(promise().sign(&secret(3))).err(), Some(PaymentFault::Unreadable), "signed by another");
        let mut bytes = promise().sign(&secret(1)).to_bytes();
        bytes.push(0);
        assert_eq!(Paid::read(&bytes, NETWORK, ids()).err(), Some(PaymentFault::Unreadable));
        assert_eq!(Paid::read(b"", NETWORK, ids()).err(), Some(PaymentFault::Unreadable));
    }

    #[test]
    fn a_promise_counts_as_long_as_what_is_set_aside_for_it_is_there() {
        let paid = read(promise().sign(&secret(1))).unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(paid.look(&StateTree::new(), NOW), Err(PaymentFault::Unbacked));
        assert_eq!(paid.look(&ledger(reservation()), NOW), Ok(()));
        let less = Value { amount: Amount::from_coins(1), ..reservation().value };
        assert_eq!(paid.look(&ledger(Reservation { value: less, ..reservation() }), NOW), Err(PaymentFault::Unbacked));
        let others = Reservation { payee: secret(3).id(), ..reservation() };
        assert_eq!(paid.look(&ledger(others), NOW), Err(PaymentFault::Foreign));
        assert_eq!(paid.look(&ledger(reservation()), NOW + Span::days(6)), Ok(()));
        assert_eq!(paid.look(&ledger(reservation()), NOW + Span::days(6) + Span(1)), Err(PaymentFault::Short));
        // Shown a second time after it was collected, it is worth nothing, whatever else is set aside under it.
        let mut settled = ledger(reservation());
        settled.insert(settled_key(&promise().series), Settled { serial: 0, amount: PRICE }.to_bytes());
        assert_eq!(paid.look(&settled, NOW), Err(PaymentFault::Unbacked));
    }

    #[test]
    fn what_is_set_aside_is_used_again_and_taken_back_once_its_time_is_over() {
        let (tree, (me, payee)) = (ledger(reservation()), ids());
        let until = NOW + Span::days(7);
        assert_eq!(set_aside(&tree, (me, payee), PRICE, until), Some(ID));
        assert_eq!(set_aside(&tree, (me, payee), Amount::from_coins(3), until), None, "too little");
        assert_eq!(set_aside(&tree, (me, payee), PRICE, until + Span(1)), None, "for too short");
        assert_eq!(set_aside(&tree, (payee, me), PRICE, until), None);
        assert_eq!(not_collected(&tree, me, (until, 10)), Some(ID));
        for (what, by, moment) in
            [("another's", payee, (until, 10)), ("early", me, (NOW, 10)), ("stalled", me, (until, 9))]
        {
            assert_eq!(not_collected(&tree, by, moment), None, "{what}");
        }
        let empty = Value { amount: Amount::ZERO, ..reservation().value };
        assert_eq!(not_collected(&ledger(Reservation { value: empty, ..reservation() }), me, (until, 10)), None);
    }
}
