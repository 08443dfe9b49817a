//! The calls `kernel_*` by name, on a server of their own or as a part of a market node's.

use std::sync::Arc;

use byway_records::TransactionId;
use serde_json::{Value, json};

use super::Right;
use super::dispatch::{done, method_not_found, read};
use super::surface::Surface;
use crate::api::params::Params;
use crate::api::*;

/// The calls about the kernel, and the one that describes them.
pub const METHODS: &[&str] = &[
    "rpc.discover",
    "kernel_status",
    "kernel_members",
    "kernel_send",
    "kernel_transaction",
    "kernel_outputs",
    "kernel_snapshots",
    "kernel_checkpoints",
    "kernel_evidence",
    "kernel_pulse",
];

/// The document that describes them, in the form of OpenRPC 1.3.
pub const DOCUMENT: &str = include_str!("../../../../docs/formats/openrpc.json");

/// Carries them to a kernel node. Cheap to clone.
pub struct KernelDispatcher<A>(Arc<A>);

impl<A> Clone for KernelDispatcher<A> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<A: KernelApi> KernelDispatcher<A> {
    pub fn new(api: Arc<A>) -> Self {
        Self(api)
    }
}

impl<A: KernelApi> Surface for KernelDispatcher<A> {
    async fn run(&self, right: Right, method: String, params: Option<Value>) -> Answer<Value> {
        if right != Right::All && method == "kernel_send" {
            return Err(ApiError::read_only());
        }
        let (api, params) = (self.0.clone(), Params::new(params)?);
        let task = tokio::spawn(async move { call(&*api, &method, params).await });
        match task.await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::error!(%error, "a call about the kernel panicked");
                Err(ApiError::internal())
            }
        }
    }

    fn events(&self) -> Events {
        self.0.kernel_events()
    }

    fn topics(&self, _: Right) -> &'static [Topic] {
        &Topic::KERNEL
    }

    async fn state(&self, topic: Topic) -> Answer<Vec<Event>> {
        crate::api::kernel::state(&*self.0, topic).await
    }

    async fn watched(&self, id: TransactionId) -> Answer<KernelTransactionRecord> {
        self.0.kernel_transaction(KernelTransaction { transaction_id: id, proof: false }).await
    }
}

/// One of [`METHODS`].
pub async fn call<A: KernelApi>(api: &A, method: &str, params: Params) -> Answer<Value> {
    match method {
        "kernel_send" => done(api.kernel_send(read(params)?).await),
        "kernel_transaction" => done(api.kernel_transaction(read(params)?).await),
        "kernel_outputs" => done(api.kernel_outputs(read(params)?).await),
        "kernel_snapshots" => done(api.kernel_snapshots(read(params)?).await),
        "kernel_checkpoints" => done(api.kernel_checkpoints(read(params)?).await),
        other => {
            read::<Nothing>(params)?;
            match other {
                "rpc.discover" => Ok(document()),
                "kernel_status" => done(api.kernel_status().await),
                "kernel_members" => done(api.kernel_members().await),
                "kernel_evidence" => done(api.kernel_evidence().await),
                "kernel_pulse" => done(api.kernel_pulse().await),
                other => Err(method_not_found(other)),
            }
        }
    }
}

/// The document with this program's version in it.
pub fn document() -> Value {
    let mut document: Value = serde_json::from_str(DOCUMENT).expect("a test reads the embedded document");
    document["info"]["version"] = json!(env!("CARGO_PKG_VERSION"));
    document
}
