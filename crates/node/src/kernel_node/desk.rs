//! Asking a kernel node from within its process, without keeping it running.

use std::sync::Arc;

use byway_kernel::Status;
use byway_kernel::follower::protocol::{Answer, Request};
use byway_records::VerifiedTransaction;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::Heard;
use super::figures::{Figures, Measured};

/// What the node's task is asked from within its process.
pub(super) enum Command {
    Submit(Vec<VerifiedTransaction>, oneshot::Sender<usize>),
    Status(oneshot::Sender<Status>),
    Ask(Request, oneshot::Sender<Answer>),
    Measure(oneshot::Sender<Measured>),
    Stop,
}

/// Asks a kernel node in this process what followers ask over its port.
#[derive(Clone)]
pub struct KernelDesk {
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) heard: broadcast::WeakSender<Heard>,
    pub(super) figures: Arc<Figures>,
}

impl KernelDesk {
    /// `None` once the node has ended, or where it has no answer.
    pub async fn ask(&self, request: Request) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Ask(request, answer)).await.ok()?;
        answered.await.ok()
    }

    /// How the node is; `None` once it has ended.
    pub async fn status(&self) -> Option<Status> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Status(answer)).await.ok()?;
        answered.await.ok()
    }

    /// The node's figures in the text form that Prometheus reads; `None` once it has ended.
    pub async fn figures(&self) -> Option<String> {
        let (answer, answered) = oneshot::channel();
        self.commands.upgrade()?.send(Command::Measure(answer)).await.ok()?;
        let (figures, measured) = (self.figures.clone(), answered.await.ok()?);
        // The folder is measured too, which may wait for the disk.
        tokio::task::spawn_blocking(move || figures.text(&measured)).await.ok()
    }

    /// Listens to verdicts and certificates from now on; `None` once the node has ended.
    pub fn listen(&self) -> Option<broadcast::Receiver<Heard>> {
        Some(self.heard.upgrade()?.subscribe())
    }
}
