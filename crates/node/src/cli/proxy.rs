//! Proxy ports that lead elsewhere than the main one: `byway proxy`.

use anyhow::bail;

use super::status::exit;
use super::wallet::show;
use super::{Globals, Outcome, ProxyCommand, ProxyOpenArgs, Table};
use crate::api::*;
use crate::client::Client;

pub async fn proxy(globals: &Globals, command: ProxyCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ProxyCommand::List => list(globals, &client).await?,
        ProxyCommand::Open(args) => {
            let port: ProxyPort = client.call("proxy_port_open", &request(args)?).await?;
            show(globals, &port, |port| {
                let ProxyPort { listen, .. } = port;
                format!(
                    "SOCKS5 proxy at {listen}, to {}. It looks for an exit when a program first uses it; `byway proxy close \
                     {listen}` closes it.\n",
                    leads_to(&port.wish)
                )
            })?;
        }
        ProxyCommand::Close { listen } => {
            let answer: serde_json::Value = client.call("proxy_port_close", &ProxyPortClose { listen }).await?;
            show(globals, &answer, |_| "Closed, and its session ended.\n".to_owned())?;
        }
    }
    Ok(Outcome::Done)
}

fn request(args: ProxyOpenArgs) -> anyhow::Result<ProxyPortOpen> {
    let OfferFilter { service, country, asn, max_price, min_bandwidth_bps, sort, .. } = args.filter.filter();
    if service.is_some_and(|service| service != byway_records::offer::Service::SOCKS) {
        bail!("a proxy port leads to exits of the service socks; leave --service out");
    }
    let wish = ProxyWish { country: args.to.or(country), asn, max_price, min_bandwidth_bps, sort, pay: args.pay };
    Ok(ProxyPortOpen { listen: args.listen, wish })
}

async fn list(globals: &Globals, client: &Client) -> anyhow::Result<()> {
    let ports: Vec<ProxyPort> = client.call("proxy_port_list", &Nothing {}).await?;
    if globals.json {
        return show(globals, &ports, |_| String::new());
    }
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    let mut table = Table::new(&["proxy", "to", "exit"]);
    table.row([status.proxy.address.clone(), "as you connect it".to_owned(), exit(&status.connection)]);
    for port in &ports {
        let state = match (&port.connection, &port.reason) {
            (Some(connection), _) => exit(connection),
            (None, reason) => reason.as_ref().map(|reason| reason.message.clone()).unwrap_or_default(),
        };
        table.row([port.listen.to_string(), leads_to(&port.wish), state]);
    }
    show(globals, &ports, |_| table.text("This node has no proxy."))
}

fn leads_to(wish: &ProxyWish) -> String {
    let country = wish.country.map_or_else(|| "anywhere".to_owned(), |country| country.to_string());
    let asn = wish.asn.map(|asn| format!(", AS{asn}")).unwrap_or_default();
    let price = wish.max_price.map(|price| format!(", at {price} WAY per MB or less")).unwrap_or_default();
    let pay = match wish.pay {
        Pay::Auto => "",
        Pay::Account => ", paid from the account",
        Pay::Channel => ", paid out of a channel",
    };
    format!("{country}{asn}{price}{pay}")
}
