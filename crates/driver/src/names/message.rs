//! What is read of DNS messages (RFC 1035): the name in a question, the addresses in an answer.

use std::net::IpAddr;

use hickory_resolver::proto::op::Message;
use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_resolver::proto::rr::{RData, Record};

/// The header of a DNS message, in bytes (RFC 1035, section 4.1.1).
pub const HEADER_BYTES: usize = 12;
/// In its second 16 bits: it is an answer, and recursion is there.
const ANSWERS: u16 = 0x8080;
/// What stays of a question's: recursion is wished, and what kind of query it is.
const KEPT: u16 = 0x7900;
/// There is no such name (RFC 1035, section 4.1.1).
const NO_SUCH_NAME: u16 = 3;

/// The name in a message's only question, and where the question ends.
pub fn asked_name(message: &[u8]) -> Option<(String, usize)> {
    if message.get(4..6)? != [0, 1] {
        return None;
    }
    let (mut name, mut at) = (String::new(), HEADER_BYTES);
    loop {
        let length = usize::from(*message.get(at)?);
        // Longer ones are references, which have no place in a question.
        if length > 63 || name.len() > 255 {
            return None;
        }
        let label = message.get(at + 1..at + 1 + length)?;
        at += 1 + length;
        if length == 0 {
            break;
        }
        name.push_str(&String::from_utf8_lossy(label));
        name.push('.');
    }
    // Type and class.
    (message.len() >= at + 4).then_some((name, at + 4))
}

/// The answer to a question that ends at `end`: there is no such name.
pub fn no_such_name(question: &[u8], end: usize) -> Vec<u8> {
    let flags = u16::from_be_bytes([question[2], question[3]]) & KEPT | ANSWERS | NO_SUCH_NAME;
    let mut answer = question[..end].to_vec();
    answer[2..4].copy_from_slice(&flags.to_be_bytes());
    // Nothing but the question is in it.
    answer[6..HEADER_BYTES].fill(0);
    answer
}

/// The addresses that a program may take from `answer`, wherever they stand in it: those of address records, and hints of
/// service records (RFC 9460). `None` if it can't be read, or doesn't answer `question`.
pub fn addresses(question: &[u8], answer: &[u8]) -> Option<Vec<IpAddr>> {
    let (asked, end) = asked_name(question)?;
    let (answered, answered_end) = asked_name(answer)?;
    let kinds = |message: &[u8], end: usize| message.get(end - 4..end).map(<[u8]>::to_vec);
    if !asked.eq_ignore_ascii_case(&answered) || kinds(question, end) != kinds(answer, answered_end) {
        return None;
    }
    let message = Message::from_vec(answer).ok()?;
    let records = message.answers.iter().chain(&message.authorities).chain(&message.additionals);
    Some(records.flat_map(of_record).collect())
}

fn of_record(record: &Record) -> Vec<IpAddr> {
    match &record.data {
        RData::A(address) => vec![address.0.into()],
        RData::AAAA(address) => vec![IpAddr::from(address.0).to_canonical()],
        RData::HTTPS(https) => hints(&https.0),
        RData::SVCB(service) => hints(service),
        _ => Vec::new(),
    }
}

fn hints(service: &SVCB) -> Vec<IpAddr> {
    let of_value = |value: &SvcParamValue| match value {
        SvcParamValue::Ipv4Hint(hint) => hint.0.iter().map(|address| address.0.into()).collect(),
        SvcParamValue::Ipv6Hint(hint) => hint.0.iter().map(|address| IpAddr::from(address.0).to_canonical()).collect(),
        _ => Vec::new(),
    };
    service.svc_params.iter().flat_map(|(_, value)| of_value(value)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A question for a name's address, with more behind it as newer systems have.
    pub fn question(number: u8, name: &str) -> Vec<u8> {
        let mut message = vec![0, number, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in name.split('.') {
            message.push(label.len() as u8);
            message.extend(label.as_bytes());
        }
        message.extend([0, 0, 1, 0, 1]);
        message
    }

    /// An answer with records of these types, each with its data.
    pub fn answer(question: &[u8], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = question.to_vec();
        message[2] |= 0x80;
        message[7] = records.len() as u8;
        for (kind, data) in records {
            // The name is the question's.
            message.extend([0xc0, HEADER_BYTES as u8]);
            message.extend(kind.to_be_bytes());
            message.extend([0, 1, 0, 0, 0, 60]);
            message.extend((data.len() as u16).to_be_bytes());
            message.extend(*data);
        }
        message
    }

    #[test]
    fn what_is_no_question_has_no_name() {
        let whole = question(1, "a.example");
        for end in 0..whole.len() {
            assert_eq!(asked_name(&whole[..end]), None, "{end} bytes");
        }
        let mut reference = whole.clone();
        reference[HEADER_BYTES] = 0xc0;
        let mut two = whole.clone();
        two[5] = 2;
        assert_eq!((asked_name(&reference), asked_name(&two)), (None, None));
        assert_eq!(asked_name(&whole).map(|(name, _)| name).as_deref(), Some("a.example."));
    }

    #[test]
    fn addresses_are_found_wherever_a_program_may_take_them_from() {
        let asked = question(1, "a.example");
        // Priority 1, target ".", hints of IPv4 (key 4) and IPv6 (key 6).
        let mut service = vec![0, 1, 0, 0, 4, 0, 4, 192, 0, 2, 7, 0, 6, 0, 16];
        service.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 9];
        let answer = answer(&asked, &[(1, &[192, 0, 2, 1]), (28, &mapped), (65, &service), (16, b"\x04text")]);
        let expected = ["192.0.2.1", "192.0.2.9", "192.0.2.7", "2001:db8::7"];
        let expected: Vec<IpAddr> = expected.iter().map(|text| text.parse().expect("an address")).collect();
        assert_eq!(addresses(&asked, &answer), Some(expected));
        assert!(addresses(&question(1, "A.EXAMPLE"), &answer).is_some(), "capitals don't matter");
        assert_eq!(addresses(&question(1, "b.example"), &answer), None, "it answers another question");
        for end in 0..answer.len() {
            assert_eq!(addresses(&asked, &answer[..end]), None, "{end} bytes");
        }
    }

    #[test]
    fn what_does_not_exist_is_said_in_the_words_of_the_question() {
        let asked = [question(3, "hidden.example"), b"more".to_vec()].concat();
        let (_, end) = asked_name(&asked).expect("a question");
        let answer = no_such_name(&asked, end);
        assert_eq!(answer[..HEADER_BYTES], [0, 3, 0x81, 0x83, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(asked_name(&answer), asked_name(&asked));
        assert_eq!(answer.len(), end);
    }
}
