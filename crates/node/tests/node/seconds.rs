//! Exits that sell by the second, bought from over a real network.

use byway_node::api::*;
use byway_primitives::Amount;

use super::network::{Network, provider};

fn by(unit: Unit) -> OfferFilter {
    OfferFilter { unit: Some(unit), ..OfferFilter::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_by_the_second_costs_the_time_that_it_is_open() {
    let network = Network::start(&["either", "cheap"], &[]).await;
    let either = network.node("either", &provider("DE", "0.01", "price_per_second = \"0.0005\"\n")).await;
    let cheap = network.node("cheap", &provider("SE", "0.0001", "")).await;
    let user = network.node("user", "").await;
    user.prepare("5").await;
    assert_eq!(user.market(2).await[0].provider, cheap.api.identity(), "by the MB");

    let offers = user.api.offer_list(OfferList { filter: by(Unit::Second), limit: 10 }).await.unwrap();
    let prices: Vec<_> = offers.iter().map(|offer| (offer.provider, offer.price.unwrap().to_string())).collect();
    assert_eq!(prices, [(either.api.identity(), "0.0005 WAY per second".to_owned())]);
    let session = user.api.connect(ConnectTarget::Cheapest(by(Unit::Second)).into()).await.unwrap();
    assert_eq!((session.provider, session.price.unit), (either.api.identity(), Unit::Second));
    user.fetch(2_000_000).await;
    let used = user
        .until("time is billed", async |api| {
            let used = api.session_list(1).await.unwrap().remove(0);
            (used.seconds_served >= 3 && used.bytes_down >= 2_000_000).then_some(used)
        })
        .await;
    let cost = |seconds: u64| Amount::from_units(session.price.amount.units() * u128::from(seconds));
    assert!(cost(used.seconds_served) <= used.cost && used.cost <= cost(used.seconds_served + 1), "{used:?}");

    // The same offer by its other price is another session.
    let offer_id = offers[0].offer_id;
    let target = ConnectTarget::Offer { offer_id, unit: Some(Unit::Mb) };
    let other = user.api.connect(target.into()).await.unwrap();
    assert_eq!((other.provider, other.price.unit), (either.api.identity(), Unit::Mb));
    assert_ne!(other.id, session.id);
    user.until("the one before is over", async |api| {
        let sessions = api.session_list(10).await.unwrap();
        let before = sessions.into_iter().find(|listed| listed.id == session.id)?;
        (before.state == SessionState::Closed && before.cost >= used.cost).then_some(())
    })
    .await;

    let error = user.api.connect(ConnectTarget::Cheapest(by(Unit::Call)).into()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::InvalidParams);
}
