//! Phones on this node: the [book](crate::phone::book) as the journal keeps it, and the certificate of their door.

use std::net::SocketAddr;

use byway_primitives::{Batch, Space, Store};

use super::Actor;
use crate::api::{Answer, ApiError, Event, Phone, PhoneId, PhoneInvitation, PhoneLink, PhoneLinked, PhoneStatus};
use crate::phone::DoorState;
use crate::phone::address::is_private;
use crate::phone::book::{Book, Tokens};
use crate::phone::certificate::{Certificate, CertificateError};

const PHONES: Space = Space("phones");
const CERTIFICATE: Space = Space("phone-certificate");
/// The key of the one there is.
const ONLY: [u8; 1] = [0];

/// What the node knows of phones.
#[derive(Default)]
pub(super) struct Phones {
    book: Book,
    /// Made when a door is first opened.
    certificate: Option<Certificate>,
}

impl Phones {
    pub fn open(store: &impl Store) -> Self {
        let records = store.scan_prefix(PHONES, &[]).into_iter();
        let book = Book::new(records.filter_map(|(_, value)| serde_json::from_slice(&value).ok()));
        let certificate = store.load(CERTIFICATE, &ONLY).and_then(|kept| Certificate::from_kept(&kept).ok());
        Self { book, certificate }
    }

    pub fn tokens(&self) -> Tokens {
        self.book.tokens()
    }
}

impl Actor {
    /// The certificate of the door, the same at every start.
    pub(super) fn phone_certificate(&mut self) -> Result<Certificate, CertificateError> {
        if let Some(certificate) = &self.phones.certificate {
            return Ok(certificate.clone());
        }
        let made = Certificate::make()?;
        let mut batch = Batch::new();
        batch.put(CERTIFICATE, ONLY, made.to_kept().as_bytes().to_vec());
        self.write_ledger(batch);
        self.phones.certificate = Some(made.clone());
        Ok(made)
    }

    /// Where phones find the node, and what they are shown there.
    fn door(&self) -> Answer<(SocketAddr, &Certificate)> {
        match (self.config.phone_door, &self.phones.certificate) {
            (DoorState::Open(address), Some(certificate)) => Ok((address, certificate)),
            (DoorState::NoAddress, _) => Err(ApiError::phone_no_address()),
            (DoorState::Off | DoorState::Open(_), _) => Err(ApiError::phone_off()),
        }
    }

    pub(super) fn phone_status(&self) -> PhoneStatus {
        let door = self.door().ok();
        PhoneStatus {
            url: door.map(|(address, _)| format!("https://{address}/")),
            public: door.is_some_and(|(address, _)| !is_private(address.ip())),
            fingerprint: door.map(|(_, certificate)| certificate.fingerprint()),
            phones: self.phones.book.phones(),
            code_until_ms: self.phones.book.waits_until(self.clock.now()),
        }
    }

    /// `drawn` is random.
    pub(super) fn offer_phone(&mut self, request: PhoneLink, drawn: [u8; 32]) -> Answer<PhoneInvitation> {
        let (address, fingerprint) = self.door().map(|(address, certificate)| (address, certificate.fingerprint()))?;
        let now = self.clock.now();
        let code = self.phones.book.offer(now, request.name, drawn)?;
        self.tell_of_phones();
        let expires_ms = self.phones.book.waits_until(now).ok_or_else(ApiError::internal)?;
        Ok(PhoneInvitation { url: format!("https://{address}/#link={code}"), fingerprint, expires_ms })
    }

    /// `drawn` is random.
    pub(super) fn take_phone(&mut self, code: &str, drawn: [u8; 32]) -> Answer<PhoneLinked> {
        let (now, waited) = (self.clock.now(), self.phone_status().code_until_ms);
        let taken = self.phones.book.take(now, code, drawn);
        if let Ok((id, linked)) = &taken {
            tracing::info!(name = linked.name, "a phone was linked");
            self.keep_phone(*id);
        }
        // A wrong one among several changes nothing that is told.
        if self.phones.book.waits_until(now) != waited {
            self.tell_of_phones();
        }
        taken.map(|(_, linked)| linked)
    }

    pub(super) fn unlink_phone(&mut self, name: &str) -> Answer<Phone> {
        let (id, phone) = self.phones.book.unlink(name)?;
        self.keep_phone(id);
        // What it has open ends with this, too.
        self.tell_of_phones();
        Ok(phone)
    }

    fn keep_phone(&mut self, id: PhoneId) {
        let mut batch = Batch::new();
        match self.phones.book.record(id) {
            Some(record) => {
                let value = serde_json::to_vec(record).expect("a record of texts and numbers has a JSON form");
                batch.put(PHONES, id.0.to_be_bytes(), value);
            }
            None => batch.delete(PHONES, id.0.to_be_bytes()),
        }
        self.write_ledger(batch);
    }

    fn tell_of_phones(&self) {
        self.tell(Event::Phones(self.phone_status()));
    }
}
