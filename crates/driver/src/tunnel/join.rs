//! Packets to write to the interface, joined where they are one stretch of a TCP stream.
//!
//! The system takes such a stretch as one packet with a header that says how to cut it, and mostly needn't cut it, since
//! it goes to one program. What may be joined is what cutting makes again: the same flow, options, acknowledgement and
//! window, one sequence, one length but for the last, and no flag but PSH at the end. A packet whose checksum is wrong is
//! joined to nothing, for a joined one gets its checksum from the system, which would make it right.
//!
//! A packet is compared with those before it from the last on, and with none before the last of its own flow, so order
//! within a flow stays. Packets of UDP are not joined.

/// Packets looked back at for the last of the same flow.
const LOOK_BACK_MAX: usize = 16;
/// Buffers kept for the next packets; each may have grown to 64 KiB.
const BUFFERS_KEPT: usize = 64;
const JOINED_BYTES_MAX: usize = 65_535;
const TCP: u8 = 6;
/// Of Linux's `virtio_net_hdr`: the checksum is to be completed; how to cut TCP over either IP.
const NEEDS_CHECKSUM: u8 = 1;
const CUT_TCP_V4: u8 = 1;
const CUT_TCP_V6: u8 = 4;
/// Bytes of that header: two of one byte, four of two.
pub(super) const HEADER_BYTES: usize = 10;
const TCP_BYTES_MIN: usize = 20;
const ACK: u8 = 0x10;
const PSH: u8 = 0x08;
/// Where a TCP header has its checksum.
const CHECKSUM_AT: usize = 16;

/// Packets in the order in which they were pushed, as the interface wants them.
#[derive(Debug)]
pub(super) struct Joined {
    groups: Vec<Group>,
    count: usize,
    /// Each is behind a header, and may be several; otherwise each is one as it came.
    is_joining: bool,
}

/// One packet, or several joined.
#[derive(Debug, Default)]
struct Group {
    bytes: Vec<u8>,
    /// Of TCP only.
    segment: Option<Segment>,
    members: usize,
    /// Nothing more can be joined.
    is_closed: bool,
}

/// Where a packet of TCP has what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    is_v6: bool,
    ip_bytes: usize,
    /// IP and TCP.
    header_bytes: usize,
    payload_bytes: usize,
    sequence: u32,
    flags: u8,
    checksum: Checked,
}

/// Whether a packet's checksum was found right. Most are asked once, and the first of a group only when there is a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checked {
    Not,
    Right,
}

impl Joined {
    /// For an interface that takes many with one call.
    pub fn many() -> Self {
        Self { groups: Vec::new(), count: 0, is_joining: true }
    }

    /// For an interface that takes them one by one.
    pub fn single() -> Self {
        Self { is_joining: false, ..Self::many() }
    }

    /// `packet` is a whole one of IP, as long as its header says.
    pub fn push(&mut self, packet: &[u8]) {
        let segment = if self.is_joining { Segment::read(packet) } else { None };
        if let Some(segment) = segment {
            let recent = self.groups[..self.count].iter_mut().rev().take(LOOK_BACK_MAX);
            let last = recent.into_iter().find(|group| group.is_flow_of(packet, &segment));
            if last.is_some_and(|group| group.join(packet, segment)) {
                return;
            }
        }
        if self.count == self.groups.len() {
            self.groups.push(Group::default());
        }
        self.groups[self.count].begin(packet, segment);
        self.count += 1;
    }

    /// Completes the headers of what was pushed and gives it out.
    pub fn take(&mut self) -> impl Iterator<Item = &[u8]> {
        let count = std::mem::take(&mut self.count);
        // The ones of a busy moment are not kept for ever.
        self.groups.truncate(count.max(BUFFERS_KEPT));
        let header_bytes = if self.is_joining { 0 } else { HEADER_BYTES };
        self.groups[..count].iter_mut().map(move |group| &group.complete()[header_bytes..])
    }
}

impl Group {
    fn begin(&mut self, packet: &[u8], segment: Option<Segment>) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; HEADER_BYTES]);
        self.bytes.extend_from_slice(packet);
        self.is_closed = segment.is_none_or(|segment| segment.flags != ACK || segment.payload_bytes == 0);
        self.segment = segment;
        self.members = 1;
    }

    fn packet(&self) -> &[u8] {
        &self.bytes[HEADER_BYTES..]
    }

    fn is_flow_of(&self, packet: &[u8], segment: &Segment) -> bool {
        let Some(first) = self.segment else { return false };
        let addresses = if segment.is_v6 { 8..40 } else { 12..20 };
        first.is_v6 == segment.is_v6
            && self.packet()[addresses.clone()] == packet[addresses]
            && self.packet()[first.ip_bytes..][..4] == packet[segment.ip_bytes..][..4]
    }

    /// Appends the payload of a packet of the same flow if that is possible.
    fn join(&mut self, packet: &[u8], segment: Segment) -> bool {
        let Some(mut first) = self.segment else { return false };
        let joined_payload = self.packet().len() - first.header_bytes;
        let follows = segment.sequence == first.sequence.wrapping_add(joined_payload as u32);
        let fits = segment.payload_bytes > 0
            && segment.payload_bytes <= first.payload_bytes
            && self.packet().len() + segment.payload_bytes <= JOINED_BYTES_MAX;
        let is_possible = !self.is_closed
            && follows
            && fits
            && segment.flags & !PSH == ACK
            && first.has_header_like(self.packet(), packet, &segment)
            && (first.checksum == Checked::Right || first.checksum_is_right(self.packet()))
            && segment.checksum_is_right(packet);
        if !is_possible {
            return false;
        }
        first.checksum = Checked::Right;
        self.segment = Some(first);
        self.members += 1;
        self.is_closed = segment.payload_bytes < first.payload_bytes || segment.flags & PSH != 0;
        self.bytes.extend_from_slice(&packet[segment.header_bytes..]);
        let flags_at = HEADER_BYTES + first.ip_bytes + 13;
        self.bytes[flags_at] |= segment.flags & PSH;
        true
    }

    /// Writes the lengths, checksums and the interface's header of what was joined.
    fn complete(&mut self) -> &[u8] {
        if let (Some(segment), true) = (self.segment, self.members > 1) {
            let (header, packet) = self.bytes.split_at_mut(HEADER_BYTES);
            segment.write_joined(packet);
            header[..2].copy_from_slice(&[NEEDS_CHECKSUM, if segment.is_v6 { CUT_TCP_V6 } else { CUT_TCP_V4 }]);
            let sizes = [segment.header_bytes, segment.payload_bytes, segment.ip_bytes, CHECKSUM_AT];
            for (place, size) in header[2..].chunks_exact_mut(2).zip(sizes) {
                place.copy_from_slice(&(size as u16).to_ne_bytes());
            }
        }
        &self.bytes
    }
}

impl Segment {
    /// `None` of all that isn't plain TCP: of fragments, and behind options or extensions of IP too.
    fn read(packet: &[u8]) -> Option<Self> {
        let is_v6 = packet.first()? >> 4 == 6;
        let ip_bytes = if is_v6 { 40 } else { 20 };
        let protocol = *packet.get(if is_v6 { 6 } else { 9 })?;
        let is_plain = is_v6 || (packet[0] == 0x45 && packet[6] & 0xbf == 0 && packet[7] == 0);
        if protocol != TCP || !is_plain || packet.len() < ip_bytes + TCP_BYTES_MIN {
            return None;
        }
        let header = &packet[ip_bytes..];
        let tcp_bytes = usize::from(header[12] >> 4) * 4;
        if tcp_bytes < TCP_BYTES_MIN || header.len() < tcp_bytes {
            return None;
        }
        Some(Self {
            is_v6,
            ip_bytes,
            header_bytes: ip_bytes + tcp_bytes,
            payload_bytes: header.len() - tcp_bytes,
            sequence: u32::from_be_bytes([header[4], header[5], header[6], header[7]]),
            flags: header[13],
            checksum: Checked::Not,
        })
    }

    /// Whether the headers differ in nothing but what the system counts on when it cuts.
    fn has_header_like(&self, first: &[u8], packet: &[u8], segment: &Self) -> bool {
        let same = |range: std::ops::Range<usize>| first[range.clone()] == packet[range];
        let tcp = self.ip_bytes;
        // Traffic class and label, hop limit; or type of service, flags, time to live.
        let is_same_ip = if self.is_v6 { same(0..4) && same(7..8) } else { same(1..2) && same(6..9) };
        is_same_ip
            && self.header_bytes == segment.header_bytes
            // Acknowledgement, window, options; and the bits beside the flags.
            && same(tcp + 8..tcp + 13)
            && same(tcp + 14..tcp + 16)
            && same(tcp + TCP_BYTES_MIN..self.header_bytes)
    }

    fn checksum_is_right(&self, packet: &[u8]) -> bool {
        fold(sum(&packet[self.ip_bytes..], self.pseudo_header(packet))) == u16::MAX
    }

    /// The sum of what TCP's checksum covers beside TCP.
    fn pseudo_header(&self, packet: &[u8]) -> u64 {
        let addresses = if self.is_v6 { &packet[8..40] } else { &packet[12..20] };
        sum(addresses, u64::from(TCP) + (packet.len() - self.ip_bytes) as u64)
    }

    /// Makes the header of the first one that of all of them.
    fn write_joined(&self, packet: &mut [u8]) {
        let length = packet.len();
        if self.is_v6 {
            packet[4..6].copy_from_slice(&((length - self.ip_bytes) as u16).to_be_bytes());
        } else {
            packet[2..4].copy_from_slice(&(length as u16).to_be_bytes());
            packet[10..12].fill(0);
            let checksum = !fold(sum(&packet[..self.ip_bytes], 0));
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        // The system adds the rest.
        let begun = fold(self.pseudo_header(packet)).to_be_bytes();
        packet[self.ip_bytes + CHECKSUM_AT..][..2].copy_from_slice(&begun);
    }
}

/// Adds bytes as numbers of 16 bits, or of more, which comes to the same once it is folded (RFC 1071).
fn sum(bytes: &[u8], start: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<4>();
    let whole = words.iter().fold(start, |sum, word| sum + u64::from(u32::from_be_bytes(*word)));
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    whole + u64::from(u32::from_be_bytes(last))
}

fn fold(mut sum: u64) -> u16 {
    while sum > u64::from(u16::MAX) {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}

#[cfg(test)]
mod tests;
