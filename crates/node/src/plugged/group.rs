//! What a service's program starts in its turn, so that all of it ends together.

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// A program and whatever it has started.
#[cfg(unix)]
pub struct Group(Pid);

#[cfg(unix)]
impl Group {
    /// Makes what will be started a group of its own.
    pub fn lead(command: &mut Command) -> &mut Command {
        command.process_group(0)
    }

    /// The group of a program that was started so.
    pub fn of(process: &Child) -> Option<Self> {
        process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).map(Self)
    }

    pub fn kill(&self) {
        // All of it may have ended by itself.
        let _ = kill_process_group(self.0, Signal::KILL);
    }
}

/// Other systems know no such groups: the program alone would end. None is started there, for want of sockets to talk to it.
#[cfg(not(unix))]
pub struct Group;

#[cfg(not(unix))]
impl Group {
    pub fn lead(command: &mut Command) -> &mut Command {
        command
    }

    pub fn of(_: &Child) -> Option<Self> {
        None
    }

    pub fn kill(&self) {}
}
