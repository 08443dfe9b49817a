//! One service's program, kept running and talked to.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use byway_driver::program_socket::{self, OwnedReadHalf, OwnedWriteHalf, ProgramSocket};
use byway_records::offer::Service;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::child::Child;
use super::line::{Lines, Long};
use super::protocol::{FromProgram, LINE_MAX, PROTOCOL, ToProgram};
use super::{PluggedSelling, Source};
use crate::files;

/// The name of the socket in the folder of a program that the node starts.
const SOCKET: &str = "service.sock";
/// Bytes of a socket's path (`sun_path` of Linux, less its end).
const SOCKET_PATH_MAX: usize = 107;
/// How long a program may take from its start until it says hello.
const START_WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether a program listens yet.
const CONNECT_PAUSE: Duration = Duration::from_millis(50);
/// How long a program may take to read a line.
const WRITE_WAIT: Duration = Duration::from_secs(5);
/// How long one that failed is left alone at first; twice as long each time …
const RESTART_PAUSE_MIN: Duration = Duration::from_secs(1);
/// … up to this.
const RESTART_PAUSE_MAX: Duration = Duration::from_secs(60);
/// One that has lived for so long has not failed at its start.
const STEADY: Duration = Duration::from_secs(60);
/// Orders that may wait for a program. Whoever reads them no faster has failed.
const ORDERS_QUEUE: usize = 256;
/// How long a program may take to be gone when the node stops.
const STOP_WAIT: Duration = Duration::from_secs(2);
/// Characters of a program's version that are kept.
const VERSION_MAX: usize = 64;

/// What happens to a service's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramEvent {
    pub service: Service,
    pub what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// It said hello; nothing is known to it yet.
    Up {
        version: String,
    },
    Said(FromProgram),
    /// It is gone with everything it knew, and will be started again.
    Down {
        why: String,
    },
}

/// A service's program. It runs until this is closed or dropped.
pub struct Program {
    orders: mpsc::Sender<ToProgram>,
    given_up: mpsc::Sender<&'static str>,
    socket: PathBuf,
    task: JoinHandle<()>,
}

impl Program {
    /// Keeps the program of a service running, which works in `folder`; `events` hears of it.
    pub fn keep(
        selling: &PluggedSelling,
        service: Service,
        folder: &Path,
        events: impl Fn(ProgramEvent) -> Told + Send + Sync + 'static,
    ) -> Self {
        let (orders, received) = mpsc::channel(ORDERS_QUEUE);
        let (given_up, giving_up) = mpsc::channel(1);
        let socket = match &selling.source {
            Source::Command { .. } => folder.join(SOCKET),
            Source::Socket(path) => path.clone(),
        };
        let keeper = Keeper {
            name: selling.name.clone(),
            source: selling.source.clone(),
            folder: folder.to_owned(),
            socket: socket.clone(),
            orders: received,
            giving_up,
            tell: Box::new(move |what| events(ProgramEvent { service, what })),
        };
        Self { orders, given_up, socket, task: tokio::spawn(keeper.run()) }
    }

    /// Where it takes streams.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Tells it something. One that is so far behind that an order is lost is given up, since it would go on with sessions
    /// that have ended, and without some that have begun.
    pub fn tell(&self, order: ToProgram) {
        if self.orders.try_send(order).is_err() {
            self.give_up("it reads too slowly what it is told");
        }
    }

    /// Ends it as one that failed; it is started again in a while.
    pub fn give_up(&self, why: &'static str) {
        // One word is enough.
        let _ = self.given_up.try_send(why);
    }

    /// Ends it.
    pub async fn close(self) {
        let Self { orders, mut task, .. } = self;
        drop(orders);
        if timeout(STOP_WAIT, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// The future of telling somebody; it ends when that was heard.
pub type Told = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

struct Keeper {
    name: String,
    source: Source,
    folder: PathBuf,
    socket: PathBuf,
    orders: mpsc::Receiver<ToProgram>,
    /// Why it is to be taken for one that failed.
    giving_up: mpsc::Receiver<&'static str>,
    tell: Box<dyn Fn(What) -> Told + Send + Sync>,
}

/// Why a life of a program ended.
enum End {
    /// Nobody wants it any more.
    Closed,
    Failed(String),
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Keeper {
    async fn run(mut self) {
        let mut pause = RESTART_PAUSE_MIN;
        loop {
            let begun = Instant::now();
            let why = match self.live().await {
                Ok(()) | Err(End::Closed) => return,
                Err(End::Failed(why)) => why,
            };
            tracing::warn!(service = %self.name, %why, "a service's program failed; it is tried again in a while");
            (self.tell)(What::Down { why }).await;
            if begun.elapsed() >= STEADY {
                pause = RESTART_PAUSE_MIN;
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = closed(&mut self.orders) => return,
            }
            pause = (pause * 2).min(RESTART_PAUSE_MAX);
        }
    }

    /// One life of the program, from its start to its end.
    async fn live(&mut self) -> Result<(), End> {
        let mut child = self.start()?;
        // What was said of a life before.
        while self.giving_up.try_recv().is_ok() {}
        let Self { name, socket, orders, tell, giving_up, .. } = self;
        let talking = async {
            tokio::select! {
                talked = talk(name, socket, orders, tell) => talked,
                Some(why) = giving_up.recv() => Err(End::Failed(why.to_owned())),
            }
        };
        match &mut child {
            None => talking.await,
            Some(child) => tokio::select! {
                talked = talking => talked,
                status = child.ended() => Err(End::Failed(format!("it ended with {}", status?))),
            },
        }
    }

    /// Starts the program, if that is the node's to do.
    fn start(&self) -> Result<Option<Child>, End> {
        if !program_socket::IS_SUPPORTED {
            return Err(End::Failed("services that plug in need Unix sockets, which this system has not".into()));
        }
        if self.socket.as_os_str().len() > SOCKET_PATH_MAX {
            let why = "the path of its socket is too long; use a shorter `dir`, or `socket` with a short path";
            return Err(End::Failed(format!("{}: {why}", self.socket.display())));
        }
        let Source::Command { command, environment } = &self.source else { return Ok(None) };
        files::create_private_folder(&self.folder)?;
        match std::fs::remove_file(&self.socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let started = Child::start(&self.name, command, environment, &self.folder, &self.socket);
        let program = command.first().map_or("", String::as_str);
        started.map(Some).map_err(|error| End::Failed(format!("{program} can't be started: {error}")))
    }
}

/// Talks to a program that is there, or will be in a moment, until it fails or nobody wants it any more.
async fn talk(
    name: &str,
    socket: &Path,
    orders: &mut mpsc::Receiver<ToProgram>,
    tell: &(dyn Fn(What) -> Told + Send + Sync),
) -> Result<(), End> {
    let (mut lines, mut to, version) = tokio::select! {
        greeted = timeout(START_WAIT, greet(name, socket)) => {
            greeted.map_err(|_| End::Failed("it did not say hello in time".into()))??
        }
        () = closed(orders) => return Err(End::Closed),
    };
    tracing::info!(service = %name, %version, "a service's program is there");
    tell(What::Up { version }).await;
    loop {
        tokio::select! {
            line = lines.next() => {
                let line = line?.ok_or_else(|| End::Failed("it closed the connection".into()))?;
                let said = FromProgram::of_line(&line).map_err(End::Failed)?;
                tell(What::Said(said)).await;
            }
            order = orders.recv() => {
                let order = order.ok_or(End::Closed)?;
                write(&mut to, &order).await?;
            }
        }
    }
}

/// Waits until nobody wants the program any more. Orders of before it is there are in vain, and let go of.
async fn closed(orders: &mut mpsc::Receiver<ToProgram>) {
    while orders.recv().await.is_some() {}
}

async fn write(to: &mut OwnedWriteHalf, order: &ToProgram) -> Result<(), End> {
    let line = order.to_line();
    let written = timeout(WRITE_WAIT, to.write_all(line.as_bytes())).await;
    written.map_err(|_| End::Failed("it reads nothing any more".into()))?.map_err(End::from)
}

/// Connects, once the program listens, and says hello.
async fn greet(name: &str, socket: &Path) -> Result<(Lines<OwnedReadHalf>, OwnedWriteHalf, String), End> {
    let stream = loop {
        match ProgramSocket::connect(socket).await {
            Ok(stream) => break stream,
            // It may be a moment until it listens.
            Err(_) => sleep(CONNECT_PAUSE).await,
        }
    };
    let (from, mut to) = stream.into_split();
    let node = concat!("byway ", env!("CARGO_PKG_VERSION")).to_owned();
    write(&mut to, &ToProgram::Hello { protocol: PROTOCOL, service: name.to_owned(), node }).await?;
    let mut lines = Lines::new(from, LINE_MAX, Long::Refuse);
    let line = lines.next().await?.ok_or_else(|| End::Failed("it closed the connection".into()))?;
    match FromProgram::of_line(&line).map_err(End::Failed)? {
        FromProgram::Hello { protocol, service, version } if protocol == PROTOCOL && service == name => {
            Ok((lines, to, version.chars().filter(|c| !c.is_control()).take(VERSION_MAX).collect()))
        }
        FromProgram::Hello { protocol, service, .. } => Err(End::Failed(format!(
            "it speaks version {protocol} for {service:?}; this node speaks version {PROTOCOL} for {name:?}"
        ))),
        _ => Err(End::Failed("its first word is not hello".into())),
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Source::Command { .. } = self.source {
            // The program is gone, and with it whoever listened there.
            let _ = std::fs::remove_file(&self.socket);
        }
    }
}
