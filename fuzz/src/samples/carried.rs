//! What carries the bytes of sessions: headers of streams, datagrams, pieces and slices.

use std::num::NonZeroU16;

use byway_access::service::relay::{RelayAnswer, RelayRequest};
use byway_access::slices::{End, Joiner, Label, Shape, SliceKeys, Splitter};
use byway_chat::attachment::wire::FileHeader;
use byway_driver::forwarding::{self, ForwardHeader, VisitorNumber};
use byway_driver::socks::datagram::Datagram;
use byway_driver::socks::{StreamHeader, Target, Wanted};
use byway_driver::tunnel::detour::cut;
use byway_primitives::{Encode, Hash, Time};

use super::Samples;

pub(crate) fn forward_header() -> Samples {
    let port = forwarding::Wanted::Port(forwarding::Protocol::Udp, NonZeroU16::new(40_000));
    let wanted = [port, forwarding::Wanted::Visitor(VisitorNumber(7))];
    wanted.map(|wanted| ForwardHeader { session: [3; 16], wanted }.to_bytes()).to_vec()
}

pub(crate) fn stream_header() -> Samples {
    let header = |host: &str| StreamHeader {
        session: [3; 16],
        wanted: Wanted::Connection(Target::new(host.parse().expect("a host"), 443)),
    };
    ["example.org", "192.0.2.1", "2001:db8::1"].map(|host| header(host).to_bytes()).to_vec()
}

pub(crate) fn file_header() -> Samples {
    [0, 200, 8_191].map(|from| FileHeader { root: Hash([5; 32]), from }.to_bytes()).to_vec()
}

pub(crate) fn tunnel_piece() -> Samples {
    [100, 1_452, 2_000]
        .into_iter()
        .flat_map(|length| cut(&[3; 16], 5, &vec![7; length], 1_200).collect::<Vec<_>>())
        .collect()
}

pub(crate) fn socks_datagram() -> Samples {
    ["192.0.2.1", "2001:db8::1", "example.org"]
        .into_iter()
        .map(|host| {
            Datagram { target: Target::new(host.parse().expect("a host"), 53), payload: vec![1; 40] }.to_bytes()
        })
        .collect()
}

pub(crate) fn relay_request() -> Samples {
    ["11.2.0.2:51821", "[2a00::1]:443"]
        .map(|exit| RelayRequest { exit: exit.parse().expect("an address") }.to_bytes())
        .into()
}

pub(crate) fn relay_answer() -> Samples {
    vec![RelayAnswer { port: 51_822, token: [7; 16] }.to_bytes()]
}

fn slices() -> (Shape, SliceKeys, Label) {
    let shape = Shape::new(2, 3).expect("it is one");
    (shape, SliceKeys::new(&[7; 32].into()), Label(9))
}

pub(crate) fn joiner() -> Joiner {
    let (shape, keys, label) = slices();
    Joiner::new(shape, &keys, End::Exit, label)
}

pub(crate) fn slice() -> Samples {
    let (shape, keys, label) = slices();
    let end = End::Client;
    let mut splitter = Splitter::new(Time(1), shape, &keys, end, label);
    let mut slices = Samples::new();
    splitter.split(b"a packet", [3; 32].into(), |_, slice| slices.push(slice.to_vec())).expect("it is short enough");
    slices
}
