//! The genesis file: JSON for people, one canonical digest for the network.

use byway_primitives::{Amount, AssetId, Decode, Encode};
use byway_records::genesis::{GENESIS_BYTES_MAX, GenesisError};
use byway_records::{Genesis, MemberSet};

use crate::fixed::{self, genesis};

#[test]
fn json_comes_back_and_spelling_does_not_matter() {
    let genesis = genesis();
    let json = serde_json::to_string_pretty(&genesis).expect("JSON");
    let read: Genesis = serde_json::from_str(&json).expect("its own JSON");
    assert_eq!(read, genesis);
    let compact: Genesis = serde_json::from_str(&serde_json::to_string(&genesis).expect("JSON")).expect("its own JSON");
    assert_eq!(compact.network(), genesis.network());
}

#[test]
fn every_parameter_is_part_of_the_network() {
    let changes: [fn(&mut Genesis); 28] = [
        |g| g.name.push('x'),
        |g| g.time.0 += 1,
        |g| g.test = true,
        |g| g.pool = Amount::ZERO,
        |g| g.outputs.clear(),
        |g| g.parameters.checkpoint_commits += 1,
        |g| g.parameters.checkpoint_delay.0 += 1,
        |g| g.parameters.settlement_fee_ppm += 1,
        |g| g.parameters.withdrawal_notice.commits += 1,
        |g| g.parameters.offer_life.millis.0 += 1,
        |g| g.parameters.holders_life.millis.0 += 1,
        |g| g.parameters.name_reveal.commits += 1,
        |g| g.parameters.name_year.millis.0 += 1,
        |g| g.parameters.name_grace.commits += 1,
        |g| g.parameters.call_prices.holders_set = Amount::from_units(2),
        |g| g.parameters.call_prices.name_commit = Amount::from_units(2),
        |g| g.parameters.call_prices.name_year.of_3 = Amount::from_units(2),
        |g| g.parameters.call_prices.name_year.of_5_or_6 = Amount::from_units(2),
        |g| g.parameters.call_prices.name_year.of_7_or_more = Amount::from_units(2),
        |g| g.parameters.pledge_lock.commits += 1,
        |g| g.parameters.appeal_time.commits += 1,
        |g| g.parameters.epoch_life.commits += 1,
        |g| g.parameters.rotation_pause.millis.0 += 1,
        |g| {
            let mut members: Vec<_> = g.members.iter().map(|(_, member)| member.clone()).collect();
            members[0].owner.0[0] ^= 1;
            g.members = MemberSet::new(members);
        },
        |g| g.parameters.output_min = Amount::from_units(2),
        |g| g.parameters.call_prices.channel = Amount::from_units(2),
        |g| g.parameters.call_prices.gas = Amount::from_units(2),
        |g| g.parameters.call_prices.other = Amount::from_units(2),
    ];
    let mut networks: Vec<_> = changes
        .iter()
        .map(|change| {
            let mut genesis = genesis();
            change(&mut genesis);
            genesis.network()
        })
        .collect();
    networks.push(genesis().network());
    networks.sort_unstable();
    networks.dedup();
    assert_eq!(networks.len(), changes.len() + 1);
}

#[test]
fn an_encoding_comes_back_and_holds_nothing_else() {
    let bytes = genesis().to_bytes();
    assert_eq!(Genesis::from_bytes(&bytes), Ok(genesis()));
    for end in 0..bytes.len() {
        assert!(Genesis::from_bytes(&bytes[..end]).is_err(), "cut at {end}");
    }
    let other = [&[2], &bytes[1..]].concat();
    assert!(Genesis::from_bytes(&other).is_err(), "another version");
}

type Case<'a> = (&'static str, &'a dyn Fn(&mut Genesis), GenesisError);

#[test]
fn a_genesis_that_makes_no_network_is_refused() {
    let few = |g: &mut Genesis, count: usize| {
        let members = g.members.iter().take(count).map(|(_, member)| member.clone()).collect();
        g.members = MemberSet::new(members);
    };
    let twice = |g: &mut Genesis| {
        let members: Vec<_> = g.members.iter().chain(g.members.iter()).map(|(_, member)| member.clone()).collect();
        g.members = MemberSet::new(members);
    };
    let many = |g: &mut Genesis| g.outputs = vec![g.outputs[0].clone(); GENESIS_BYTES_MAX / 40];
    let mut large = genesis();
    many(&mut large);
    let table: [Case; 12] = [
        ("six members", &|g| few(g, 6), GenesisError::MemberCount { have: 6, min: 7 }),
        ("three in a test", &|g| (g.test, _) = (true, few(g, 3)), GenesisError::MemberCount { have: 3, min: 4 }),
        ("members twice", &twice, GenesisError::MemberKey(7)),
        ("another asset", &|g| g.outputs[0].value.asset = fixed::other(0).asset, GenesisError::Output(0)),
        ("no view tag", &|g| g.outputs[0].view_tags.clear(), GenesisError::Output(0)),
        ("an open lock", &|g| g.outputs[0].lock.threshold = 0, GenesisError::Output(0)),
        ("a lock for ever", &|g| g.outputs[0].lock.threshold = 2, GenesisError::Output(0)),
        ("no content", &|g| g.parameters.checkpoint_bytes = 0, GenesisError::CheckpointBytes(0)),
        (
            "too much of it",
            &|g| g.parameters.checkpoint_bytes = (4 << 20) + 1,
            GenesisError::CheckpointBytes((4 << 20) + 1),
        ),
        ("too much money", &|g| g.pool = Amount::MAX, GenesisError::Overflow),
        ("a long name", &|g| g.name = "x".repeat(65), GenesisError::Name),
        ("what can't be sent", &many, GenesisError::TooLarge(large.to_bytes().len())),
    ];
    assert_eq!(genesis().validate(), Ok(()));
    assert_eq!(genesis().outputs[0].value.asset, AssetId::WAY);
    for (case, damage, error) in table {
        let mut genesis = genesis();
        damage(&mut genesis);
        assert_eq!(genesis.validate(), Err(error), "{case}");
    }
}
