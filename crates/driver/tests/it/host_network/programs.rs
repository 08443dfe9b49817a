//! Split tunnelling: by network and by program, both ways round.

use super::actor::Actor;
use super::client::Scene;
use super::namespace::{packets, take_turn};

#[test]
fn networks_outside_are_reached_past_the_tunnel() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut program = Actor::program(&scene.client);
    scene.network().act("protect network");
    assert_eq!(program.act("ask 198.51.100.1:8080"), ["10.9.0.2"], "the answer comes back, too");
    let left = scene.leaving(&mut program, &["send 0.0.0.0:0 198.51.100.53:9000", "send 0.0.0.0:0 198.51.100.1:53"]);
    assert_eq!(left.len(), 1, "not what is beside it, and no names: {left:#?}");
}

#[test]
fn programs_outside_are_outside_and_no_others() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut network = scene.network();
    network.act("protect outside");
    let (mut outside, mut other) = (Actor::program(&scene.client), Actor::program(&scene.client));
    outside.act("enter outside");
    assert_eq!(outside.act("ask 198.51.100.1:8080"), ["10.9.0.2"]);
    assert_eq!(outside.act("ask-tcp 198.51.100.1:8080"), ["10.9.0.2"]);
    assert_eq!(outside.act("ask [2001:db8:1::1]:8080"), ["fd09::2"]);
    assert_eq!(other.act("try 198.51.100.1:8080"), ["nothing"]);
    let mut inside = scene.inside.capture("t0");
    let left = scene.leaving(&mut outside, &["send 0.0.0.0:0 198.51.100.53:53"]);
    assert_eq!(left.len(), 1, "names are resolved inside: {left:#?}");
    inside.wait_for("> 198.51.100.53.53");
    let left = scene.leaving(&mut other, &["send 0.0.0.0:0 198.51.100.1:9000", "tcp 198.51.100.1:8080"]);
    assert_eq!(left.len(), 1, "{left:#?}");
    drop(outside);
    network.act("reset");
}

#[test]
fn programs_inside_are_inside_and_no_others() {
    let _turn = take_turn();
    let scene = Scene::new();
    let mut network = scene.network();
    network.act("protect inside");
    let (mut inside, mut other) = (Actor::program(&scene.client), Actor::program(&scene.client));
    inside.act("enter inside");
    assert_eq!(other.act("ask 198.51.100.1:8080"), ["10.9.0.2"], "the rest of the machine is left alone");

    let mut seen = scene.inside.capture("t0");
    let tries = [
        "send 0.0.0.0:0 198.51.100.1:9000",
        "send [::]:0 [2001:db8:1::1]:9000",
        "send 0.0.0.0:0 198.51.100.53:53",
        "send 10.9.0.2:0 224.0.0.251:5353",
        "tcp 198.51.100.1:8080",
        "ping 198.51.100.1",
    ];
    let capture = scene.world.capture("w0");
    tries.iter().for_each(|what| drop(inside.act(what)));
    other.act("send 10.9.0.2:0 198.51.100.1:7000");
    let left = packets(capture.until("> 198.51.100.1.7000"));
    assert_eq!(left.len(), 1, "{left:#?}");
    // From the inner address, and names to the resolver inside whoever was asked.
    for part in ["IP 10.77.0.2", "> 198.51.100.1.9000", "> 10.77.0.1.53", "IP6 fd77::2"] {
        seen.wait_for(part);
    }

    network.act("protect inside-closed");
    let capture = scene.world.capture("w0");
    tries.iter().for_each(|what| drop(inside.act(what)));
    other.act("send 10.9.0.2:0 198.51.100.1:7000");
    let left = packets(capture.until("> 198.51.100.1.7000"));
    assert_eq!(left.len(), 1, "without a tunnel they are nowhere: {left:#?}");
    drop(inside);
    network.act("reset");
}
