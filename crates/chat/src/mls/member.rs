//! Devices in a conversation, and what their leaves must be like.

use byway_primitives::{Decode, DecodeError, Encode, IdentityId, NetworkId, Reader, Time, Writer};
use openmls::prelude::{
    BasicCredential, Capabilities, Credential, CredentialType, CredentialWithKey, ExtensionType, LeafNode, Lifetime,
    ProtocolVersion,
};
use openmls::treesync::LeafNodeSource;
use openmls_traits::signatures::{Signer, SignerError};
use openmls_traits::types::SignatureScheme;

use super::SUITE;
use super::roles::EXTENSION;
use super::tree::Sound;
use crate::device::{CERTIFICATE_BYTES_MAX, CertificateError, Device, DeviceCertificate, DeviceKey};

/// A device in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    pub identity: IdentityId,
    /// The node that the device is at: what is for it goes there.
    pub node: IdentityId,
    pub device: DeviceKey,
    /// Which of the identity's devices this is.
    pub index: u32,
    /// Its certificate is good up to here. It is in the room also afterwards, until somebody removes it.
    pub until: Time,
    /// Its place in the tree.
    pub leaf: u32,
}

/// Why a leaf can't be that of a device in a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error("the leaf has no certificate")]
    NoCertificate,
    #[error("the leaf has extensions, or a lifetime of its own")]
    Extensions,
    #[error("the leaf can do other than what conversations need")]
    Capabilities,
    #[error("the leaf is of another device than before")]
    OtherDevice,
}

/// What leaves here can do; all the same.
pub(crate) fn capabilities() -> Capabilities {
    Capabilities::new(
        Some(&[ProtocolVersion::Mls10]),
        Some(&[SUITE]),
        Some(&[ExtensionType::Unknown(EXTENSION)]),
        Some(&[]),
        Some(&[CredentialType::Basic]),
    )
}

/// All of time: how long a device may be there is what its certificate says.
pub(crate) fn lifetime() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

pub(crate) fn credential(certificate: &DeviceCertificate) -> CredentialWithKey {
    CredentialWithKey {
        credential: BasicCredential::new(certificate.to_bytes()).into(),
        signature_key: certificate.key.0.to_vec().into(),
    }
}

/// The certificate that a credential is, for this key. Not verified.
fn certificate(credential: &Credential, key: &[u8]) -> Result<DeviceCertificate, LeafError> {
    let basic = BasicCredential::try_from(credential.clone()).map_err(|_| LeafError::NoCertificate)?;
    if basic.identity().len() > CERTIFICATE_BYTES_MAX {
        return Err(LeafError::NoCertificate);
    }
    let certificate = DeviceCertificate::from_bytes(basic.identity()).map_err(CertificateError::from)?;
    if certificate.key.0 == key { Ok(certificate) } else { Err(CertificateError::OtherKey.into()) }
}

impl Member {
    fn new(certificate: &DeviceCertificate, leaf: u32) -> Self {
        let &DeviceCertificate { identity, node, key: device, index, until, .. } = certificate;
        Self { identity, node, device, index, until, leaf }
    }

    /// A member of a group that was checked when it came to be.
    pub(crate) fn of(member: &openmls::group::Member) -> Result<Self, LeafError> {
        let certificate = certificate(&member.credential, &member.signature_key)?;
        Ok(Self::new(&certificate, member.index.u32()))
    }

    /// Checks a leaf that is new here, but not whether its certificate is good at any time. `sound` are those that are known to hold on
    /// the network.
    pub(crate) fn verified(
        network: NetworkId,
        sound: &Sound<'_>,
        node: &LeafNode,
        leaf: u32,
    ) -> Result<(Self, DeviceCertificate), LeafError> {
        let certificate = certificate(node.credential(), node.signature_key().as_slice())?;
        if !sound.has(&certificate.to_bytes()) {
            certificate.verify(network)?;
        }
        let is_ours = match node.leaf_node_source() {
            LeafNodeSource::KeyPackage(own) => *own == lifetime(),
            LeafNodeSource::Update | LeafNodeSource::Commit(_) => true,
        };
        if !is_ours || node.extensions().iter().next().is_some() {
            return Err(LeafError::Extensions);
        }
        if *node.capabilities() != capabilities() {
            return Err(LeafError::Capabilities);
        }
        Ok((Self::new(&certificate, leaf), certificate))
    }

    /// Whether it is at another node than the identity's own.
    pub fn is_linked(&self) -> bool {
        self.node != self.identity
    }

    /// Whether both are the same device of the same person.
    pub fn is_same_device(&self, other: &Member) -> bool {
        let of = |member: &Member| (member.identity, member.node, member.device, member.index);
        of(self) == of(other)
    }
}

impl Signer for Device {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.secret.sign(payload).to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

impl Encode for Member {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.identity);
        out.value(&self.node);
        out.value(&self.device);
        out.varint(self.index);
        out.value(&self.until);
        out.varint(self.leaf);
    }
}

impl Decode for Member {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            identity: input.value()?,
            node: input.value()?,
            device: input.value()?,
            index: input.u32()?,
            until: input.value()?,
            leaf: input.u32()?,
        })
    }
}
