//! The machine's own network while the user wants the tunnel: one task that carries out what is wished, in order.
//!
//! Whoever wishes doesn't wait, but for the first time: a tunnel is only *connected* once the machine is closed around it.
//!
//! Another program may throw all rules away (a firewall that starts). So the task looks now and then whether what it did is
//! still so, and does it again.

use std::sync::Arc;
use std::time::Duration;

use byway_driver::host_network::{ClientPlan, HostNetwork, HostNetworkError};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Wishes that may wait: changes of exit that come faster than the system takes them.
const WISHES_MAX: usize = 64;

/// How often it is looked whether the rules are still there.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// A handle on the task, which ends with the last handle and leaves everything as it is.
#[derive(Clone)]
pub struct Guard(mpsc::Sender<Wish>);

enum Wish {
    Protect(Box<ClientPlan>, Option<oneshot::Sender<Result<(), HostNetworkError>>>),
    Release,
}

impl Guard {
    /// Starts the task. Must be called within the runtime.
    pub fn start(network: Arc<dyn HostNetwork>) -> Self {
        let (wishes, mut wished) = mpsc::channel(WISHES_MAX);
        tokio::spawn(async move {
            let mut in_force: Option<ClientPlan> = None;
            loop {
                match timeout(LOOK_EVERY, wished.recv()).await {
                    Ok(None) => break,
                    Ok(Some(wish)) => {
                        in_force = match &wish {
                            Wish::Protect(plan, _) => Some((**plan).clone()),
                            Wish::Release => None,
                        };
                        carry_out(&*network, wish).await;
                    }
                    Err(_) => {
                        if let Some(plan) = &in_force {
                            restore(&*network, plan).await;
                        }
                    }
                }
            }
        });
        Self(wishes)
    }

    /// Puts a plan in force; the answer comes when it is.
    pub async fn protect(&self, plan: ClientPlan) -> Result<(), HostNetworkError> {
        let (asker, done) = oneshot::channel();
        // The task lives as long as this handle, unless the runtime is ending; then nothing is of use any more.
        let _ = self.0.send(Wish::Protect(Box::new(plan), Some(asker))).await;
        done.await.unwrap_or(Err(HostNetworkError::Stopping))
    }

    /// Puts a plan in force when what was wished before is.
    pub fn change(&self, plan: ClientPlan) {
        self.wish(Wish::Protect(Box::new(plan), None));
    }

    /// Opens the machine's network again.
    pub fn release(&self) {
        self.wish(Wish::Release);
    }

    fn wish(&self, wish: Wish) {
        if self.0.try_send(wish).is_err() {
            tracing::error!("the machine's network can't follow; it stays closed until `byway firewall reset`");
        }
    }
}

/// Puts the plan in force again if it was thrown away, or the machine is in another network.
async fn restore(network: &dyn HostNetwork, plan: &ClientPlan) {
    match network.status().await {
        Ok(status) if status.is_lost => {
            tracing::warn!("another program has thrown the kill switch away; it is put back");
        }
        Ok(status) if status.is_outdated => tracing::info!("names outside are asked of other name servers now"),
        _ => return,
    }
    if let Err(error) = network.protect(plan).await {
        tracing::error!(%error, "the machine's network can't be closed around the tunnel again");
    }
}

async fn carry_out(network: &dyn HostNetwork, wish: Wish) {
    match wish {
        Wish::Protect(plan, asker) => {
            let done = network.protect(&plan).await;
            if let Err(error) = &done {
                tracing::error!(%error, "the machine's network can't be closed around the tunnel");
            }
            if let Some(asker) = asker {
                // Whoever asked may have gone on to another exit.
                let _ = asker.send(done);
            }
        }
        Wish::Release => match network.release().await {
            Ok(removed) => {
                let removed: Vec<String> = removed.iter().map(ToString::to_string).collect();
                tracing::info!(?removed, "the machine's network is open again");
            }
            Err(error) => tracing::error!(%error, "the machine's network stays closed; try `byway firewall reset`"),
        },
    }
}
