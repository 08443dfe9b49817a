//! Conversations on MLS (RFC 9420).

/// Names a conversation. Chosen at random by whoever founds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 32]);
impl byway_primitives::Encode for RoomId {
    fn encode(&self, out: &mut byway_primitives::Writer) {
        out.raw(&self.0);
    }
}
impl byway_primitives::Decode for RoomId {
    fn decode(input: &mut byway_primitives::Reader<'_>) -> Result<Self, byway_primitives::DecodeError> {
        input.array().map(Self)
    }
}
