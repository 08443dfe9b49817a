/**
 * The node's local API as types: the shapes of `docs/formats/rpc.md`, nothing else.
 *
 * Amounts stay strings here; `amount.ts` turns them into integers. A field that the document marks `?` is
 * optional and nullable, since readers treat both alike.
 */

export type Maybe<T> = T | null | undefined;

export interface Reason {
  code: string;
  message: string;
}

export interface Price {
  unit: string;
  amount: string;
  asset: string;
  min_reputation: number;
}

export interface Balance {
  wallet: string;
  account: string;
  reserved: string;
  pending: string;
  withdrawing: { amount: string; available_ms: number }[];
  assets?: AssetBalance[];
}

/** What there is of an asset beside WAY. */
export interface AssetBalance {
  asset: string;
  symbol: string;
  name: string;
  decimals: number;
  wallet: string;
  account: string;
  pending: string;
}

export interface Spending {
  session_max?: Maybe<string>;
  day_max?: Maybe<string>;
  day_spent: string;
}

export interface KernelNode {
  index: number;
  name: string;
  reachable: boolean;
  round: number;
}

export interface Ledger {
  height: number;
  commits: number;
  time_ms: number;
  lag_ms?: Maybe<number>;
  kernel_nodes: KernelNode[];
  finality_ms_p50?: Maybe<number>;
}

export type ConnectionState = "idle" | "connecting" | "connected" | "paused" | "disconnected" | "failed";

export interface Connection {
  state: ConnectionState;
  since_ms: number;
  session_id?: Maybe<string>;
  offer_id?: Maybe<string>;
  provider?: Maybe<string>;
  country?: Maybe<string>;
  asn?: Maybe<number>;
  reason?: Maybe<Reason>;
  path?: Maybe<"direct" | "relayed">;
  rate_down_bps: number;
  rate_up_bps: number;
}

export interface NodeStatus {
  version: string;
  network: string;
  network_name: string;
  role: string;
  uptime_seconds: number;
  ledger: Ledger;
  identity: { id: string; name: string; registered: boolean };
  balance: Balance;
  proxy: { address: string; accepting: boolean };
  connection: Connection;
  relay?: Maybe<{ url: string; way: "none" | "plain" | "disguised" }>;
  spending: Spending;
}

export interface OfferFilter {
  service?: string;
  country?: string;
  asn?: number;
  unit?: string;
  max_price?: string;
  min_bandwidth_bps?: number;
  /** What comes first; `offer_list` sorts by price when it is left out, `connect` as the node is configured. */
  sort?: "price" | "quality" | "both";
}

export interface Offer {
  offer_id: string;
  provider: string;
  serial: string;
  service: string;
  country: string;
  exit_country: string;
  asn: number;
  bandwidth_bps: number;
  prices: Price[];
  price?: Maybe<Price>;
  exit_policy: string[];
  contacts: { protocol: string; data: string }[];
  published_ms: number;
  expires_ms: number;
  preferred: boolean;
  /** How well the provider serves; left out where nothing is known. */
  quality?: Maybe<Quality>;
}

/** Points from 0 to 1000; 500 is the middle, where whoever is unknown stands. */
export interface Quality {
  score: number;
  own_sessions: number;
  attesters: number;
  own_score?: Maybe<number>;
}

export interface Session {
  id: string;
  offer_id: string;
  provider: string;
  /** Who uses it, where this node is the provider. */
  client?: Maybe<string>;
  service: string;
  country?: Maybe<string>;
  bytes_up: number;
  bytes_down: number;
  seconds: number;
  price: Price;
  cost: string;
  paid: string;
  state: "opening" | "active" | "paused" | "closed" | "failed";
  reason?: Maybe<Reason>;
  started_ms: number;
  ended_ms?: Maybe<number>;
}

export interface PaymentPromise {
  direction: "out" | "in";
  counterparty: string;
  serial: string;
  amount: string;
  settled: string;
  backing: string;
  updated_ms: number;
  settled_ms?: Maybe<number>;
}

export type Stage = "sent" | "included" | "final" | "rejected";

export interface Entry {
  transaction_id: string;
  time_ms: number;
  kind: string;
  amount: string;
  /** What the amount is in; WAY where it is left out. */
  asset?: Maybe<{ asset: string; symbol: string }>;
  fee: string;
  counterparty?: Maybe<string>;
  stage: Stage;
  reason?: Maybe<Reason>;
}

export interface Snapshot {
  author: number;
  round: number;
  time_ms: number;
  transactions: number;
  hash: string;
  /** Authors of the snapshots of the round before that it references. */
  references: number[];
  commit?: Maybe<number>;
}

export interface Commit {
  index: number;
  time_ms: number;
  transactions: number;
  leader: number;
  round: number;
}

export interface KernelPulse {
  snapshots: Snapshot[];
  commits: Commit[];
  checkpoint?: Maybe<{ height: number; time_ms: number; signers: number[]; size: number; quorum: number }>;
  finality_ms: { p50?: Maybe<number>; p99?: Maybe<number> };
  tps: number;
}

export type Standing = "candidate" | "counting" | "marked" | "left";

/** Its index is its seat. */
export interface KernelMember extends KernelNode {
  key: string;
  owner: string;
  address: string;
  standing: Standing;
  since_epoch: number;
  pledge: string;
  /** Of one that has left: when its pledge can be reclaimed, and from which commit on. */
  unlocks_ms?: Maybe<number>;
  unlocks_commits?: Maybe<number>;
  changeable_ms?: Maybe<number>;
  rounds_behind: number;
  latency_ms?: Maybe<number>;
  connected?: Maybe<number>;
  signed_last: boolean;
}

/** What became of a transaction. */
export interface Outcome {
  transaction_id: string;
  stage: Stage;
  reason?: Maybe<Reason>;
  certified: boolean;
  height?: Maybe<number>;
  time_ms?: Maybe<number>;
}

/** The kernel at a glance; what is wrong with it, if anything is. */
export interface KernelStatus {
  height: number;
  commits: number;
  time_ms: number;
  certified_ms?: Maybe<number>;
  troubles: Reason[];
}

export interface KernelTransactionRecord extends Outcome {
  position?: Maybe<number>;
  /** Hex. */
  proof?: Maybe<{ certificate: string; range: string }>;
}

export interface CheckpointRecord {
  height: number;
  commits: number;
  time_ms: number;
  digest: string;
  previous: string;
  transactions: number;
  transactions_root: string;
  state_root: string;
  outputs_digest: string;
  scan_root: string;
  epoch_next: string;
  signers: number[];
}

export interface EvidenceRecord {
  /** "signed_twice", or "judged" where only the ledger tells of it. */
  kind: string;
  member: number;
  round?: Maybe<number>;
  height?: Maybe<number>;
  first?: Maybe<string>;
  second?: Maybe<string>;
  seen_ms?: Maybe<number>;
  conviction?: Maybe<{
    since_epoch: number;
    offence: "first" | "second";
    owner: string;
    forfeited: string;
    appealed: boolean;
    ends_ms: number;
  }>;
}

export interface TransactionRecord extends Outcome {
  inputs?: Maybe<number>;
  outputs?: Maybe<number>;
}

export interface IdentityRecord {
  id: string;
  registered: boolean;
  pledge?: Maybe<string>;
  since_ms?: Maybe<number>;
  account: string;
  withdrawing: { amount: string; available_ms: number }[];
  offers: string[];
  bounces: number;
}

/** Which programs a tunnel is for, as told by `byway exec`. */
export type ProgramsInside = "all" | "all-but-outside" | "only-inside";

/** What stays outside this machine's tunnel. */
export interface TunnelSettings {
  /** The kill switch is on. */
  closed: boolean;
  local_network: boolean;
  outside: string[];
  programs: ProgramsInside;
}

export interface OfferTerms {
  service?: string;
  country?: string;
  exit_country?: string;
  asn?: number;
  price_per_mb?: string;
  bandwidth_bps?: number;
}

/** Money that several people hold together. */
export interface GroupRecord {
  address: string;
  threshold: number;
  members: number;
  number?: Maybe<number>;
  balances: { amount: string; asset: string; symbol?: Maybe<string> }[];
}

/** Every method with its params and result; the client is typed by this table. */
export interface Methods {
  node_status: { params: Record<never, never>; result: NodeStatus };
  offer_list: { params: OfferFilter & { limit?: number }; result: Offer[] };
  offer_own: { params: Record<never, never>; result: Offer[] };
  offer_publish: { params: OfferTerms & { idempotency_key: string }; result: { offer_id: string; entry: Entry } };
  offer_withdraw: { params: { offer_id: string; idempotency_key: string }; result: Entry };
  identity_register: { params: { idempotency_key: string }; result: Entry };
  offer_prefer: { params: { provider: string; preferred: boolean }; result: Record<never, never> };
  connect: { params: { offer_id: string } | OfferFilter; result: Session };
  disconnect: { params: Record<never, never>; result: Record<never, never> };
  session_list: { params: { limit?: number }; result: Session[] };
  spending_limits_set: { params: { session_max?: string | null; day_max?: string | null }; result: Spending };
  tunnel_settings: { params: Record<never, never>; result: TunnelSettings };
  tunnel_settings_set: { params: Partial<Omit<TunnelSettings, "closed">>; result: TunnelSettings };
  promise_list: { params: Record<never, never>; result: PaymentPromise[] };
  promise_settle: {
    params: { counterparty: string; wait?: boolean; idempotency_key?: string };
    result: { entries: Entry[]; asked: boolean };
  };
  wallet_address: { params: Record<never, never>; result: { address: string } };
  wallet_view_key: { params: { understood: true }; result: { view_key: string; address: string } };
  group_list: { params: Record<never, never>; result: GroupRecord[] };
  wallet_balance: { params: Record<never, never>; result: Balance };
  wallet_history: { params: { limit?: number; before_ms?: number }; result: Entry[] };
  wallet_send: { params: { to: string; amount: string; asset?: string; idempotency_key: string }; result: Entry };
  wallet_deposit: { params: { amount: string; idempotency_key: string }; result: Entry };
  wallet_withdraw: { params: { amount: string; idempotency_key: string }; result: Entry };
  kernel_pulse: { params: Record<never, never>; result: KernelPulse };
  kernel_status: { params: Record<never, never>; result: KernelStatus };
  kernel_members: { params: Record<never, never>; result: KernelMember[] };
  kernel_transaction: { params: { transaction_id: string; proof?: boolean }; result: KernelTransactionRecord };
  kernel_checkpoints: { params: { from?: number; limit?: number }; result: CheckpointRecord[] };
  kernel_evidence: { params: Record<never, never>; result: EvidenceRecord[] };
  ledger_transaction: { params: { transaction_id: string }; result: TransactionRecord };
  ledger_identity: { params: { id: string }; result: IdentityRecord };
  subscribe: { params: { topics: Topic[] }; result: string };
  unsubscribe: { params: { subscription: string }; result: Record<never, never> };
}

/** What the `data` of an event holds, by topic. */
export interface Events {
  status: NodeStatus;
  session: Session;
  offers: Offer[];
  wallet: { balance: Balance; entries: Entry[] };
  promise: PaymentPromise;
  pulse: KernelPulse;
  checkpoint: CheckpointRecord;
}

export type Method = keyof Methods;
export type Topic = keyof Events;
export const TOPICS: Topic[] = ["status", "session", "offers", "wallet", "promise", "pulse", "checkpoint"];

/** Close code of a WebSocket whose token is missing or wrong. */
export const CLOSE_BAD_TOKEN = 4401;
/** First of the two subprotocols; the second is `byway.token.HEX`. */
export const SUBPROTOCOL = "byway.v1";
