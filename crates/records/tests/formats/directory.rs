//! Fixed values of names and holders.

use byway_primitives::{Amount, Time};
use byway_records::call::NamesCall;
use byway_records::names::{Claim, Commitment, Years, commitment};
use byway_records::state::Deadline;
use byway_records::{Delegate, Delegates, Height, Name, NameEntry};

use super::id;

pub fn delegates() -> Vec<Delegate> {
    [2, 3].map(|holder| Delegate { holder: id(holder), until: Time(1_700_000_000_000) }).to_vec()
}

pub fn delegates_entry() -> Delegates {
    let expires = Deadline { time: Time(1_700_000_000_000), commits: 600 };
    Delegates::new(delegates(), expires).expect("few, each once")
}

pub fn name() -> Name {
    "alice-7".parse().expect("a name")
}

pub fn years() -> Years {
    Years::new(3).expect("few")
}

pub fn name_entry() -> NameEntry {
    let deadline = |commits| Deadline { time: Time(1_700_000_000_000), commits };
    let claim = Claim { number: 300, settles: deadline(600), paid: Amount::from_coins(3) };
    NameEntry { name: name(), owner: id(1), expires: deadline(700), free: deadline(800), claim: Some(claim) }
}

pub fn name_commitment() -> Commitment {
    let ends = Deadline { time: Time(1_700_000_000_000), commits: 600 };
    Commitment { hash: commitment(id(1), &name(), &[9; 32]), number: 300, covered: Height(300), ends }
}

pub fn names_calls() -> Vec<(&'static str, NamesCall)> {
    let (identity, name, years) = (id(1), name(), years());
    vec![
        ("commit to a name", NamesCall::Commit { identity, commitment: name_commitment().hash }),
        ("register a name", NamesCall::Register { owner: identity, name: name.clone(), years, salt: [9; 32] }),
        ("renew a name", NamesCall::Renew { name: name.clone(), years }),
        ("transfer a name", NamesCall::Transfer { name: name.clone(), to: id(2) }),
        ("release a name", NamesCall::Release { name: name.clone() }),
        ("set a primary name", NamesCall::SetPrimary { identity, name: Some(name) }),
        ("set no primary name", NamesCall::SetPrimary { identity, name: None }),
    ]
}
