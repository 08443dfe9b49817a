//! Two things at once, where whoever calls has cores for it.
//!
//! A pure crate has no threads. What takes long and needs nothing of the rest is handed to a function of the caller's, which may run it on
//! a thread of its own or not: what comes out is the same.

/// Runs both to their ends before it returns, each once, in whatever order or at the same time.
pub type Beside = fn(there: &mut (dyn FnMut() + Send), here: &mut dyn FnMut());

/// One after the other, on the caller's thread.
pub fn in_turn(there: &mut (dyn FnMut() + Send), here: &mut dyn FnMut()) {
    there();
    here();
}

/// What both give.
pub(crate) fn both<A: Send, B>(beside: Beside, there: impl Fn() -> A + Sync, here: impl FnOnce() -> B) -> (A, B) {
    let (mut first, mut second, mut here) = (None, None, Some(here));
    beside(&mut || first = Some(there()), &mut || second = here.take().map(|here| here()));
    match (first, second) {
        (Some(first), Some(second)) => (first, second),
        _ => unreachable!("both were run, each once"),
    }
}
