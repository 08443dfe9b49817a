//! What node and program say to each other: one JSON object a line, named by its `type`. `docs/formats/service.md` is the
//! specification.

use byway_access::service::SERVICE_DATA_MAX;
use byway_access::session::SessionId;
use byway_primitives::IdentityId;
use serde::{Deserialize, Serialize};

/// The version of the protocol that this code speaks.
pub const PROTOCOL: u32 = 1;
/// Bytes of a line without its end: service data in hex, and room for the rest.
pub const LINE_MAX: usize = 4 * SERVICE_DATA_MAX;

/// From the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ToProgram {
    /// The first line of the control connection.
    Hello {
        protocol: u32,
        service: String,
        node: String,
    },
    /// A client asks for a session.
    Accept {
        session: Session,
        client: IdentityId,
        data: Bytes,
    },
    /// A session that was accepted begins; after a restart of the node also one that was accepted before.
    Started {
        session: Session,
        client: IdentityId,
        request: Bytes,
        answer: Bytes,
    },
    /// Nothing is paid ahead any more: the session's streams stand still.
    Paused {
        session: Session,
    },
    Resumed {
        session: Session,
    },
    /// A session is over, or does not come about; its streams are closed.
    Ended {
        session: Session,
        reason: String,
    },
    /// The first and only line of a connection that carries a client's stream; what follows is the client's.
    Stream {
        session: Session,
    },
}

/// From the program. Fields that are not known are passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromProgram {
    /// The answer to the node's.
    Hello {
        protocol: u32,
        service: String,
        version: String,
    },
    Accepted {
        session: Session,
        #[serde(default)]
        data: Bytes,
    },
    Refused {
        session: Session,
        reason: String,
    },
    /// The program wants a session to end.
    End {
        session: Session,
        reason: String,
    },
}

/// A session's id in hex.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Session(pub SessionId);

/// Service data in hex.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bytes(pub Vec<u8>);

impl From<Session> for String {
    fn from(session: Session) -> Self {
        hex::encode(session.0.0)
    }
}

impl TryFrom<String> for Session {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut id = [0; 16];
        hex::decode_to_slice(&text, &mut id).map_err(|_| "a session is 32 hex digits")?;
        Ok(Self(SessionId(id)))
    }
}

impl From<Bytes> for String {
    fn from(bytes: Bytes) -> Self {
        hex::encode(bytes.0)
    }
}

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.len() > 2 * SERVICE_DATA_MAX {
            return Err("service data is at most 4096 bytes");
        }
        hex::decode(text).map(Self).map_err(|_| "service data is written in hex")
    }
}

impl ToProgram {
    /// The line, with its end.
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self).expect("strings and numbers always have a JSON form");
        line.push('\n');
        line
    }
}

impl FromProgram {
    /// # Errors
    /// The line is none of the protocol; the text says what is wrong with it.
    pub fn of_line(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: Session = Session(SessionId([7; 16]));

    #[test]
    fn lines_are_as_they_are_specified() {
        let id = "07070707070707070707070707070707";
        let client = IdentityId([1; 20]);
        for (said, line) in [
            (
                ToProgram::Hello { protocol: 1, service: "http-fetch".into(), node: "byway 1".into() },
                r#"{"type":"hello","protocol":1,"service":"http-fetch","node":"byway 1"}"#.to_owned(),
            ),
            (
                ToProgram::Accept { session: SESSION, client, data: Bytes(vec![0, 255]) },
                format!(r#"{{"type":"accept","session":"{id}","client":"{client}","data":"00ff"}}"#),
            ),
            (ToProgram::Stream { session: SESSION }, format!(r#"{{"type":"stream","session":"{id}"}}"#)),
            (
                ToProgram::Ended { session: SESSION, reason: "silence".into() },
                format!(r#"{{"type":"ended","session":"{id}","reason":"silence"}}"#),
            ),
        ] {
            assert_eq!(said.to_line(), format!("{line}\n"));
        }
    }

    #[test]
    fn what_a_program_says_is_read_or_named() {
        let id = "07070707070707070707070707070707";
        let too_long =
            format!(r#"{{"type":"accepted","session":"{id}","data":"{}"}}"#, "00".repeat(SERVICE_DATA_MAX + 1));
        for (line, expected) in [
            (format!(r#"{{"type":"accepted","session":"{id}"}}"#), Ok(Bytes::default())),
            (format!(r#"{{"type":"accepted","session":"{id}","data":"01","more":1}}"#), Ok(Bytes(vec![1]))),
            (too_long, Err("4096 bytes")),
            (format!(r#"{{"type":"accepted","session":"{id}","data":"0"}}"#), Err("hex")),
            (r#"{"type":"accepted","session":"07"}"#.to_owned(), Err("32 hex digits")),
            (r#"{"type":"bill","amount":"1"}"#.to_owned(), Err("unknown variant `bill`")),
            ("GET / HTTP/1.1".to_owned(), Err("expected value")),
        ] {
            match (FromProgram::of_line(line.as_bytes()), expected) {
                (Ok(FromProgram::Accepted { session, data }), Ok(expected)) => {
                    assert_eq!((session, data), (SESSION, expected));
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{why}"),
                (said, expected) => panic!("{line}: {said:?}, not {expected:?}"),
            }
        }
    }
}
