//! One WebSocket: calls, subscriptions and their events.
//!
//! One task owns the connection. Calls run beside it and come back in any order; events wait in an
//! [`Outbox`] per subscription. Transactions that a subscription names are looked at until they are decided. While a client doesn't read, the task waits in `send` and
//! reads nothing either; after [`SEND_TIME_MAX`] the connection is dropped.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use byway_records::TransactionId;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Right;
use super::limits::Limits;
use super::message::{self, Call};
use super::outbox::Outbox;
use super::surface::{Interest, Surface};
use crate::api::params::Params;
use crate::api::*;

/// Calls of one connection that run at once.
pub const IN_FLIGHT_MAX: usize = 32;
/// Subscriptions of one connection.
pub const SUBSCRIPTIONS_MAX: usize = 8;
/// How long a client may leave a message unread before it is given up on.
const SEND_TIME_MAX: Duration = Duration::from_secs(20);
/// How often a transaction that a subscription names is looked at, and for how long: longer than a transaction that never
/// arrived may still be executed.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
const LOOKS_MAX: u32 = 4 * 60 * 10;
/// Without an event due, the timer sleeps this long; it has no effect when it fires.
const IDLE: Duration = Duration::from_secs(3600);

pub mod close {
    pub const STOPPING: u16 = 1001;
    pub const NOT_TEXT: u16 = 1003;
    pub const TOO_LONG: u16 = 1009;
    pub const BAD_TOKEN: u16 = 4401;
    pub const TOO_MANY: u16 = 4429;
}

/// Ends an upgraded connection at once, having read nothing.
pub async fn refuse(mut socket: WebSocket, code: u16, reason: &'static str) {
    // A client that is gone already needs no farewell.
    let _ = tokio::time::timeout(SEND_TIME_MAX, socket.send(Message::Close(Some(frame(code, reason))))).await;
}

/// Who is on the other end.
pub struct Visitor {
    pub right: Right,
    pub address: IpAddr,
    pub limits: Limits,
}

/// Serves a connection until either side ends it.
pub async fn serve<S: Surface>(socket: WebSocket, surface: S, visitor: Visitor, stop: watch::Receiver<bool>) {
    let mut stop = std::pin::pin!(super::stopped(stop));
    let mut events = surface.events();
    let mut connection = Connection {
        socket,
        surface,
        visitor,
        running: JoinSet::new(),
        subscriptions: BTreeMap::new(),
        next: 1,
        calls: 0,
    };
    let end = loop {
        let wake = connection.wake_at(Instant::now());
        let step = tokio::select! {
            () = &mut stop => Err(End::Say(close::STOPPING, "stopping")),
            message = connection.socket.recv() => connection.handle_message(message).await,
            Some(done) = connection.running.join_next() => connection.handle_done(done).await,
            event = events.recv() => connection.handle_event(event),
            () = tokio::time::sleep_until(wake.into()) => Ok(()),
        };
        let step = match step.and_then(|()| connection.check_right()) {
            Ok(()) => connection.send_due().await,
            end => end,
        };
        if let Err(end) = step {
            break end;
        }
    };
    // Calls go on: the surface runs each in a task of its own.
    connection.running.abort_all();
    if let End::Say(code, reason) = end {
        refuse(connection.socket, code, reason).await;
    }
}

/// Why a connection ends.
enum End {
    /// The other side is gone, or does not read.
    Silent,
    Say(u16, &'static str),
}

/// What ran beside the connection.
enum Done {
    Answer(Value),
    State {
        subscription: u64,
        events: Vec<Event>,
    },
    /// A transaction went on; it is looked at again unless it is decided.
    Looked {
        look: Look,
        record: Option<Box<KernelTransactionRecord>>,
    },
}

/// A transaction that is watched for a subscription.
struct Look {
    subscription: u64,
    id: TransactionId,
    /// The stage that was told last.
    told: Option<(Stage, bool)>,
    looks: u32,
}

struct Connection<S> {
    socket: WebSocket,
    surface: S,
    visitor: Visitor,
    running: JoinSet<Done>,
    subscriptions: BTreeMap<u64, Outbox>,
    /// Number of the next subscription.
    next: u64,
    /// Calls among what is running.
    calls: usize,
}

impl<S: Surface> Connection<S> {
    async fn handle_message(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        match message {
            Some(Ok(Message::Text(text))) => self.handle_text(text.as_bytes()).await,
            Some(Ok(Message::Binary(_))) => Err(End::Say(close::NOT_TEXT, "text only")),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(End::Silent),
            Some(Err(error)) if is_too_long(&error) => Err(End::Say(close::TOO_LONG, "message too long")),
            Some(Err(_)) => Err(End::Silent),
        }
    }

    async fn handle_text(&mut self, text: &[u8]) -> Result<(), End> {
        let call = match Call::parse(text) {
            Ok(call) => call,
            Err(malformed) => return self.send(&malformed.response()).await,
        };
        match call.method.as_str() {
            // Events tell of all that the node does.
            "subscribe" | "unsubscribe" if matches!(self.visitor.right, Right::Account(_)) => {
                self.answer(&call.id, Err(ApiError::not_allowed(&call.method))).await
            }
            "subscribe" => {
                let answer = self.subscribe(call.params);
                self.answer(&call.id, answer).await
            }
            "unsubscribe" => {
                let answer = self.unsubscribe(call.params);
                self.answer(&call.id, answer).await
            }
            _ if self.calls >= IN_FLIGHT_MAX => self.answer(&call.id, Err(ApiError::busy("calls"))).await,
            _ if !self.visitor.limits.take(self.visitor.address, self.visitor.right) => {
                self.answer(&call.id, Err(ApiError::busy("calls from one address"))).await
            }
            _ => {
                self.calls += 1;
                let (surface, right) = (self.surface.clone(), self.visitor.right);
                self.running.spawn(async move {
                    let answer = surface.run(right, call.method, call.params).await;
                    Done::Answer(message::response(&call.id, answer.as_ref()))
                });
                Ok(())
            }
        }
    }

    async fn handle_done(&mut self, done: Result<Done, tokio::task::JoinError>) -> Result<(), End> {
        match done {
            Ok(Done::Answer(answer)) => {
                self.calls -= 1;
                self.send(&answer).await
            }
            Ok(Done::State { subscription, events }) => {
                if let Some(outbox) = self.subscriptions.get_mut(&subscription) {
                    outbox.prime(events);
                }
                Ok(())
            }
            Ok(Done::Looked { look, record }) => {
                self.looked(look, record);
                Ok(())
            }
            // A panic in our own code: what else is running can't be told apart from it, so begin anew.
            Err(_) => Err(End::Silent),
        }
    }

    fn handle_event(&mut self, event: Result<Arc<Event>, RecvError>) -> Result<(), End> {
        match event {
            Ok(event) => self.subscriptions.values_mut().for_each(|outbox| outbox.push(event.clone())),
            // Events were missed, so what is true now takes their place.
            Err(RecvError::Lagged(_)) => {
                let numbers: Vec<u64> = self.subscriptions.keys().copied().collect();
                numbers.into_iter().for_each(|number| self.gather(number));
            }
            Err(RecvError::Closed) => return Err(End::Say(close::STOPPING, "stopping")),
        }
        Ok(())
    }

    fn subscribe(&mut self, params: Option<Value>) -> Answer<Value> {
        let mut params = Params::new(params)?;
        let names: Vec<String> = params.required("topics")?;
        let transactions: BTreeSet<TransactionId> =
            params.optional::<Vec<TransactionId>>("transactions")?.unwrap_or_default().into_iter().collect();
        params.finish()?;
        let topics = names.iter().map(|name| {
            let unknown = || ApiError::invalid_params("topics", format_args!("{name:?} is no topic here"));
            Topic::parse(name)
                .filter(|topic| self.surface.topics(self.visitor.right).contains(topic))
                .ok_or_else(unknown)
        });
        let topics = topics.collect::<Answer<BTreeSet<Topic>>>()?;
        if topics.is_empty() {
            return Err(ApiError::invalid_params("topics", "name at least one"));
        }
        if topics.contains(&Topic::Transaction) == transactions.is_empty() || transactions.len() > WATCHED_MAX {
            let why = format_args!("the topic \"transaction\" goes with 1 to {WATCHED_MAX} of them, others with none");
            return Err(ApiError::invalid_params("transactions", why));
        }
        if self.subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(ApiError::busy("subscriptions"));
        }
        let number = self.next;
        self.next += 1;
        for id in &transactions {
            self.look(Look { subscription: number, id: *id, told: None, looks: 0 });
        }
        self.subscriptions.insert(number, Outbox::new(Interest { topics, transactions }));
        self.gather(number);
        Ok(name(number).into())
    }

    fn unsubscribe(&mut self, params: Option<Value>) -> Answer<Value> {
        let mut params = Params::new(params)?;
        let wanted: String = params.required("subscription")?;
        params.finish()?;
        let number = self.subscriptions.keys().copied().find(|number| name(*number) == wanted);
        let Some(number) = number else {
            return Err(ApiError::invalid_params("subscription", "this connection has no such subscription"));
        };
        self.subscriptions.remove(&number);
        Ok(json!({}))
    }

    /// Asks for the state as of now, beside the connection.
    fn gather(&mut self, subscription: u64) {
        let Some(outbox) = self.subscriptions.get(&subscription) else { return };
        let (topics, surface) = (outbox.topics().clone(), self.surface.clone());
        self.running.spawn(async move {
            let mut events = Vec::new();
            for topic in topics {
                match surface.state(topic).await {
                    Ok(now) => events.extend(now),
                    // Whoever subscribes hears the next change all the same.
                    Err(error) => tracing::debug!(topic = topic.name(), %error, "no state for a subscription"),
                }
            }
            Done::State { subscription, events }
        });
    }

    /// Looks at a transaction, beside the connection.
    fn look(&mut self, look: Look) {
        let surface = self.surface.clone();
        self.running.spawn(async move {
            if look.looks > 0 {
                tokio::time::sleep(LOOK_PERIOD).await;
            }
            // One that nobody knows yet may still come.
            let record = surface.watched(look.id).await.ok().map(Box::new);
            Done::Looked { look, record }
        });
    }

    /// Tells what is new of a transaction, and goes on looking until its stage is certified.
    fn looked(&mut self, mut look: Look, record: Option<Box<KernelTransactionRecord>>) {
        let Some(outbox) = self.subscriptions.get_mut(&look.subscription) else { return };
        let mut is_decided = false;
        if let Some(record) = record {
            let stage = (record.outcome.stage, record.outcome.certified);
            is_decided = record.outcome.certified;
            if look.told != Some(stage) {
                look.told = Some(stage);
                outbox.push(Arc::new(Event::Transaction(*record)));
            }
        }
        look.looks += 1;
        if !is_decided && look.looks < LOOKS_MAX {
            self.look(look);
        }
    }

    /// What the connection was let in with may be taken back while it is open.
    fn check_right(&self) -> Result<(), End> {
        match self.surface.holds(self.visitor.right) {
            true => Ok(()),
            false => Err(End::Say(close::BAD_TOKEN, "bad_token")),
        }
    }

    fn wake_at(&self, now: Instant) -> Instant {
        let due = self.subscriptions.values().filter_map(|outbox| outbox.wake_at(now)).min();
        due.unwrap_or(now + IDLE)
    }

    async fn send_due(&mut self) -> Result<(), End> {
        let now = Instant::now();
        let mut messages = Vec::new();
        for (number, outbox) in &mut self.subscriptions {
            while let Some(event) = outbox.pop(now) {
                messages.push(message::event(&name(*number), event.topic().name(), &*event));
            }
        }
        for message in messages {
            self.send(&message).await?;
        }
        Ok(())
    }

    async fn answer(&mut self, id: &Value, answer: Answer<Value>) -> Result<(), End> {
        self.send(&message::response(id, answer.as_ref())).await
    }

    async fn send(&mut self, message: &Value) -> Result<(), End> {
        self.check_right()?;
        let sending = self.socket.send(Message::text(message.to_string()));
        match tokio::time::timeout(SEND_TIME_MAX, sending).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Silent),
        }
    }
}

fn name(subscription: u64) -> String {
    format!("{subscription:x}")
}

fn frame(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}

/// The library tells an oversized message from other faults by its text alone.
fn is_too_long(error: &axum::Error) -> bool {
    error.to_string().contains("too long")
}
