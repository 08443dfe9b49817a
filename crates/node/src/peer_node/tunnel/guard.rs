//! The machine's own network while the user wants the tunnel: one task that carries out what is wished, in order.
//!
//! Whoever wishes doesn't wait, but for the first time: a tunnel is only *connected* once the machine is closed around it.
//!
//! Another program may throw all rules away (a firewall that starts). So the task looks now and then whether what it did is
//! still so, and does it again. What failed is tried again as often; but not the first plan of a tunnel, whose failure is told to
//! whoever asked for it, and is the end of that.

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
            let mut aim = Aim::default();
            loop {
                match timeout(LOOK_EVERY, wished.recv()).await {
                    Ok(None) => break,
                    Ok(Some(wish)) => {
                        let is_told = matches!(&wish, Wish::Protect(_, Some(_)));
                        aim.plan = match &wish {
                            Wish::Protect(plan, _) => Some((**plan).clone()),
                            Wish::Release => None,
                        };
                        aim.is_missed = !carry_out(&*network, wish).await && !is_told;
                    }
                    Err(_) => aim.look_after(&*network).await,
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

/// What the machine's network is to be.
#[derive(Default)]
struct Aim {
    /// `None`: open.
    plan: Option<ClientPlan>,
    /// The last try to make it so has failed.
    is_missed: bool,
}

impl Aim {
    /// Does again what failed; and puts the plan in force again if it was thrown away, or the machine is in another network.
    async fn look_after(&mut self, network: &dyn HostNetwork) {
        let Some(plan) = &self.plan else {
            if self.is_missed {
                self.is_missed = !release(network).await;
            }
            return;
        };
        match network.status().await {
            _ if self.is_missed => tracing::info!("the machine's network is closed around the tunnel once more"),
            Ok(status) if status.is_lost => {
                tracing::warn!("another program has thrown the kill switch away; it is put back");
            }
            Ok(status) if status.is_outdated => tracing::info!("names outside are asked of other name servers now"),
            _ => return,
        }
        let done = network.protect(plan).await;
        if let Err(error) = &done {
            tracing::error!(%error, "the machine's network can't be closed around the tunnel again");
        }
        self.is_missed = done.is_err();
    }
}

/// Whether it could be done.
async fn carry_out(network: &dyn HostNetwork, wish: Wish) -> bool {
    match wish {
        Wish::Protect(plan, asker) => {
            let done = network.protect(&plan).await;
            let is_done = done.is_ok();
            if let Err(error) = &done {
                tracing::error!(%error, "the machine's network can't be closed around the tunnel");
            }
            if let Some(asker) = asker {
                // Whoever asked may have gone on to another exit.
                let _ = asker.send(done);
            }
            is_done
        }
        Wish::Release => release(network).await,
    }
}

async fn release(network: &dyn HostNetwork) -> bool {
    match network.release().await {
        Ok(removed) => {
            let removed: Vec<String> = removed.iter().map(ToString::to_string).collect();
            tracing::info!(?removed, "the machine's network is open again");
            true
        }
        Err(error) => {
            tracing::error!(%error, "the machine's network stays closed; try `byway firewall reset`");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use byway_driver::host_network::{Programs, Removed, SharingPlan, Status};
    use futures::future::{BoxFuture, ready};
    use tokio::sync::Notify;

    use super::*;

    /// A machine whose next changes fail, and what was tried with it.
    #[derive(Default)]
    struct Machine {
        fails: Mutex<usize>,
        tried: Mutex<Vec<&'static str>>,
        is_tried: Notify,
    }

    impl Machine {
        fn try_to<T>(&self, what: &'static str, done: T) -> BoxFuture<'_, Result<T, HostNetworkError>>
        where
            T: Send + 'static,
        {
            self.tried.lock().expect("nobody panics").push(what);
            self.is_tried.notify_one();
            let mut fails = self.fails.lock().expect("nobody panics");
            let result = if *fails > 0 { Err(HostNetworkError::Stopping) } else { Ok(done) };
            *fails = fails.saturating_sub(1);
            Box::pin(ready(result))
        }

        async fn until(&self, tried: &[&str]) {
            let is_tried = async {
                while self.tried.lock().expect("nobody panics").as_slice() != tried {
                    self.is_tried.notified().await;
                }
            };
            let seen = timeout(9 * LOOK_EVERY, is_tried).await;
            assert!(seen.is_ok(), "{:?}", self.tried.lock().expect("nobody panics"));
        }
    }

    impl HostNetwork for Machine {
        fn protect<'a>(&'a self, plan: &'a ClientPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
            self.try_to(if plan.programs == Programs::All { "all" } else { "some" }, ())
        }

        fn release(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
            self.try_to("open", Vec::new())
        }

        fn status(&self) -> BoxFuture<'_, Result<Status, HostNetworkError>> {
            Box::pin(ready(Ok(Status { is_closed: true, ..Status::default() })))
        }

        fn share<'a>(&'a self, _: &'a SharingPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
            unreachable!("no client is let out")
        }

        fn unshare(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
            unreachable!("no client is let out")
        }

        fn reset(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
            unreachable!("that is a command's")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_is_tried_again_until_it_is_done_and_never_after_a_later_wish() {
        let machine = Arc::new(Machine::default());
        let guard = Guard::start(machine.clone());
        guard.protect(ClientPlan::default()).await.expect("protects");
        *machine.fails.lock().expect("nobody panics") = 2;
        let some = ClientPlan { programs: Programs::OnlyInside, ..ClientPlan::default() };
        guard.change(some.clone());
        machine.until(&["all", "some", "some", "some"]).await;
        *machine.fails.lock().expect("nobody panics") = 2;
        guard.release();
        machine.until(&["all", "some", "some", "some", "open", "open", "open"]).await;
        machine.tried.lock().expect("nobody panics").clear();
        // One that was told is over; a change that failed is nothing once another was made.
        *machine.fails.lock().expect("nobody panics") = 1;
        assert!(guard.protect(some.clone()).await.is_err());
        tokio::time::sleep(2 * LOOK_EVERY).await;
        *machine.fails.lock().expect("nobody panics") = 1;
        guard.change(some);
        guard.change(ClientPlan::default());
        machine.until(&["some", "some", "all"]).await;
        tokio::time::sleep(2 * LOOK_EVERY).await;
        machine.until(&["some", "some", "all"]).await;
    }
}
