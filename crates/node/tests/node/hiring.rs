//! A bot is offered on the market, found, hired and paid for by the answer, between real nodes on a real kernel, and as processes.

use std::path::{Path, PathBuf};

use byway_node::api::*;
use byway_node::cli::Cli;
use byway_node::peer_node::PeerNode;
use byway_primitives::{Amount, IdentityId};
use clap::Parser;

use super::bots::{Bot, Desk, desk, example, hears};
use super::chat::{named, person, send};
use super::network::{Mortal, Network, Node};

const PRICE: &str = "0.01";
const HOURS: &str = "Open from nine to five, Monday to Friday.";

fn price() -> Amount {
    PRICE.parse().unwrap()
}

fn answers(count: u128) -> Amount {
    Amount::from_units(price().units() * count)
}

/// A host whose bot is on the market, and somebody with money who has found it.
async fn offered(network: &Network) -> [Mortal; 2] {
    // Whoever has not paid for an answer asks as everybody does, which costs nothing here.
    let open = format!("{}\nask_price = \"0\"\n", named("Host"));
    let [host, user] = [network.mortal("one", &open).await, network.mortal("other", &named("User")).await];
    host.node.prepare("1").await;
    user.node.prepare("2").await;
    let offer = BotOfferMake {
        name: "keyword".to_owned(),
        about: Some("Says when we are open.".to_owned()),
        commands: vec!["hours".to_owned()],
        price: price(),
    };
    host.node.api.bot_offer(offer).await.unwrap();
    let word = Some("OPEN".to_owned());
    let found = user
        .node
        .until("the bot is on the market", async |api| {
            api.bot_find(BotFind { word: word.clone() }).await.unwrap().pop()
        })
        .await;
    assert_eq!((found.bot, found.price, found.name.as_str()), (host.node.api.identity(), price(), "keyword"));
    assert_eq!(found.commands, ["hours"]);
    let other = BotFind { word: Some("poems".to_owned()) };
    assert!(user.node.api.bot_find(other).await.unwrap().is_empty());
    [host, user]
}

async fn hire(user: &Node, bot: IdentityId, count: u128) {
    user.api.bot_hire(BotHireMake { bot, price_max: None, limit: Some(answers(count)) }).await.unwrap();
}

async fn hired(user: &Node, what: &str, is_it: impl Fn(&BotHire) -> bool) -> BotHire {
    user.until(what, async |api| api.bot_status().await.unwrap().hired.into_iter().find(|of| is_it(of))).await
}

async fn earned(host: &Node, count: u128) {
    let what = format!("{count} answers are earned");
    host.until(&what, async |api| (api.bot_status().await.unwrap().earned == answers(count)).then_some(())).await;
}

/// What the bot has seen, in the folder that is its node's.
fn seen_of(desk: &Desk) -> PathBuf {
    desk.folder.path().join("bots/keyword.json")
}

fn program(desk: &Desk) -> Bot {
    let keyword = example("keyword.py");
    Bot::start(desk.folder.path(), &["--hired", "--may", "answer", keyword.to_str().unwrap()])
}

/// What can't be hired: for less than it costs, for too little in all, and where there is none.
async fn hires_nobody(user: &Node, bot: IdentityId) {
    let dear = BotHireMake { bot, price_max: Some("0.001".parse().unwrap()), limit: None };
    assert_eq!(user.api.bot_hire(dear).await.unwrap_err().kind, ErrorKind::BotTooDear);
    let little = BotHireMake { bot, price_max: None, limit: Some("0.001".parse().unwrap()) };
    assert_eq!(user.api.bot_hire(little).await.unwrap_err().kind, ErrorKind::InvalidParams);
    let nobody = BotHireMake { bot: IdentityId([0x99; 20]), price_max: None, limit: None };
    assert_eq!(user.api.bot_hire(nobody).await.unwrap_err().kind, ErrorKind::BotNotFound);
}

/// The next that is told of a bot which was not given something because it is not paid for.
async fn told_of_refusal(events: &mut Events) -> BotHire {
    loop {
        if let Ok(event) = events.recv().await
            && let Event::Bot(of) = &*event
            && of.refusal.as_deref() == Some("unpaid")
        {
            return of.clone();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_found_hired_and_paid_by_the_answer_up_to_the_limit_however_often_anybody_is_killed() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [host, user] = offered(&network).await;
    let (bot, users) = (host.node.api.identity(), user.node.api.identity().to_string());
    hires_nobody(&user.node, bot).await;
    let desk = desk(&host).await;
    let running = program(&desk);

    // Nobody has to accept anything.
    hire(&user.node, bot, 3).await;
    person(&user.node, "its host is a contact", |person| person.standing == ChatStanding::Contact).await;
    hired(&user.node, "it is hired", |of| of.served && of.spent == answers(1)).await;
    let to = bot.to_string();
    let mut said = vec!["which hours?", HOURS];
    user.node.api.chat_send(send(&to, said[0])).await.unwrap();
    hears(&user, &to, &said).await;
    earned(&host.node, 1).await;
    hired(&user.node, "the next is paid ahead", |of| of.answered == 1 && of.spent == answers(2)).await;

    // The user's node is killed, and comes back.
    drop(user);
    let user = network.mortal("other", &named("User")).await;
    hired(&user.node, "it is hired still", |of| of.served).await;
    said.extend(["hours, please", HOURS]);
    user.node.api.chat_send(send(&to, "hours, please")).await.unwrap();
    hears(&user, &to, &said).await;
    earned(&host.node, 2).await;
    hired(&user.node, "all is spent", |of| of.answered == 2 && of.spent == answers(3)).await;

    // So is the host's, and its bot.
    drop(running);
    let seen = std::fs::read(seen_of(&desk)).unwrap();
    drop(desk);
    drop(host);
    said.push("and your hours now?");
    user.node.api.chat_send(send(&to, "and your hours now?")).await.unwrap();
    let host = network.mortal("one", &named("Host")).await;
    let card = host.node.api.identity_card().await.unwrap().card;
    user.node.api.chat_accept(ChatAccept { who: card }).await.unwrap();
    let desk = self::desk(&host).await;
    std::fs::create_dir(seen_of(&desk).parent().unwrap()).unwrap();
    std::fs::write(seen_of(&desk), seen).unwrap();
    let running = program(&desk);
    said.push(HOURS);
    hears(&user, &to, &said).await;
    earned(&host.node, 3).await;

    // The limit: the bot is given nothing more, and the user hears of it.
    let mut events = user.node.api.events();
    user.node.api.chat_send(send(&to, "hours?")).await.unwrap();
    said.push("hours?");
    let of = tokio::time::timeout(super::network::SOON, told_of_refusal(&mut events)).await.unwrap();
    assert!(of.problem.unwrap().contains("all that you allowed is spent"));
    assert_eq!((of.waiting, of.spent, of.served), (1, answers(3), false));
    hears(&host, &users, &said).await;
    assert_eq!(host.node.api.bot_status().await.unwrap().earned, answers(3));
    // More is allowed, and what waited is answered.
    hire(&user.node, bot, 4).await;
    said.push(HOURS);
    hears(&user, &to, &said).await;
    earned(&host.node, 4).await;

    // What the bot passes over costs nothing.
    hire(&user.node, bot, 5).await;
    user.node.api.chat_send(send(&to, "thank you")).await.unwrap();
    said.push("thank you");
    hears(&host, &users, &said).await;
    let is_given = |of: &BotClient| of.waiting == 0 && of.released == said.len() as u64;
    let given = async |api: &PeerNode| api.bot_status().await.unwrap().clients.iter().any(is_given).then_some(());
    host.node.until("the bot was given it", given).await;
    let of = hired(&user.node, "nothing more is spent", |of| of.asked == 5).await;
    assert_eq!((of.answered, of.spent), (4, answers(5)));

    // Dismissed, it is given nothing.
    user.node.api.bot_dismiss(BotDismiss { bot }).await.unwrap();
    let nobody = async |api: &PeerNode| api.bot_status().await.unwrap().clients.is_empty().then_some(());
    host.node.until("nobody has hired it", nobody).await;
    let none = async |api: &PeerNode| api.bot_status().await.unwrap().hired.is_empty().then_some(());
    user.node.until("it has heard it", none).await;
    let again = user.node.api.bot_dismiss(BotDismiss { bot }).await.unwrap_err();
    assert_eq!(again.kind, ErrorKind::BotNotHired);
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_money_is_refused_and_let_into_nothing() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [host, user] = offered(&network).await;
    let poor = network.node("poor", &named("Poor")).await;
    let bot = host.node.api.identity();
    let found = async |api: &PeerNode| (!api.bot_find(BotFind::default()).await.unwrap().is_empty()).then_some(());
    poor.until("the bot is on the market", found).await;
    hire(&poor, bot, 3).await;
    let refused = hired(&poor, "it is refused", |of| of.refusal.as_deref() == Some("unpaid")).await;
    assert!(!refused.served);
    let asking = person(&host.node, "somebody asks", |person| person.identity == poor.api.identity()).await;
    assert_eq!(asking.standing, ChatStanding::Asking, "who has not paid waits, as everybody does");
    assert!(host.node.api.bot_work().await.unwrap().is_empty());

    // The offer goes, and with it what can be hired.
    hire(&user.node, bot, 3).await;
    hired(&user.node, "it is hired", |of| of.served).await;
    host.node.api.bot_withdraw().await.unwrap();
    hired(&user.node, "it is told so", |of| of.refusal.as_deref() == Some("unwilling")).await;
    let gone = async |api: &PeerNode| api.bot_find(BotFind::default()).await.unwrap().is_empty().then_some(());
    user.node.until("the offer is gone", gone).await;
    assert_eq!(host.node.api.bot_work().await.unwrap_err().kind, ErrorKind::NoBotOffered);
}

/// What the guide shows is what the commands understand.
#[test]
fn the_example_of_the_guide_can_be_typed() {
    let guide =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide/bots.md")).unwrap();
    let lines = guide.lines().filter_map(|line| line.strip_prefix("byway ")).filter(|line| line.starts_with("bot "));
    let lines: Vec<String> =
        lines.map(|line| line.split(" #").next().unwrap().trim().replace("IDENTITY", &"79".repeat(20))).collect();
    assert!(lines.len() >= 6, "{lines:?}");
    for line in lines {
        let words = shell_words(&line);
        let parsed = Cli::try_parse_from(std::iter::once("byway".to_owned()).chain(words));
        assert!(parsed.is_ok(), "{line}: {:?}", parsed.err().map(|error| error.to_string()));
    }
}

/// A line as a shell takes it apart, where there is nothing in it but quotes.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut within) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => within = !within,
            ' ' if !within => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}
