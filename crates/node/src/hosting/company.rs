//! People to talk to in a local network: Robin, whose page is opened beside one's own, and a guide, who is a [bot](crate::cli::bot).
//!
//! Both are nodes like the user's, in folders of their own. They become contacts by an invite, as strangers would, and the guide's
//! program is kept between its conversations and its node by what `byway bot run` does.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use byway_primitives::IdentityId;
use byway_records::Genesis;
use tokio::task::JoinHandle;

use super::peer::{Front, Hosted, node_config};
use crate::api::{ApiError, ChatAccept, ChatInviteMake, ChatSend, NodeApi};
use crate::cli::BotRunArgs;
use crate::cli::bot::{self, rules::May};
use crate::directory::Directory;
use crate::keystore::Keystore;
use crate::peer_node::PeerNode;
use crate::ports::{PortChoice, Ports, Purpose, link_address};

/// What the user of a local network is called by the others.
pub const USER: &str = "Alex";
const ROBIN: &str = "Robin";
const GUIDE: &str = "Guide";
const PAGE: u16 = 7072;
const RPC: u16 = 7073;
/// How much the guide says in one conversation within a minute.
const GUIDE_PER_MINUTE: u16 = 20;
const LOOK_EVERY: Duration = Duration::from_millis(100);

const ROBIN_SAYS: &str =
    "Hi, I am Robin. `byway up` names the link of my page: open it beside yours, and you are both of us.";
const GUIDE_SAYS: &str = "I am a program, and answer words. Say *help* and I tell you which.";

/// The keystores of the two.
pub struct CompanyKeys {
    pub robin: Keystore,
    pub guide: Keystore,
}

/// Whoever is there beside the user.
pub struct Company {
    pub robin: Hosted,
    guide: Hosted,
    /// Of Robin's node and of the guide's.
    directories: [Directory; 2],
    bot: Option<JoinHandle<()>>,
}

impl Company {
    /// Starts the nodes of both in their folders.
    pub async fn start(
        keys: &CompanyKeys,
        genesis: &Arc<Genesis>,
        directories: [Directory; 2],
    ) -> anyhow::Result<Self> {
        let robin = person(&keys.robin, genesis, &directories[0], ROBIN, true).await.context(ROBIN)?;
        let guide = person(&keys.guide, genesis, &directories[1], GUIDE, false).await.context(GUIDE)?;
        Ok(Self { robin, guide, directories, bot: None })
    }

    /// Makes both contacts of the user's, who is greeted once, and has the guide answer.
    pub async fn meet(&mut self, user: &PeerNode) -> anyhow::Result<()> {
        befriend(user, &self.robin.node, ROBIN_SAYS).await.context(ROBIN)?;
        befriend(user, &self.guide.node, GUIDE_SAYS).await.context(GUIDE)?;
        let [robin, guide] = &self.directories;
        robin.write_run_file(&self.robin.run)?;
        guide.write_run_file(&self.guide.run)?;
        let program = std::env::current_exe()?.to_string_lossy().into_owned();
        let args = BotRunArgs {
            within: Vec::new(),
            in_all: true,
            hired: false,
            may: vec![May::Read, May::Send],
            mentions_only: false,
            name: Some(GUIDE.to_lowercase()),
            per_minute: GUIDE_PER_MINUTE,
            once: false,
            command: vec![program, "bot".to_owned(), "guide".to_owned()],
        };
        let directory = guide.clone();
        self.bot = Some(tokio::spawn(async move {
            if let Err(error) = bot::attend(directory, args).await {
                tracing::warn!(error = format!("{error:#}"), "the guide answers no more");
            }
        }));
        Ok(())
    }

    pub fn nodes(&self) -> [&Hosted; 2] {
        [&self.robin, &self.guide]
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        if let Some(bot) = self.bot {
            bot.abort();
        }
        self.robin.stop().await;
        self.guide.stop().await;
        self.directories.iter().try_for_each(Directory::remove_run_file)?;
        Ok(())
    }
}

async fn person(
    keystore: &Keystore,
    genesis: &Arc<Genesis>,
    directory: &Directory,
    name: &str,
    has_page: bool,
) -> anyhow::Result<Hosted> {
    let mut config = node_config(keystore, genesis.clone(), directory, false)?;
    config.link_bind = vec![link_address(directory, (Ipv4Addr::LOCALHOST, 0).into())?];
    config.chat_name = name.to_owned();
    let mut ports = Ports::load(directory, PortChoice::Auto)?;
    let local = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, if has_page { port } else { 0 }));
    let rpc = Some(ports.bind(Purpose::RPC, local(RPC)).await?);
    let page = if has_page { Some(ports.bind(Purpose::PAGE, local(PAGE)).await?) } else { None };
    Hosted::start(config, directory, Front { rpc, page, ..Front::default() }).await
}

/// Makes `other` a contact of the user's, who has something from it to read then.
async fn befriend(user: &PeerNode, other: &PeerNode, says: &str) -> anyhow::Result<()> {
    let failed = |error: ApiError| anyhow::anyhow!("{error}");
    let (own, theirs) = (user.identity(), other.identity());
    if conversation(user, theirs).await?.is_none() {
        let invite = other.chat_invite(ChatInviteMake { days: None, note: None }).await.map_err(failed)?;
        user.chat_accept(ChatAccept { who: invite.link }).await.map_err(failed)?;
    }
    let messages = loop {
        match conversation(other, own).await? {
            Some(messages) => break messages,
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    };
    if messages == 0 {
        let text = says.to_owned();
        let request =
            ChatSend { to: own.to_string(), text, reply: None, thread: None, idempotency_key: super::up::key()? };
        other.chat_send(request).await.map_err(failed)?;
    }
    Ok(())
}

/// How many messages there are in the conversation with somebody; `None` where there is none yet.
async fn conversation(node: &PeerNode, with: IdentityId) -> anyhow::Result<Option<u64>> {
    let talks = node.chat_conversations().await.map_err(|error| anyhow::anyhow!("{error}"))?;
    Ok(talks.iter().find(|talk| talk.peer == Some(with)).map(|talk| talk.messages))
}
