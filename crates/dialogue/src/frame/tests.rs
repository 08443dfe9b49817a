use byway_primitives::Writer;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn any_positions() -> impl Strategy<Value = Positions> {
    (any::<u64>(), any::<[u8; 8]>(), any::<u64>()).prop_map(|(durable, run, volatile)| Positions {
        durable,
        incarnation: Incarnation(run),
        volatile,
    })
}

fn any_acknowledgement() -> impl Strategy<Value = Acknowledgement> {
    (0..1u64 << 40, 0..1u64 << 40, vec((0u64..1000, 1u64..1000), 0..=RANGES_MAX)).prop_map(|(a, b, gaps)| {
        let mut end = a.max(b);
        let mut ranges = Vec::new();
        for (gap, count) in gaps {
            ranges.push(Range { first: end + gap + 2, count });
            end += gap + 1 + count;
        }
        Acknowledgement { received: a.max(b), confirmed: a.min(b), ranges }
    })
}

fn any_record() -> impl Strategy<Value = Record> {
    let secret = any::<[u8; 32]>().prop_map(|bytes| Credential::New(DialogueSecret::from_bytes(bytes)));
    let proof = any::<[u8; 32]>().prop_map(|bytes| Credential::Resume(Hash(bytes)));
    prop_oneof![
        (any_positions(), prop_oneof![secret, proof])
            .prop_map(|(positions, credential)| Record::Live { positions, credential }),
        (any_positions(), any::<[u8; 32]>())
            .prop_map(|(positions, proof)| Record::Ready { positions, proof: Hash(proof) }),
        any_acknowledgement().prop_map(Record::Acknowledgement),
        (1u64.., any::<bool>(), vec(any::<u8>(), 1..300)).prop_map(|(number, more, bytes)| Record::Segment(Segment {
            number,
            more,
            bytes
        })),
        any::<u16>().prop_map(|code| Record::Close(Goodbye::Application(code))),
        Just(Record::Close(Goodbye::Done)),
        Just(Record::Ask),
        (any::<u16>(), vec(any::<u8>(), 0..300))
            .prop_map(|(protocol, bytes)| Record::Early(Early { protocol: ProtocolId(protocol), bytes })),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let bytes = || vec(any::<u8>(), 0..200);
    prop_oneof![
        bytes().prop_map(Frame::Hello),
        (any::<[u8; 8]>(), bytes()).prop_map(|(tag, message)| Frame::Welcome { tag: Tag(tag), message }),
        (any::<[u8; 8]>(), any::<u64>(), bytes()).prop_map(|(tag, number, sealed)| Frame::Sealed {
            tag: Tag(tag),
            number,
            sealed
        }),
    ]
}

fn encode(records: &[Record]) -> Vec<u8> {
    let mut out = Writer::new();
    records.iter().for_each(|record| out.value(record));
    out.into_bytes()
}

proptest! {
    #[test]
    fn frames_and_records_come_back(frame in any_frame(), records in vec(any_record(), 0..10)) {
        prop_assert_eq!(Frame::from_bytes(&frame.to_bytes()), Ok(frame));
        prop_assert_eq!(decode_records(&encode(&records)), Ok(records));
    }

    #[test]
    fn arbitrary_bytes_are_read_or_refused_and_what_is_read_encodes_the_same(bytes in vec(any::<u8>(), 0..400)) {
        if let Ok(frame) = Frame::from_bytes(&bytes) {
            prop_assert_eq!(frame.to_bytes(), bytes.clone());
        }
        if let Ok(records) = decode_records(&bytes) {
            prop_assert_eq!(encode(&records), bytes);
        }
    }

    #[test]
    fn mutations_of_records_are_read_or_refused(
        records in vec(any_record(), 1..6),
        edits in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = encode(&records);
        for (at, value) in edits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(records) = decode_records(bytes) {
                prop_assert_eq!(encode(&records), bytes);
            }
        }
    }
}

#[test]
fn bounds_hold() {
    let many = vec![Record::Ask; RECORDS_MAX + 1];
    assert!(matches!(decode_records(&encode(&many)), Err(FrameError::Decode(DecodeError::TooLong { .. }))));
    assert!(decode_records(&encode(&many[1..])).is_ok());
    assert_eq!(Frame::from_bytes(&vec![1; FRAME_MAX + 1]), Err(FrameError::TooLong(FRAME_MAX + 1)));
    let range = Range { first: 2, count: 1 };
    let ranges = (0..=RANGES_MAX as u64).map(|i| Range { first: 2 + 2 * i, ..range }).collect();
    let acknowledgement = Acknowledgement { received: 0, confirmed: 0, ranges };
    assert!(Acknowledgement::from_bytes(&acknowledgement.to_bytes()).is_err());
}

#[test]
fn an_acknowledgement_can_t_confirm_what_was_not_received() {
    let wrong = Acknowledgement { received: 3, confirmed: 4, ranges: Vec::new() };
    assert!(Acknowledgement::from_bytes(&wrong.to_bytes()).is_err());
}
