//! Channels between real nodes, on a real kernel.

use std::panic::{AssertUnwindSafe, catch_unwind};

use byway_node::api::*;
use byway_primitives::Amount;

use super::channel_rig::*;
use super::network::{Network, Node, key};
use super::strict::sign_twice;

#[tokio::test(flavor = "multi_thread")]
async fn two_open_a_channel_pay_in_it_by_updates_and_by_promises_and_part() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    assert_eq!((channel.state, channel.total, channel.initiated), (ChannelState::Open, amount("3"), true));
    let payment = pay(&channel, "0.5", false);
    let paid = user.api.channel_pay(payment.clone()).await.unwrap();
    assert_eq!(user.api.channel_pay(payment).await.unwrap().round, paid.round, "once for each key");
    assert_eq!((paid.round, paid.record.ours, paid.record.theirs), (1, amount("1.5"), amount("1.5")));
    let theirs = until(&seller, "the payment", |channel| channel.round == 1).await;
    assert_eq!(
        (theirs.ours, theirs.peer, theirs.initiated),
        (amount("1.5"), user.api.node_status().await.unwrap().identity.id, false)
    );

    // Back, at once with another, so that both may be proposed for one round.
    let (there, back) = tokio::join!(
        user.api.channel_pay(pay(&channel, "0.1", false)),
        seller.api.channel_pay(pay(&theirs, "0.3", false))
    );
    assert_eq!((there.is_ok(), back.is_ok()), (true, true), "{there:?} {back:?}");
    let both = until(&user, "both payments", |channel| channel.ours == amount("1.7")).await;
    assert_eq!(both.theirs, amount("1.3"));

    let refused = user.api.channel_pay(pay(&channel, "0.2", true)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::LaneTooSmall, "{refused}");
    let lane = ChannelLane { channel: channel.channel.clone(), capacity: amount("0.5") };
    assert_eq!(user.api.channel_lane(lane).await.unwrap().record.ours, amount("1.2"));
    user.api.channel_pay(pay(&channel, "0.2", true)).await.unwrap();
    let promised = until(&seller, "the promise", |channel| channel.their_lane.promised == amount("0.2")).await;
    assert_eq!(promised.ours, amount("1.3"), "not absorbed yet");
    assert_eq!(seller.api.channel_absorb(named(&theirs)).await.unwrap().record.ours, amount("1.5"));
    let fund = |movement, text| ChannelFund {
        channel: channel.channel.clone(),
        movement,
        amount: amount(text),
        asset: None,
        idempotency_key: fresh(),
    };
    let more = user.api.channel_fund(fund(ChannelMovement::Deposit, "1")).await.unwrap();
    assert_eq!((more.total, more.ours), (amount("4"), amount("2.2")));
    let less = seller.api.channel_fund(fund(ChannelMovement::Withdraw, "0.5")).await.unwrap();
    assert_eq!((less.total, less.ours), (amount("3.5"), amount("1")));
    until(&user, "the withdrawal", |channel| channel.theirs == amount("1")).await;
    let less = user.api.channel_fund(fund(ChannelMovement::Withdraw, "1")).await.unwrap();
    assert_eq!((less.total, less.ours), (amount("2.5"), amount("1.2")));
    let refused = user.api.channel_pay(pay(&channel, "1.2", false)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::UpdateRefused, "{refused}");

    let closed = user
        .api
        .channel_close(ChannelClose { channel: channel.channel.clone(), alone: false, split: None })
        .await
        .unwrap();
    assert_eq!(closed.state, ChannelState::Closed);
    until(&seller, "it is closed", |channel| channel.state == ChannelState::Closed).await;
    assert_back(account(&user).await, "4.5");
    assert_back(account(&seller).await, "5.5");
    let log = user.api.channel_show(named(&channel)).await.unwrap().log;
    let words: Vec<&str> = log.iter().map(|entry| entry.what.code.as_str()).collect();
    assert!(words.contains(&"opened") && words.ends_with(&["closed"]), "{words:?}");
    user.stop().await;
    seller.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_its_disk_finds_its_channel_and_pays_on() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    user.api.channel_pay(pay(&channel, "0.5", false)).await.unwrap();
    let lane = ChannelLane { channel: channel.channel.clone(), capacity: amount("0.9") };
    user.api.channel_lane(lane).await.unwrap();
    user.api.channel_pay(pay(&channel, "0.3", true)).await.unwrap();
    let before = until(&seller, "the promise", |channel| channel.their_lane.promised == amount("0.3")).await;
    user.stop().await;
    std::fs::remove_dir_all(network.directory("user").root()).unwrap();

    let user = network.node("user", "").await;
    // What was promised the peer says last.
    let found = |channel: &ChannelRecord| {
        channel.connected && channel.health == ChannelHealth::Sound && channel.our_lane == before.their_lane
    };
    let there = until(&user, "the channel, as it was", found).await;
    assert_eq!((&there.channel, &there.id, there.total), (&before.channel, &before.id, before.total));
    assert_eq!((there.ours, there.theirs), (before.theirs, before.ours));
    assert_eq!(user.api.channel_list().await.unwrap().len(), 1);
    let restore = ChannelRestore { channel: there.channel.clone(), peer: None };
    assert_eq!(user.api.channel_restore(restore).await.unwrap().health, ChannelHealth::Sound, "nothing to be done");
    let paid = user.api.channel_pay(pay(&there, "0.1", false)).await.unwrap();
    assert_eq!((paid.record.ours, paid.record.theirs), (amount("0.5"), amount("1.6")));
    user.api.channel_pay(pay(&there, "0.1", true)).await.unwrap();
    until(&seller, "the next promise", |channel| channel.their_lane.promised == amount("0.4")).await;
    let log = user.api.channel_show(named(&there)).await.unwrap().log;
    let words: Vec<&str> = log.iter().map(|entry| entry.what.code.as_str()).collect();
    assert!(words.starts_with(&["found"]) && words.contains(&"recovered"), "{words:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_under_a_key_moves_money_once_also_after_a_restart() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, mut user, channel) = two_with_a_channel(&network).await;
    let lane = ChannelLane { channel: channel.channel.clone(), capacity: amount("0.9") };
    user.api.channel_lane(lane).await.unwrap();
    let by_update = ChannelPay { idempotency_key: key("update"), ..pay(&channel, "0.1", false) };
    let by_promise = ChannelPay { idempotency_key: key("promise"), ..pay(&channel, "0.2", true) };
    let deposit = ChannelFund {
        channel: channel.channel.clone(),
        movement: ChannelMovement::Deposit,
        amount: amount("0.3"),
        asset: None,
        idempotency_key: key("deposit"),
    };
    let mut rounds = Vec::new();
    for _ in 0..2 {
        let paid = user.api.channel_pay(by_update.clone()).await.unwrap();
        user.api.channel_pay(by_promise.clone()).await.unwrap();
        let funded = user.api.channel_fund(deposit.clone()).await.unwrap();
        rounds.push((paid.round, funded.round));
        user.stop().await;
        user = network.node("user", "").await;
        user.market(1).await;
        let there = until(&user, "both talk again", |channel| channel.connected).await;
        assert_eq!((there.theirs, there.our_lane.promised), (amount("1.1"), amount("0.2")), "once each");
        assert_eq!(there.total, amount("3.3"));
        let opened = user.api.channel_open(open(seller.api.identity(), "2")).await.unwrap();
        assert_eq!((&opened.channel, user.api.channel_list().await.unwrap().len()), (&channel.channel, 1));
    }
    assert_eq!(rounds[0], rounds[1], "the second time it is told what came of it the first time");
    let other = ChannelPay { amount: amount("0.4"), ..by_update };
    assert_eq!(user.api.channel_pay(other).await.unwrap_err().kind, ErrorKind::IdempotencyConflict);
    user.stop().await;
    seller.stop().await;
}

const SALT: [u8; 32] = [7; 32];

/// Both have made a move in a game for 0.5 that is to be opened within five seconds; gives the contract.
async fn begin_to_play(game: &Compiled, channel: &ChannelRecord, players: [&Node; 2]) -> String {
    let [one, other] = [id(players[0]).await, id(players[1]).await];
    let arguments = [address(one), address(other), word(amount("0.5").units()), word(5)];
    let deploy = ChannelDeploy {
        channel: channel.channel.clone(),
        code: game.creation(&arguments),
        value: Amount::ZERO,
        gas: None,
        idempotency_key: key("deploy"),
    };
    let contract = players[0].api.channel_deploy(deploy).await.unwrap().contract.unwrap();
    for (player, its_move) in players.into_iter().zip([1, 3]) {
        until(player, "the contract", |channel| channel.round > 0).await;
        let input = game.input("commitment(address,uint8,bytes32)", &[address(id(player).await), word(its_move), SALT]);
        let look = ChannelLook { channel: channel.channel.clone(), contract: contract.clone(), input };
        let hash = player.api.channel_look(look).await.unwrap();
        assert!(hash.returned);
        let input = game.input("commit(bytes32)", &[hash.output.0.try_into().unwrap()]);
        player.api.channel_call(call(channel, &contract, input, "0.5")).await.unwrap();
    }
    contract
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_finished_by_the_ledger_when_the_other_player_is_gone() {
    let network = Network::start(&["seller"], &[]).await;
    let other = network.mortal("seller", &seller_config()).await;
    other.node.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    user.market(1).await;
    let channel = user.api.channel_open(open(id(&other.node).await, "2")).await.unwrap();
    until(&user, "both talk", |channel| channel.connected).await;
    until(&other.node, "both talk", |channel| channel.connected).await;
    let game = Compiled::game();
    let contract = begin_to_play(&game, &channel, [&user, &other.node]).await;
    let show = user.api.channel_show(named(&channel)).await.unwrap();
    assert_eq!((show.record.contracts, show.deployed.len()), (amount("1"), 1));
    let open = || game.input("open(uint8,bytes32)", &[word(1), SALT]);
    let wrong = game.input("open(uint8,bytes32)", &[word(2), SALT]);
    let refused = user.api.channel_call(call(&channel, &contract, wrong, "0")).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::CallFailed);
    assert!(refused.to_string().contains("not what was committed"), "{refused}");

    drop(other);
    // The move is forced while its sender waits in vain for the other to sign it.
    let opened = user.api.channel_force(call(&channel, &contract, open(), "0")).await.unwrap();
    assert_eq!(opened.round, show.record.round + 1);
    let early = user.api.channel_force(call(&channel, &contract, game.input("claim()", &[]), "0")).await.unwrap_err();
    assert_eq!(early.kind, ErrorKind::CallNotForced, "{early}");
    // Once the time to open is over, and a lock period has passed in which the other did nothing.
    let claim = || call(&channel, &contract, game.input("claim()", &[]), "0");
    let won = user.until("the game is won", async |api| api.channel_force(claim()).await.ok()).await;
    assert_eq!((won.record.contracts, won.record.ours), (Amount::ZERO, amount("2.5")));
    let close = ChannelClose { channel: channel.channel.clone(), alone: true, split: None };
    let closing = user.api.channel_close(close).await.unwrap();
    assert_eq!(closing.state, ChannelState::Closing);
    until(&user, "it is paid out", |channel| channel.state == ChannelState::Closed).await;
    assert_back(account(&user).await, "5.5");

    let other = network.node("seller", &seller_config()).await;
    until(&other, "it is closed", |channel| channel.state == ChannelState::Closed).await;
    assert_back(account(&other).await, "4.5");
    other.stop().await;
    user.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_who_sell_nothing_open_a_channel_by_a_card_and_the_one_asked_is_asked() {
    let network = Network::start(&["friend"], &[]).await;
    let friend = network.node("friend", "").await;
    friend.prepare("5").await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    let unknown = user.api.channel_open(open(id(&friend).await, "2")).await.unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::PeerUnreachable, "{unknown}");
    let card = friend.api.identity_card().await.unwrap().card;
    let (opened, _) = tokio::join!(user.api.channel_open(open(&card, "2")), async {
        let proposed = until(&friend, "the proposal", |channel| channel.state == ChannelState::Proposed).await;
        assert_eq!((proposed.theirs, proposed.ours, proposed.initiated), (amount("2"), amount("1"), false));
        friend.api.channel_accept(named(&proposed)).await.unwrap()
    });
    let channel = opened.unwrap();
    assert_eq!(channel.state, ChannelState::Open);

    let again = open(&card, "1");
    let conflict = user.api.channel_open(again.clone()).await.unwrap_err();
    assert_eq!(conflict.kind, ErrorKind::IdempotencyConflict, "another one under the same key");
    let again = ChannelOpen { idempotency_key: key("again"), ..again };
    let (declined, _) = tokio::join!(user.api.channel_open(again), async {
        let proposed = until(&friend, "the proposal", |channel| channel.state == ChannelState::Proposed).await;
        friend.api.channel_decline(named(&proposed)).await.unwrap();
    });
    assert_eq!(declined.unwrap_err().kind, ErrorKind::ChannelNotOpened);

    // Both come back, in any order, and go on.
    user.stop().await;
    friend.stop().await;
    let friend = network.node("friend", "").await;
    let user = network.node("user", "").await;
    until(&user, "both talk again", |channel| channel.connected).await;
    assert_eq!(user.api.channel_pay(pay(&channel, "0.5", false)).await.unwrap().record.ours, amount("1.5"));
    user.stop().await;
    friend.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_these_tests_signs_no_round_twice_in_whatever_lives() {
    let network = Network::start(&["seller"], &[]).await;
    let (seller, user, channel) = two_with_a_channel(&network).await;
    user.api.channel_pay(pay(&channel, "0.1", false)).await.unwrap();
    for node in [&seller, &user] {
        assert!(network.signed_by(node.api.identity()).count() > 0, "what a node signed went by the signer that looks");
    }
    let (before, after) = (network.signer("seller"), network.signer("seller"));
    let looked = catch_unwind(AssertUnwindSafe(|| sign_twice(&before, &after)));
    assert!(looked.unwrap_err().downcast_ref::<String>().unwrap().contains("a second state for round 7"));
    // The network would notice that too, from whatever task.
    assert!(catch_unwind(AssertUnwindSafe(|| drop(network))).is_err());
}
