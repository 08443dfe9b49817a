//! Sessions of a service that plugs in: its program is asked, takes its time, and what applies then is what counts.

use byway_access::service::SERVICE_DATA_MAX;
use byway_access::service::reason::ReasonText;
use byway_access::session::{
    Accepted, OpenRefusal, ProviderConfig, ProviderEffect, ProviderNews, Sale, SessionId, Sides,
};
use byway_access::{Provider, ResponseId, Services, SessionMessage, Tariff};
use byway_primitives::{Amount, Effect, IdentityId, MemoryStore, Span, Time};
use byway_records::OfferId;
use byway_records::offer::Service;

use crate::node::{OFFER, PRICE};

const NOW: Time = Time(1_000_000);
const SIDES: Sides = Sides { client: IdentityId([7; 20]), provider: IdentityId([8; 20]) };

fn provider() -> Provider {
    let (config, services) = (ProviderConfig::default(), Services::new([]));
    let mut provider = Provider::restore(SIDES, config, services, NOW, &MemoryStore::new()).expect("an empty journal");
    sell(&mut provider, PRICE);
    provider
}

fn sell(provider: &mut Provider, price: Amount) {
    let service = Service::of_name("http-fetch").expect("a name");
    provider.sell([(OFFER, Sale::at(service, Tariff::per_mb(price)))].into());
}

fn ask(provider: &mut Provider, now: Time, response: u64) -> Vec<ProviderEffect> {
    let (offer, data): (OfferId, _) = (OFFER, vec![1, 2]);
    provider.handle_message(
        now,
        SessionMessage::Open { offer, response: ResponseId(response), tariff: Tariff::per_mb(PRICE), data },
    )
}

/// The session that the service is asked about.
fn judged(effects: &[ProviderEffect]) -> Option<SessionId> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify(ProviderNews::Judge { session, request, .. }) => {
            assert_eq!(request, &[1, 2]);
            Some(*session)
        }
        _ => None,
    })
}

fn said(effects: Vec<ProviderEffect>) -> Vec<SessionMessage> {
    let said = effects.into_iter().filter_map(|effect| match effect {
        Effect::Send { message, .. } => Some(message),
        _ => None,
    });
    said.collect()
}

fn refusal(effects: Vec<ProviderEffect>) -> OpenRefusal {
    match said(effects)[..] {
        [SessionMessage::Refused { reason, .. }] => reason,
        ref said => panic!("{said:?} is no refusal"),
    }
}

/// The request that is no more, and whether that is because the service took too long.
fn unjudged(effects: &[ProviderEffect]) -> Option<(SessionId, bool)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Notify(ProviderNews::Unjudged { session, is_late, .. }) => Some((*session, *is_late)),
        _ => None,
    })
}

#[test]
fn nobody_is_answered_before_the_service_was() {
    let mut provider = provider();
    let effects = ask(&mut provider, NOW, 1);
    let session = judged(&effects).expect("it is asked");
    assert!(said(effects).is_empty() && provider.sessions(NOW).is_empty());
    let again = ask(&mut provider, NOW + Span::millis(5), 1);
    assert!(again.iter().all(|effect| matches!(effect, Effect::WakeAt(_))), "asked once, whatever is repeated");

    let answered = said(provider.handle_judged(NOW, session, Ok(vec![3])));
    let [SessionMessage::Accepted(Accepted { session: accepted, data, .. })] = &answered[..] else {
        panic!("{answered:?}")
    };
    assert_eq!((*accepted, data), (session, &vec![3]));
    assert_eq!(provider.sessions(NOW).len(), 1);
    assert!(said(provider.handle_judged(NOW, session, Ok(vec![4]))).is_empty(), "a second word says nothing");
}

#[test]
fn a_refusal_is_in_the_services_words() {
    let mut provider = provider();
    for (response, verdict, words) in [
        (1, Err(ReasonText::of("no such shelf")), "no such shelf"),
        (2, Ok(vec![0; SERVICE_DATA_MAX + 1]), "its answer is too long"),
    ] {
        let session = judged(&ask(&mut provider, NOW, response)).expect("it is asked");
        let reason = refusal(provider.handle_judged(NOW, session, verdict));
        assert_eq!(reason, OpenRefusal::ByService(ReasonText::of(words)));
    }
    assert!(provider.sessions(NOW).is_empty());
}

#[test]
fn what_applies_is_what_applies_when_the_service_answers() {
    let mut provider = provider();
    let session = judged(&ask(&mut provider, NOW, 1)).expect("it is asked");
    let dearer = PRICE.checked_add(PRICE).expect("no overflow");
    sell(&mut provider, dearer);
    let answered = said(provider.handle_judged(NOW, session, Ok(Vec::new())));
    assert!(matches!(answered[..], [SessionMessage::Counter { named: PRICE, price, .. }] if price == dearer));

    sell(&mut provider, PRICE);
    let session = judged(&ask(&mut provider, NOW, 2)).expect("it is asked");
    provider.be_closing();
    assert_eq!(refusal(provider.handle_judged(NOW, session, Ok(Vec::new()))), OpenRefusal::Closing);
}

#[test]
fn a_service_that_says_nothing_is_waited_for_a_while() {
    let mut provider = provider();
    let effects = ask(&mut provider, NOW, 1);
    let session = judged(&effects).expect("it is asked");
    let wake = effects.iter().find_map(|effect| match effect {
        Effect::WakeAt(time) => Some(*time),
        _ => None,
    });
    let wake = wake.expect("it wakes to refuse");
    assert!(NOW < wake && wake <= NOW + Span::seconds(10), "before the client gives up");
    let late = OpenRefusal::ByService(ReasonText::of("it did not answer in time"));
    let effects = provider.handle_wake(wake);
    assert_eq!(unjudged(&effects), Some((session, true)), "its program is told");
    assert_eq!(refusal(effects), late);
    assert!(said(provider.handle_judged(wake, session, Ok(Vec::new()))).is_empty(), "too late");
}

#[test]
fn a_client_does_not_have_more_judged_than_it_may_open() {
    let mut provider = provider();
    let asked = (0..100).filter(|response| judged(&ask(&mut provider, NOW, *response)).is_some()).count();
    assert_eq!(asked, ProviderConfig::default().sessions_max);
    assert_eq!(refusal(ask(&mut provider, NOW, 200)), OpenRefusal::TooManySessions);
    let over = provider.handle_dialogue_ended(NOW);
    let of_program =
        over.iter().filter(|effect| matches!(effect, Effect::Notify(ProviderNews::Unjudged { is_late: false, .. })));
    assert_eq!(of_program.count(), asked, "nobody waits for these any more");
    assert!(judged(&ask(&mut provider, NOW, 201)).is_some(), "who comes back asks anew");
}
