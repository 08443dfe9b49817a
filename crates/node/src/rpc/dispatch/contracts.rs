//! Calls about contracts on the ledger.

use serde_json::Value;

use super::{Dispatcher, done, method_not_found, read};
use crate::api::params::Params;
use crate::api::{Answer, NodeApi, Nothing};

impl<A: NodeApi> Dispatcher<A> {
    pub(super) async fn call_contract(&self, method: &'static str, params: Params) -> Answer<Value> {
        let api = &*self.api;
        match method {
            "contract_list" => {
                read::<Nothing>(params)?;
                done(api.contract_list().await)
            }
            "contract_show" => done(api.contract_show(read(params)?).await),
            "contract_call" => done(api.contract_call(read(params)?).await),
            "contract_look" => done(api.contract_look(read(params)?).await),
            "contract_export" => done(api.contract_export(read(params)?).await),
            "contract_import" => done(api.contract_import(read(params)?).await),
            other => Err(method_not_found(other)),
        }
    }
}
