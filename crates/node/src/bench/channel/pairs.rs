//! Channels of one party with many others: both sides of each.

use std::path::Path;

use anyhow::{Context, ensure};
use byway_channel::{CHANNELS, Change, ChannelMachine, ChannelMessage, ChannelNews, LedgerView, Life, Signer};
use byway_crypto::IdentitySecret;
use byway_driver::disk::{Disk, Journal};
use byway_primitives::hash::Context as HashContext;
use byway_primitives::{Amount, Batch, Decode, Effect, Encode, Hash, NetworkId, Span, Time, Token};
use byway_records::Channel;
use byway_records::channel::{ChannelTerms, Environment, Lane, Position, Remainder};
use byway_records::genesis::Wait;
use byway_vm::{Address, State};

pub const NETWORK: NetworkId = NetworkId(Hash([6; 32]));
pub const NOW: Time = Time(1_700_000_000_000);
pub const DEPOSIT: u128 = 1_000_000_000;
pub const RESERVE: u128 = 1_000;
const LOCK: Wait = Wait { millis: Span::seconds(60), commits: 100 };
const SECRET: HashContext = HashContext("byway 1 bench: channel party");

pub type Machine = ChannelMachine<IdentitySecret>;

/// A message of the channel with this number, encoded.
pub type Outgoing = (usize, Vec<u8>);

/// One side of all channels, and its disk.
pub struct Party {
    pub machines: Vec<Machine>,
    journal: Journal,
    newest: Option<Token>,
    outgoing: Vec<Outgoing>,
    /// How many updates and promises it was told of.
    pub heard: usize,
    disk: Disk,
}

/// Both sides of all channels.
pub struct Pairs {
    pub parties: [Party; 2],
}

impl Party {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let disk = Disk::open(directory)?;
        let journal = disk.journal("channels")?;
        Ok(Self { machines: Vec::new(), journal, newest: None, outgoing: Vec::new(), heard: 0, disk })
    }

    /// Does what a machine wants done.
    pub fn drive(&mut self, number: usize) -> anyhow::Result<()> {
        for effect in self.machines[number].poll() {
            match effect {
                Effect::Persist { batch, .. } => {
                    self.write(batch)?;
                }
                Effect::Send { message, .. } => self.outgoing.push((number, message.to_bytes())),
                Effect::Notify(ChannelNews::Updated { .. } | ChannelNews::Promised { .. }) => self.heard += 1,
                Effect::WakeAt(_) | Effect::Notify(_) => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, batch: Batch) -> anyhow::Result<()> {
        let token = Token(self.newest.map_or(0, |newest| newest.0 + 1));
        self.newest = Some(token);
        Ok(self.journal.write_lazily(batch, token)?)
    }

    /// Until all that was written is durable.
    async fn settle(&self) -> anyhow::Result<()> {
        match self.newest {
            Some(newest) => Ok(self.journal.wait(newest).await?),
            None => Ok(()),
        }
    }

    /// What is to be sent, once all that was written before is durable.
    pub async fn release(&mut self) -> anyhow::Result<Vec<Outgoing>> {
        if !self.outgoing.is_empty() {
            self.settle().await?;
        }
        Ok(std::mem::take(&mut self.outgoing))
    }

    pub fn receive(&mut self, (number, bytes): &Outgoing) -> anyhow::Result<()> {
        self.machines[*number].handle_message(NOW, ChannelMessage::from_bytes(bytes)?)?;
        self.drive(*number)
    }

    pub fn propose(&mut self, number: usize, change: Change) -> anyhow::Result<()> {
        self.machines[number].propose(NOW, change)?;
        self.drive(number)
    }

    /// Writes as much as a step of an update does, and waits until that is durable.
    pub async fn write_alone(&mut self, bytes: usize) -> anyhow::Result<()> {
        let mut batch = Batch::new();
        batch.put(CHANNELS, vec![0xff; 33], vec![7; bytes]);
        self.write(batch)?;
        self.settle().await
    }

    /// Forgets the machines, and gives the disk.
    pub fn into_disk(self) -> Disk {
        self.disk
    }
}

pub fn secret(number: usize) -> IdentitySecret {
    IdentitySecret::from_bytes(&SECRET.hash(&[&number.to_be_bytes()]).0).expect("next to no digest is no key")
}

fn terms(number: usize) -> ChannelTerms {
    let parties = [secret(0), secret(number + 1)];
    let secrets = [0, 1].map(|side| parties[side].watch_secret(NETWORK, parties[1 - side].id(), 0).digest());
    ChannelTerms {
        parties: parties.map(|party| party.id()),
        deposits: [Amount::from_units(DEPOSIT); 2],
        reserve: Amount::from_units(RESERVE),
        lock: LOCK,
        remainder: Remainder::Halves,
        secrets,
    }
}

/// The ledger just after a channel was created.
pub fn view(number: usize) -> LedgerView {
    LedgerView { environment: Environment { time: NOW, height: 7 }, commits: 1, entry: Some(opened(&terms(number))) }
}

/// The entry of a channel that was just created.
pub fn opened(terms: &ChannelTerms) -> Channel {
    let environment = Environment { time: NOW, height: 7 };
    let root = State::new([0, 1].map(|side| (Address::from(terms.parties[side]), terms.deposits[side]))).root();
    let position = Position { round: 0, balances: terms.deposits, lanes: [Lane::default(); 2], root, environment };
    Channel::opened(terms, Amount::from_units(2 * DEPOSIT), position)
}

/// Who signs for the initiators, all of which are one.
pub fn initiator() -> IdentitySecret {
    secret(0)
}

impl Pairs {
    /// So many open channels, with the disks of both sides in `directory`.
    pub async fn open(count: usize, directory: &Path) -> anyhow::Result<Self> {
        let sides = ["initiator", "responder"].map(|side| Party::new(&directory.join(side)));
        let [initiators, responders] = sides;
        let mut pairs = Self { parties: [initiators?, responders?] };
        for number in 0..count {
            let terms = terms(number);
            let initiator = ChannelMachine::initiate(secret(0), NETWORK, terms, 0, NOW).context("terms")?;
            let mut responder = ChannelMachine::respond(secret(number + 1), NETWORK, terms, 0, NOW).context("terms")?;
            responder.agree(NOW);
            for (party, machine) in pairs.parties.iter_mut().zip([initiator, responder]) {
                party.machines.push(machine);
            }
            // The responder's machine was made of the first message.
            pairs.parties[0].machines[number].poll();
            pairs.parties[1].drive(number)?;
        }
        pairs.exchange().await?;
        for number in 0..count {
            for party in &mut pairs.parties {
                party.machines[number].handle_ledger(NOW, view(number));
                party.drive(number)?;
            }
        }
        pairs.exchange().await?;
        let mut machines = pairs.parties.iter().flat_map(|party| &party.machines);
        ensure!(
            machines.all(|machine| machine.life() == Life::Open && machine.is_connected()),
            "a channel is not open"
        );
        Ok(pairs)
    }

    pub fn len(&self) -> usize {
        self.parties[0].machines.len()
    }

    /// Until nothing is on its way any more.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        let [initiators, responders] = &mut self.parties;
        loop {
            let (there, back) = (initiators.release().await?, responders.release().await?);
            if there.is_empty() && back.is_empty() {
                return Ok(());
            }
            there.iter().try_for_each(|outgoing| responders.receive(outgoing))?;
            back.iter().try_for_each(|outgoing| initiators.receive(outgoing))?;
        }
    }

    /// One update of each channel, proposed by one side.
    pub async fn update(&mut self, by: usize, change: impl Fn(usize) -> Change) -> anyhow::Result<()> {
        let before: usize = self.parties.iter().map(|party| party.heard).sum();
        for number in 0..self.len() {
            self.parties[by].propose(number, change(number))?;
        }
        self.exchange().await?;
        let heard = self.parties.iter().map(|party| party.heard).sum::<usize>() - before;
        ensure!(heard == 2 * self.len(), "{heard} sides of {} channels have made the update", self.len());
        Ok(())
    }

    /// So many promises of the initiator of each channel, on their way.
    pub async fn promise(&mut self, count: usize, each: Amount) -> anyhow::Result<Vec<Outgoing>> {
        for _ in 0..count {
            for number in 0..self.len() {
                self.parties[0].machines[number].promise(each)?;
                self.parties[0].drive(number)?;
            }
        }
        self.parties[0].release().await
    }

    /// The responders take promises; those of each turn through all channels are made durable together.
    pub async fn receive(&mut self, promises: Vec<Outgoing>) -> anyhow::Result<()> {
        let (before, payees) = (self.parties[1].heard, &mut self.parties[1]);
        for together in promises.chunks(payees.machines.len()) {
            together.iter().try_for_each(|promise| payees.receive(promise))?;
            payees.settle().await?;
        }
        ensure!(payees.heard - before == promises.len(), "not all promises were taken");
        Ok(())
    }

    /// Waits until everything is written.
    pub fn flush(&self) -> anyhow::Result<()> {
        Ok(self.parties.iter().try_for_each(|party| party.journal.flush())?)
    }
}
