//! Assets beside WAY: from registration over issue, transfer and settlement to the burn, and the faucet.

use byway_ledger::{Verdict, audit};
use byway_primitives::{Amount, AssetId};
use byway_records::asset::AssetTerms;
use byway_records::call::Take;
use byway_records::promise::{Promise, Series};
use byway_records::{Backing, Reject, Value};

use crate::world::{ALICE, BOB, CAROL, World, genesis};

fn coins(asset: AssetId, coins: u64) -> Value {
    Value { asset, amount: Amount::from_coins(coins) }
}

fn held(world: &World, person: usize, asset: AssetId) -> Option<Amount> {
    Amount::checked_sum(world.coins_in(person, asset).iter().map(|coin| coin.output.value.amount))
}

/// Alice issues 90 to Bob, who moves them through outputs and an account to Carol, who sends 40 to be burned.
#[test]
fn an_asset_lives_from_its_issue_to_its_burn() {
    let mut world = World::new();
    let asset = world.terms(ALICE).id();
    world.must(&world.register_asset(world.coin(ALICE), ALICE));
    world.must(&world.issue(ALICE, BOB, coins(asset, 90)));
    assert_eq!(world.asset(asset).map(|record| record.supply), Some(Amount::from_coins(90)));

    world.must(&world.deposit(world.coins_in(BOB, asset).swap_remove(0), BOB, Amount::from_coins(60).units()));
    let series = Series { payer: world.id(BOB), payee: world.id(CAROL), asset, backing: Backing::Account };
    let promise = Promise { network: world.network, series, serial: 1, amount: Amount::from_coins(60) };
    world.must(&world.settle(BOB, CAROL, promise, Take::Whole));
    // No fee is taken in an asset that the pool does not hold.
    let account = world.account_in(CAROL, asset).expect("paid into");
    assert_eq!(account.balance, Amount::from_coins(60));

    let coin = world.coins_in(BOB, asset).swap_remove(0);
    world.must(&world.transfer(coin, ALICE, Amount::from_coins(30).units()));
    world.must(&world.burn(ALICE, world.coins_in(ALICE, asset).swap_remove(0), Amount::from_coins(30)));
    assert_eq!(world.asset(asset).map(|record| record.supply), Some(Amount::from_coins(60)));
    assert_eq!(held(&world, ALICE, asset), Some(Amount::ZERO));

    world.wait(crate::world::NOTICE);
    let last = world.checkpoints.last().expect("time has passed").checkpoint;
    let supply = audit(&world.store, &world.genesis, &last).expect("balanced");
    assert_eq!(supply.issued.get(&asset), Some(&Amount::from_coins(60)));
    assert_eq!(supply.assets.get(&asset).and_then(|holdings| holdings.total()), Some(Amount::from_coins(60)));
}

#[test]
fn a_faucet_is_everyones_and_stands_on_test_networks_only() {
    let faucet = AssetTerms::faucet().id();
    for (test, verdict) in [(true, Verdict::Final), (false, Verdict::Rejected(Reject::AssetUnknown))] {
        let mut world = World::with(byway_records::Genesis { test, ..genesis() });
        assert_eq!(world.run(&world.issue(BOB, CAROL, coins(faucet, 1_000))), verdict, "test: {test}");
        let drawn = if test { Amount::from_coins(1_000) } else { Amount::ZERO };
        assert_eq!(held(&world, CAROL, faucet), Some(drawn));
        if test {
            let unsigned = crate::world::Draft { signers: vec![], ..world.issue(BOB, BOB, coins(faucet, 1)) };
            world.must(&unsigned);
            world.must(&world.burn(CAROL, world.coins_in(CAROL, faucet).swap_remove(0), Amount::from_coins(400)));
            assert_eq!(world.asset(faucet).map(|record| record.supply), Some(Amount::from_coins(601)));
        }
    }
}
