//! Fuzz targets: one function per decoder that strangers can reach, and for what else is decoded and public.
//!
//! A target takes any bytes and must not panic, hang or allocate without bound; where bytes decode, they must encode to
//! the same bytes again, because everything here is canonical. `tests/stable.rs` runs all of them on the stable toolchain
//! with arbitrary bytes and with mutated [samples]; a fuzzer that is guided by coverage can call the same functions,
//! and for those of [channels] one does: `fuzz/guided`.
//!
//! A type without a target of its own is part of one that has: a vote is in `snapshot_header`, an offer in `signed_offer`.

pub mod channels;
pub mod samples;
mod target;

use byway_crypto::threshold::KeyRecord;
use byway_crypto::threshold::dealing::{Complaint, Dealing};
use byway_dialogue::fuzzing;
use byway_driver::tunnel::detour::{Piece, Pieces};
use byway_kernel::VerifiedSnapshot;
use byway_primitives::Reader;
use byway_primitives::codec::{Encode, Writer, decode_exact};

use crate::target::reencodes;
pub use crate::target::{Samples, Target};

/// Every target, but for those that [drive](channels::DRIVEN) a channel.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().chain(channels::TARGETS)
}

macro_rules! targets {
    (canonical { $($name:ident: $type:ty,)* } other { $($other:ident: $run:path,)* }) => {
        /// Those that are here.
        const TARGETS: &[Target] = &[
            $(Target { name: stringify!($name), run: reencodes::<$type>, samples: samples::$name },)*
            $(Target { name: stringify!($other), run: $run, samples: samples::$other },)*
        ];
    };
}

targets! {
    canonical {
        transaction: byway_records::Transaction,
        call_envelope: byway_records::CallEnvelope,
        registry_call: byway_records::call::RegistryCall,
        offers_call: byway_records::call::OffersCall,
        accounts_call: byway_records::call::AccountsCall,
        assets_call: byway_records::call::AssetsCall,
        kernel_call: byway_records::call::KernelCall,
        channels_call: byway_records::call::ChannelsCall,
        holders_call: byway_records::call::HoldersCall,
        names_call: byway_records::call::NamesCall,
        delegates: byway_records::Delegates,
        name_entry: byway_records::NameEntry,
        name_commitment: byway_records::names::Commitment,
        channel: byway_records::Channel,
        contract_code: byway_records::channel::entry::Code,
        state_witness: byway_vm::Witness,
        contract_account: byway_vm::Account,
        contract_receipt: byway_vm::Receipt,
        contract_alone: byway_vm::WholeAlone,
        ledger_contract: byway_records::channel::LedgerContract,
        virtual_terms: byway_records::channel::Cosigned<byway_records::channel::VirtualTerms>,
        certified_close: byway_records::channel::CertifiedClose,
        virtual_outcome: byway_records::channel::Outcome,
        kernel_pledge: byway_records::state::KernelPledge,
        conviction: byway_records::state::Conviction,
        roll: byway_records::Roll,
        evidence: byway_records::Evidence,
        epoch: byway_records::Epoch,
        genesis: byway_records::Genesis,
        signed_offer: byway_records::SignedOffer,
        signed_promise: byway_records::SignedPromise,
        certificate: byway_records::Certificate,
        scan_data: byway_records::scan::ScanData,
        registration: byway_records::state::Registration,
        published_offer: byway_records::state::PublishedOffer,
        account: byway_records::state::Account,
        settled: byway_records::state::Settled,
        bounces: byway_records::state::Bounces,
        bounced: byway_records::state::Bounced,
        reservation: byway_records::state::Reservation,
        asset_record: byway_records::state::AssetRecord,
        address: byway_crypto::Address,
        group: byway_crypto::Group,
        group_view: byway_crypto::GroupView,
        group_proposal: byway_peer::wallet::Proposal,
        signed_entry: byway_records::SignedEntry,
        node_key: byway_crypto::NodeKey,
        dealing_key: byway_crypto::threshold::dealing::DealingKey,
        dealing: byway_crypto::threshold::dealing::Dealing,
        complaint: byway_crypto::threshold::dealing::Complaint,
        ceremony: byway_crypto::threshold::ceremony::CeremonyHead,
        key_record: byway_crypto::threshold::KeyRecord,
        kernel_message: byway_kernel::Message,
        snapshot_header: byway_kernel::Header,
        commit_record: byway_kernel::archive::CommitRecord,
        follower_request: byway_kernel::follower::Request,
        follower_answer: byway_kernel::follower::Answer,
        program_difference: byway_ledger::ProgramDifference,
        state_changes: byway_ledger::StateChanges,
        state_proof: byway_ledger::StateProof,
        entry_proof: byway_ledger::EntryProof,
        light_head: byway_kernel::light::Head,
        range_proof: byway_ledger::RangeProof,
        tree_page: byway_ledger::TreePage,
        ledger_head: byway_ledger::stored::Head,
        transaction_record: byway_ledger::stored::TransactionRecord,
        static_certificate: byway_dialogue::StaticCertificate,
        payment_message: byway_dialogue::payment::PaymentMessage,
        payment_export: byway_dialogue::payment::Export,
        session_message: byway_access::SessionMessage,
        warning_message: byway_access::warning::WarningMessage,
        quality_message: byway_access::quality::QualityMessage,
        signed_attestation: byway_access::quality::SignedAttestation,
        measurement: byway_access::quality::Measurement,
        forward_header: byway_driver::forwarding::ForwardHeader,
        stream_header: byway_driver::socks::StreamHeader,
        socks_datagram: byway_driver::socks::datagram::Datagram,
        link_contact: byway_driver::link::LinkContact,
        chat_content: byway_chat::content::Content,
        file_header: byway_chat::attachment::wire::FileHeader,
        hold_message: byway_chat::holding::HoldMessage,
        held_batch: byway_chat::holding::HeldBatch,
        hire_message: byway_chat::hiring::HireMessage,
        bot_card: byway_chat::hiring::BotCard,
        chat_letter: byway_chat::delivery::Letter,
        chat_message: byway_chat::delivery::ChatMessage,
        device_certificate: byway_chat::device::DeviceCertificate,
        room_frame: byway_chat::mls::wire::Frame,
        room_invitation: byway_chat::mls::wire::Invitation,
        room_roles: byway_chat::mls::Roles,
        room_line: byway_chat::mls::Line,
        kept_package: byway_chat::mls::KeptPackage,
    }
    other {
        room_received: samples::receive,
        room_welcome: samples::enter,
        room_tree: samples::enter_tree,
        dialogue_frame: fuzzing::frame,
        dialogue_records: fuzzing::records,
        dialogue_hello: fuzzing::hello,
        dialogue_welcome: fuzzing::welcome,
        dialogue_message: fuzzing::message,
        socks_answer: socks_answer,
        tunnel_request: tunnel_request,
        tunnel_answer: tunnel_answer,
        tunnel_piece: tunnel_piece,
        relay_request: relay_request,
        relay_answer: relay_answer,
        slice: slice,
        verify_transaction: verify_transaction,
        execute_witness: execute_witness,
        verify_dealing: verify_dealing,
        judge_complaint: judge_complaint,
        open_key: open_key,
        snapshot: snapshot,
        signed_snapshot: signed_snapshot,
        open_keystore: open_keystore,
        open_export: open_export,
        mirror_message: byway_driver::mirror::is_message,
        payment_link: payment_link,
        network_link: network_link,
        invite_link: invite_link,
        device_offer: device_offer,
        chat_item: chat_item,
        chat_markdown: chat_markdown,
        chat_query: chat_query,
        chat_backup: chat_backup,
        open_chat_backup: open_chat_backup,
    }
}

fn socks_answer(bytes: &[u8]) -> bool {
    byway_access::service::SocksAnswer::open(bytes).is_ok_and(|answer| {
        assert_eq!(answer.to_bytes(), bytes, "what decodes must encode to the same bytes");
        true
    })
}

fn tunnel_request(bytes: &[u8]) -> bool {
    byway_access::service::tunnel::TunnelRequest::open(bytes).is_ok_and(|request| {
        assert_eq!(request.to_bytes(), bytes, "what decodes must encode to the same bytes");
        true
    })
}

fn relay_request(bytes: &[u8]) -> bool {
    byway_access::service::relay::RelayRequest::open(bytes).is_ok_and(|request| {
        assert_eq!(request.to_bytes(), bytes);
        true
    })
}

fn relay_answer(bytes: &[u8]) -> bool {
    byway_access::service::relay::RelayAnswer::open(bytes).is_ok_and(|answer| {
        assert_eq!(answer.to_bytes(), bytes);
        true
    })
}

/// A slice as it arrives, after one that is good; a second time it is good for nothing.
fn slice(bytes: &[u8]) -> bool {
    let mut joiner = samples::joiner();
    let is_good = joiner.handle(bytes).is_ok();
    assert!(joiner.handle(bytes).is_err());
    is_good
}

fn tunnel_answer(bytes: &[u8]) -> bool {
    byway_access::service::tunnel::TunnelAnswer::open(bytes).is_ok_and(|answer| {
        assert_eq!(answer.to_bytes(), bytes, "what decodes must encode to the same bytes");
        true
    })
}

/// A piece of a tunnel's datagram as it comes over a link, and what is put together from it.
fn tunnel_piece(bytes: &[u8]) -> bool {
    Piece::read(bytes).is_some_and(|(session, piece)| {
        assert_eq!(piece.write(&session), bytes, "what is read must be written as the same bytes");
        let mut pieces = Pieces::default();
        let whole = pieces.join(piece).into_iter().chain(pieces.join(piece)).all(|whole| whole.len() < bytes.len());
        assert!(whole, "one piece can't make more than it holds");
        true
    })
}

fn payment_link(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.parse::<byway_peer::wallet::PaymentRequest>().is_ok_and(|request| {
        assert_eq!(request.to_string(), text, "a request has one text");
        true
    })
}

fn network_link(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.parse::<byway_peer::link::NetworkLink>().is_ok_and(|link| {
        assert_eq!(link.to_string(), text.to_ascii_lowercase(), "a link has one text, in small letters or in capitals");
        true
    })
}

fn invite_link(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.parse::<byway_peer::link::Link>().is_ok_and(|link| {
        if let byway_peer::link::Link::Invite(invite) = &link {
            assert_eq!(*invite.to_text(), text.to_ascii_lowercase(), "an invite has one text");
            assert!(invite.bearer().ids().count() <= byway_peer::link::INVITE_OUTPUTS_MAX);
        }
        true
    })
}

fn device_offer(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    text.parse::<byway_peer::link::DeviceOffer>().is_ok_and(|offer| {
        assert_eq!(*offer.to_text(), text.to_ascii_lowercase(), "an offer has one text");
        true
    })
}

/// A content after all samples: what it is about can be looked at, and it does nothing a second time.
fn chat_item(bytes: &[u8]) -> bool {
    let Ok(content) = decode_exact::<byway_chat::content::Content>(bytes) else { return false };
    let (mut shown, sender) = samples::conversation();
    let is_taken = shown.apply(&sender, &content).is_ok();
    let once = shown.clone();
    // Refused now or not, the same is shown.
    let _ = shown.apply(&sender, &content);
    assert!(shown == once, "a content that comes twice does nothing");
    for item in shown.items.values() {
        assert!(item.tally().is_none_or(|tally| tally.chosen.len() >= 2));
        assert!(item.reactions().iter().all(|(emoji, people)| emoji.is_one() && !people.is_empty()));
        assert!(item.entries().shown().iter().all(|(_, entry)| entry.is_there()));
    }
    is_taken
}

/// A text as it reads, and what is shown of it; taken as a file's name, too.
fn chat_markdown(bytes: &[u8]) -> bool {
    use byway_chat::content::{display, files, markdown, query};
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let shown = markdown::plain(&markdown::parse(text));
    assert!(shown.len() <= 200_000, "references can't repeat their addresses without bound");
    assert_eq!(query::fold(&query::fold(&shown)), query::fold(&shown), "what is folded stays so");
    let name = files::FileName::of(text).name;
    assert!(!name.is_empty() && !name.contains(['/', '\\', '\0']), "a name, and no path");
    assert!(display::name(text).is_none_or(|name| !name.trim().is_empty()));
    true
}

fn chat_query(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(query) = byway_chat::content::query::Query::parse(text, 60) else { return false };
    let marks = byway_chat::search::marks(text, &query.terms);
    assert!(marks.windows(2).all(|pair| pair[0][1] < pair[1][0]), "marks stand apart, in order");
    true
}

/// Whoever has the phrase has made it: what matters is that it reads as what it is written as.
fn chat_backup(bytes: &[u8]) -> bool {
    use byway_chat::backup::BackupPart;
    let Ok(part) = decode_exact::<BackupPart>(bytes) else { return false };
    assert_eq!(
        decode_exact::<BackupPart>(&part.to_bytes()),
        Ok(part),
        "what was read is written so that it reads alike"
    );
    true
}

/// A file that somebody left where a backup should be.
fn open_chat_backup(bytes: &[u8]) -> bool {
    samples::chat_backup_key().open(bytes).is_ok()
}

/// Decoding and every check that needs no ledger.
fn verify_transaction(bytes: &[u8]) -> bool {
    byway_records::verified::verify_bytes(samples::NETWORK, bytes).is_ok()
}

/// Whether a call that reads and writes one slot comes to an end on a witness.
fn execute_witness(bytes: &[u8]) -> bool {
    let Ok(witness) = decode_exact::<byway_vm::Witness>(bytes) else { return false };
    let (environment, call) = samples::channels::call();
    let code = |_| Some(samples::channels::code().to_vec());
    witness.execute(samples::NETWORK, environment, &call, &code).is_ok()
}

/// Whether a dealing is good for the samples' occasion, and that everyone can open what is good in it.
fn verify_dealing(bytes: &[u8]) -> bool {
    let Ok(dealing) = decode_exact::<Dealing>(bytes) else { return false };
    dealing.verify(samples::OCCASION, 2, &samples::receivers()).is_ok_and(|dealing| {
        let opened = (0..4).map(|member| dealing.open(member, &samples::opener(member), &[0; 32]));
        opened.flatten().zip(0..).all(|(share, member)| match share {
            Ok(_) => true,
            Err(complaint) => dealing.is_refuted_by(member, &complaint),
        })
    })
}

/// Whether a complaint about the samples' dealing, which is good, is just.
fn judge_complaint(bytes: &[u8]) -> bool {
    decode_exact::<Complaint>(bytes).is_ok_and(|complaint| {
        let is_just = (0..4).any(|member| samples::verified_dealing().is_refuted_by(member, &complaint));
        assert!(!is_just, "a good share can't be complained of");
        true
    })
}

/// A key as it stands in the ledger: whether it is one.
fn open_key(bytes: &[u8]) -> bool {
    decode_exact::<KeyRecord>(bytes).is_ok_and(|key| key.open().is_some())
}

/// A snapshot as it travels: decoding and every check that needs no graph.
fn snapshot(bytes: &[u8]) -> bool {
    let verified = VerifiedSnapshot::verify(samples::committee(), bytes.into());
    verified.is_ok_and(|snapshot| {
        assert_same(&snapshot, bytes);
        true
    })
}

/// A snapshot without its signature, which is put there: so mutations get past it, as an author's own would.
fn signed_snapshot(unsigned: &[u8]) -> bool {
    let Ok(header) = Reader::new(unsigned).value::<byway_kernel::Header>() else { return false };
    snapshot(&samples::sign(header.author, unsigned))
}

/// What was verified is all of the bytes, and nothing else.
fn assert_same(snapshot: &VerifiedSnapshot, bytes: &[u8]) {
    let mut out = Writer::new();
    out.value(snapshot.header());
    out.varint(snapshot.transactions().len() as u64);
    snapshot.transactions().iter().for_each(|transaction| out.value(transaction.transaction()));
    let (unsigned, _signature) = bytes.split_at(bytes.len() - 64);
    assert_eq!(out.into_bytes(), unsigned, "what is verified must encode to the same bytes");
    assert_eq!(snapshot.bytes()[..], *bytes, "the bytes that were signed are kept");
}

/// A file that somebody left where an export should be.
fn open_export(bytes: &[u8]) -> bool {
    let opened = samples::export_key().open(bytes);
    opened.is_ok_and(|content| decode_exact::<byway_dialogue::payment::Export>(&content).is_ok())
}

fn open_keystore(bytes: &[u8]) -> bool {
    byway_crypto::keystore::open(bytes, "passphrase").is_ok()
}
