//! How much there may be of everything. What arrives over one of these is refused before it is looked at.

/// Bytes of a whole content, encoded: one message of a dialogue carries 64 KiB, and sealing, padding and addressing come on top.
pub const CONTENT_BYTES_MAX: usize = 56 * 1024;
/// The highest lamport number, so that a counter that others raise can still be counted on: 2^48 is a thousand messages a second for
/// nine thousand years.
pub const LAMPORT_MAX: u64 = 1 << 48;

/// Bytes of a message's text in UTF-8: some eight printed pages. What is longer goes as a file.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// People whom one message calls by name: more is `everyone`, which is not a mention.
pub const MENTIONS_MAX: usize = 64;
/// Files with one message: as many as a page shows at once.
pub const ATTACHMENTS_MAX: usize = 32;
/// Bytes of a file's name: what the file systems in use take.
pub const FILE_NAME_BYTES_MAX: usize = 255;
/// Bytes of a media type: RFC 6838, 4.2, lets each of both halves have 127; the ones in use have half of that in all.
pub const MEDIA_TYPE_BYTES_MAX: usize = 127;
/// Bytes of a picture's thumbnail, or of a person's picture: shown before anything is fetched, so it is part of the message.
pub const THUMBNAIL_BYTES_MAX: usize = 32 * 1024;
/// Pixels along one side of a picture or video, as its sender says: what browsers can draw.
pub const SIDE_PIXELS_MAX: u32 = 65_535;
/// Loudnesses of a voice note, one byte each: as many bars as fit a line of the page.
pub const LEVELS_MAX: usize = 128;
/// Bytes of what stands for a reaction: the longest sequence in use (two people, skin tones, a kiss) has 35.
pub const EMOJI_BYTES_MAX: usize = 48;

/// Messages that one receipt or read mark names. Who has more to say says more.
pub const RECEIPTS_MAX: usize = 256;

/// Bytes of a poll's question or one of its options, of an entry of a list, or of a list's title.
pub const LINE_BYTES_MAX: usize = 1024;
/// Options of a poll: more can't be overlooked.
pub const POLL_OPTIONS_MAX: usize = 20;
/// Changes that one content makes to a list.
pub const LIST_CHANGES_MAX: usize = 64;
/// Entries of a list, together with those that were taken off it: all that a page shows in one piece.
pub const LIST_ENTRIES_MAX: usize = 1000;
/// Times that one entry was put on a list, as far as its members know: each has to be named where it is taken off.
pub const ENTRY_TAGS_MAX: usize = 32;
/// Bytes of a place between two others. It grows by a byte with about eight insertions at the very same place.
pub const POSITION_BYTES_MAX: usize = 64;

/// People in a group's address book, together with those who were taken out of it: more than most know.
pub const BOOK_MAX: usize = 512;
/// Changes that one content makes to a book.
pub const BOOK_CHANGES_MAX: usize = 16;
/// Bytes of what is noted of somebody in a book.
pub const BOOK_NOTE_BYTES_MAX: usize = 512;
/// Bytes of where somebody in a book is reached: a card with as many places as there can be.
pub const BOOK_PLACES_BYTES_MAX: usize = 2048;

/// Bytes of a nickname or of a conversation's title.
pub const NAME_BYTES_MAX: usize = 128;

/// Versions kept of a message that is edited: the newest ones, by stamp.
pub const VERSIONS_MAX: usize = 32;
/// Reactions of one person to one message, with those taken back: the newest ones, by stamp.
pub const REACTIONS_EACH_MAX: usize = 16;
/// Votes kept of one person in one poll: the newest ones, by stamp. More than one, since the newest may be too late to count.
pub const VOTES_EACH_MAX: usize = 8;
/// People of whom something is kept with one message: a group has 1,000 members, and some come and go.
pub const PEOPLE_MAX: usize = 4096;
/// Messages of one conversation that others are about, and which have not come: edits and reactions wait with these.
pub const WAITING_MAX: usize = 1024;
