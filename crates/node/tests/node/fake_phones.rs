//! Phones, as the fake node knows them: the real book, by a clock and a dice of its own.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use byway_node::api::*;
use byway_node::phone::book::{self, Book};
use byway_primitives::Time;
use tokio::sync::broadcast;

pub struct FakePhones {
    book: Mutex<Book>,
    /// What time it is, in milliseconds.
    pub now: AtomicU64,
    drawn: AtomicU8,
    events: broadcast::Sender<Arc<Event>>,
}

impl FakePhones {
    pub fn new(events: broadcast::Sender<Arc<Event>>) -> Self {
        Self { book: Mutex::default(), now: AtomicU64::new(1_000), drawn: AtomicU8::new(0), events }
    }

    fn now(&self) -> Time {
        Time(self.now.load(Ordering::SeqCst))
    }

    fn drawn(&self) -> [u8; 32] {
        [self.drawn.fetch_add(1, Ordering::SeqCst); 32]
    }

    pub fn status(&self) -> PhoneStatus {
        let book = self.book.lock().unwrap();
        PhoneStatus {
            url: Some("https://192.168.1.20:7072/".to_owned()),
            public: false,
            fingerprint: Some("AB:CD".to_owned()),
            phones: book.phones(),
            code_until_ms: book.waits_until(self.now()),
        }
    }

    pub fn link(&self, request: PhoneLink) -> Answer<PhoneInvitation> {
        let code = self.book.lock().unwrap().offer(self.now(), request.name, self.drawn())?;
        Ok(PhoneInvitation {
            url: format!("https://192.168.1.20:7072/#link={code}"),
            fingerprint: "AB:CD".to_owned(),
            expires_ms: self.now() + book::CODE_LIFE,
        })
    }

    pub fn take(&self, code: &str) -> Answer<PhoneLinked> {
        self.book.lock().unwrap().take(self.now(), code, self.drawn()).map(|(_, linked)| linked)
    }

    pub fn unlink(&self, name: &str) -> Answer<Phone> {
        let (_, phone) = self.book.lock().unwrap().unlink(name)?;
        // Nobody need listen.
        let _ = self.events.send(Arc::new(Event::Phones(self.status())));
        Ok(phone)
    }

    pub fn bearer(&self, token: &str) -> Option<PhoneId> {
        book::bearer(&self.book.lock().unwrap().tokens(), token)
    }

    pub fn is_linked(&self, phone: PhoneId) -> bool {
        book::is_linked(&self.book.lock().unwrap().tokens(), phone)
    }
}
