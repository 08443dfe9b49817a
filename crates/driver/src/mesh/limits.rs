//! Every bound of the mesh in one place.

use std::time::Duration;

/// The longest frame, in bytes, kind included: a snapshot with its transactions, or a page of catch-up.
pub const FRAME_MAX: usize = 8 << 20;

/// Bounds that an operator, or a test, may set. The defaults suit a kernel node on an ordinary machine.
#[derive(Debug, Clone)]
pub struct Limits {
    /// From the connection's start until both sides are authenticated.
    pub handshake_max: Duration,
    /// Until the other side's TCP answers.
    pub connect_max: Duration,
    /// Connections that may be in their handshake at once; beyond it the oldest is dropped, because an honest one takes
    /// milliseconds.
    pub handshakes_max: usize,
    /// With nothing else to send, something is sent this often.
    pub keep_alive: Duration,
    /// Without anything from the other side for this long, it is taken for dead.
    pub silence_max: Duration,
    /// From the first byte of a frame to its last.
    pub frame_time_max: Duration,
    /// For the other side to take up to 256 KiB from us.
    pub write_time_max: Duration,
    /// Waiting to be sent on one connection, in bytes; beyond it the other side is too slow and is let go.
    pub outgoing_bytes_max: usize,
    /// Received from one peer and not yet consumed, in bytes; beyond it, it is not read from. At least [`FRAME_MAX`].
    pub incoming_bytes_max: usize,
    /// Events waiting to be consumed.
    pub events_max: usize,
    /// Before dialling a peer again: at first, and at most.
    pub redial_min: Duration,
    pub redial_max: Duration,
    pub clients: ClientLimits,
}

/// Bounds for clients, who are strangers.
#[derive(Debug, Clone)]
pub struct ClientLimits {
    /// Clients connected at once.
    pub count_max: usize,
    /// Of these, from one address (IPv6: one /64).
    pub per_address_max: usize,
    /// The longest request, in bytes: a transaction with its memo, with room to spare.
    pub request_max: usize,
    /// Requests of one client that wait for their reply; beyond it, it is not read from.
    pub in_flight_max: usize,
    /// Requests of one client in a second, on average; beyond it, it is not read from.
    pub rate_max: u32,
    /// Requests at once after a pause.
    pub burst_max: u32,
    /// Requests received from all clients and not yet consumed, in bytes.
    pub incoming_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshake_max: Duration::from_secs(10),
            connect_max: Duration::from_secs(3),
            handshakes_max: 128,
            keep_alive: Duration::from_secs(5),
            silence_max: Duration::from_secs(16),
            frame_time_max: Duration::from_secs(60),
            write_time_max: Duration::from_secs(30),
            outgoing_bytes_max: 64 << 20,
            incoming_bytes_max: 2 * FRAME_MAX,
            events_max: 1024,
            redial_min: Duration::from_millis(100),
            redial_max: Duration::from_secs(10),
            clients: ClientLimits::default(),
        }
    }
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            count_max: 512,
            per_address_max: 128,
            request_max: 256 << 10,
            in_flight_max: 16,
            rate_max: 500,
            burst_max: 500,
            incoming_bytes_max: 32 << 20,
        }
    }
}
