//! Links that go through a hop: an endpoint that has nothing else, and what carries its datagrams.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use byway_driver::entropy;
use byway_driver::link::{BindError, ConnectError, Link, LinkContact, Links};
use byway_driver::nested::{self, Passage, Stopped};
use tokio::runtime::Handle;
use tokio::sync::{OnceCell, watch};
use tokio::time::timeout;

use super::super::way_out::{Exit, ExitState};

/// A hop that stopped carrying while nothing else changed is asked again after this long.
const AGAIN: Duration = Duration::from_secs(1);

/// What is behind a hop is dialled through this. Its endpoint is opened when it is first used, under a key that nobody has seen.
#[derive(Clone)]
pub(super) struct Through(Arc<Ends>);

struct Ends {
    beside: Arc<Links>,
    /// Where the hop's way stands.
    exits: watch::Receiver<ExitState>,
    nested: OnceCell<Links>,
}

impl Through {
    pub fn new(beside: Arc<Links>, exits: watch::Receiver<ExitState>) -> Self {
        Self(Arc::new(Ends { beside, exits, nested: OnceCell::new() }))
    }

    pub async fn connect(&self, contact: &LinkContact) -> Result<Link, ConnectError> {
        let opened = self.0.nested.get_or_try_init(|| self.0.open()).await;
        let nested = opened.map_err(|error| ConnectError::Unreachable(error.to_string()))?;
        nested.connect(contact).await
    }
}

impl Ends {
    async fn open(&self) -> Result<Links, BindError> {
        let (links, passage) = self.beside.nested(entropy::seed()).await?;
        tokio::spawn(carry(passage, self.exits.clone()));
        Ok(links)
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let (Some(links), Ok(runtime)) = (self.nested.take(), Handle::try_current()) {
            runtime.spawn(async move { links.close().await });
        }
    }
}

/// Carries through whatever session the hop's way has, until that way is gone or the endpoint is.
async fn carry(mut passage: Passage, mut exits: watch::Receiver<ExitState>) {
    loop {
        let state = exits.borrow_and_update().clone();
        let ExitState::Ready(exit) = state else {
            match exits.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        match carry_through(&mut passage, &exit, &mut exits).await {
            Some(Stopped::Closed) => return,
            Some(stopped) => {
                tracing::debug!(session = %exit.session, ?stopped, "a hop carries nothing for now");
                if let Ok(Err(_)) = timeout(AGAIN, exits.changed()).await {
                    return;
                }
            }
            None => {}
        }
    }
}

/// Carries through one session; `None` once the way has another, or its link is another.
async fn carry_through(passage: &mut Passage, exit: &Exit, exits: &mut watch::Receiver<ExitState>) -> Option<Stopped> {
    let (gate, meter) = (&exit.plane.gate, &exit.plane.meter);
    let mut carried = pin!(nested::carry(passage, &exit.link, exit.session.0, gate, meter));
    loop {
        tokio::select! {
            stopped = &mut carried => return Some(stopped),
            changed = exits.changed() => {
                let is_same = |now: &ExitState| match now {
                    ExitState::Ready(now) => now.session == exit.session && now.link.id() == exit.link.id(),
                    // The link may be back; until then nothing else carries.
                    _ => true,
                };
                if changed.is_err() {
                    // The way is gone.
                    return Some(Stopped::Closed);
                }
                if !is_same(&exits.borrow_and_update()) {
                    return None;
                }
            }
        }
    }
}
