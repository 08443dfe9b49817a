//! How packets become slices, for the driver, which only carries them (row A12).

use byway_access::slices::{Joiner, Splitter};
use byway_driver::slices::{Cut, Join, Joined};
use zeroize::Zeroizing;

/// Cuts packets.
pub struct Cutting(pub Splitter);

/// Puts them together.
pub struct Joining(pub Joiner);

impl Cut for Cutting {
    fn cut(&mut self, packet: &[u8], random: [u8; 32], give: &mut dyn FnMut(usize, &[u8])) {
        if let Err(error) = self.0.split(packet, Zeroizing::new(random), give) {
            tracing::debug!(%error, "a packet is lost");
        }
    }
}

impl Join for Joining {
    fn join(&mut self, part: &[u8]) -> Option<Joined> {
        let taken = self.0.handle(part).ok()?;
        Some(Joined { path: taken.path, is_newest: taken.is_newest, packet: taken.packet })
    }
}
