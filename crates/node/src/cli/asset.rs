//! Assets beside WAY: `byway asset`.

use anyhow::bail;
use byway_primitives::AssetId;
use byway_records::AssetTerms;

use super::output::short;
use super::wallet::{Until, move_money, show};
use super::{AssetCommand, AssetName, Globals, Outcome, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn asset(globals: &Globals, command: AssetCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        AssetCommand::List => {
            let assets: Vec<Asset> = client.call("asset_list", &Nothing {}).await?;
            show(globals, &assets, |assets| assets_text(assets))?;
            Ok(Outcome::Done)
        }
        AssetCommand::Register { symbol, name, decimals, once } => {
            let until = Until::of(once.wait);
            let idempotency_key = idempotency_key(once.idempotency_key)?;
            let request = AssetRegister { symbol, name, decimals, idempotency_key };
            move_money(globals, &client, "asset_register", &request, until).await
        }
        AssetCommand::Issue { asset, amount, to, once } => {
            let until = Until::of(once.wait);
            let (asset, idempotency_key) = (asset_of(&client, asset).await?, idempotency_key(once.idempotency_key)?);
            move_money(globals, &client, "asset_issue", &AssetIssue { asset, amount, to, idempotency_key }, until).await
        }
        AssetCommand::Burn { asset, amount, once } => {
            let until = Until::of(once.wait);
            let (asset, idempotency_key) = (asset_of(&client, asset).await?, idempotency_key(once.idempotency_key)?);
            move_money(globals, &client, "asset_burn", &AssetBurn { asset, amount, idempotency_key }, until).await
        }
        AssetCommand::Faucet { amount, once } => {
            let until = Until::of(once.wait);
            let (asset, idempotency_key) = (AssetTerms::faucet().id(), idempotency_key(once.idempotency_key)?);
            let request = AssetIssue { asset, amount, to: None, idempotency_key };
            move_money(globals, &client, "asset_issue", &request, until).await
        }
    }
}

/// The asset that a person means. A symbol that several issuers use could mean the wrong one, so it takes the id then.
pub async fn asset_of(client: &Client, name: AssetName) -> anyhow::Result<AssetId> {
    let symbol = match name {
        AssetName::Id(id) => return Ok(id),
        AssetName::Symbol(symbol) => symbol,
    };
    let assets: Vec<Asset> = client.call("asset_list", &Nothing {}).await?;
    let named: Vec<&Asset> = assets.iter().filter(|asset| asset.symbol == symbol).collect();
    match named[..] {
        [asset] => Ok(asset.asset),
        [] => bail!("there is no asset {symbol}; `byway asset list` shows those there are"),
        _ => {
            let ids: Vec<String> = named.iter().map(|asset| format!("{} of {}", asset.asset, asset.issuer)).collect();
            bail!("several issuers call an asset {symbol}; say which by its id: {}", ids.join(", "))
        }
    }
}

/// The same where naming one is optional.
pub async fn asset_named(client: &Client, name: Option<AssetName>) -> anyhow::Result<Option<AssetId>> {
    match name {
        Some(name) => Ok(Some(asset_of(client, name).await?)),
        None => Ok(None),
    }
}

fn assets_text(assets: &[Asset]) -> String {
    let mut table = Table::new(&["symbol", "name", ">supply", ">decimals", "issuer", "id"]);
    for asset in assets {
        let issuer = match asset.faucet_max {
            Some(most) => format!("everyone, {most} at a time"),
            None if asset.ours => "this node".to_owned(),
            None => short(&asset.issuer),
        };
        table.row([
            asset.symbol.to_string(),
            asset.name.to_string(),
            asset.supply.to_string(),
            asset.decimals.to_string(),
            issuer,
            asset.asset.to_string(),
        ]);
    }
    table.text("There are no assets beside WAY yet.")
}
