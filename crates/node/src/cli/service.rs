//! Services that plug in: `byway service`.

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wallet::show;
use super::{Globals, Outcome, ServiceCommand, ServiceOpenArgs, Table, with_progress};
use crate::api::*;
use crate::client::Client;
use crate::plugged::protocol::Bytes;

/// Bytes that are moved at once between a service and standard input or output.
const BUFFER_BYTES: usize = 64 * 1024;

pub async fn service(globals: &Globals, command: ServiceCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ServiceCommand::List => {
            let list: ServiceList = client.call("service_list", &Nothing {}).await?;
            show(globals, &list, list_text)?;
        }
        ServiceCommand::Open(args) => open(globals, &client, args).await?,
        ServiceCommand::Close { listen } => {
            let answer: serde_json::Value = client.call("service_close", &ServiceClose { listen }).await?;
            show(globals, &answer, |_| "Closed.\n".to_owned())?;
        }
    }
    Ok(Outcome::Done)
}

async fn open(globals: &Globals, client: &Client, args: ServiceOpenArgs) -> anyhow::Result<()> {
    let ServiceOpenArgs { service, listen, stdio, data, country, max_price, pay } = args;
    let request = ServiceOpen { service, listen, data: Bytes(data.into_bytes()), country, max_price, pay };
    let opening = client.call::<ServiceOpened>("service_open", &request);
    let opened = with_progress("looking for a provider", opening).await?;
    if stdio {
        let joined = join_stdio(&opened.access).await;
        client.call::<serde_json::Value>("service_close", &ServiceClose { listen: opened.access.listen }).await?;
        return joined;
    }
    show(globals, &opened, |opened| {
        let Session { provider, price, .. } = &opened.session;
        let listen = opened.access.listen;
        format!("Open at {listen}, by {provider} for {}; `byway service close {listen}` closes it.\n", price)
    })
}

/// Standard input to the service and its answer to standard output, until it has said all.
async fn join_stdio(access: &ServiceAccess) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(access.listen).await.context("the opened service takes no connection")?;
    let (mut from, mut to) = stream.split();
    let input = async {
        let mut input = tokio::io::stdin();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = input.read(&mut buffer).await?;
            if count == 0 {
                return to.shutdown().await;
            }
            to.write_all(&buffer[..count]).await?;
        }
    };
    let output = async {
        let mut output = tokio::io::stdout();
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = from.read(&mut buffer).await?;
            if count == 0 {
                return output.flush().await;
            }
            output.write_all(&buffer[..count]).await?;
        }
    };
    let (mut input, mut output) = (std::pin::pin!(input), std::pin::pin!(output));
    tokio::select! {
        ended = &mut output => Ok(ended?),
        sent = &mut input => {
            sent?;
            Ok(output.await?)
        }
    }
}

fn list_text(list: &ServiceList) -> String {
    let mut sold = Table::new(&["sold", ">WAY per MB", "state", ">sessions", ">failed", "program"]);
    for program in &list.sold {
        sold.row([
            program.name.clone(),
            program.price_per_mb.to_string(),
            super::output::word(&program.state),
            program.sessions.to_string(),
            program.restarts.to_string(),
            program.reason.clone().or_else(|| program.version.clone()).unwrap_or_default(),
        ]);
    }
    let mut open = Table::new(&["open", "at"]);
    for access in &list.open {
        open.row([access.service.to_string(), access.listen.to_string()]);
    }
    format!("{}\n{}", sold.text("No service that plugs in is sold."), open.text("None is open."))
}
