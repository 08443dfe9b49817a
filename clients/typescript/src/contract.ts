// Made of docs/formats/openrpc.json and openrpc-peer.json by `cargo xtask clients`. Changes go there.
//! Long because: it is made, and nobody reads it from one end to the other.

/** a decimal number of coins, never a JSON number */
export type Amount = string;

/** "WAY", or 64 hex digits for any other asset */
export type Asset = string;

/** a certified checkpoint */
export interface CheckpointRecord {
  commits: Count;
  digest: Hash;
  epoch_next: Hash;
  height: Count;
  outputs_digest: Hash;
  previous: Hash;
  scan_root: Hash;
  signers: Member[];
  state_root: Hash;
  time_ms: Time;
  /** final since genesis */
  transactions: Count;
  transactions_root: Hash;
}

/** what came of evidence on the ledger, as long as it can be appealed or is */
export interface Conviction {
  appealed: boolean;
  /** when the time to appeal is over, or that of the appeal */
  ends_ms: Time;
  forfeited: Amount;
  /** the first marks, the second costs the pledge */
  offence: "first" | "second";
  owner: Identity;
  /** the epoch with which the convicted member took its seat */
  since_epoch: Count;
}

/** a whole number below 2^53 */
export type Count = number;

/** what a kernel node was caught at as one node saw it, or convicted of on the ledger, or both */
export interface Evidence {
  conviction?: Conviction | null;
  first?: Hash | null;
  /** the height of the vote */
  height?: Count | null;
  /** judged: the ledger judged what this node did not see */
  kind: "signed_twice" | "judged";
  member: Member;
  /** the round of the snapshots */
  round?: Count | null;
  second?: Hash | null;
  seen_ms?: Time | null;
}

/** milliseconds from a transaction's arrival at a kernel node to its commit */
export interface Finality {
  p50?: Count | null;
  p99?: Count | null;
}

/** 32 bytes in lower-case hex */
export type Hash = string;

/** bytes in lower-case hex */
export type Hex = string;

/** an identity: 40 hex digits */
export type Identity = string;

/** a kernel node of the epoch in force with its pledge, and how it seems to do from here */
export interface KernelMember {
  address: string;
  /** from when on its keys and address can be changed again, where they were changed */
  changeable_ms?: Time | null;
  /** how many others it says it is connected to */
  connected?: Count | null;
  /** its seat */
  index: Member;
  key: Hash;
  latency_ms?: Count | null;
  name: string;
  /** who pledged for it and decides about it */
  owner: Identity;
  pledge: Amount;
  reachable: boolean;
  round: Count;
  /** behind the newest round seen of any; 0 for one that does not count */
  rounds_behind: Count;
  /** whether its signature is on the newest checkpoint */
  signed_last: boolean;
  /** the epoch with which it took the seat */
  since_epoch: Count;
  standing: Standing;
  /** and from which commit on */
  unlocks_commits?: Count | null;
  /** of one that has left: from when on its pledge can be reclaimed */
  unlocks_ms?: Time | null;
}

/** a kernel node's number */
export type Member = number;

/** the transaction's id, a colon, the output's number in it */
export type OutputName = string;

/** one node's word on an output */
export interface OutputRecord {
  amount?: Amount | null;
  asset?: Asset | null;
  keys?: Hash[] | null;
  output: OutputName;
  /** how many of the keys must sign */
  threshold?: number | null;
  /** false too for one that was never made */
  unspent: boolean;
}

/** a kernel node's word on itself */
export interface OwnHealth {
  connected: Count;
  /** whether its snapshots count there */
  counts_there: boolean;
  /** its seat; absent while it has none */
  index?: Member | null;
  /** whether it fetches old rounds instead of taking part */
  is_behind: boolean;
  name: string;
  /** the newest that is proved to it; later than its own while it is on its way there, or has no part in it */
  newest_epoch: Count;
  pool_percent: Count;
  pool_sources: Count;
  /** the newest of which it has a quorum */
  quorum_round: Count;
  /** the newest it signed for */
  round: Count;
  snapshots_waiting: Count;
  stamp_bits: Count;
  standing?: Standing | null;
  transactions_pending: Count;
}

/** encodings in hex: a Certificate, and the range proof that the transaction is among the final ones it certifies */
export interface Proof {
  certificate: Hex;
  range: Hex;
}

/** the kernel at work, thinned out for drawing; nothing is decided on it */
export interface Pulse {
  checkpoint?: PulseCheckpoint | null;
  commits: PulseCommit[];
  finality_ms: Finality;
  snapshots: PulseSnapshot[];
  /** final transactions per second, mean of the last 10 s */
  tps: number;
}

/** the newest certified checkpoint */
export interface PulseCheckpoint {
  height: Count;
  quorum: Count;
  signers: Member[];
  size: Count;
  time_ms: Time;
}

/** a commit as it is drawn */
export interface PulseCommit {
  index: Count;
  leader: Member;
  round: Count;
  time_ms: Time;
  transactions: Count;
}

/** a snapshot as it is drawn */
export interface PulseSnapshot {
  author: Member;
  /** the commit that ordered it */
  commit?: Count | null;
  hash: Hash;
  /** authors of the snapshots of the round before that it references */
  references: Member[];
  round: Count;
  time_ms: Time;
  transactions: Count;
}

/** a stable word, and a sentence for people */
export interface Reason {
  code: string;
  message: string;
}

/** a transaction that a kernel node took */
export interface Sent {
  stage: Stage;
  transaction_id: TransactionId;
}

/** names a snapshot */
export interface SnapshotName {
  author: Member;
  hash: Hash;
  round: Count;
}

/** a snapshot without its transactions */
export interface SnapshotRecord {
  author: Member;
  bytes: Count;
  checkpoint: Count;
  hash: Hash;
  previous?: SnapshotName | null;
  references: SnapshotName[];
  round: Count;
  time_ms: Time;
  transactions: Count;
  weak_references: SnapshotName[];
}

/** `sent`: with a kernel node; `included`: a quorum has built on a snapshot with it, which says nothing of conflicts; only `final` is paid */
export type Stage = "sent" | "included" | "final" | "rejected";

/** how a kernel node stands: it has pledged and catches up; its snapshots count; it was convicted once and counts for nothing; it takes no part any more */
export type Standing = "candidate" | "counting" | "marked" | "left";

/** the kernel at a glance; its height is one node's word */
export interface Status {
  /** of the newest certified checkpoint, checked by the node that answers */
  certified_ms?: Time | null;
  commits: Count;
  finality_ms: Finality;
  height: Count;
  network: Hash;
  network_name: string;
  node?: OwnHealth | null;
  quorum: Count;
  /** kernel nodes */
  size: Count;
  time_ms: Time;
  /** what is wrong with the kernel (`stalled`, `uncertified`), and with the kernel node that answers (`cut_off`, `behind`, `signed_twice`) */
  troubles: Reason[];
  version: string;
}

/** milliseconds since the Unix epoch */
export type Time = number;

/** a transaction */
export type TransactionId = string;

/** what became of a transaction; where not certified it is one kernel node's word */
export interface TransactionRecord {
  certified: boolean;
  height?: Count | null;
  /** its place among all final transactions */
  position?: Count | null;
  proof?: Proof | null;
  reason?: Reason | null;
  stage: Stage;
  time_ms?: Time | null;
  transaction_id: TransactionId;
}

/** an invite that this node accepted */
export interface AcceptedInvite {
  accepted_ms: Time;
  amount: Amount;
  reason?: string | null;
  stage: "claiming" | "depositing" | "done" | "lost";
  transaction_id: Id;
}

/** where a wallet or a group receives */
export type Address = string;

/** an amount and what it is in */
export interface AmountOf {
  amount: Amount;
  asset: AssetId;
  symbol?: string | null;
}

/** all there is of an asset */
export interface AssetAudit {
  accounts: Amount;
  asset: AssetId;
  balanced: boolean;
  channels: Amount;
  outputs: Amount;
  reservations: Amount;
  supply: Amount;
  symbol?: string | null;
}

/** what there is of an asset beside WAY */
export interface AssetBalance {
  account: Amount;
  asset: AssetId;
  decimals: number;
  name: string;
  pending: Amount;
  symbol: string;
  wallet: Amount;
}

/** `WAY`, or 64 hex digits */
export type AssetId = string;

/** an asset on the ledger */
export interface AssetRecord {
  asset: AssetId;
  decimals: number;
  faucet_max?: Amount | null;
  issuer: Id;
  name: string;
  ours: boolean;
  supply: Amount;
  symbol: string;
}

/** what an amount is in */
export interface AssetTag {
  asset: AssetId;
  symbol: string;
}

/** all coins there are, recomputed */
export interface Audit {
  accounts: Amount;
  assets?: AssetAudit[] | null;
  balanced: boolean;
  channels: Amount;
  height: number;
  outputs: Amount;
  pledges: Amount;
  pool: Amount;
  reservations: Amount;
  supply: Amount;
  time_ms: Time;
}

/** the books of payment as a file's content */
export interface BackupExport {
  content: string;
  identity: Id;
  left_out: number;
  made_ms: Time;
  peers: number;
  unsettled: Amount;
}

/** how exports that the node makes by itself get on */
export interface BackupView {
  every_ms: number;
  file: string;
  problem?: string | null;
  written_ms?: Time | null;
}

/** what this node has */
export interface Balance {
  account: Amount;
  assets?: AssetBalance[] | null;
  pending: Amount;
  reserved: Amount;
  wallet: Amount;
  withdrawing: Withdrawing[];
}

/** somebody who has hired the bot of this node */
export interface BotClient {
  answered: number;
  /** it is given messages from this place on */
  begins: number;
  client: Id;
  conversation?: string | null;
  earned: Amount;
  /** and before this one */
  released: number;
  waiting: number;
}

/** a bot that is hired */
export interface BotHire {
  /** answers that were paid */
  answered: number;
  /** messages that were said to it */
  asked: number;
  bot: Id;
  conversation?: string | null;
  limit: Amount;
  name: string;
  /** answers that its host wants to be paid for and has not given */
  overcharged: number;
  price?: Amount | null;
  price_max: Amount;
  problem?: string | null;
  refusal?: "unwilling" | "too_dear" | "unpaid" | "full" | null;
  /** whether it is given what is said to it */
  served: boolean;
  spent: Amount;
  /** messages that it was not given yet */
  waiting: number;
}

/** a bot that somebody offers on the market */
export interface BotOffer {
  about: string;
  bot: Id;
  /** words that it answers */
  commands: string[];
  /** whether it is hired here */
  hired: boolean;
  name: string;
  price: Amount;
  /** what the ledger knows of whoever offers it, 0 to 1000 */
  score: number;
}

/** the bot that this node offers */
export interface BotOffered {
  about: string;
  /** words that it answers */
  commands: string[];
  /** whether the market has the offer */
  listed: boolean;
  name: string;
  price: Amount;
}

/** the bot that this node offers, and those that it has hired */
export interface BotStatus {
  clients: BotClient[];
  earned: Amount;
  hired: BotHire[];
  offer?: BotOffered | null;
}

/** what both put in of an asset beside WAY */
export interface ChannelAssetDeposit {
  asset: AssetId;
  ours?: Amount | null;
  theirs?: Amount | null;
}

/** what one side wants to be done to a contract, and the other has not asked for */
export interface ChannelConsent {
  asset?: AssetId | null;
  /** keccak256 of the code that it is to have */
  code?: string | null;
  /** of an asset that is to come in, its purse */
  contract: string;
  /** whether it is this side's */
  ours: boolean;
  /** what the contract has of other assets than WAY, and may take */
  purses?: ContractPurse[] | null;
  to_peer?: Amount | null;
  to_us?: Amount | null;
  until_ms: Time;
  wish: "upgrade" | "remove" | "leave" | "admit";
}

/** a channel, with all that is known of it */
export interface ChannelDetail {
  /** its name on both sides */
  channel: string;
  connected: boolean;
  /** what waits for the other side to want it too */
  consents: ChannelConsent[];
  contracts: Amount;
  /** how it stands with what is kept of it in a second place; missing where there is nothing to keep */
  copy?: "off" | "behind" | "kept" | "failing" | null;
  /** why that place can't be used */
  copy_problem?: string | null;
  deployed: ContractRecord[];
  dispute?: ChannelDispute | null;
  /** the last that each side has found in the other */
  faults?: ChannelFault[] | null;
  guaranteed?: ChannelGuarantee | null;
  health: "sound" | "recovering" | "unreadable" | "frozen";
  /** the ledger's id of it */
  id?: string | null;
  /** whether this node proposed it */
  initiated: boolean;
  lock_commits: number;
  lock_ms: number;
  log: ChannelLogEntry[];
  our_lane: ChannelLane;
  ours: Amount;
  peer: Id;
  /** what there is of other assets than WAY */
  purses?: ChannelPurse[] | null;
  remainder: "ours" | "theirs" | "halves";
  reserve: Amount;
  round: number;
  /** how two who have both lost the state are to part, as each side's user has named it */
  splits?: ChannelSplitWish[] | null;
  state: "proposed" | "asked" | "accepted" | "opening" | "open" | "closing" | "locked" | "closed";
  their_lane: ChannelLane;
  theirs: Amount;
  total: Amount;
  /** the round of an update of ours that the peer has not signed */
  waiting?: number | null;
  /** who watches it and has the newest state */
  watched_by?: Id[] | null;
  watched_until_ms?: Time | null;
}

/** a channel that is being closed on the ledger */
export interface ChannelDispute {
  /** who began it */
  by: "us" | "peer" | "hub";
  commits: number;
  ours: boolean;
  purses_until_ms?: Time | null;
  round: number;
  until_commits: number;
  until_ms: Time;
}

/** a rule that one side says the other has broken; nothing follows from it */
export interface ChannelFault {
  /** whether the peer says that it was this side */
  ours: boolean;
  /** where whoever says so stood */
  round: number;
  what: Reason;
}

/** by which hub a virtual channel is guaranteed */
export interface ChannelGuarantee {
  hub: Id;
  state: "awaited" | "stands" | "parting" | "on_ledger" | "decided" | "over";
  until_ms: Time;
}

/** what a payer is given */
export interface ChannelInvoice {
  amount: Amount;
  expires_ms: Time;
  /** 64 hex digits that name the payment */
  hash: string;
  invoice: string;
  note?: string | null;
}

/** money that one side has set aside for promises */
export interface ChannelLane {
  capacity: Amount;
  promised: Amount;
}

/** what happened in a channel and what both said, since the node started; the newest last */
export interface ChannelLog {
  /** its name on both sides */
  channel: string;
  log: ChannelLogEntry[];
  messages: ChannelMessage[];
  state: "proposed" | "asked" | "accepted" | "opening" | "open" | "closing" | "locked" | "closed";
}

/** something that happened to a channel */
export interface ChannelLogEntry {
  channel: string;
  round?: number | null;
  said?: ChannelSaid | null;
  time_ms: Time;
  what: Reason;
}

/** a message of the protocol, without what is in it */
export interface ChannelMessage {
  bytes: number;
  /** its name */
  message: string;
  /** whether this node said it */
  ours: boolean;
  /** that it is about */
  round?: number | null;
  time_ms: Time;
  /** how many there were in a row; of promises only */
  times: number;
}

/** what is in a channel of an asset beside WAY; `contract` is called as an ERC-20 token is */
export interface ChannelPurse {
  asset: AssetId;
  contract: string;
  contracts: Amount;
  ours: Amount;
  symbol?: string | null;
  theirs: Amount;
}

/** a channel, as this side has it */
export interface ChannelRecord {
  /** its name on both sides */
  channel: string;
  connected: boolean;
  contracts: Amount;
  /** how it stands with what is kept of it in a second place; missing where there is nothing to keep */
  copy?: "off" | "behind" | "kept" | "failing" | null;
  /** why that place can't be used */
  copy_problem?: string | null;
  dispute?: ChannelDispute | null;
  guaranteed?: ChannelGuarantee | null;
  health: "sound" | "recovering" | "unreadable" | "frozen";
  /** the ledger's id of it */
  id?: string | null;
  /** whether this node proposed it */
  initiated: boolean;
  lock_commits: number;
  lock_ms: number;
  our_lane: ChannelLane;
  ours: Amount;
  peer: Id;
  /** what there is of other assets than WAY */
  purses?: ChannelPurse[] | null;
  reserve: Amount;
  round: number;
  state: "proposed" | "asked" | "accepted" | "opening" | "open" | "closing" | "locked" | "closed";
  their_lane: ChannelLane;
  theirs: Amount;
  total: Amount;
  /** the round of an update of ours that the peer has not signed */
  waiting?: number | null;
  /** who watches it and has the newest state */
  watched_by?: Id[] | null;
  watched_until_ms?: Time | null;
}

/** what one side says to the other beside the state */
export interface ChannelSaid {
  data?: ContractBytes | null;
  /** for programs: what the bytes are */
  kind?: number | null;
  /** whether this node said it */
  ours: boolean;
  /** for people, as it was said: also letters that are not printed */
  text?: string | null;
}

/** what each side gets of all that is in a channel */
export interface ChannelSplit {
  /** of each asset beside WAY */
  assets?: ChannelAssetDeposit[] | null;
  ours: Amount;
  theirs: Amount;
}

/** a split that one side's user has named: it is signed once the other's names the same */
export interface ChannelSplitWish {
  /** of each asset beside WAY */
  assets?: ChannelAssetDeposit[] | null;
  /** whether it is this side's user */
  by_us: boolean;
  ours: Amount;
  theirs: Amount;
  until_ms: Time;
}

/** an update that both have signed, and the channel after it */
export interface ChannelUpdated {
  /** its name on both sides */
  channel: string;
  connected: boolean;
  /** that was created or called */
  contract?: string | null;
  contracts: Amount;
  /** how it stands with what is kept of it in a second place; missing where there is nothing to keep */
  copy?: "off" | "behind" | "kept" | "failing" | null;
  /** why that place can't be used */
  copy_problem?: string | null;
  dispute?: ChannelDispute | null;
  gas_used?: number | null;
  guaranteed?: ChannelGuarantee | null;
  health: "sound" | "recovering" | "unreadable" | "frozen";
  /** the ledger's id of it */
  id?: string | null;
  /** whether this node proposed it */
  initiated: boolean;
  lock_commits: number;
  lock_ms: number;
  our_lane: ChannelLane;
  ours: Amount;
  output?: ContractBytes | null;
  peer: Id;
  /** what there is of other assets than WAY */
  purses?: ChannelPurse[] | null;
  reserve: Amount;
  round: number;
  state: "proposed" | "asked" | "accepted" | "opening" | "open" | "closing" | "locked" | "closed";
  their_lane: ChannelLane;
  theirs: Amount;
  total: Amount;
  /** the round of the update; the channel may be further by now */
  update_round: number;
  /** the round of an update of ours that the peer has not signed */
  waiting?: number | null;
  /** who watches it and has the newest state */
  watched_by?: Id[] | null;
  watched_until_ms?: Time | null;
}

/** a file of a message */
export interface ChatAttachment {
  /** what its name was made to hide: place, hidden, runs, two_endings */
  cautions: string[];
  /** in milliseconds */
  duration_ms?: number | null;
  /** bytes that have come */
  fetched: number;
  /** in pixels */
  height?: number | null;
  /** as its sender says */
  media_type: string;
  /** harmless to look at and to write to a disk */
  name: string;
  /** its place among the message's files */
  number: number;
  /** in bytes */
  size: number;
  /** untrue: what was sent as it is another file */
  state: "away" | "wanted" | "coming" | "here" | "untrue" | "too_large";
  /** a data URL */
  thumbnail?: string | null;
  /** in pixels */
  width?: number | null;
}

/** what is to be written behind the parts before */
export interface ChatBackupPart {
  /** Base64 */
  bytes: string;
  /** messages that are too long for a backup */
  left_out: number;
  /** how many are in it */
  messages: number;
  /** what to ask for next; without it the backup is whole */
  next?: string | null;
}

/** the address book of a group as it stands */
export interface ChatBook {
  /** 64 hex digits */
  conversation: string;
  /** by what they are called */
  people: ChatBookPerson[];
}

/** somebody in a group's address book, as a member has written, which nobody has checked */
export interface ChatBookPerson {
  by: Id;
  identity: Id;
  looks_like?: ChatLookAlike | null;
  /** whether they are in the group: then a first message costs nothing */
  member: boolean;
  /** harmless to look at; empty where there is none */
  name: string;
  /** harmless to look at */
  note?: string | null;
  /** their primary name in the ledger's directory: proved, and theirs alone */
  primary_name?: string | null;
  /** whether it is known where they are reached */
  reachable: boolean;
  /** whether there is a pledge for their identity on the ledger */
  registered?: boolean | null;
  /** where they stand with one, if one knows them */
  standing?: "asked" | "asking" | "contact" | "blocked" | null;
}

/** a conversation */
export interface ChatConversation {
  /** 64 hex digits */
  conversation: string;
  /** what one has begun to write */
  draft?: string | null;
  group?: ChatGroup | null;
  /** shown as unread, although it was read */
  marked_unread?: boolean | null;
  /** whether this device is still in it */
  member: boolean;
  members: Id[];
  /** whether one is mentioned in what is unread, as far as the newest 100 messages go; left out where not */
  mentioned?: boolean | null;
  messages: number;
  muted_until_ms?: Time | null;
  newest?: ChatItem | null;
  peer?: Id | null;
  /** whether it stands above the others */
  pinned?: boolean | null;
  /** what was said is here, out of a backup or given by the first device, and the others have yet to let this device in; left out where not */
  restored?: boolean | null;
  since_ms: Time;
  title: string;
  unread: number;
}

/** what is said of a file that was uploaded */
export interface ChatFile {
  /** in milliseconds */
  duration_ms?: number | null;
  /** in pixels */
  height?: number | null;
  /** what the file's beginning says when left out */
  media_type?: string | null;
  name: string;
  /** Base64 of a small PNG, JPEG or WebP, at most 32 KiB */
  thumbnail?: string | null;
  upload: Key;
  /** of a picture or video, in pixels */
  width?: number | null;
}

/** a part of a file */
export interface ChatFilePart {
  /** where it begins */
  at: number;
  /** Base64 of up to 256 KiB; nothing at the end */
  bytes: string;
  /** with the first part: the media type of what may be shown in its place */
  shown_as?: string | null;
  /** of the whole file */
  size: number;
}

/** what was found */
export interface ChatFound {
  /** groups that are called so; likewise */
  conversations?: ChatConversation[] | null;
  /** the newest first */
  hits: ChatHit[];
  /** before which the next page begins, if there are older ones */
  next?: string | null;
  /** those who are called so; with the first page, where there are no filters */
  people: ChatPerson[];
}

/** what is so of a group beside what is so of any conversation */
export interface ChatGroup {
  /** those who are added as soon as there are keys of theirs */
  awaited: Id[];
  /** whether one has left it, and is yet to be removed by another member */
  leaving: boolean;
  members: ChatMember[];
}

/** a message that was found */
export interface ChatHit {
  item: ChatItem;
  /** where in its text what was looked for stands: start and end, in code units of UTF-16 */
  marks: number[][];
  /** its conversation: 64 hex digits */
  to: string;
}

/** a link by which one person becomes a contact, once */
export interface ChatInvite {
  expires_ms: Time;
  link: string;
}

/** a message as it stands now */
export interface ChatItem {
  /** files that it came with */
  attachments?: ChatAttachment[] | null;
  author: Id;
  /** 64 hex digits */
  conversation: string;
  deleted: boolean;
  edited: boolean;
  /** text, poll, list, and so on */
  kind: string;
  /** of a voice note: how loud it is from its beginning to its end, 0 to 255 each */
  levels?: number[] | null;
  list?: ChatList | null;
  /** whether it calls one by name, by its author's list of those whom it calls; left out where not */
  mentions_me?: boolean | null;
  /** a message as AUTHOR/ID, in hex digits */
  message: string;
  /** its place in the conversation on this device */
  place: number;
  poll?: ChatPoll | null;
  reactions: ChatReaction[];
  read: Id[];
  received: Id[];
  remind_ms?: Time | null;
  /** a message as AUTHOR/ID, in hex digits */
  reply?: string | null;
  sent_ms: Time;
  /** Markdown, as it was typed by whoever wrote it: nothing in it is to be trusted */
  text: string;
  /** a message as AUTHOR/ID, in hex digits */
  thread?: string | null;
}

/** a list as it stands */
export interface ChatList {
  entries: ChatListEntry[];
  style: "tasks" | "things";
  title: string;
}

/** a change of a list */
export interface ChatListEdit {
  assignee?: Id | null;
  /** the entry behind which it is put; when left out, what is added goes to the end and what is moved to the top */
  behind?: string | null;
  /** the entry; none where one is added */
  entry?: string | null;
  /** of what is added or written */
  text?: string | null;
  what: "add" | "write" | "check" | "uncheck" | "assign" | "move" | "remove";
}

/** an entry of a list */
export interface ChatListEntry {
  assignee?: Id | null;
  done: boolean;
  /** 32 hex digits */
  entry: string;
  text: string;
}

/** somebody else who could be meant by a name */
export interface ChatLookAlike {
  identity: Id;
  /** whether the name is theirs in the ledger's directory; else they are one whom one knows */
  in_directory: boolean;
  /** harmless to look at */
  name: string;
}

/** somebody in a group */
export interface ChatMember {
  identity: Id;
  name: string;
  role: "founder" | "admin" | "member";
}

/** somebody whom one knows */
export interface ChatPerson {
  /** what they call themselves, where one calls them otherwise */
  claimed?: string | null;
  /** 64 hex digits */
  conversation?: string | null;
  identity: Id;
  /** of somebody who asks: the group that one is in with them, 64 hex digits */
  introduced_by?: string | null;
  looks_like?: ChatLookAlike | null;
  /** what to call them, harmless to look at; empty where they have said nothing */
  name: string;
  online: boolean;
  paid?: Amount | null;
  /** their primary name in the ledger's directory: proved, and theirs alone */
  primary_name?: string | null;
  refused?: ChatRefusal | null;
  /** whether there is a pledge for their identity on the ledger */
  registered?: boolean | null;
  /** what both read to each other to know that nobody is between them: twelve groups of five digits, which never change */
  safety_number: string;
  /** the same in twelve words */
  safety_words: string;
  since_ms: Time;
  standing: "asked" | "asking" | "contact" | "blocked";
  verified_ms?: Time | null;
  /** messages that wait for them to come back */
  waiting: number;
}

/** a poll as it stands */
export interface ChatPoll {
  choices_max: number;
  closed: boolean;
  closes_ms?: Time | null;
  options: ChatPollOption[];
  question: string;
}

/** an option, and who has chosen it */
export interface ChatPollOption {
  /** whether one has chosen it oneself */
  chosen: boolean;
  people: Id[];
  text: string;
}

/** what a first message costs */
export interface ChatPrice {
  price: Amount;
}

/** an emoji, and who has put it there */
export interface ChatReaction {
  emoji: string;
  people: Id[];
}

/** why somebody whom one has asked does not hear one */
export interface ChatRefusal {
  again_ms?: Time | null;
  price?: Amount | null;
  reason: "price" | "later" | "full" | "payment";
  /** as a sentence */
  text: string;
}

/** how far a backup is put back */
export interface ChatRestored {
  /** that were not here */
  conversations: number;
  /** messages that were here */
  known: number;
  made_ms?: Time | null;
  /** that were not here */
  messages: number;
  /** that were not here */
  people: number;
  /** where the next bytes begin */
  size: number;
}

/** what is true of somebody in a conversation for a moment */
export interface ChatSign {
  /** 64 hex digits */
  conversation: string;
  person: Id;
  presence?: "away" | "here" | "busy" | null;
  typing?: boolean | null;
  until_ms: Time;
}

/** what others are told of one's person beside what it says */
export interface ChatTells {
  presence: boolean;
  read_marks: boolean;
  typing: boolean;
}

/** how much of a file was uploaded */
export interface ChatUpload {
  /** in bytes */
  size: number;
  upload: Key;
}

/** where the node stands with its exit */
export interface Connection {
  asn?: number | null;
  country?: Country | null;
  offer_id?: Id | null;
  path?: "direct" | "relayed" | "nested" | null;
  provider?: Id | null;
  rate_down_bps: number;
  rate_up_bps: number;
  reason?: Reason | null;
  session_id?: Id | null;
  since_ms: Time;
  state: "idle" | "connecting" | "connected" | "paused" | "disconnected" | "failed";
}

/** what will be merged */
export interface Consolidation {
  outputs: number;
  transactions: number;
  until_ms: Time;
}

/** how a provider is reached */
export interface Contact {
  data: string;
  protocol: string;
}

/** what contracts take and return: hex digits behind 0x */
export type ContractBytes = string;

/** a call that the ledger has executed, and the contract after it */
export interface ContractCalled {
  balance: Amount;
  /** that have changed it, since it left */
  calls: number;
  /** the ledger's id of the channel that it has left */
  channel: string;
  /** keccak256 of its code */
  code: string;
  /** whether what it has stored is here */
  contents: "here" | "missed" | "missing";
  contents_bytes?: number | null;
  contract: string;
  gas_used?: number | null;
  output?: ContractBytes | null;
  /** of that channel */
  parties: Id[];
  transaction_id: Id;
}

/** what a contract has stored, with its code */
export interface ContractExport {
  balance: Amount;
  /** that have changed it, since it left */
  calls: number;
  /** the ledger's id of the channel that it has left */
  channel: string;
  /** keccak256 of its code */
  code: string;
  /** hex digits */
  content: string;
  /** whether what it has stored is here */
  contents: "here" | "missed" | "missing";
  contents_bytes?: number | null;
  contract: string;
  /** of that channel */
  parties: Id[];
}

/** what a call would return */
export interface ContractOutput {
  gas_used: number;
  output: ContractBytes;
  /** whether it would; if not, the output says why */
  returned: boolean;
}

/** what a contract has of an asset, and may take of what the two have of it */
export interface ContractPurse {
  asset?: AssetId | null;
  has: Amount;
  /** the address of its purse */
  purse: string;
  symbol?: string | null;
  takes_ours: Amount;
  takes_theirs: Amount;
}

/** a contract in a channel */
export interface ContractRecord {
  balance: Amount;
  code: string;
  code_bytes: number;
  contract: string;
}

/** ISO 3166 alpha-2, as declared */
export type Country = string;

/** service data: at most 4096 bytes in hex */
export type Data = string;

/** another node at which the same person talks */
export interface Device {
  heard_ms?: Time | null;
  history?: DeviceHistory | null;
  /** empty where it is not known here */
  name: string;
  node: Id;
  online: boolean;
  since_ms: Time;
  state: "calling" | "refused" | "linked" | "agreed" | "first" | "restored";
  until_ms?: Time | null;
}

/** how far a linked device was given what was said before it was linked */
export interface DeviceHistory {
  /** those of them that were put out for it */
  given: number;
  /** those that there were when it began */
  messages: number;
  /** whether it has all */
  whole: boolean;
}

/** in whose name this node talks, and at which others they do */
export interface DeviceStatus {
  devices: Device[];
  person: Id;
  role: "first" | "linked" | "removed";
  token_until_ms?: Time | null;
  until_ms?: Time | null;
}

/** what is typed in at a person's first device to make this node another of theirs */
export interface DeviceToken {
  expires_ms: Time;
  /** secret */
  token: string;
}

/** what was earned in a day or month */
export interface EarningsPeriod {
  bounced: Amount;
  bytes_down: number;
  bytes_up: number;
  earned: Amount;
  fees: Amount;
  from_ms: Time;
  period: string;
  services: ServiceEarnings[];
  sessions: number;
  settled: Amount;
}

/** nothing to say */
export type Empty = Record<string, unknown>;

/** a line of the wallet's history; only `final` is paid */
export interface Entry {
  amount: Amount;
  asset?: AssetTag | null;
  counterparty?: string | null;
  fee: Amount;
  kind: "receive" | "send" | "deposit" | "withdraw" | "withdraw_cancel" | "settle_out" | "settle_in" | "pledge" | "publish" | "fee" | "funding" | "consolidate" | "asset_register" | "issue" | "burn" | "group_send" | "node_pledge" | "node_reclaim" | "node_call";
  reason?: Reason | null;
  stage: "sent" | "included" | "final" | "rejected";
  time_ms: Time;
  transaction_id: Id;
}

/** a port at the exit that leads to a program; without `public` there is none, for `reason` */
export interface ForwardedPort {
  port?: number | null;
  protocol: "tcp" | "udp";
  proxy_protocol: boolean;
  public?: Socket | null;
  reason?: Reason | null;
  to: Socket;
  visitors: number;
}

/** an invite that this node gave */
export interface GivenInvite {
  coins: Amount;
  created_ms: Time;
  ended_ms?: Time | null;
  expires_ms?: Time | null;
  number: number;
  pledge: Amount;
  stage: "paying" | "open" | "taken" | "taking_back" | "taken_back" | "failed";
  transaction_id: Id;
}

/** a port of this exit's that a client has; one that isn't `open` is kept for it */
export interface GivenPort {
  bytes_down: number;
  bytes_up: number;
  client: Id;
  open: boolean;
  port: number;
  protocol: "tcp" | "udp";
  session_id: Id;
  since_ms: Time;
}

/** who is paid */
export interface GroupPayee {
  amount: Amount;
  asset: AssetId;
  symbol?: string | null;
  to: string;
}

/** a payment out of a group on its way */
export interface GroupProposal {
  change: AmountOf[];
  expires_ms: Time;
  fee: Amount;
  group: Address;
  payees: GroupPayee[];
  proposal: string;
  signed: number[];
  threshold: number;
}

/** a group that the wallet has joined */
export interface GroupRecord {
  address: Address;
  balances: AmountOf[];
  members: number;
  number?: number | null;
  threshold: number;
}

/** somebody for whom this node holds */
export interface HoldClient {
  bytes: number;
  client: Id;
  /** parcels that are held now */
  held: number;
  used: Amount;
}

/** somebody who holds for this node */
export interface HoldRecord {
  days: number;
  /** whether it fails so often that another is to hold */
  failing: boolean;
  /** how often it handed over what it can't have been given, or did not answer */
  faults: number;
  /** parcels, since the node was started */
  handed_over: number;
  holder: Id;
  holding: boolean;
  /** what of what was spent is not used yet, by its word */
  left?: Amount | null;
  megabytes: number;
  /** those that others have handed over, and it should have and did not */
  missed: number;
  /** whether the ledger has it, so that senders find it */
  named: boolean;
  price?: Amount | null;
  price_max: Amount;
  problem?: string | null;
  /** whether another takes its place then by itself */
  replaceable: boolean;
  spent: Amount;
}

/** who holds for this node, and what it holds for others */
export interface HoldStatus {
  accepts: boolean;
  /** parcels for others that are brought to those who hold for them */
  bringing: number;
  client_mb: number;
  clients: HoldClient[];
  earned: Amount;
  holders: HoldRecord[];
  price: Amount;
  room_mb: number;
}

/** somebody who offers on the market to hold */
export interface HolderOffer {
  /** whether this node has seen it fail so often that it takes others */
  failing: boolean;
  holder: Id;
  price: Amount;
  /** how well it holds by what this node has seen and others say, from 0 to 1000; none where nothing is known */
  quality?: number | null;
  /** whether it holds for this node */
  used: boolean;
}

/** a hop that the exit is reached over */
export interface Hop {
  asn?: number | null;
  cost: Amount;
  country?: Country | null;
  provider?: Id | null;
  reason?: Reason | null;
  session_id?: Id | null;
  state: "idle" | "connecting" | "connected" | "paused" | "disconnected" | "failed";
  wish: string;
}

/** a virtual channel of two others that this node guarantees */
export interface HubGuarantee {
  /** what this node has put in towards each */
  amounts: Amount[];
  /** its id */
  channel: string;
  peers: Id[];
  stands: boolean;
  until_ms: Time;
}

/** money that is locked for a payment */
export interface HubLock {
  amount: Amount;
  /** the ledger's id of it */
  channel: string;
  peer?: Id | null;
  until_ms: Time;
}

/** a hub on the market; what it takes of the amount beside `fee_base` it says when it is asked for a way */
export interface HubOffer {
  /** open ones with it */
  channels: number;
  connected: boolean;
  fee_base: Amount;
  hub: Id;
}

/** a payment on its way; without incoming it begins here, without outgoing it ends here */
export interface HubPayment {
  hash: string;
  incoming?: HubLock | null;
  outgoing?: HubLock | null;
  state: "locking" | "locked" | "waiting" | "opened" | "failing";
}

/** a peer with whom there are open channels; the amounts are the most that goes through at once */
export interface HubPeer {
  channels: number;
  connected: boolean;
  from_peer: Amount;
  peer: Id;
  rooms: HubRoom[];
  to_peer: Amount;
}

/** what a hub takes from this node for a guarantee as of now, and what there is room for; the peer pays its own fee */
export interface HubQuote {
  amount_max: Amount;
  available: Amount;
  days_max: number;
  fee: Amount;
  fee_max: Amount;
  hub: Id;
  unfit?: Reason | null;
}

/** a payment that was not sent on, or a question for a way without an answer */
export interface HubRefusal {
  amount: Amount;
  at_ms: Time;
  peer: Id;
  reason: Reason;
}

/** what goes through a channel at once, each way */
export interface HubRoom {
  /** the ledger's id of it */
  channel: string;
  from_peer: Amount;
  to_peer: Amount;
}

/** what a node does for payments of others */
export interface HubStatus {
  amount: Amount;
  fees: Amount;
  /** payments that it has sent on */
  forwarded: number;
  guarantees: HubGuarantee[];
  on_their_way: HubPayment[];
  peers: HubPeer[];
  /** the last ones since the start, the newest first */
  refused: HubRefusal[];
  runs: boolean;
  terms: HubTermsRecord;
  unready?: Reason | null;
}

/** on what terms payments are sent on, or would be */
export interface HubTermsRecord {
  amount_max: Amount;
  amount_min: Amount;
  fee_base: Amount;
  fee_per_million: number;
  guarantee_days_max: number;
  guarantee_fee_base: Amount;
  guarantee_fee_per_million: number;
  /** whether it guarantees virtual channels */
  guarantees: boolean;
  peer_amount_max: Amount;
}

/** lower-case hex; an identity has 40 digits, all else 64 or another length */
export type Id = string;

/** how this node is reached */
export interface IdentityCard {
  card: string;
  expires_ms: Time;
}

/** what the ledger holds about an identity */
export interface IdentityRecord {
  account: Amount;
  bounces: number;
  id: Id;
  offers: Id[];
  pledge?: Amount | null;
  registered: boolean;
  since_ms?: Time | null;
  withdrawing: Withdrawing[];
}

/** an invite and, while it is open, its link, which is money */
export interface InviteLink {
  invite: GivenInvite;
  link?: string | null;
}

/** invites given and accepted */
export interface InviteList {
  accepted: AcceptedInvite[];
  given: GivenInvite[];
}

/** a payment over channels */
export interface InvoicePayment {
  amount: Amount;
  fee?: Amount | null;
  hash: string;
  /** what it is for, in the payee's words */
  note?: string | null;
  payee: Id;
  /** 64 hex digits that show that it was paid */
  preimage?: string | null;
  state: "on_its_way" | "paid";
  until_ms?: Time | null;
  /** the hubs that it goes over, the nearest first: for each part that it goes in */
  ways: Id[][];
}

/** a kernel node as seen from here */
export interface KernelNode {
  index: number;
  name: string;
  reachable: boolean;
  round: number;
}

/** who owns kernel nodes here */
export interface KernelOwner {
  owner: Id;
}

/** what an entry would do */
export interface KernelPlan {
  address: string;
  key: string;
  lock_commits: number;
  lock_ms: number;
  name: string;
  owner: Id;
  pledge: Amount;
  seat?: number | null;
  wallet: Amount;
}

/** chosen by the caller, so that a repeated call does nothing twice */
export type Key = string;

/** a contract that has left its channel for the ledger */
export interface LedgerContract {
  balance: Amount;
  /** that have changed it, since it left */
  calls: number;
  /** the ledger's id of the channel that it has left */
  channel: string;
  /** keccak256 of its code */
  code: string;
  /** whether what it has stored is here */
  contents: "here" | "missed" | "missing";
  contents_bytes?: number | null;
  contract: string;
  /** of that channel */
  parties: Id[];
}

/** a call that changed a contract, and that the ledger still shows */
export interface LedgerContractCall {
  caller: Id;
  input: ContractBytes;
  /** counted from one, since it left */
  number: number;
  value: Amount;
}

/** a contract on the ledger, with all that the ledger shows of it */
export interface LedgerContractDetail {
  balance: Amount;
  /** that have changed it, since it left */
  calls: number;
  /** the ledger's id of the channel that it has left */
  channel: string;
  /** keccak256 of its code */
  code: string;
  /** whether what it has stored is here */
  contents: "here" | "missed" | "missing";
  contents_bytes?: number | null;
  contract: string;
  /** of that channel */
  parties: Id[];
  receipt?: LedgerContractReceipt | null;
  recent: LedgerContractCall[];
}

/** the last call of a contract on the ledger */
export interface LedgerContractReceipt {
  caller: Id;
  gas_used: number;
  outcome: "returned" | "reverted" | "out_of_gas" | "halted" | "missing";
}

/** how this node sees the kernel */
export interface LedgerView {
  commits: number;
  finality_ms_p50?: number | null;
  height: number;
  kernel_nodes: KernelNode[];
  lag_ms?: number | null;
  time_ms: Time;
}

/** the names of this node's identity, and those that it is about to take */
export interface NameList {
  own: NameShown[];
  wanted: NameWanted[];
}

/** a name as the directory has it */
export interface NameShown {
  expires_ms?: Time | null;
  free_ms?: Time | null;
  looks_like?: string | null;
  name: string;
  owner?: Id | null;
  price_commit: Amount;
  price_year: Amount;
  primary: boolean;
  settles_ms?: Time | null;
  standing: "free" | "contested" | "in_use" | "in_grace";
}

/** a name that this node takes */
export interface NameWanted {
  began_ms: Time;
  name: string;
  reason?: string | null;
  stage: "committing" | "revealing" | "contested" | "failed";
  transaction_id: Id;
  years: number;
}

/** a network, and the link by which others join it */
export interface NetworkInvitation {
  link: string;
  name: string;
  network: string;
}

/** how the node is */
export interface NodeStatus {
  backup?: BackupView | null;
  balance: Balance;
  connection: Connection;
  hops?: Hop[] | null;
  identity: OwnIdentity;
  ledger: LedgerView;
  network: Id;
  network_name: string;
  /** in whose name the node talks, where it is a linked device */
  person?: Id | null;
  proxy: Proxy;
  relay?: RelayView | null;
  role: "user" | "provider" | "kernel";
  spending: Spending;
  uptime_seconds: number;
  version: string;
}

/** what is for sale */
export interface Offer {
  asn: number;
  bandwidth_bps: number;
  contacts: Contact[];
  country: Country;
  exit_country: Country;
  exit_policy: string[];
  expires_ms: Time;
  forwards: boolean;
  offer_id: Id;
  preferred: boolean;
  price?: Price | null;
  prices: Price[];
  provider: Id;
  published_ms: Time;
  quality?: Quality | null;
  serial: Serial;
  service: string;
  service_name?: string | null;
}

/** on what terms a provider would sell to this node; `free` is bytes, or milliseconds where time is sold */
export interface OfferTerms {
  backing: "account" | "reservation" | "channel";
  credit: Amount;
  free: number;
  offer_id: Id;
  price: Price;
  provider: Id;
}

/** an identity of this node */
export interface OwnIdentity {
  id: Id;
  name: string;
  number?: number | null;
  purpose?: string | null;
  registered: boolean;
}

/** a request for a payment, and its link */
export interface PaymentLink {
  amount?: Amount | null;
  asset: string;
  expires_ms?: Time | null;
  link: string;
  note?: string | null;
  to: Address;
}

/** a phone whose browser opens this node */
export interface Phone {
  linked_ms: Time;
  name: string;
}

/** what a phone is to open */
export interface PhoneInvitation {
  expires_ms: Time;
  fingerprint: string;
  url: string;
}

/** which phones there are, and where they find the node */
export interface PhoneStatus {
  code_until_ms?: Time | null;
  /** SHA-256 of the certificate shown there: pairs of hex digits with colons */
  fingerprint?: string | null;
  phones: Phone[];
  /** whether more than the local network may reach it */
  public: boolean;
  /** the page's address for phones; none where no door is open */
  url?: string | null;
}

/** per unit, for clients of this reputation */
export interface Price {
  amount: Amount;
  asset: AssetId;
  min_reputation: number;
  unit: "mb" | "second" | "cell" | "byte_hour" | "call" | "fixed";
}

/** a cumulative IOU */
export interface Promise {
  amount: Amount;
  backing: "account" | "reservation" | "channel";
  counterparty: Id;
  direction: "out" | "in";
  serial: Serial;
  settled: Amount;
  settled_ms?: Time | null;
  updated_ms: Time;
}

/** what became of a settlement */
export interface PromiseSettlement {
  asked: boolean;
  entries: Entry[];
}

/** a destination to which no client gets */
export interface ProviderBlock {
  destination: string;
  note?: string | null;
  since_ms: Time;
  until_ms?: Time | null;
}

/** what a provider has earned */
export interface ProviderEarnings {
  by: "day" | "month";
  periods: EarningsPeriod[];
  unsettled: Amount;
  usage: ProviderUsage;
}

/** what is carried now, and the caps */
export interface ProviderUsage {
  client_rate_max_bps?: number | null;
  clients: number;
  clients_max?: number | null;
  month: string;
  month_bytes: number;
  month_max_bytes?: number | null;
  rate_max_bps?: number | null;
}

/** the SOCKS5 listener */
export interface Proxy {
  accepting: boolean;
  address: string;
}

/** a SOCKS5 proxy on this machine that leads where it is meant to; without `connection` it can't be listened at, for `reason` */
export interface ProxyPort {
  asn?: number | null;
  configured: boolean;
  connection?: Connection | null;
  country?: Country | null;
  listen: Socket;
  max_price?: Amount | null;
  min_bandwidth_bps?: number | null;
  /** out of what its exits are paid, where the user has said so */
  pay?: "account" | "channel" | null;
  reason?: Reason | null;
  sort?: "price" | "quality" | "both" | null;
}

/** an offer that was sent to the ledger */
export interface Publication {
  entry: Entry;
  offer_id: Id;
}

/** how well a provider serves, in points from 0 to 1000 */
export interface Quality {
  attesters: number;
  own_score?: number | null;
  own_sessions: number;
  score: number;
}

/** a relay, and how the node reaches it */
export interface RelayView {
  url: string;
  way: "none" | "plain" | "disguised";
}

/** a whole number of 64 bits, in decimal */
export type Serial = string;

/** where programs on this machine reach a service */
export interface ServiceAccess {
  listen: Socket;
  service: string;
}

/** of one service */
export interface ServiceEarnings {
  bytes_down: number;
  bytes_up: number;
  earned: Amount;
  service: string;
  sessions: number;
}

/** all services that plug in here */
export interface ServiceList {
  open: ServiceAccess[];
  sold: ServiceProgram[];
}

/** a service that was opened */
export interface ServiceOpened {
  access: ServiceAccess;
  session: Session;
}

/** a service that plugs in and is sold here */
export interface ServiceProgram {
  name: string;
  price_per_mb: Amount;
  reason?: string | null;
  restarts: number;
  service: string;
  sessions: number;
  state: "starting" | "running" | "failed";
  version?: string | null;
}

/** one use of a service */
export interface Session {
  bytes_down: number;
  bytes_up: number;
  /** the channel out of whose lane it is paid */
  channel?: string | null;
  client?: Id | null;
  cost: Amount;
  country?: Country | null;
  ended_ms?: Time | null;
  id: Id;
  offer_id: Id;
  paid: Amount;
  price: Price;
  provider: Id;
  reason?: Reason | null;
  seconds: number;
  /** in which it ran, as far as that was acknowledged; billed where it is sold by the second */
  seconds_served: number;
  service: string;
  started_ms: Time;
  state: "opening" | "active" | "paused" | "closed" | "failed";
}

/** address and port */
export type Socket = string;

/** limits, and what was spent today (UTC) */
export interface Spending {
  asks: SpendingAsk[];
  day_allowed?: Amount | null;
  day_max?: Amount | null;
  day_spent: Amount;
  session_max?: Amount | null;
}

/** a way out that a limit has stopped, and that waits for the user's word; the main one where `proxy` is missing */
export interface SpendingAsk {
  limit: Amount;
  proxy?: Socket | null;
  since_ms: Time;
  which: "session" | "day";
}

/** a budget within this node */
export interface SubAccount {
  created_ms: Time;
  limit: Amount;
  name: string;
  per: "day" | "never";
  revoked: boolean;
  spent: Amount;
  spent_in_all: Amount;
}

/** a new sub-account, and the only time that its token is shown */
export interface SubAccountCreated {
  account: SubAccount;
  token: string;
}

/** what is known of a transaction */
export interface TransactionView {
  certified: boolean;
  height?: number | null;
  inputs?: number | null;
  outputs?: number | null;
  reason?: Reason | null;
  stage: "sent" | "included" | "final" | "rejected";
  time_ms?: Time | null;
  transaction_id: Id;
}

/** what stays outside this machine's tunnel, or what alone is inside */
export interface TunnelSettings {
  closed: boolean;
  inside: string[];
  inside_domains: string[];
  local_network: boolean;
  name_servers: string[];
  outside: string[];
  outside_domains: string[];
  partial: boolean;
  programs: "all" | "all-but-outside" | "only-inside";
  slices?: { needed: number; relays: number } | null;
}

/** where this wallet receives */
export interface WalletAddress {
  address: Address;
}

/** the balance, and the entries that changed */
export interface WalletChange {
  balance: Balance;
  entries: Entry[];
}

/** what finds and reads payments, and spends none */
export interface WalletViewKey {
  address: Address;
  view_key: string;
}

/** a watchtower on the market */
export interface WatchOffer {
  /** of ours, which it watches */
  channels: number;
  price_per_day: Amount;
  tower: Id;
}

/** one watchtower of one channel of ours */
export interface WatchRecord {
  answered_ms?: Time | null;
  /** the ledger's id of it */
  channel: string;
  /** so many are paid ahead, where it takes so many */
  days: number;
  price?: Amount | null;
  price_max: Amount;
  problem?: string | null;
  tower: Id;
  until_ms?: Time | null;
  watching: boolean;
}

/** who watches, and what is watched for others */
export interface WatchStatus {
  accepts: boolean;
  /** answers of the last 90 days that the ledger has taken */
  answered: number;
  channels_max: number;
  /** the most days that are taken ahead */
  days_max: number;
  earned: Amount;
  fee_max: Amount;
  /** channels of others that are watched */
  kept: number;
  price_per_day: Amount;
  watched: WatchRecord[];
}

/** what is announced to be drawn: to the wallet, or to the address `to` */
export interface Withdrawing {
  amount: Amount;
  available_ms: Time;
  to?: string | null;
}

/** Every method, with what it takes and gives. A key against repetition is made where it is left out. */
export interface Methods {
  /** This document. */
  "rpc.discover": { params: Record<string, never>; result: Record<string, unknown> };
  /** The kernel at a glance. */
  "kernel_status": { params: Record<string, never>; result: Status };
  /** The kernel nodes, and how they do. */
  "kernel_members": { params: Record<string, never>; result: KernelMember[] };
  /** Hands a signed transaction in. Sending it again, here or elsewhere, costs nothing and does nothing twice. */
  "kernel_send": { params: { transaction: Hex }; result: Sent };
  /** What became of a transaction, with its proof. */
  "kernel_transaction": { params: { transaction_id: TransactionId; proof?: boolean }; result: TransactionRecord };
  /** Which outputs are unspent, and what is in them. */
  "kernel_outputs": { params: { outputs: OutputName[] }; result: OutputRecord[] };
  /** Accepted snapshots, by rising round and author. */
  "kernel_snapshots": { params: { from?: Count; limit?: number }; result: SnapshotRecord[] };
  /** Certified checkpoints, by rising height. */
  "kernel_checkpoints": { params: { from?: Count; limit?: number }; result: CheckpointRecord[] };
  /** What kernel nodes were caught at, as far as one node saw since it started. */
  "kernel_evidence": { params: Record<string, never>; result: Evidence[] };
  /** The kernel at work, for drawing. */
  "kernel_pulse": { params: Record<string, never>; result: Pulse };
  /** How the node is. */
  "node_status": { params: Record<string, never>; result: NodeStatus };
  /** The identities of this node's keystore. */
  "identity_list": { params: Record<string, never>; result: OwnIdentity[] };
  /** Locks the registration pledge. */
  "identity_register": { params: { id?: Id; idempotency_key?: Key }; result: Entry };
  /** The market, the offer that would be taken first at the top. */
  "offer_list": { params: { service?: string; country?: Country; asn?: number; unit?: "mb" | "second" | "cell" | "byte_hour" | "call" | "fixed"; max_price?: Amount; min_bandwidth_bps?: number; sort?: "price" | "quality" | "both"; forwards?: boolean; limit?: number }; result: Offer[] };
  /** Asks the provider of an offer on what terms it would sell to this node; costs nothing. */
  "offer_terms": { params: { offer_id: Id; unit?: "mb" | "second" }; result: OfferTerms };
  /** Puts a provider before all others, or no more. */
  "offer_prefer": { params: { provider: Id; preferred: boolean }; result: Empty };
  /** Sells under these terms; what is left out stays as it is. */
  "offer_publish": { params: { service?: string; country?: Country; exit_country?: Country; asn?: number; price_per_mb?: Amount; price_per_second?: Amount; bandwidth_bps?: number; idempotency_key?: Key }; result: Publication };
  /** Takes an offer off the market. */
  "offer_withdraw": { params: { offer_id: Id; idempotency_key?: Key }; result: Entry };
  /** Connects to one offer, or to the cheapest that passes. */
  "connect": { params: { offer_id?: Id; service?: string; country?: Country; asn?: number; unit?: "mb" | "second" | "cell" | "byte_hour" | "call" | "fixed"; max_price?: Amount; min_bandwidth_bps?: number; sort?: "price" | "quality" | "both"; forwards?: boolean; via?: string[]; pay?: "auto" | "account" | "channel" }; result: Session };
  /** Ends the session; the proxy refuses until the next `connect`. */
  "disconnect": { params: Record<string, never>; result: Empty };
  /** Sessions that this node uses or serves, or did, newest first. */
  "session_list": { params: { limit?: number }; result: Session[] };
  /** A limit left out stays, `null` removes it. */
  "spending_limits_set": { params: { session_max?: string | null; day_max?: string | null }; result: Spending };
  /** The user's word that what a limit has stopped may go on. */
  "spending_allow": { params: { amount?: Amount }; result: Spending };
  /** Proxies beside the main one, each of which leads where it is meant to. */
  "proxy_port_list": { params: Record<string, never>; result: ProxyPort[] };
  /** Opens one, which stays across restarts until it is closed. */
  "proxy_port_open": { params: { listen?: Socket; country?: Country; asn?: number; max_price?: Amount; min_bandwidth_bps?: number; sort?: "price" | "quality" | "both"; pay?: "auto" | "account" | "channel" }; result: ProxyPort };
  /** Closes one that a call opened, and ends its session. */
  "proxy_port_close": { params: { listen: Socket }; result: Empty };
  /** Ports at the exit that lead to programs here. */
  "forward_list": { params: Record<string, never>; result: ForwardedPort[] };
  /** Asks the exit for a port, and each exit that comes after it, until it is closed. */
  "forward_open": { params: { to: Socket; protocol?: "tcp" | "udp"; port?: number; proxy_protocol?: boolean }; result: ForwardedPort };
  /** Gives a port back. */
  "forward_close": { params: { to: Socket; protocol?: "tcp" | "udp" }; result: Empty };
  /** The services that plug in here: those sold, and those opened. */
  "service_list": { params: Record<string, never>; result: ServiceList };
  /** Connects to a service that plugs in, and opens it for programs on this machine. */
  "service_open": { params: { service: string; listen?: Socket; data?: Data; country?: Country; max_price?: Amount; pay?: "auto" | "account" | "channel" }; result: ServiceOpened };
  /** Closes what was opened, and ends its session. */
  "service_close": { params: { listen: Socket }; result: Empty };
  /** What this node sells now. */
  "offer_own": { params: Record<string, never>; result: Offer[] };
  /** What stays outside this machine's tunnel, or what alone is inside. */
  "tunnel_settings": { params: Record<string, never>; result: TunnelSettings };
  /** Changes that, from the next tunnel on. */
  "tunnel_settings_set": { params: { local_network?: boolean; outside?: string[]; outside_domains?: string[]; inside?: string[]; inside_domains?: string[]; name_servers?: string[]; programs?: "all" | "all-but-outside" | "only-inside"; relays?: number; needed?: number }; result: TunnelSettings };
  /** What this node has earned, by day or month, and what it carries now. */
  "market_earnings": { params: { by?: "day" | "month"; limit?: number }; result: ProviderEarnings };
  /** The ports that clients have here, by number. */
  "market_ports": { params: Record<string, never>; result: GivenPort[] };
  /** Takes a port back from its client, with all that goes on there; that client gets none for a day. Says whose it was. */
  "market_port_close": { params: { port: number; protocol?: "tcp" | "udp" }; result: GivenPort[] };
  /** Destinations to which no client gets, the newest first. */
  "market_blocks": { params: Record<string, never>; result: ProviderBlock[] };
  /** Lets no client get to a destination from now on; connections there end. */
  "market_block": { params: { destination: string; for_ms?: number; note?: string }; result: ProviderBlock };
  /** Lets clients get there again. */
  "market_unblock": { params: { destination: string }; result: ProviderBlock };
  /** The wallet's view key. Whoever has it sees every payment of the wallet, for ever. */
  "wallet_view_key": { params: { understood: boolean }; result: WalletViewKey };
  /** The channels of this node, also those that ended lately. */
  "channel_list": { params: Record<string, never>; result: ChannelRecord[] };
  /** One channel, with its contracts and what happened lately. */
  "channel_show": { params: { channel: string }; result: ChannelDetail };
  /** What happened in a channel and which messages both sides said, lately; of a message its name, round and length, and nothing that is in it. */
  "channel_log": { params: { channel: string }; result: ChannelLog };
  /** Proposes a channel to a peer; answers when the ledger has it, or how far it is after half a minute. */
  "channel_open": { params: { peer: string; deposit: Amount; their_deposit?: Amount; reserve?: Amount; lock_seconds?: number; remainder?: "ours" | "theirs" | "halves"; assets?: ChannelAssetDeposit[]; via?: string; days?: number; idempotency_key?: Key }; result: ChannelRecord };
  /** Agrees to a channel that a peer proposes; answers as `channel_open` does. */
  "channel_accept": { params: { channel: string }; result: ChannelRecord };
  /** Declines a channel that a peer proposes. */
  "channel_decline": { params: { channel: string }; result: Empty };
  /** Pays the peer, by a round that both sign or by a promise. */
  "channel_pay": { params: { channel: string; amount: Amount; asset?: AssetId; lane?: boolean; idempotency_key?: Key }; result: ChannelUpdated };
  /** Sets aside what is paid by promises. */
  "channel_lane": { params: { channel: string; capacity: Amount }; result: ChannelUpdated };
  /** Takes what the peer has promised into the balance. */
  "channel_absorb": { params: { channel: string }; result: ChannelUpdated };
  /** Brings the state up to date: what both have promised is absorbed, and so much is in our lane; one round for each that there is to do. */
  "channel_update": { params: { channel: string; lane?: Amount }; result: ChannelUpdated };
  /** Says something to the peer beside the state: a text of at most 512 bytes, or at most 1,024 bytes of a kind. It is not signed, and a peer that is not connected is not told. */
  "channel_message": { params: { channel: string; text?: string; kind?: number; data?: ContractBytes }; result: ChannelLogEntry };
  /** Takes back an update that the peer has not signed; does not wait for its answer. */
  "channel_cancel": { params: { channel: string }; result: ChannelUpdated };
  /** Puts money into an open channel or takes some out; a deposit of 0 of another asset lets the peer bring it in. */
  "channel_fund": { params: { channel: string; movement: "deposit" | "withdraw"; amount: Amount; asset?: AssetId; idempotency_key?: Key }; result: ChannelRecord };
  /** Looks for the peer of a channel whose journal is lost, or gives up a journal that can't be read. */
  "channel_restore": { params: { channel: string; peer?: string }; result: ChannelRecord };
  /** Ends a channel, together with the peer or without it. */
  "channel_close": { params: { channel: string; alone?: boolean; split?: ChannelSplit }; result: ChannelRecord };
  /** Puts a contract into a channel. */
  "channel_deploy": { params: { channel: string; code: ContractBytes; value?: Amount; gas?: number; idempotency_key?: Key }; result: ChannelUpdated };
  /** Calls a contract; both sides execute the call and sign what comes of it. */
  "channel_call": { params: { channel: string; contract: string; input: ContractBytes; value?: Amount; gas?: number; idempotency_key?: Key }; result: ChannelUpdated };
  /** Gives a contract other code, which keeps what it has and has stored. The peer has to ask for the same: whoever asks first is refused, and it is done once the other asks. */
  "channel_upgrade": { params: { channel: string; contract: string; code: ContractBytes }; result: ChannelUpdated };
  /** Removes a contract and divides what it has, as said or by the channel's rule. The peer has to ask for the same: whoever asks first is refused, and it is done once the other asks. */
  "channel_remove": { params: { channel: string; contract: string; ours?: Amount; theirs?: Amount }; result: ChannelUpdated };
  /** Lets a contract leave the channel for the ledger, with what it has and has stored. The peer has to ask for the same: whoever asks first is refused, and it is done once the other asks. */
  "channel_leave": { params: { channel: string; contract: string }; result: ChannelRecord };
  /** What a call would return; changes nothing, and is told nobody. */
  "channel_look": { params: { channel: string; contract: string; input: ContractBytes }; result: ContractOutput };
  /** Has the ledger execute a call that the peer doesn't sign. */
  "channel_force": { params: { channel: string; contract: string; input: ContractBytes; value?: Amount; gas?: number; idempotency_key?: Key }; result: ChannelUpdated };
  /** The contracts on the ledger that this node follows, or was a party of the channel of. */
  "contract_list": { params: Record<string, never>; result: LedgerContract[] };
  /** One contract on the ledger. */
  "contract_show": { params: { contract: string }; result: LedgerContractDetail };
  /** Has the ledger execute a call, paid from the account, and answers when it has. */
  "contract_call": { params: { contract: string; input: ContractBytes; value?: Amount; gas?: number; idempotency_key?: Key }; result: ContractCalled };
  /** What a call would return; changes nothing, and is told nobody. */
  "contract_look": { params: { contract: string; input: ContractBytes; value?: Amount }; result: ContractOutput };
  /** What a contract has stored, with its code, for whoever is to call it too. */
  "contract_export": { params: { contract: string }; result: ContractExport };
  /** Follows a contract from what somebody has exported, if that is what the ledger has the root of. */
  "contract_import": { params: { content: string }; result: LedgerContract };
  /** Watches channels of others for money, or takes on no more. */
  "watch_run": { params: { accept: boolean; price_per_day?: Amount; channels_max?: number; publish?: boolean }; result: WatchStatus };
  /** Has somebody watch a channel while this node is away. */
  "watch_add": { params: { channel: string; tower?: string; price_max?: Amount; days?: number }; result: WatchStatus };
  /** Has somebody watch a channel no more. */
  "watch_remove": { params: { channel: string; tower: Id }; result: WatchStatus };
  /** Who watches channels of this node, and what it watches for others. */
  "watch_status": { params: Record<string, never>; result: WatchStatus };
  /** Offers a bot on the market, until it is withdrawn. */
  "bot_offer": { params: { name: string; about?: string; commands?: string[]; price: Amount }; result: BotStatus };
  /** Offers it no more. */
  "bot_withdraw": { params: Record<string, never>; result: BotStatus };
  /** Bots on the market, the cheapest first. */
  "bot_find": { params: { word?: string }; result: BotOffer[] };
  /** Hires a bot, or changes what is paid for it, and becomes a contact of its host. */
  "bot_hire": { params: { bot: Id; price_max?: Amount; limit?: Amount }; result: BotStatus };
  /** Hires a bot no more. */
  "bot_dismiss": { params: { bot: Id }; result: BotStatus };
  /** The bot that this node offers, and those that it has hired. */
  "bot_status": { params: Record<string, never>; result: BotStatus };
  /** The program of this node's bot is there: what it may be given. */
  "bot_work": { params: Record<string, never>; result: BotClient[] };
  /** Holds for others what is sent to them while they are away, or takes nothing new. */
  "hold_offer": { params: { accept: boolean; price?: Amount; room_mb?: number; client_mb?: number; publish?: boolean }; result: HoldStatus };
  /** Has somebody hold what is sent to this node while it is away. */
  "hold_use": { params: { holder?: string; price_max?: Amount; megabytes?: number; days?: number }; result: HoldStatus };
  /** Has somebody hold for this node no more. */
  "hold_leave": { params: { holder: Id }; result: HoldStatus };
  /** Looks now whether those who are there hold something. */
  "hold_fetch": { params: Record<string, never>; result: HoldStatus };
  /** Who holds for this node, and what it holds for others. */
  "hold_status": { params: Record<string, never>; result: HoldStatus };
  /** Those who offer on the market to hold, the cheapest first. */
  "hold_offer_list": { params: Record<string, never>; result: HolderOffer[] };
  /** Asks to be paid by somebody with whom there is no channel. */
  "channel_invoice": { params: { amount: Amount; note?: string; expires_seconds?: number }; result: ChannelInvoice };
  /** Pays an invoice over channels, once however often it is called. */
  "channel_invoice_pay": { params: { invoice: string; fee_max?: Amount }; result: InvoicePayment };
  /** Sends payments of others on for a fee, or does so no more. */
  "hub_run": { params: { run: boolean; fee_base?: Amount; fee_per_million?: number; amount_min?: Amount; guarantee?: boolean; guarantee_fee_base?: Amount; guarantee_fee_per_million?: number; publish?: boolean }; result: HubStatus };
  /** Hubs that have an offer on the market, the cheapest first. */
  "hub_list": { params: Record<string, never>; result: HubOffer[] };
  /** What a hub takes for guaranteeing a virtual channel, and whether it would. */
  "hub_ask": { params: { hub: string; deposit?: Amount; their_deposit?: Amount; days?: number }; result: HubQuote };
  /** A link by which one person becomes a contact. */
  "chat_invite": { params: { days?: number; note?: string }; result: ChatInvite };
  /** Asks somebody to be a contact, or agrees where they have asked. */
  "chat_accept": { params: { who: string }; result: ChatPerson };
  /** Asks somebody to be a contact, with what it may cost, and waits a moment for what they say. */
  "chat_ask": { params: { who: string; pay?: Amount; from?: string }; result: ChatPerson };
  /** What a first message costs whoever is not registered, shows no invite and is in no group with one; changes it while the node runs. */
  "chat_price": { params: { price?: Amount }; result: ChatPrice };
  /** The address book of a group. */
  "chat_book": { params: { to: string }; result: ChatBook };
  /** Writes somebody into a group's address book, or takes them out, for everyone in it. */
  "chat_book_change": { params: { to: string; what: "put" | "remove"; who: string; name?: string; note?: string }; result: ChatBook };
  /** Contacts, those who ask to be one, and those who are not heard. */
  "chat_people": { params: Record<string, never>; result: ChatPerson[] };
  /** Hears somebody no more, or hears them again; they are not told. */
  "chat_block": { params: { who: Id; blocked: boolean }; result: ChatPerson[] };
  /** Calls somebody otherwise than they call themselves. */
  "chat_nickname": { params: { who: Id; nickname?: string }; result: ChatPerson };
  /** Notes that the safety number or words of somebody were compared and are alike, or forgets that. */
  "chat_verify": { params: { who: Id; matches: boolean }; result: ChatPerson };
  /** Conversations, that with the newest message first. */
  "chat_conversations": { params: Record<string, never>; result: ChatConversation[] };
  /** Says something; it is kept until it has arrived. */
  "chat_send": { params: { to: string; text: string; reply?: string; thread?: string; idempotency_key?: Key }; result: ChatItem };
  /** Edits, deletes, or reacts to a message, or closes a poll. */
  "chat_about": { params: { to: string; message: string; what: "edit" | "delete" | "react" | "unreact" | "close"; value?: string }; result: ChatItem };
  /** Messages of a conversation, the newest first. */
  "chat_read": { params: { to: string; before?: number; limit?: number }; result: ChatItem[] };
  /** Looks for messages, people and groups; the newest message first. The index is made when somebody first searches. */
  "chat_search": { params: { query: string; to?: string; before?: string; limit?: number; offset_minutes?: number }; result: ChatFound };
  /** A part of a backup of contacts, conversations and messages, sealed under the seed phrase. */
  "chat_backup": { params: { next?: string }; result: ChatBackupPart };
  /** Takes bytes of a backup, and adds what is missing here of what is in them. */
  "chat_restore": { params: { at: number; bytes: string; last?: boolean; trial?: boolean }; result: ChatRestored };
  /** Says that one's person has looked at a conversation. */
  "chat_mark": { params: { to: string; tell: boolean }; result: ChatConversation };
  /** What one's person keeps of a conversation for itself; what is named is changed, and nobody else hears of it. */
  "chat_keep": { params: { to: string; draft?: string; pinned?: boolean; muted_until_ms?: Time; marked_unread?: boolean }; result: ChatConversation };
  /** One message as it stands. */
  "chat_show": { params: { to: string; message: string }; result: ChatItem };
  /** Takes a part of a file that is to be attached, and seals it. */
  "chat_upload": { params: { upload: Key; at: number; bytes: string }; result: ChatUpload };
  /** Says something with files that were uploaded. */
  "chat_attach": { params: { to: string; files: ChatFile[]; text?: string; reply?: string; thread?: string; levels?: number[]; idempotency_key?: Key }; result: ChatItem };
  /** Has a file of a message fetched, or says how far it is. */
  "chat_fetch": { params: { to: string; message: string; number?: number; wait?: boolean }; result: ChatAttachment };
  /** A part of a file that is here. */
  "chat_file": { params: { to: string; message: string; number?: number; at?: number }; result: ChatFilePart };
  /** Asks a question with options. */
  "chat_poll": { params: { to: string; question: string; options: string[]; choices_max?: number; closes_ms?: Time; idempotency_key?: Key }; result: ChatItem };
  /** Chooses in a poll, in place of what was chosen before. */
  "chat_vote": { params: { to: string; message: string; choices: number[] }; result: ChatItem };
  /** Begins a list that everyone in the conversation may change. */
  "chat_list": { params: { to: string; title: string; style?: "tasks" | "things"; entries?: string[]; idempotency_key?: Key }; result: ChatItem };
  /** Changes a list. */
  "chat_list_change": { params: { to: string; message: string; changes: ChatListEdit[] }; result: ChatItem };
  /** Notes something for oneself, in the conversation `me`. */
  "chat_memo": { params: { text: string; remind_ms?: Time; idempotency_key?: Key }; result: ChatItem };
  /** Notes of which one wanted to be reminded within the last day, the earliest first. */
  "chat_reminders": { params: Record<string, never>; result: ChatItem[] };
  /** Says that one's person is writing, or has stopped, where others are told of it. */
  "chat_typing": { params: { to: string; typing: boolean }; result: Empty };
  /** Says in all conversations whether one's person is there, where others are told of it. */
  "chat_presence": { params: { presence: "away" | "here" | "busy" }; result: Empty };
  /** What others are told of one's person beside what it says; what is named is changed. */
  "chat_tells": { params: { typing?: boolean; presence?: boolean; read_marks?: boolean }; result: ChatTells };
  /** Founds a group, and adds contacts to it. */
  "chat_group_create": { params: { title: string; with: string[]; idempotency_key?: Key }; result: ChatConversation };
  /** Adds people to a group, removes them, changes what they are in it or what it is called, or leaves it. */
  "chat_group_change": { params: { to: string; what: "add" | "remove" | "promote" | "demote" | "rename" | "leave"; who?: string[]; title?: string }; result: ChatConversation };
  /** Watchtowers that have an offer on the market, the cheapest first. */
  "watch_offer_list": { params: Record<string, never>; result: WatchOffer[] };
  /** Pays itself over other hubs, out over one channel and in over another. */
  "hub_rebalance": { params: { from?: string; to?: string; amount?: Amount; fee_max?: Amount; idempotency_key?: Key }; result: InvoicePayment };
  /** What this node sends on for others, and payments over several channels that are on their way. */
  "hub_status": { params: Record<string, never>; result: HubStatus };
  /** How this node is reached by somebody who knows nothing of it, to open a channel with it. */
  "identity_card": { params: Record<string, never>; result: IdentityCard };
  /** The books of payment, sealed under the seed phrase, to be kept elsewhere. */
  "backup_export": { params: Record<string, never>; result: BackupExport };
  /** What is owed, newest change first. */
  "promise_list": { params: Record<string, never>; result: Promise[] };
  /** Has what a peer owes moved on the ledger. */
  "promise_settle": { params: { counterparty: Id; wait?: boolean; idempotency_key?: Key }; result: PromiseSettlement };
  /** Where this wallet receives. */
  "wallet_address": { params: Record<string, never>; result: WalletAddress };
  /** What this node has. */
  "wallet_balance": { params: Record<string, never>; result: Balance };
  /** The wallet's history, newest first. */
  "wallet_history": { params: { limit?: number; before_ms?: Time }; result: Entry[] };
  /** Pays an address. */
  "wallet_send": { params: { to: Address; amount: Amount; asset?: AssetId; idempotency_key?: Key }; result: Entry };
  /** Moves coins from the wallet to the account that backs promises. */
  "wallet_deposit": { params: { amount: Amount; asset?: AssetId; idempotency_key?: Key }; result: Entry };
  /** Announces that coins of the account are drawn after the notice period. */
  "wallet_withdraw": { params: { amount: Amount; asset?: AssetId; to?: Address; idempotency_key?: Key }; result: Entry };
  /** Calls off all that is to leave the account and was not paid out yet. */
  "wallet_withdraw_cancel": { params: { idempotency_key?: Key }; result: Entry };
  /** Merges outputs of the wallet into fewer. */
  "wallet_consolidate": { params: { mix?: boolean; within_seconds?: number }; result: Consolidation };
  /** All assets on the ledger. */
  "asset_list": { params: Record<string, never>; result: AssetRecord[] };
  /** Registers an asset of this identity's. */
  "asset_register": { params: { symbol: string; name: string; decimals: number; idempotency_key?: Key }; result: Entry };
  /** Makes units of an asset. */
  "asset_issue": { params: { asset: AssetId; amount: Amount; to?: Address; idempotency_key?: Key }; result: Entry };
  /** Destroys units of an asset. */
  "asset_burn": { params: { asset: AssetId; amount: Amount; idempotency_key?: Key }; result: Entry };
  /** Groups that the wallet has joined. */
  "group_list": { params: Record<string, never>; result: GroupRecord[] };
  /** Joins a group by its view key. */
  "group_join": { params: { key: string }; result: GroupRecord };
  /** Begins a payment out of a group, and signs it. */
  "group_propose": { params: { group: Address; to: Address; amount: Amount; asset?: AssetId; within_seconds?: number }; result: GroupProposal };
  /** What a proposal does. */
  "group_show": { params: { proposal: string }; result: GroupProposal };
  /** Signs a proposal. */
  "group_sign": { params: { proposal: string }; result: GroupProposal };
  /** Puts signatures together and sends the payment. */
  "group_submit": { params: { proposals: string[]; idempotency_key?: Key }; result: Entry };
  /** The identity with which this node owns kernel nodes. */
  "kernel_owner": { params: Record<string, never>; result: KernelOwner };
  /** What an entry would do. */
  "kernel_look": { params: { entry: string; seat?: number }; result: KernelPlan };
  /** Takes a seat in the kernel. */
  "kernel_join": { params: { entry: string; idempotency_key?: Key }; result: Entry };
  /** Gives a seat up. */
  "kernel_leave": { params: { seat: number; idempotency_key?: Key }; result: Entry };
  /** Draws the pledge of a node that left. */
  "kernel_reclaim": { params: { seat: number; idempotency_key?: Key }; result: Entry };
  /** Gives a kernel node other keys, address or owner. */
  "kernel_rotate": { params: { seat: number; entry: string; idempotency_key?: Key }; result: Entry };
  /** Asks those who govern to undo a conviction. */
  "kernel_appeal": { params: { seat: number; offence?: "first" | "second"; idempotency_key?: Key }; result: Entry };
  /** Agrees to a protocol from a height on. */
  "kernel_upgrade": { params: { seat: number; protocol: number; height: number; idempotency_key?: Key }; result: Entry };
  /** Recomputes the supply from a verified checkpoint. */
  "ledger_audit": { params: Record<string, never>; result: Audit };
  /** What became of a transaction. */
  "ledger_transaction": { params: { transaction_id: Id }; result: TransactionView };
  /** What the ledger holds about an identity. */
  "ledger_identity": { params: { id: Id }; result: IdentityRecord };
  /** A link by which others join this node's network. */
  "network_link": { params: { relay?: string }; result: NetworkInvitation };
  /** Pays coins to whoever comes with a link; `invite_show` gives the link once they are there. */
  "invite_new": { params: { coins: Amount; pledge?: boolean; within_seconds?: number; idempotency_key?: Key }; result: GivenInvite };
  /** Invites given and accepted, and what became of them. */
  "invite_list": { params: Record<string, never>; result: InviteList };
  /** An invite and, while it is open, its link, which is money. */
  "invite_show": { params: { number: number; relay?: string }; result: InviteLink };
  /** Draws back the coins of an invite that nobody has taken. */
  "invite_take_back": { params: { number: number; idempotency_key?: Key }; result: Entry };
  /** The names of this node, and those that it is about to take. */
  "name_list": { params: Record<string, never>; result: NameList };
  /** Whose a name is, until when, which name it looks like, and what it costs. */
  "name_show": { params: { name: string }; result: NameShown };
  /** Takes a name: commits to it, and reveals it as soon as that is on the ledger. */
  "name_register": { params: { name: string; years?: number; idempotency_key?: Key }; result: NameWanted };
  /** Adds years to a name. */
  "name_renew": { params: { name: string; years?: number; idempotency_key?: Key }; result: Entry };
  /** Gives a name of one's own to another registered identity. */
  "name_transfer": { params: { name: string; to: Id; idempotency_key?: Key }; result: Entry };
  /** Gives a name of one's own up. */
  "name_release": { params: { name: string; idempotency_key?: Key }; result: Entry };
  /** Is called by a name of one's own, or by none. */
  "name_primary": { params: { name?: string; idempotency_key?: Key }; result: Entry };
  /** A link by which this wallet is paid. */
  "wallet_request": { params: { amount?: Amount; asset?: AssetId; note?: string; expires_ms?: Time }; result: PaymentLink };
  /** What a payment link asks for. */
  "wallet_link": { params: { link: string }; result: PaymentLink };
  /** Pays what a link asks for. */
  "wallet_pay": { params: { link: string; amount?: Amount; idempotency_key?: Key }; result: Entry };
  /** A code by which the browser of a phone in the same local network is linked, once, within five minutes. */
  "phone_link": { params: { name?: string }; result: PhoneInvitation };
  /** Where phones find this node, and which are linked. */
  "phone_list": { params: Record<string, never>; result: PhoneStatus };
  /** The token of a phone opens nothing any more. */
  "phone_unlink": { params: { name: string }; result: Phone };
  /** What makes this node a device of whoever types it in at their first one, once, within ten minutes. */
  "device_token": { params: Record<string, never>; result: DeviceToken };
  /** Makes a node a device of the person whose first device this is; answers when it is one, or after twenty seconds in which it was not reached. */
  "device_link": { params: { token: string; name?: string }; result: Device };
  /** In whose name this node talks, and at which others they do. */
  "device_list": { params: Record<string, never>; result: DeviceStatus };
  /** Takes a device away, out of all conversations. */
  "device_remove": { params: { device: string }; result: Device };
  /** All sub-accounts, revoked ones included. */
  "sub_account_list": { params: Record<string, never>; result: SubAccount[] };
  /** Makes a sub-account, and its token. */
  "sub_account_create": { params: { name: string; limit: Amount; per?: "day" | "never" }; result: SubAccountCreated };
  /** The token of a sub-account opens nothing any more. */
  "sub_account_revoke": { params: { name: string }; result: SubAccount };
  /** By the token of a sub-account: how it stands. An owner's token doesn't open it. */
  "sub_account_show": { params: Record<string, never>; result: SubAccount };
}

export type Method = keyof Methods;

/** The methods that take a key, by which a repeated call does nothing twice. */
export const KEYED: ReadonlySet<Method> = new Set<Method>([
  "identity_register",
  "offer_publish",
  "offer_withdraw",
  "channel_open",
  "channel_pay",
  "channel_fund",
  "channel_deploy",
  "channel_call",
  "channel_force",
  "contract_call",
  "chat_send",
  "chat_attach",
  "chat_poll",
  "chat_list",
  "chat_memo",
  "chat_group_create",
  "hub_rebalance",
  "promise_settle",
  "wallet_send",
  "wallet_deposit",
  "wallet_withdraw",
  "wallet_withdraw_cancel",
  "asset_register",
  "asset_issue",
  "asset_burn",
  "group_submit",
  "kernel_join",
  "kernel_leave",
  "kernel_reclaim",
  "kernel_rotate",
  "kernel_appeal",
  "kernel_upgrade",
  "invite_new",
  "invite_take_back",
  "name_register",
  "name_renew",
  "name_transfer",
  "name_release",
  "name_primary",
  "wallet_pay",
]);

/** What the data of an event holds, by topic. */
export interface Events {
  checkpoint: CheckpointRecord;
  pulse: Pulse;
  book: ChatBook;
  bot: BotHire;
  channel: ChannelDetail;
  conversation: ChatConversation;
  device: DeviceStatus;
  holding: HoldStatus;
  message: ChatItem;
  offers: Offer[];
  people: ChatPerson;
  phone: PhoneStatus;
  promise: Promise;
  reminder: ChatItem;
  session: Session;
  sign: ChatSign;
  status: NodeStatus;
  wallet: WalletChange;
}

export type Topic = keyof Events;

/** The numbers of errors by their stable words. Others may come. */
export const ERRORS = {
  busy: 1002,
  invalid_params: -32602,
  kernel_unreachable: 1301,
  not_supported: 1005,
  transaction_not_found: 1303,
  transaction_refused: 1304,
  account_spent: 1129,
  address_book_full: 1662,
  already_contact: 1605,
  already_member: 1404,
  already_registered: 1108,
  amount_too_fine: 1212,
  amount_too_small: 1204,
  appealed_before: 1413,
  asked_too_often: 1657,
  asset_exists: 1209,
  asset_not_found: 1208,
  attachment_damaged: 1623,
  attachment_not_found: 1616,
  attachment_not_here: 1617,
  attachment_too_large: 1620,
  attachment_untrue: 1619,
  attachments_full: 1618,
  block_not_found: 1118,
  bot_not_found: 1635,
  bot_not_hired: 1636,
  bot_too_dear: 1637,
  call_failed: 1507,
  call_not_forced: 1509,
  cannot_listen: 1125,
  chain_broken: 1137,
  changed_lately: 1411,
  channel_empty: 1511,
  channel_is_virtual: 1560,
  channel_not_found: 1501,
  channel_not_opened: 1502,
  channel_not_ready: 1504,
  chat_backup_cut: 1675,
  chat_backup_damaged: 1672,
  chat_backup_of_another: 1674,
  chat_backup_of_other_phrase: 1673,
  contents_missing: 1546,
  contents_refused: 1547,
  contract_not_called: 1548,
  contract_not_found: 1545,
  conversation_not_back: 1670,
  conversation_not_begun: 1602,
  conversation_not_found: 1601,
  conviction_not_found: 1412,
  device_is_person: 1713,
  device_name_taken: 1717,
  device_not_found: 1712,
  device_refused: 1716,
  device_token_expired: 1715,
  entry_of_other_network: 1402,
  entry_refused: 1401,
  faucet_limit: 1211,
  first_message_costs: 1656,
  forward_not_open: 1135,
  group_full: 1613,
  group_left: 1614,
  group_not_found: 1214,
  guarantee_too_dear: 1559,
  hold_full: 1631,
  holder_not_registered: 1634,
  hub_fee_too_high: 1532,
  hub_guarantees_none: 1557,
  identity_not_found: 1009,
  insufficient_account: 1203,
  insufficient_wallet: 1202,
  invalid_address: 1205,
  invite_not_found: 1140,
  invite_not_open: 1141,
  invoice_expired: 1534,
  invoice_not_paid: 1530,
  invoice_refused: 1533,
  kernel_full: 1405,
  lane_too_small: 1508,
  lane_unsigned: 1512,
  ledger_mismatch: 1305,
  ledger_unproved: 1306,
  link_expired: 1128,
  link_refused: 1127,
  member_key_taken: 1403,
  message_not_found: 1603,
  message_of_another_kind: 1624,
  name_contested: 1653,
  name_expired: 1654,
  name_not_found: 1651,
  name_taken: 1650,
  no_bot_offered: 1639,
  no_channel_with: 1510,
  no_channel_with_hub: 1555,
  no_chat_backup: 1671,
  no_holder: 1632,
  no_offer_matches: 1101,
  no_watchtower: 1522,
  no_way_to_payee: 1531,
  node_not_new: 1711,
  not_a_contact: 1608,
  not_a_group: 1609,
  not_allowed: 1130,
  not_first_device: 1710,
  not_guaranteed: 1558,
  not_held_by: 1633,
  not_in_address_book: 1661,
  not_in_group: 1610,
  not_rebalanced: 1538,
  not_registered: 1107,
  not_said: 1607,
  not_the_issuer: 1210,
  not_the_owner: 1407,
  not_watched: 1521,
  not_your_name: 1652,
  nothing_set_aside: 1660,
  nothing_to_allow: 1216,
  nothing_to_settle: 1206,
  nothing_to_withdraw: 1218,
  offer_expired: 1103,
  offer_not_found: 1102,
  payee_silent: 1535,
  payment_does_not_count: 1659,
  payment_paid_out: 1536,
  peer_silent: 1506,
  peer_unreachable: 1505,
  person_not_found: 1604,
  person_not_in_group: 1611,
  phone_name_taken: 1683,
  phone_not_found: 1682,
  phone_off: 1680,
  pledge_locked: 1410,
  poll_closed: 1625,
  port_not_given: 1136,
  promise_not_found: 1207,
  proposal_refused: 1215,
  provider_unreachable: 1104,
  proxy_port_configured: 1134,
  proxy_port_not_open: 1133,
  query_not_understood: 1646,
  read_only_wallet: 1213,
  restore_gap: 1676,
  role_does_not_allow: 1612,
  seat_not_found: 1406,
  service_not_open: 1126,
  spending_limit: 1201,
  superseded: 1106,
  too_few_members: 1409,
  too_little_with_hub: 1556,
  too_many_ask: 1658,
  too_many_blocks: 1119,
  too_many_bots: 1638,
  too_many_devices: 1714,
  too_many_invites: 1142,
  too_many_names_wanted: 1655,
  too_many_payments: 1537,
  too_many_phones: 1684,
  too_much_waits: 1606,
  tunnel_impossible: 1109,
  update_refused: 1503,
  update_unsure: 1513,
  upgrade_refused: 1414,
  upload_gap: 1622,
  upload_not_found: 1621,
  watch_full: 1520,
  withdrawal_under_way: 1217,
  wrong_standing: 1408,
} as const;

export type ErrorCode = keyof typeof ERRORS;
