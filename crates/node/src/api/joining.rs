//! Bringing others into the network (row I2).

use byway_primitives::NetworkId;
use serde::{Deserialize, Serialize};

use super::ApiError;
use super::params::Params;
use super::requests::Request;

/// A network, and the link by which others join it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkInvitation {
    pub link: String,
    pub network: NetworkId,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NetworkLinkShow {
    /// A relay that whoever joins may use; the node's own where it holds no secret and this is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relay: Option<String>,
}

impl Request for NetworkLinkShow {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { relay: params.optional("relay")? })
    }
}
