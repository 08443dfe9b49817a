//! Which of several ways to a peer is used, while a tunnel runs: from a client's side, where the provider stays where it is.
//!
//! **Problem.** A provider may be reached at its own address, or by a [detour](super::detour), and which of them works
//! changes: a laptop moves into a network that lets no UDP out, and out of it again.
//!
//! **Idea.** WireGuard moves to wherever an authentic message comes from. So asking is enough: one greeting to several
//! places is answered where it was heard first, and nothing that flows meanwhile is disturbed. It is asked at all places
//! when the peer leaves us without answer, and now and then at the direct ones as long as the detour is in use.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use super::carrier::Carrier;
use super::keys::PublicKey;
use super::outbox::Outbox;
use super::udp::Udp;

/// How often the state of the way is looked at.
const LOOK: Duration = Duration::from_secs(2);
/// A peer that has nothing to say says so within ten seconds of what it got (WireGuard's passive keepalive).
const UNANSWERED_MAX: Duration = Duration::from_secs(12);
/// The first try to get back from the detour comes after this long, and each one after twice the time.
const RETURN_FIRST: Duration = Duration::from_secs(15);
const RETURN_MAX: Duration = Duration::from_secs(600);

/// Where a peer may be reached.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Its own addresses, as likely as not behind a router that lets nothing in.
    pub direct: Vec<SocketAddr>,
    /// What stands for it on this machine.
    pub detour: Option<SocketAddr>,
}

impl Places {
    pub fn all(&self) -> Vec<SocketAddr> {
        self.direct.iter().copied().chain(self.detour).collect()
    }
}

/// When it is asked where.
#[derive(Debug)]
struct Asking {
    places: Places,
    /// When the direct places are asked again, and how long after that the next time.
    back: Option<(Instant, Duration)>,
}

impl Asking {
    fn new(places: Places) -> Self {
        Self { places, back: None }
    }

    /// Where to ask now, of a peer that is at `endpoint` and left us without answer for `unanswered`.
    fn due(&mut self, endpoint: Option<SocketAddr>, unanswered: Option<Duration>, now: Instant) -> Vec<SocketAddr> {
        if unanswered.is_some_and(|span| span >= UNANSWERED_MAX) {
            return self.places.all();
        }
        if endpoint.is_none() || endpoint != self.places.detour {
            self.back = None;
            return Vec::new();
        }
        let (at, pause) = *self.back.get_or_insert((now + RETURN_FIRST, RETURN_FIRST));
        if now < at {
            return Vec::new();
        }
        let pause = (pause * 2).min(RETURN_MAX);
        self.back = Some((now + pause, pause));
        self.places.direct.clone()
    }
}

/// Looks after the way to a peer until that is removed.
pub(super) async fn keep(carrier: Arc<Carrier>, udp: Arc<Udp>, key: PublicKey, places: Places) {
    let (mut asking, mut outbox) = (Asking::new(places), Outbox::default());
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let now = looks.tick().await;
        let Some(stats) = carrier.stats(&key) else { return };
        let places = asking.due(stats.endpoint, stats.unanswered, now);
        if !places.is_empty() {
            carrier.greet(&key, &places, &mut outbox);
            udp.send(&mut outbox, &carrier.losses).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn the_direct_way_is_asked_for_less_and_less_often() {
        let (direct, detour, start) = (place(1), place(2), Instant::now());
        let mut asking = Asking::new(Places { direct: vec![direct], detour: Some(detour) });
        let mut asked = Vec::new();
        for second in (0..3_600).step_by(2) {
            if asking.due(Some(detour), None, start + Duration::from_secs(second)) == [direct] {
                asked.push(second);
            }
        }
        assert_eq!(asked[..5], [16, 46, 106, 226, 466]);
        assert_eq!(asked.len(), 10, "every ten minutes in the end");
        let later = start + Duration::from_secs(3_600);
        assert_eq!(asking.due(Some(direct), None, later), [], "it is there");
        assert_eq!(asking.due(Some(detour), None, later), []);
        assert_eq!(asking.due(Some(detour), None, later + RETURN_FIRST), [direct], "and away again");
    }

    #[test]
    fn without_an_answer_it_is_asked_everywhere() {
        let (direct, detour, now) = (place(1), place(2), Instant::now());
        let mut asking = Asking::new(Places { direct: vec![direct], detour: Some(detour) });
        for endpoint in [direct, detour] {
            assert_eq!(asking.due(Some(endpoint), Some(Duration::from_secs(11)), now), []);
            assert_eq!(asking.due(Some(endpoint), Some(UNANSWERED_MAX), now), [direct, detour]);
        }
    }
}
