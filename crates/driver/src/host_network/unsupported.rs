//! A system whose firewall this program can't work: nothing is ever in force, and nothing is promised.

use futures::future::{BoxFuture, ready};

use super::{ClientPlan, HostNetwork, HostNetworkError, Removed, SharingPlan, Status};

/// Refuses to close or share anything, and has nothing to undo.
#[derive(Debug, Clone, Copy)]
pub struct UnsupportedNetwork;

impl HostNetwork for UnsupportedNetwork {
    fn protect<'a>(&'a self, _plan: &'a ClientPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
        Box::pin(ready(Err(HostNetworkError::Unsupported)))
    }

    fn release(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn share<'a>(&'a self, _plan: &'a SharingPlan) -> BoxFuture<'a, Result<(), HostNetworkError>> {
        Box::pin(ready(Err(HostNetworkError::Unsupported)))
    }

    fn unshare(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn status(&self) -> BoxFuture<'_, Result<Status, HostNetworkError>> {
        Box::pin(ready(Err(HostNetworkError::Unsupported)))
    }

    fn reset(&self) -> BoxFuture<'_, Result<Vec<Removed>, HostNetworkError>> {
        Box::pin(ready(Ok(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_promised() {
        let network = UnsupportedNetwork;
        assert!(matches!(network.protect(&ClientPlan::default()).await, Err(HostNetworkError::Unsupported)));
        assert!(matches!(network.status().await, Err(HostNetworkError::Unsupported)));
        assert!(network.reset().await.is_ok_and(|removed| removed.is_empty()));
    }
}
