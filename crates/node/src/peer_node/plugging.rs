//! Services that plug in, as the node sells them (row A11): what their programs say of sessions, and what they are told.
//!
//! A program decides whether a client is served and may end a session; money is none of its business. When it is gone, its
//! sessions end with a reason of their own, since no other program knows anything of them.

use std::collections::{BTreeMap, BTreeSet};

use byway_access::service::reason::ReasonText;
use byway_access::session::{SessionId, SessionState, StopReason};
use byway_primitives::IdentityId;
use byway_records::offer::{Contact, Service};

use super::using::reason_word;
use super::{Actor, Arrival, PeerNodeConfig};
use crate::api::{ProgramState, ServiceProgram};
use crate::plugged::protocol::{Bytes, FromProgram, Session, ToProgram};
use crate::plugged::{Program, ProgramEvent, Told, What};

/// The name of the contact of an offer that holds the name of a service that plugs in.
pub(super) const NAME_PROTOCOL: &str = "byway-service/1";
/// The folder, in that of the node's state, where each program has one of its own.
const FOLDER: &str = "services";
/// Requests in a row that a program may leave without an answer before it is taken for one that hangs.
const UNANSWERED_MAX: u32 = 8;

/// The services that plug in here, and their sessions.
#[derive(Default)]
pub(super) struct Plugging {
    programs: BTreeMap<Service, Running>,
    sessions: BTreeMap<SessionId, Judged>,
}

/// A program as the node sees it.
struct Running {
    program: Program,
    state: ProgramState,
    version: Option<String>,
    restarts: u64,
    /// Why it failed last.
    why: Option<String>,
    /// Requests since it last answered one.
    unanswered: u32,
}

/// A session that a program was asked about.
struct Judged {
    client: IdentityId,
    service: Service,
    is_paused: bool,
}

impl Plugging {
    /// Starts the programs of all services that are sold.
    pub fn open(config: &PeerNodeConfig, arrive: &tokio::sync::mpsc::Sender<Arrival>) -> Self {
        let selling = config.selling.iter().flat_map(|selling| &selling.plugged);
        let programs = selling.map(|(service, plugged)| {
            let arrive = arrive.clone();
            let tell = move |event: ProgramEvent| -> Told {
                let arrive = arrive.clone();
                // Whoever stops no longer listens.
                Box::pin(async move { drop(arrive.send(Arrival::Plugged(event)).await) })
            };
            let folder = config.directory.join(FOLDER).join(&plugged.name);
            let program = Program::keep(plugged, *service, &folder, tell);
            let (state, version, why) = (ProgramState::Starting, None, None);
            (*service, Running { program, state, version, restarts: 0, why, unanswered: 0 })
        });
        Self { programs: programs.collect(), sessions: BTreeMap::new() }
    }

    /// Ends all programs.
    pub async fn close(&mut self) {
        for (_, running) in std::mem::take(&mut self.programs) {
            running.program.close().await;
        }
    }

    /// The program of a service, if it is there.
    pub fn program(&self, service: Service) -> Option<&Program> {
        let running = self.programs.get(&service)?;
        (running.state == ProgramState::Running).then_some(&running.program)
    }

    fn tell(&self, service: Service, order: ToProgram) {
        if let Some(program) = self.program(service) {
            program.tell(order);
        }
    }
}

impl Plugging {
    /// Nothing comes of a request that the program was asked about.
    fn tell_not_wanted(&self, service: Service, session: SessionId) {
        self.tell(service, ToProgram::Ended { session: Session(session), reason: "not_wanted".to_owned() });
    }
}

impl Actor {
    /// A client asks for a session of a service that plugs in.
    pub(super) fn judge(&mut self, client: IdentityId, (session, service): (SessionId, Service), request: Vec<u8>) {
        let Some(program) = self.plugging.program(service) else {
            return self.say_judged(client, session, Err(ReasonText::of("its program is not running")));
        };
        program.tell(ToProgram::Accept { session: Session(session), client, data: Bytes(request) });
        self.plugging.sessions.insert(session, Judged { client, service, is_paused: false });
    }

    /// Nobody waits for a program's verdict any more. One that gives none at all is started anew.
    pub(super) fn judge_no_more(&mut self, session: SessionId, service: Service, is_late: bool) {
        if self.plugging.sessions.remove(&session).is_some() {
            self.plugging.tell_not_wanted(service, session);
        }
        let Some(running) = self.plugging.programs.get_mut(&service).filter(|_| is_late) else { return };
        running.unanswered += 1;
        if running.unanswered >= UNANSWERED_MAX && running.state == ProgramState::Running {
            running.program.give_up("it answers no request");
        }
    }

    fn say_judged(&mut self, client: IdentityId, session: SessionId, verdict: Result<Vec<u8>, ReasonText>) {
        self.market.handle_judged(self.clock.now(), client, session, verdict, &self.market_journal);
    }

    /// A session of a service that plugs in begins, or goes on after a restart of the node.
    pub(super) fn begin_plugged(
        &mut self,
        client: IdentityId,
        (session, service): (SessionId, Service),
        (request, answer): (Vec<u8>, Vec<u8>),
    ) {
        let now = self.clock.now();
        let Some(program) = self.plugging.program(service) else {
            return self.market.stop_serving(now, client, session, StopReason::ServiceFailed, &self.market_journal);
        };
        let (request, answer) = (Bytes(request), Bytes(answer));
        program.tell(ToProgram::Started { session: Session(session), client, request, answer });
        self.plugging.sessions.insert(session, Judged { client, service, is_paused: false });
    }

    /// A session is over; its program is told, if it has one.
    pub(super) fn end_plugged(&mut self, session: SessionId, reason: StopReason) {
        if let Some(Judged { service, .. }) = self.plugging.sessions.remove(&session) {
            let reason = reason_word(reason).to_owned();
            self.plugging.tell(service, ToProgram::Ended { session: Session(session), reason });
        }
    }

    pub(super) fn plugged_event(&mut self, ProgramEvent { service, what }: ProgramEvent) {
        let Some(running) = self.plugging.programs.get_mut(&service) else { return };
        match what {
            What::Up { version } => {
                (running.state, running.version, running.why) = (ProgramState::Running, Some(version), None);
                running.unanswered = 0;
            }
            What::Said(said) => self.program_said(service, said),
            What::Down { why } => {
                (running.state, running.why) = (ProgramState::Failed, Some(why));
                running.restarts += 1;
                self.end_sessions_of(service);
            }
        }
    }

    fn program_said(&mut self, service: Service, said: FromProgram) {
        let (session, verdict) = match said {
            FromProgram::Accepted { session, data } => (session.0, Ok(data.0)),
            FromProgram::Refused { session, reason } => (session.0, Err(ReasonText::of(&reason))),
            FromProgram::End { session, reason } => return self.program_ends(service, session.0, &reason),
            // A second one says nothing new.
            FromProgram::Hello { .. } => return,
        };
        if let Some(running) = self.plugging.programs.get_mut(&service) {
            running.unanswered = 0;
        }
        let known = self.plugging.sessions.get(&session).filter(|judged| judged.service == service);
        let Some(client) = known.map(|judged| judged.client) else { return };
        let is_accepted = verdict.is_ok();
        self.say_judged(client, session, verdict);
        let sessions = self.market.served_sessions(self.clock.now());
        if sessions.iter().any(|(_, view)| view.id == session) {
            return;
        }
        self.plugging.sessions.remove(&session);
        if is_accepted {
            // The client has gone, or nothing is sold any more.
            self.plugging.tell_not_wanted(service, session);
        }
    }

    fn program_ends(&mut self, service: Service, session: SessionId, why: &str) {
        let known = self.plugging.sessions.get(&session).filter(|judged| judged.service == service);
        let Some(client) = known.map(|judged| judged.client) else { return };
        tracing::info!(%session, why = %ReasonText::of(why), "a service ends a session");
        let now = self.clock.now();
        self.market.stop_serving(now, client, session, StopReason::ProviderWish, &self.market_journal);
    }

    /// A service's program is gone, and with it what it knew of its sessions.
    fn end_sessions_of(&mut self, service: Service) {
        let now = self.clock.now();
        let of_service = self.plugging.sessions.iter().filter(|(_, judged)| judged.service == service);
        let sessions: Vec<(SessionId, IdentityId)> = of_service.map(|(id, judged)| (*id, judged.client)).collect();
        for (session, client) in sessions {
            self.plugging.sessions.remove(&session);
            self.say_judged(client, session, Err(ReasonText::of("its program failed")));
            self.market.stop_serving(now, client, session, StopReason::ServiceFailed, &self.market_journal);
        }
    }

    /// Tells programs which of their sessions stand still for want of payment.
    pub(super) fn look_after_plugged(&mut self) {
        if self.plugging.sessions.is_empty() {
            return;
        }
        let served = self.market.served_sessions(self.clock.now());
        let paused = served.iter().filter(|(_, view)| view.state == SessionState::Paused).map(|(_, view)| view.id);
        let paused: BTreeSet<SessionId> = paused.collect();
        let mut orders = Vec::new();
        for (id, judged) in &mut self.plugging.sessions {
            let is_paused = paused.contains(id);
            if std::mem::replace(&mut judged.is_paused, is_paused) != is_paused {
                let session = Session(*id);
                let order = if is_paused { ToProgram::Paused { session } } else { ToProgram::Resumed { session } };
                orders.push((judged.service, order));
            }
        }
        orders.into_iter().for_each(|(service, order)| self.plugging.tell(service, order));
    }

    /// The contact that names a service of this node's that plugs in.
    pub(super) fn name_contact(&self, service: Service) -> Option<Contact> {
        let plugged = self.config.selling.as_ref()?.plugged.get(&service)?;
        Some(Contact { protocol: NAME_PROTOCOL.to_owned(), data: plugged.name.clone().into_bytes() })
    }

    /// The services that plug in here, as people see them.
    pub(super) fn service_programs(&self) -> Vec<ServiceProgram> {
        let sold = self.config.selling.iter().flat_map(|selling| &selling.plugged);
        let shown = sold.filter_map(|(service, plugged)| {
            let running = self.plugging.programs.get(service)?;
            let sessions = self.plugging.sessions.values().filter(|judged| judged.service == *service).count();
            Some(ServiceProgram {
                name: plugged.name.clone(),
                service: *service,
                price_per_mb: plugged.price_per_mb,
                state: running.state,
                version: running.version.clone(),
                sessions: sessions as u64,
                restarts: running.restarts,
                reason: running.why.clone(),
            })
        });
        shown.collect()
    }
}

/// The name that an offer gives its service, if that is one that plugs in and the name is its own.
pub(super) fn name_of(contacts: &[Contact], service: Service) -> Option<String> {
    let contact = contacts.iter().find(|contact| contact.protocol == NAME_PROTOCOL)?;
    let name = std::str::from_utf8(&contact.data).ok()?;
    (Service::of_name(name) == Some(service)).then(|| name.to_owned())
}
