//! How a node ends that is told to: nothing new is sold, what is owed is settled, and what was said last is delivered.

use std::time::Duration;

use byway_driver::link::Link;
use tokio::time::Instant;

use super::Actor;

/// How long a stopping node waits for the other sides of its sessions. What they don't answer is settled when it is back.
const STOP_WAIT: Duration = Duration::from_secs(1);
/// How long a stopping node waits for what it said last to be read at the other ends of its links.
const LINKS_WAIT: Duration = Duration::from_millis(500);

impl Actor {
    /// Ends all sessions; the task goes on until that is settled with their other sides.
    pub(super) fn begin_to_stop(&mut self) {
        self.stopping = Some(Instant::now());
        self.market.close_shop();
        // Who is stopped may be started again in a moment: until the user disconnects nothing leaves past the tunnel.
        self.hang_up();
        if self.tunnelling.is_closed {
            tracing::warn!("this machine stays closed: `byway firewall reset` opens it while the node is down");
        }
        self.stop_serving();
    }

    /// Lets the links deliver what was said last, then ends them: what still waits in a link that is cut is lost, and the
    /// other side would take a stop for a failure.
    pub(super) async fn close_links(&self) {
        self.link_handles.values().for_each(Link::close);
        let closed = async {
            for link in self.link_handles.values() {
                link.closed().await;
            }
        };
        // Whoever has not read it by then finds out when the link ends.
        let _ = tokio::time::timeout(LINKS_WAIT, closed).await;
        self.links.close().await;
    }

    /// Whether the node was told to stop and nothing is left to settle with anyone, or they take too long.
    pub(super) fn has_stopped(&self) -> bool {
        let Some(since) = self.stopping else { return false };
        let is_serving = !self.market.served_sessions(self.clock.now()).is_empty();
        let settled = self.using.is_empty() && !is_serving && self.frames.is_empty() && self.ledger_calls.is_empty();
        settled || since.elapsed() > STOP_WAIT
    }
}
