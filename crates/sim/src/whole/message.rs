//! What travels between the nodes of a whole network.

use byway_kernel::Message;

use crate::kernel::KernelNode;
use crate::peer::links::LinkMessage;
use crate::world::Machine;

/// Everything in one vocabulary, since a world has one kind of message. Who may say what is the receiver's to check.
#[derive(Debug, Clone)]
pub enum NetMessage {
    /// Between kernel nodes.
    Kernel(Message),
    /// A client's numbered question to a kernel node, encoded as on the mesh.
    Ask { number: u64, request: Vec<u8> },
    /// The answer to it.
    Answer { number: u64, answer: Vec<u8> },
    /// On a link between two market nodes.
    Link(LinkMessage),
}

impl NetMessage {
    /// Bytes that tell messages apart, for the trace.
    pub fn fingerprint(&self) -> Vec<u8> {
        match self {
            NetMessage::Kernel(message) => KernelNode::fingerprint(message),
            NetMessage::Ask { number, request } => [&number.to_le_bytes()[..], request].concat(),
            NetMessage::Answer { number, answer } => [&number.to_le_bytes()[..], answer].concat(),
            NetMessage::Link(message) => message.fingerprint(),
        }
    }
}
