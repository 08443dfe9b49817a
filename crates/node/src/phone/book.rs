//! Which phones are linked, and the one code by which another may be. Pure: time and randomness come in.
//!
//! A code is worth little for long: one at a time, for [`CODE_LIFE`], dead after [`ATTEMPTS_MAX`] wrong ones, and used up by the
//! right one. Whoever hands one in is told no more than that it was not the right one, whether there is one or not. Of a token only
//! a hash is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use byway_primitives::hash::Context;
use byway_primitives::{Hash, Span, Time};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::api::{Answer, ApiError, Phone, PhoneId, PhoneLinked};

/// How long a code opens.
pub const CODE_LIFE: Span = Span::minutes(5);
/// Wrong codes after which the right one is dead, too.
pub const ATTEMPTS_MAX: u32 = 5;
/// Phones of one node.
pub const PHONES_MAX: usize = 16;
/// Bytes of a code: 16 letters and digits, which can be typed where no camera is.
const CODE_BYTES: usize = 10;

const CODE: Context = Context("byway 1 node: code that links a phone");
const TOKEN: Context = Context("byway 1 node: token of a phone");
/// What a phone is called that nobody named.
const NAME: &str = "Phone";

/// Hashes of tokens, for the server that looks them up beside the task.
pub type Tokens = Arc<RwLock<Vec<(Hash, PhoneId)>>>;

/// A linked phone as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    name: String,
    token: Hash,
    linked: Time,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Book {
    phones: BTreeMap<PhoneId, Record>,
    tokens: Tokens,
    code: Option<OpenCode>,
}

#[derive(Debug)]
struct OpenCode {
    code: Hash,
    name: String,
    until: Time,
    attempts_left: u32,
}

/// The phone that a token opens the node to. All are compared, each in constant time.
pub fn bearer(tokens: &Tokens, token: &str) -> Option<PhoneId> {
    let wanted = TOKEN.hash(&[token.as_bytes()]);
    let known = tokens.read().unwrap_or_else(PoisonError::into_inner);
    known.iter().fold(None, |found, (hash, id)| if bool::from(hash.0.ct_eq(&wanted.0)) { Some(*id) } else { found })
}

/// Whether it is still linked.
pub fn is_linked(tokens: &Tokens, phone: PhoneId) -> bool {
    tokens.read().unwrap_or_else(PoisonError::into_inner).iter().any(|(_, id)| *id == phone)
}

impl Record {
    fn id(&self) -> PhoneId {
        let [a, b, c, d, e, f, g, h, ..] = self.token.0;
        PhoneId(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    fn view(&self) -> Phone {
        Phone { name: self.name.clone(), linked_ms: self.linked }
    }
}

impl Book {
    /// As it was kept.
    pub fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let phones = records.into_iter().map(|record| (record.id(), record)).collect();
        let book = Self { phones, ..Self::default() };
        book.tell();
        book
    }

    /// What the server looks tokens up in.
    pub fn tokens(&self) -> Tokens {
        self.tokens.clone()
    }

    pub fn phones(&self) -> Vec<Phone> {
        let mut phones: Vec<Phone> = self.phones.values().map(Record::view).collect();
        phones.sort_by(|a, b| (a.linked_ms, &a.name).cmp(&(b.linked_ms, &b.name)));
        phones
    }

    /// Until when a code waits for a phone.
    pub fn waits_until(&self, now: Time) -> Option<Time> {
        self.code.as_ref().map(|code| code.until).filter(|until| now < *until)
    }

    /// A new code, out of the first of these random bytes, in place of one there was.
    pub fn offer(&mut self, now: Time, name: Option<String>, drawn: [u8; 32]) -> Answer<String> {
        let name = match name {
            Some(name) if self.named(&name).is_some() => return Err(ApiError::phone_name_taken()),
            Some(name) => name,
            None => self.free_name(),
        };
        if self.phones.len() >= PHONES_MAX {
            return Err(ApiError::too_many_phones(PHONES_MAX));
        }
        let code = BASE32_NOPAD.encode(&drawn[..CODE_BYTES]).to_lowercase();
        let hash = CODE.hash(&[code.as_bytes()]);
        self.code = Some(OpenCode { code: hash, name, until: now + CODE_LIFE, attempts_left: ATTEMPTS_MAX });
        Ok(code)
    }

    /// A phone hands in a code; the right one links it under the token out of these random bytes.
    ///
    /// # Errors
    /// It is not the right one, or there is none, or no more.
    pub fn take(&mut self, now: Time, code: &str, drawn: [u8; 32]) -> Answer<(PhoneId, PhoneLinked)> {
        let Some(open) = &mut self.code else { return Err(ApiError::phone_code_refused()) };
        let is_right = bool::from(CODE.hash(&[code.as_bytes()]).0.ct_eq(&open.code.0));
        if now >= open.until {
            self.code = None;
            return Err(ApiError::phone_code_refused());
        }
        if !is_right {
            open.attempts_left -= 1;
            if open.attempts_left == 0 {
                tracing::warn!("a code for a phone was guessed at too often, and links nothing any more");
                self.code = None;
            }
            return Err(ApiError::phone_code_refused());
        }
        let name = open.name.clone();
        self.code = None;
        let token = HEXLOWER.encode(&drawn);
        let record = Record { name: name.clone(), token: TOKEN.hash(&[token.as_bytes()]), linked: now };
        let id = record.id();
        self.phones.insert(id, record);
        self.tell();
        Ok((id, PhoneLinked { name, token }))
    }

    /// Its token opens nothing any more.
    pub fn unlink(&mut self, name: &str) -> Answer<(PhoneId, Phone)> {
        let id = self.named(name).ok_or_else(ApiError::phone_not_found)?;
        let record = self.phones.remove(&id).ok_or_else(ApiError::phone_not_found)?;
        self.tell();
        Ok((id, record.view()))
    }

    /// What is to be kept of a phone.
    pub fn record(&self, id: PhoneId) -> Option<&Record> {
        self.phones.get(&id)
    }

    fn named(&self, name: &str) -> Option<PhoneId> {
        self.phones.iter().find(|(_, record)| record.name == name).map(|(id, _)| *id)
    }

    fn free_name(&self) -> String {
        let numbered = (2..).map(|number: u32| format!("{NAME} {number}"));
        let mut names = std::iter::once(NAME.to_owned()).chain(numbered);
        names.find(|name| self.named(name).is_none()).expect("there are more names than phones")
    }

    fn tell(&self) {
        let known = self.phones.iter().map(|(id, record)| (record.token, *id)).collect();
        *self.tokens.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ErrorKind;

    const NOW: Time = Time(1_000_000);

    fn refused(answer: Answer<(PhoneId, PhoneLinked)>) -> bool {
        answer.is_err_and(|error| error.kind == ErrorKind::PhoneCodeRefused)
    }

    #[test]
    fn a_code_links_one_phone_once() {
        let mut book = Book::default();
        let code = book.offer(NOW, None, [1; 32]).unwrap();
        assert_eq!(code.len(), 16);
        let (id, linked) = book.take(NOW, &code, [2; 32]).unwrap();
        assert_eq!(linked.name, "Phone");
        assert_eq!(bearer(&book.tokens(), &linked.token), Some(id));
        assert_eq!(bearer(&book.tokens(), &linked.token[1..]), None);
        assert!(refused(book.take(NOW, &code, [3; 32])), "used up");
        assert_eq!(book.phones(), [Phone { name: "Phone".into(), linked_ms: NOW }]);
    }

    #[test]
    fn there_is_no_code_but_the_last_one_and_it_ends_by_time_and_by_guesses() {
        let mut book = Book::default();
        assert!(refused(book.take(NOW, "", [0; 32])), "nobody asked for one");
        let first = book.offer(NOW, None, [1; 32]).unwrap();
        let second = book.offer(NOW, None, [2; 32]).unwrap();
        assert!(refused(book.take(NOW, &first, [0; 32])), "replaced");
        assert!(book.take(Time(NOW.0 + 5 * 60 * 1000 - 1), &second, [0; 32]).is_ok(), "in its last moment");

        let late = book.offer(NOW, None, [3; 32]).unwrap();
        assert!(refused(book.take(NOW + CODE_LIFE, &late, [0; 32])));
        assert!(refused(book.take(NOW, &late, [0; 32])), "and a clock put back revives nothing");

        for (wrong, opens) in [(ATTEMPTS_MAX - 1, true), (ATTEMPTS_MAX, false)] {
            let code = book.offer(NOW, None, [4; 32]).unwrap();
            for _ in 0..wrong {
                assert!(refused(book.take(NOW, "aaaaaaaaaaaaaaaa", [0; 32])));
            }
            assert_eq!(book.take(NOW, &code, [wrong as u8; 32]).is_ok(), opens, "after {wrong} wrong ones");
        }
    }

    #[test]
    fn an_unlinked_phones_token_opens_nothing_and_what_is_kept_comes_back() {
        let mut book = Book::default();
        let link = |book: &mut Book, name: Option<&str>, drawn: u8| {
            let code = book.offer(NOW, name.map(str::to_owned), [drawn; 32]).unwrap();
            book.take(NOW, &code, [drawn; 32]).unwrap()
        };
        let (one, _) = link(&mut book, None, 1);
        let (_, other) = link(&mut book, Some("Tablet"), 2);
        let (_, third) = link(&mut book, None, 3);
        assert_eq!(third.name, "Phone 2");
        assert!(book.offer(NOW, Some("Tablet".into()), [9; 32]).is_err(), "names tell phones apart");
        book.unlink("Tablet").unwrap();
        assert_eq!(bearer(&book.tokens(), &other.token), None);
        assert!(book.unlink("Tablet").is_err_and(|error| error.kind == ErrorKind::PhoneNotFound));

        let kept: Vec<Vec<u8>> = book.phones.values().map(|record| serde_json::to_vec(record).unwrap()).collect();
        assert!(kept.iter().all(|kept| !String::from_utf8_lossy(kept).contains(&third.token)), "tokens are not kept");
        let again = Book::new(kept.iter().map(|kept| serde_json::from_slice(kept).unwrap()));
        assert_eq!(again.phones(), book.phones());
        assert!(is_linked(&again.tokens(), one));
        assert!(bearer(&again.tokens(), &third.token).is_some());
    }

    #[test]
    fn there_are_so_many_phones_and_no_more() {
        let mut book = Book::default();
        for number in 0..PHONES_MAX as u8 {
            let code = book.offer(NOW, None, [number; 32]).unwrap();
            book.take(NOW, &code, [number; 32]).unwrap();
        }
        let full = book.offer(NOW, None, [99; 32]).unwrap_err();
        assert_eq!(full.kind, ErrorKind::TooManyPhones);
    }
}
