//! `byway light`: verifying single facts of the ledger on any machine, without a node and without trust (row K6).
//!
//! One kernel node after another is asked until one shows what it says; who lies is named and not asked again. What was
//! verified last is kept in one small file, so that the next run starts there. The rules of what is believed are
//! [`byway_kernel::light`]'s.

mod servers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use byway_driver::clock::Clock;
use byway_kernel::follower::explore::{Found, Query};
use byway_kernel::follower::protocol::{Answer, Request, StageClaim};
use byway_kernel::light::protocol::{EPOCHS_MAX, Question, Reply};
use byway_kernel::light::{Head, Lie, LightClient, TrustedCheckpoint, Unproven, body_of};
use byway_primitives::{Span, Time};
use byway_records::{Body, Checkpoint, Genesis, Height, OutputId, ProgramId, TransactionId};
use serde::Serialize;

use self::servers::Servers;
use crate::files;

/// The newest checkpoint is called old when so many of an idle network should have come since.
const IDLE_CHECKPOINTS_MISSED: u64 = 4;
/// Rounds of epoch steps taken from one node: more than any network has, against one that always has another.
const EPOCH_ROUNDS_MAX: usize = 1 << 16;

/// How kernel nodes are asked.
#[derive(Debug, Clone, Copy)]
pub struct LightConfig {
    /// How long one may take to connect, and to answer.
    pub patience: Duration,
    /// Which one is asked first, counted around: at random, so that light clients spread.
    pub first: u64,
}

/// A light client with its file, and the kernel nodes that it asks.
pub struct Light {
    genesis: Arc<Genesis>,
    client: LightClient,
    file: PathBuf,
    servers: Servers,
    clock: Clock,
    troubles: Vec<Trouble>,
}

/// What a kernel node did that was no help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    pub node: String,
    /// Whether it said what is not true; else it could not be reached, or was behind.
    pub lied: bool,
    pub what: String,
}

/// A transaction that is final for certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinalAt {
    /// Its place among all final transactions.
    pub position: u64,
    /// What proves it.
    pub checkpoint: Checkpoint,
}

/// A program's entry, or that there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAt {
    pub value: Option<Vec<u8>>,
    pub checkpoint: Checkpoint,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LightError {
    #[error(transparent)]
    OldKeys(byway_kernel::light::OldKeys),
    #[error("{0} can't be read or written: {1}; check who owns it, and that the disk has room")]
    File(PathBuf, std::io::Error),
    #[error("{0} is damaged, or of another network; remove it, and the light client begins anew")]
    Damaged(PathBuf),
    #[error(
        "checkpoint {trusted} contradicts {file}, which has another digest for that height; ask somebody else for the digest"
    )]
    Contradiction { trusted: TrustedCheckpoint, file: PathBuf },
    #[error("no kernel node has checkpoint {0}; check that the digest is of this network, or take a newer one")]
    NoBeginning(TrustedCheckpoint),
    #[error("no kernel node could show it{}; check the network connection and the network file, and try again", told(.0))]
    Nobody(Vec<Trouble>),
}

/// What `Nobody` tells of each node.
fn told(troubles: &[Trouble]) -> String {
    let lines = troubles.iter().map(|trouble| format!("; {} {}", trouble.node, trouble.what));
    lines.collect::<String>()
}

/// What becomes of a question that one node was asked.
enum Asked<T> {
    Shown(T),
    /// It has nothing to show, which is no trouble.
    Nothing,
    Failed,
}

impl Light {
    /// Opens what `file` holds, or begins at the trusted checkpoint, or at genesis.
    pub async fn open(
        genesis: Arc<Genesis>,
        file: &Path,
        trusted: Option<TrustedCheckpoint>,
        config: LightConfig,
    ) -> Result<Self, LightError> {
        let head = load(&genesis, file)?;
        let client = head.map_or_else(|| LightClient::at_genesis(&genesis), |head| LightClient::resume(&genesis, head));
        let mut light = Self {
            servers: Servers::new(genesis.clone(), config),
            clock: Clock::starting(Time::ZERO),
            file: file.to_owned(),
            troubles: Vec::new(),
            client,
            genesis,
        };
        if let Some(trusted) = trusted {
            light.begin(trusted).await?;
        }
        Ok(light)
    }

    pub fn head(&self) -> &Head {
        self.client.head()
    }

    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// What went wrong so far, in order.
    pub fn troubles(&self) -> &[Trouble] {
        &self.troubles
    }

    /// How old the newest verified checkpoint is, where that is more than it should be.
    pub fn staleness(&self) -> Option<Span> {
        let idle = self.genesis.parameters.checkpoint_idle.0;
        self.client.age(self.clock.now()).filter(|age| age.0 > idle.saturating_mul(IDLE_CHECKPOINTS_MISSED))
    }

    /// Moves on to the newest checkpoint: what one node shows, and where that is old, the newest of what all show.
    pub async fn sync(&mut self) -> Result<(), LightError> {
        let mut is_synced = false;
        for member in self.servers.order(self.client.head()) {
            is_synced |= self.sync_with(&member).await?;
            if is_synced && self.staleness().is_none() {
                break;
            }
        }
        self.save()?;
        if is_synced { Ok(()) } else { Err(LightError::Nobody(self.troubles.clone())) }
    }

    /// Verifies that a transaction is final. `None` where the nodes that answer have no proof: that proves nothing.
    pub async fn transaction(&mut self, id: TransactionId) -> Result<Option<FinalAt>, LightError> {
        self.proved(Question::Transaction { id }, |client, reply| {
            let Reply::Transaction(proof) = reply else { return Err(None) };
            let Some(proof) = proof else { return Ok(None) };
            client.final_transaction(id, &proof)?;
            Ok(Some(FinalAt { position: proof.range.position, checkpoint: proof.certificate.checkpoint }))
        })
        .await
    }

    /// The body of a transaction. `None` where no node that answers keeps it.
    pub async fn body(&mut self, id: TransactionId) -> Result<Option<Body>, LightError> {
        self.proved(Question::Body { id }, |_, reply| {
            let Reply::Body(bytes) = reply else { return Err(None) };
            Ok(bytes.map(|bytes| body_of(id, &bytes)).transpose().map_err(Unproven::from)?)
        })
        .await
    }

    /// Verifies an entry of a program, or that there is none. `None` where no node that answers can prove it just now.
    pub async fn entry(&mut self, program: ProgramId, key: &[u8]) -> Result<Option<EntryAt>, LightError> {
        self.proved(Question::Entry { program, key: key.to_vec() }, |client, reply| {
            let Reply::Entry(entry) = reply else { return Err(None) };
            let Some(entry) = entry else { return Ok(None) };
            let value = client.entry(program, key, &entry)?;
            Ok(Some(EntryAt { value, checkpoint: entry.certificate.checkpoint }))
        })
        .await
    }

    /// What a node says of a transaction that it can't prove, and who says it: its word alone.
    pub async fn claimed_stage(&mut self, id: TransactionId) -> Option<(String, StageClaim)> {
        for member in self.servers.order(self.client.head()) {
            if let Ok(Answer::Stage(claim)) = self.servers.ask(&member, &Request::Stage { transaction: id }).await {
                return Some((member.name, claim));
            }
        }
        None
    }

    /// Which of these outputs a node says are unspent, and who says it: its word alone.
    pub async fn claimed_unspent(&mut self, ids: &[OutputId]) -> Option<(String, Vec<bool>)> {
        for member in self.servers.order(self.client.head()) {
            let request = Request::Explore(Query::Outputs { ids: ids.to_vec() });
            match self.servers.ask(&member, &request).await {
                Ok(Answer::Explored(Found::Outputs(outputs))) if outputs.len() == ids.len() => {
                    return Some((member.name, outputs.iter().map(Option::is_some).collect()));
                }
                _ => {}
            }
        }
        None
    }

    /// Asks one node after another until one shows something. `verify` says what of a reply is proved; an error without a
    /// reason is a reply to another question.
    async fn proved<T>(
        &mut self,
        question: Question,
        mut verify: impl FnMut(&mut LightClient, Reply) -> Result<Option<T>, Option<Unproven>>,
    ) -> Result<Option<T>, LightError> {
        let mut empty_handed = 0;
        for member in self.servers.order(self.client.head()) {
            // Of so many that have nothing to show one is honest.
            if empty_handed > self.head().epoch.seats.faults_tolerated() {
                break;
            }
            if !self.sync_with(&member).await? {
                continue;
            }
            match self.ask(&member, question.clone(), &mut verify).await? {
                Asked::Shown(shown) => {
                    self.save()?;
                    return Ok(Some(shown));
                }
                Asked::Nothing => empty_handed += 1,
                Asked::Failed => {}
            }
        }
        self.save()?;
        if empty_handed > 0 { Ok(None) } else { Err(LightError::Nobody(self.troubles.clone())) }
    }

    /// Asks one node, and notes what is wrong with its reply.
    async fn ask<T>(
        &mut self,
        member: &byway_records::Member,
        question: Question,
        verify: impl FnOnce(&mut LightClient, Reply) -> Result<Option<T>, Option<Unproven>>,
    ) -> Result<Asked<T>, LightError> {
        let reply = match self.servers.ask(member, &Request::Light(question)).await {
            Ok(Answer::Light(reply)) => reply,
            Ok(_) => return Ok(self.note(member, false, "answered another question")),
            Err(error) => return Ok(self.note(member, false, error)),
        };
        match verify(&mut self.client, reply) {
            Ok(Some(shown)) => Ok(Asked::Shown(shown)),
            Ok(None) => Ok(Asked::Nothing),
            Err(None) => Ok(self.note(member, false, "answered another question")),
            Err(Some(Unproven::OldKeys(old))) => Err(LightError::OldKeys(old)),
            Err(Some(Unproven::Lie(lie))) => {
                tracing::error!(node = member.name, %lie, "a kernel node lied; asking another");
                self.servers.condemn(member);
                Ok(self.note(member, true, lie))
            }
            Err(Some(behind)) => Ok(self.note(member, false, behind)),
        }
    }

    /// Goes on to where a node shows the way; whether it did.
    async fn sync_with(&mut self, member: &byway_records::Member) -> Result<bool, LightError> {
        if !self.step_epochs(member).await? {
            return Ok(false);
        }
        let newest = |client: &mut LightClient, reply| match reply {
            Reply::Newest(Some(certificate)) => Ok(Some(client.take_certificate(&certificate)?)),
            Reply::Newest(None) if client.height() == Height::GENESIS => Ok(Some(())),
            Reply::Newest(None) => Ok(None),
            _ => Err(None),
        };
        let before = self.head().epoch.number;
        // Members may have changed between the two questions; only then is there a second try.
        let mut ahead = None;
        let asked = self.ask(member, Question::Newest, |client: &mut LightClient, reply| match newest(client, reply) {
            Err(Some(Unproven::Lie(lie @ (Lie::Certificate(_) | Lie::EpochClosed)))) => {
                ahead = Some(lie);
                Ok(None)
            }
            other => other,
        });
        match (asked.await?, ahead) {
            (Asked::Shown(()), _) => Ok(true),
            (Asked::Failed, _) => Ok(false),
            (Asked::Nothing, None) => {
                self.note::<()>(member, false, "has no certificate yet");
                Ok(false)
            }
            (Asked::Nothing, Some(lie)) => {
                if self.step_epochs(member).await? && self.head().epoch.number > before {
                    return Ok(matches!(self.ask(member, Question::Newest, newest).await?, Asked::Shown(())));
                }
                self.servers.condemn(member);
                self.note::<()>(member, true, lie);
                Ok(false)
            }
        }
    }

    /// Goes over the changes of the members that a node shows; whether all that it showed is true.
    async fn step_epochs(&mut self, member: &byway_records::Member) -> Result<bool, LightError> {
        let now = self.clock.now();
        for _ in 0..EPOCH_ROUNDS_MAX {
            let from = self.head().epoch.number + 1;
            let asked = self.ask(member, Question::Epochs { from }, |client, reply| {
                let Reply::Epochs(steps) = reply else { return Err(None) };
                let count = steps.len();
                steps.into_iter().try_for_each(|step| client.take_epoch(now, step))?;
                Ok(Some(count))
            });
            match asked.await? {
                Asked::Shown(count) if count > 0 => {
                    self.save()?;
                    if count == EPOCHS_MAX {
                        continue;
                    }
                    return Ok(true);
                }
                Asked::Shown(_) => return Ok(true),
                Asked::Nothing | Asked::Failed => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Begins at a trusted checkpoint, unless what is known is as new.
    async fn begin(&mut self, trusted: TrustedCheckpoint) -> Result<(), LightError> {
        if let Some(known) = self.head().checkpoint
            && known.height >= trusted.height
        {
            let contradicts = known.height == trusted.height && known.digest() != trusted.digest;
            let file = self.file.clone();
            return if contradicts { Err(LightError::Contradiction { trusted, file }) } else { Ok(()) };
        }
        let (genesis, mut is_answered) = (self.genesis.clone(), false);
        for member in self.servers.order(self.client.head()) {
            let asked = self.ask(&member, Question::Beginning { height: trusted.height }, |client, reply| {
                let Reply::Beginning(shown) = reply else { return Err(None) };
                let Some(shown) = shown else { return Ok(None) };
                *client = LightClient::at_checkpoint(&genesis, trusted, *shown).map_err(Unproven::from)?;
                Ok(Some(()))
            });
            match asked.await? {
                Asked::Shown(()) => return self.save(),
                Asked::Nothing => is_answered = true,
                Asked::Failed => {}
            }
        }
        let is_contradicted = self.troubles.iter().any(|trouble| trouble.lied);
        Err(match is_answered || is_contradicted {
            true => LightError::NoBeginning(trusted),
            false => LightError::Nobody(self.troubles.clone()),
        })
    }

    fn note<T>(&mut self, member: &byway_records::Member, lied: bool, what: impl ToString) -> Asked<T> {
        self.troubles.push(Trouble { node: member.name.clone(), lied, what: what.to_string() });
        Asked::Failed
    }

    fn save(&self) -> Result<(), LightError> {
        let stored = self.head().to_stored(self.genesis.network());
        files::write_atomic(&self.file, &stored).map_err(|error| LightError::File(self.file.clone(), error))
    }
}

/// The head that a file holds, if there is one.
pub fn load(genesis: &Genesis, file: &Path) -> Result<Option<Head>, LightError> {
    let bytes = match std::fs::read(file) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LightError::File(file.to_owned(), error)),
    };
    let head = Head::from_stored(genesis.network(), &bytes);
    head.map(Some).map_err(|_| LightError::Damaged(file.to_owned()))
}
