//! The command line: what there is to say, and who does it.
//!
//! Commands for a running node ask it over its local API; those on files work where no node runs. Programs that host
//! nodes (`up`, `run`, …) come in from outside as a [`Hosting`], so that this crate's library stays free of them.

mod account;
mod args;
mod asset;
mod backup;
pub mod bot;
mod channel;
mod chat;
mod chat_attach;
mod chat_backup;
mod chat_book;
mod chat_content;
mod chat_group;
mod chat_mention;
mod chat_search;
mod chat_who;
mod confirm;
mod contract;
mod device;
mod doctor;
mod firewall;
mod forward;
mod group;
mod holding;
mod hub;
mod identity;
mod invite;
mod join;
mod kernel;
mod ledger;
mod light;
mod limit;
mod market;
mod membership;
mod name;
mod network;
mod output;
mod phone;
mod progress;
mod provider;
mod proxy;
mod service;
mod status;
mod tunnel;
mod wallet;
mod watch;
mod watching;

use std::future::Future;
use std::path::PathBuf;

pub use args::*;
pub use light::{LightArgs, LightCommand};
pub use output::{Table, print_json};
pub use progress::with_progress;
pub use watch::{print_seen, read_view_key};

use crate::api::params::IdempotencyKey;
use crate::client::{Client, ClientError};
use crate::directory::{Directory, DirectoryError};

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It did what it was asked, and the answer is no: an audit that isn't balanced.
    No,
}

/// What every command knows.
#[derive(Debug, Clone)]
pub struct Globals {
    /// `--dir`, where given.
    pub dir: Option<PathBuf>,
    /// Whether to print JSON.
    pub json: bool,
    pub passphrase_file: Option<PathBuf>,
}

impl Globals {
    /// Whether the command's output, errors included, is for a program.
    pub fn is_json(cli: &Cli) -> bool {
        cli.globals.json
    }

    /// The directory of a command that hosts or makes something.
    pub fn directory(&self) -> Result<Directory, DirectoryError> {
        self.dir.as_ref().map_or_else(Directory::standard, |dir| Ok(Directory::new(dir)))
    }

    /// The directory of a command for a running node.
    pub fn running_directory(&self) -> Result<Directory, DirectoryError> {
        Directory::of_running(self.dir.as_deref())
    }

    pub fn client(&self) -> Result<Client, ClientError> {
        Client::of(&self.running_directory()?)
    }
}

/// The commands that run nodes until they are stopped.
pub trait Hosting {
    fn up(&self, globals: &Globals, args: UpArgs) -> impl Future<Output = anyhow::Result<Outcome>>;
    fn run(&self, globals: &Globals, args: RunArgs) -> impl Future<Output = anyhow::Result<Outcome>>;
    fn run_kernel(&self, globals: &Globals, args: RunArgs) -> impl Future<Output = anyhow::Result<Outcome>>;
    fn run_relay(&self, globals: &Globals, args: RunArgs) -> impl Future<Output = anyhow::Result<Outcome>>;
    fn relay_address(&self, globals: &Globals, args: RelayAddressArgs) -> anyhow::Result<Outcome>;
    fn watch(&self, globals: &Globals, args: WatchArgs) -> impl Future<Output = anyhow::Result<Outcome>>;
    fn bench(&self, globals: &Globals, bench: BenchCommand) -> impl Future<Output = anyhow::Result<Outcome>>;
}

/// Carries out one command.
pub async fn run(cli: Cli, hosting: &impl Hosting) -> anyhow::Result<Outcome> {
    let Cli { globals, command } = cli;
    let globals = Globals::from(globals);
    match command {
        Command::Up(args) => hosting.up(&globals, args).await,
        Command::Join(args) => join::join(&globals, args, hosting).await,
        Command::Run(args) => hosting.run(&globals, join::run_args(&globals, args)?).await,
        Command::Network(NetworkCommand::Link(args)) => join::network_link(&globals, args).await,
        Command::Kernel(KernelCommand::Run(args)) => hosting.run_kernel(&globals, args).await,
        Command::Relay(RelayCommand::Run(args)) => hosting.run_relay(&globals, args).await,
        Command::Relay(RelayCommand::Address(args)) => hosting.relay_address(&globals, args),
        Command::Bench(bench) => hosting.bench(&globals, bench).await,
        Command::Status(args) => status::status(&globals, args).await,
        Command::Doctor(args) => doctor::doctor(&globals, args).await,
        Command::Fetch(args) => market::fetch(&globals, args).await,
        Command::Connect(args) => market::connect(&globals, args).await,
        Command::Disconnect => market::disconnect(&globals).await,
        Command::Proxy(command) => proxy::proxy(&globals, command).await,
        Command::Forward(command) => forward::forward(&globals, command).await,
        Command::Limit(command) => limit::limit(&globals, command).await,
        Command::Tunnel(command) => tunnel::tunnel(&globals, command).await,
        Command::Firewall(command) => firewall::firewall(&globals, command).await,
        Command::Exec(args) => firewall::exec(&globals, args).await,
        Command::Offer(command) => market::offer(&globals, command).await,
        Command::Provider(command) => provider::provider(&globals, command).await,
        Command::Session(command) => market::session(&globals, command).await,
        Command::Channel(command) => channel::channel(&globals, command).await,
        Command::Contract(command) => contract::contract(&globals, command).await,
        Command::Chat(command) => chat::chat(&globals, command).await,
        Command::Bot(command) => bot::bot(&globals, command).await,
        Command::Hold(command) => holding::hold(&globals, command).await,
        Command::Watch(command) => watching::watch(&globals, command).await,
        Command::Hub(command) => hub::hub(&globals, command).await,
        Command::Service(command) => service::service(&globals, command).await,
        Command::Invite(command) => invite::invite(&globals, command).await,
        Command::Account(command) => account::account(&globals, command).await,
        Command::Phone(command) => phone::phone(&globals, command).await,
        Command::Device(command) => device::device(&globals, command).await,
        Command::Promise(command) => wallet::promise(&globals, command).await,
        Command::Wallet(command) => wallet::wallet(&globals, command, hosting).await,
        Command::Asset(command) => asset::asset(&globals, command).await,
        Command::Name(command) => name::name(&globals, command).await,
        Command::Identity(command) => identity::identity(&globals, command).await,
        Command::Backup(command) => backup::backup(&globals, command).await,
        Command::Ledger(command) => ledger::ledger(&globals, command).await,
        Command::Light(args) => light::light(&globals, args).await,
        Command::Genesis(GenesisCommand::New(args)) => network::genesis_new(&globals, args),
        Command::Kernel(KernelCommand::Init(args)) => network::kernel_init(&globals, args),
        Command::Kernel(KernelCommand::Status(args)) => kernel::status(&globals, args).await,
        Command::Kernel(KernelCommand::Backup(args)) => kernel::backup(&globals, args),
        Command::Kernel(KernelCommand::Restore(args)) => kernel::restore(&globals, args),
        Command::Kernel(KernelCommand::Entry(args)) => kernel::entry(&globals, args),
        Command::Kernel(KernelCommand::Owner) => membership::owner(&globals),
        Command::Kernel(command) => membership::membership(&globals, command).await,
    }
}

/// Says on standard error why a command failed.
pub fn print_error(error: &anyhow::Error, as_json: bool) {
    let message = chain_text(error.chain());
    if !as_json {
        eprintln!("byway: {message}");
        return;
    }
    let (code, data) = match error.downcast_ref() {
        Some(ClientError::Api { code, data, .. }) => (code.as_str(), data.clone()),
        _ => ("failed", serde_json::json!({})),
    };
    eprintln!("{}", serde_json::json!({ "error": { "code": code, "message": message, "data": data } }));
}

/// What went wrong and why, without what was said before: many errors name their cause themselves.
fn chain_text<'a>(chain: impl Iterator<Item = &'a (dyn std::error::Error + 'static)>) -> String {
    chain.map(ToString::to_string).fold(String::new(), |text, cause| match text.contains(&cause) {
        _ if text.is_empty() => cause,
        true => text,
        false => format!("{text}: {cause}"),
    })
}

/// A fresh key for a call that must not be carried out twice.
fn idempotency_key(chosen: Option<IdempotencyKey>) -> anyhow::Result<IdempotencyKey> {
    if let Some(key) = chosen {
        return Ok(key);
    }
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("the operating system gave no randomness: {error}"))?;
    Ok(hex::encode(bytes).parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let cause = anyhow::anyhow!("the server refused the connection");
        let told = anyhow::anyhow!("fetching: the server refused the connection");
        for (error, expected) in [
            (cause.context("the server refused the connection"), "the server refused the connection"),
            (told.context("it failed"), "it failed: fetching: the server refused the connection"),
            (anyhow::anyhow!("no room").context("D/x can't be written: no room"), "D/x can't be written: no room"),
        ] {
            assert_eq!(chain_text(error.chain()), expected);
        }
    }
}
