//! Access: finding an exit, using it, and paying for exactly what arrived (rows A2, A10, A11, A12).
//!
//! # Concepts
//!
//! - [`discovery`]: every node keeps the market of offers from the ledger it follows; a query names one unit and gives
//!   candidates, cheapest first, and the next when one fails.
//! - [`session`]: a use of one offer inside a dialogue. The [`Provider`](session::Provider) meters and limits, the
//!   [`Client`](session::Client) acknowledges and checks. Both are pure machines; bytes flow beside them in a data plane
//!   that only obeys a limit and reports counters.
//! - [`score`]: how an identity's history on the ledger reads, in one number that prices may depend on.
//! - [`credit`]: how much credit a client gets, and whether it may try the service for nothing.
//! - [`quality`]: how well providers serve, by what this node measured and others say.
//! - [`warning`]: what providers tell each other of an issuer who promises too much.
//! - [`service`]: what a session carries, behind one interface. SOCKS is the first kind.
//! - [`slices`]: a tunnel's packets over several relays, of which none holds one.
//! - [`exit_policy`]: where a client's traffic may come out.
//!
//! # How a session and its payment fit together
//!
//! Sessions count bytes; [`byway_dialogue::payment`] counts coin; neither knows the other. Whoever composes them hands
//! over four things:
//!
//! ```text
//!            client's node                                          provider's node
//!   session::Client ──── acknowledges bytes ───────────────────► session::Provider
//!     │ PayAhead, Spent                                             ▲ handle_credit   │ Earned
//!     ▼                                                             │                 ▼
//!   payment (payer) ──── promises coin ────────────────────────► payment (payee): Credited
//! ```
//!
//! *Only what the payer acknowledges is billed.* The cost of a session is the price of its cumulative acknowledged
//! bytes, rounded up once. Bytes that were sent and lost, or thrown at somebody who did not ask, cost nothing.
//!
//! *The provider never carries more than was promised.* The data plane's limit is what the received coin buys, less what
//! was already carried, acknowledged or not. So a client that stops acknowledging, or stops paying, is cut off at the
//! window it has prepaid; and a provider that vanishes keeps at most that window.
//!
//! # What adversaries can and cannot do
//!
//! - *A provider that over-bills* is caught by the first metering message: it may bill only what was acknowledged, at the
//!   price of the offer. The session ends and nothing more is promised.
//! - *A provider that vanishes* keeps the window in force.
//! - *A client that stops paying* is paused and then ended; the provider has carried nothing that was not promised,
//!   except bytes it forgave as lost on the way, which are bounded by a window and earned back only by paying.
//! - *A client that opens session after session* without acknowledging finds its earlier bytes still counted.
//! - *Someone who floods the client* costs it nothing.
//! - *An exit's private network* is not reachable, however the address is written.

#![forbid(unsafe_code)]

mod allowance;
pub mod credit;
pub mod discovery;
pub mod exit_policy;
pub mod quality;
pub mod score;
pub mod service;
pub mod session;
pub mod slices;
pub mod warning;

pub use credit::CreditPolicy;
pub use discovery::{Candidate, Candidates, Index, LedgerClock, Place, Query};
pub use exit_policy::{Denied, ExitPolicy, SocksReply};
pub use quality::Sort;
pub use score::{History, NEWCOMER, Weights};
pub use service::{NotAccepted, ServiceDataError, ServiceKind, Services, Socks};
pub use session::{Client, Provider, ResponseId, SessionId, SessionMessage, Tariff, Traffic, Usage};
