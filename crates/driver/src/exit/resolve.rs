//! Names to addresses, at the exit.

use std::net::IpAddr;

use futures::FutureExt;
use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;

use crate::socks::Reply;

/// Turns a host name into addresses.
pub trait Resolve: Send + Sync {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>>;
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("the name doesn't exist or has no address")]
    Unknown,
    #[error("the name server failed: {0}")]
    Failed(String),
}

/// The name servers that the operating system is configured with, and no others.
pub struct SystemResolver(TokioResolver);

#[derive(Debug, thiserror::Error)]
#[error("the system's name servers can't be used; check /etc/resolv.conf: {0}")]
pub struct SystemResolverError(String);

impl SystemResolver {
    pub fn new() -> Result<Self, SystemResolverError> {
        let built = TokioResolver::builder_tokio().and_then(|builder| builder.build());
        built.map(Self).map_err(|error| SystemResolverError(error.to_string()))
    }
}

impl Resolve for SystemResolver {
    fn resolve<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<IpAddr>, ResolveError>> {
        async move {
            // With the dot at the end the name is complete: the exit's own search domains are none of a client's business.
            let complete = format!("{}.", name.trim_end_matches('.'));
            match self.0.lookup_ip(complete).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) if error.is_no_records_found() => Err(ResolveError::Unknown),
                Err(error) => Err(ResolveError::Failed(error.to_string())),
            }
        }
        .boxed()
    }
}

impl From<ResolveError> for Reply {
    /// Either way the host can't be reached; the standard has no code that says more.
    fn from(_: ResolveError) -> Self {
        Self::HostUnreachable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_needs_no_name_server_is_answered_without_one() {
        let resolver = SystemResolver::new().expect("the system has a resolver configuration");
        let found = resolver.resolve("localhost").await.expect("localhost is known everywhere");
        assert!(!found.is_empty() && found.iter().all(|ip| ip.is_loopback()), "{found:?}");
        let label = "a".repeat(64);
        assert!(resolver.resolve(&label).await.is_err(), "a label has at most 63 bytes");
    }
}
