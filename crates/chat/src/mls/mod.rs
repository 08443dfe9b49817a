//! Conversations on MLS (RFC 9420).
