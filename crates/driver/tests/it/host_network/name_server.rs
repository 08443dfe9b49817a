//! A name server and a program's question, by hand: what the code under test passes on is not made by it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::Duration;

use super::actor::{commands, say};

/// How long an answer is waited for that must come, and for one that must not.
const ANSWER_WAIT: Duration = Duration::from_secs(20);
const TRY_WAIT: Duration = Duration::from_millis(500);

/// Answers at `ADDRESS` what `NAME=ADDRESS…` says; nothing to what is not there.
pub fn serve(known: &str) {
    let (address, known) = known.split_once(' ').expect("an address and names");
    let known: BTreeMap<String, Ipv4Addr> = known
        .split(' ')
        .map(|pair| pair.split_once('=').expect("a name and an address"))
        .map(|(name, address)| (name.to_owned(), address.parse().expect("an address")))
        .collect();
    let socket = UdpSocket::bind(address).expect("binds");
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            let question = &question[..length];
            if let Some(address) = known.get(&name_in(question)) {
                let mut answer = question.to_vec();
                answer[2] |= 0x80;
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                answer.extend(address.octets());
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    say("done");
    commands().for_each(drop);
}

/// Asks for `NAME` at `SERVER`, with `once` behind it for where no answer is expected. Gives the address, or `nothing`.
pub fn resolve(what: &str) -> String {
    let mut words = what.split(' ');
    let (name, server) = (words.next().expect("a name"), words.next().expect("a server"));
    let wait = if words.next() == Some("once") { TRY_WAIT } else { ANSWER_WAIT };
    let socket = UdpSocket::bind(if server.contains('[') { "[::]:0" } else { "0.0.0.0:0" }).expect("binds");
    socket.set_read_timeout(Some(wait)).expect("sets");
    let mut question = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let mut answer = [0; 512];
    let asked = socket.send_to(&question, server).and_then(|_| socket.recv_from(&mut answer));
    match asked {
        // Whoever answered, the program sees the answer come from whom it asked.
        Ok((length, from)) if from.to_string() == server && answer[7] > 0 => {
            let address: [u8; 4] = answer[length - 4..length].try_into().expect("four bytes");
            Ipv4Addr::from(address).to_string()
        }
        Ok((_, from)) => format!("no address, from {from}"),
        Err(_) => "nothing".to_owned(),
    }
}

fn name_in(question: &[u8]) -> String {
    let (mut labels, mut at) = (Vec::new(), 12);
    while question[at] > 0 {
        let length = usize::from(question[at]);
        labels.push(String::from_utf8_lossy(&question[at + 1..=at + length]).into_owned());
        at += 1 + length;
    }
    labels.join(".")
}
