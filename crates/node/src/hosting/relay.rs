//! A relay as a program, with the web site in front of it if it is to be found as one.

use std::io;
use std::path::PathBuf;

use anyhow::Context;
use byway_driver::disguise::{Certificate, Front, FrontAddress, Onward, RelayAddress, Secret, Site, front};
use byway_driver::relay::{Config as RelaySettings, Relay};
use zeroize::Zeroizing;

use super::{mirror, told_to_stop};
use crate::cli::{Outcome, RelayAddressArgs, print_json};
use crate::config::{Config, FrontConfig, RelayConfig};
use crate::directory::Directory;
use crate::{files, genesis};

/// The port of a URL that names none.
const HTTPS: u16 = 443;

pub(super) async fn run(config: &Config, directory: &Directory) -> anyhow::Result<Outcome> {
    let _lock = directory.lock()?;
    let RelayConfig { listen, front } = section(config)?;
    let relay = Relay::spawn(RelaySettings { bind: *listen, client_bytes_per_second: None }).await?;
    mirror(*listen).await;
    let front = match front {
        Some(front) => Some(open(front, config, directory, &relay).await?),
        None => None,
    };
    let before = front.as_ref().map(|front| format!(", web site at {}", front.address())).unwrap_or_default();
    println!("ready: relay at {}{before}", relay.url());
    told_to_stop().await;
    drop(front);
    relay.shutdown().await?;
    Ok(Outcome::Done)
}

/// Prints what peers write down to reach the relay, with the secret.
pub(super) fn address(
    config: &Config,
    directory: &Directory,
    args: &RelayAddressArgs,
    as_json: bool,
) -> anyhow::Result<Outcome> {
    let front = section(config)?.front.as_ref();
    let front = front.context("this relay has no [relay.front]; peers use its URL as it is")?;
    let standard = match front.listen.port() {
        HTTPS => format!("https://{}/", front.name),
        port => format!("https://{}:{port}/", front.name),
    };
    let url = front.plain.as_ref().unwrap_or(&standard);
    let url = url.parse().with_context(|| format!("relay.front.plain or name make no URL: {url}"))?;
    let pin = match args.pin {
        true => Some(Certificate::load(&front.certificate, &front.key)?.pin()?),
        false => None,
    };
    let secret = secret(directory)?;
    let (host, port) = (front.name.clone(), front.listen.port());
    let address = RelayAddress { url, front: Some(FrontAddress { host, port, pin, secret }) };
    match as_json {
        true => print_json(&serde_json::json!({ "address": &**address.to_text() }))?,
        false => println!("{}", *address.to_text()),
    }
    Ok(Outcome::Done)
}

fn section(config: &Config) -> anyhow::Result<&RelayConfig> {
    config.relay.as_ref().context("the configuration has no [relay] section")
}

async fn open(config: &FrontConfig, whole: &Config, directory: &Directory, relay: &Relay) -> anyhow::Result<Front> {
    let mut kernel = config.kernel.clone();
    if let Some(network) = &whole.network {
        let genesis = genesis::load(network)?;
        kernel.extend(genesis.members.iter().map(|(_, member)| member.address.clone()));
    }
    let front = Front::open(front::Config {
        bind: config.listen,
        certificate: Certificate::load(&config.certificate, &config.key)?,
        secret: secret(directory)?,
        site: config.site.clone().map_or(Site::BuiltIn, Site::Folder),
        onward: Onward::new(relay.address(), kernel),
    });
    Ok(front.await?)
}

/// The front's secret, which is made when it is first asked for.
fn secret(directory: &Directory) -> anyhow::Result<Secret> {
    let file: PathBuf = directory.front_secret_file();
    let named = || format!("the front's secret in {} can't be used", file.display());
    match std::fs::read_to_string(&file).map(Zeroizing::new) {
        Ok(text) => Secret::parse(text.trim()).with_context(named),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = Secret::generate();
            files::create_secret(&file, secret.to_text().as_bytes()).with_context(named)?;
            Ok(secret)
        }
        Err(error) => Err(error).with_context(named),
    }
}
