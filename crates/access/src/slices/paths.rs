//! Which providers are to be the relays: such as have as little in common as the market allows.
//!
//! Two relays of one identity are one relay. Two in one network, or under one law, may be seen by one observer. So of the
//! cheapest offers those come first that share their network (ASN) with none that is in use, then those that share their
//! country with none. Places are what providers declare; one operator with two identities and two false places is not told.

use byway_primitives::IdentityId;
use byway_records::offer::Location;

use crate::discovery::Candidate;

/// Offers that are looked at, the cheapest first: enough to find what differs, and no more than that.
const LOOKED_AT_MAX: usize = 256;

/// Who is on the way already, and where: other relays, the exit, and who failed lately at no place of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occupied {
    pub provider: IdentityId,
    pub place: Option<Location>,
}

/// Up to `wanted` offers of different providers, none of them occupied; less where there are no more.
pub fn choose(
    candidates: impl Iterator<Item = Candidate>,
    wanted: usize,
    occupied: impl IntoIterator<Item = Occupied>,
) -> Vec<Candidate> {
    let mut occupied: Vec<Occupied> = occupied.into_iter().collect();
    let mut left: Vec<Candidate> = candidates.take(LOOKED_AT_MAX).collect();
    let mut chosen = Vec::new();
    while chosen.len() < wanted {
        left.retain(|candidate| occupied.iter().all(|other| other.provider != candidate.offer.offer.provider));
        let in_common = |candidate: &Candidate| {
            let here = candidate.offer.offer.location;
            let places = || occupied.iter().filter_map(|other| other.place);
            let network = places().filter(|there| there.asn == here.asn).count();
            (network, places().filter(|there| there.country == here.country).count())
        };
        // Of equals the cheapest, which stands first.
        let Some(at) = (0..left.len()).min_by_key(|at| (in_common(&left[*at]), *at)) else { break };
        let best = left.remove(at);
        let (provider, place) = (best.offer.offer.provider, Some(best.offer.offer.location));
        occupied.push(Occupied { provider, place });
        chosen.push(best);
    }
    chosen
}
