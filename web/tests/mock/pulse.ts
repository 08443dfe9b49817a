/** A pretended kernel for the picture: rounds, snapshots a little apart, commits three rounds later. */

import type {
  CheckpointRecord,
  KernelMember,
  KernelNode,
  Pulse as KernelPulse,
  PulseCommit,
  PulseSnapshot,
  Status as KernelStatus,
} from "@byway/client";
import { hex } from "./world";

const NODES = 7;
const ROUNDS_KEPT = 20;
const COMMIT_LAG_ROUNDS = 3;
const NAMES = ["alder", "birch", "cedar", "dogwood", "elm", "fir", "gorse"];

export class Pulse {
  height = 1_204;
  commits = 38_410;
  round = 38_530;
  /** Index of a node that is down, for the picture. */
  down: number | null = 5;
  #snapshots: PulseSnapshot[] = [];
  #commits: PulseCommit[] = [];
  #tps = 0;

  constructor() {
    const now_ms = Date.now();
    for (let back = ROUNDS_KEPT; back > 0; back -= 1) this.advance(now_ms - back * 600, 0.3);
  }

  /** One more round at `time_ms`; `load` (0..1) is how much it carries. */
  advance(time_ms: number, load: number): void {
    this.round += 1;
    for (let author = 0; author < NODES; author += 1) {
      if (author === this.down) continue;
      const others = Array.from({ length: NODES }, (_, index) => index).filter((index) => index !== this.down);
      // Now and then somebody comes too late to be referenced.
      const late = others[(this.round * 5 + author) % 17];
      const spread = parseInt(hex(this.round * 11 + author, 4), 16) / 65_536;
      this.#snapshots.push({
        author, round: this.round, time_ms: Math.round(time_ms + spread * 140),
        transactions: Math.round(load * spread * 9), hash: hex(this.round * 31 + author, 64),
        references: others.filter((index) => index !== late || index === author), commit: null,
      });
    }
    this.#commit(this.round - COMMIT_LAG_ROUNDS, time_ms);
    const oldest = this.round - ROUNDS_KEPT;
    this.#snapshots = this.#snapshots.filter((snapshot) => snapshot.round > oldest);
    this.#commits = this.#commits.filter((commit) => commit.round > oldest);
    this.#tps = load * 9;
  }

  #commit(round: number, time_ms: number): void {
    const leader = round % NODES;
    if (leader === this.down) return;
    this.commits += 1;
    if (this.commits % 4 === 0) this.height += 1;
    const ordered = this.#snapshots.filter((snapshot) =>
      snapshot.commit === null && (snapshot.round < round || (snapshot.round === round && snapshot.author === leader)));
    for (const snapshot of ordered) snapshot.commit = this.commits;
    const transactions = ordered.reduce((sum, snapshot) => sum + snapshot.transactions, 0);
    this.#commits.push({ index: this.commits, time_ms, transactions, leader, round });
  }

  status(isReachable: boolean): KernelStatus {
    const time_ms = this.#commits.at(-1)?.time_ms ?? 0;
    const troubles = isReachable ? [] : [{ code: "stalled", message: "nothing was committed for 2 min 05 s" }];
    return {
      height: this.height, commits: this.commits, time_ms, certified_ms: time_ms, troubles, finality_ms: { p50: 43, p99: 118 },
      network: hex(2, 64), network_name: "local", quorum: 5, size: NODES, version: "0.1.0",
    };
  }

  nodes(isReachable: boolean): KernelNode[] {
    return NAMES.map((name, index) => ({ index, name, reachable: isReachable && index !== this.down, round: this.round }));
  }

  members(isReachable: boolean): KernelMember[] {
    const member = (node: KernelNode): KernelMember => ({
      index: node.index, name: node.name, key: hex(300 + node.index, 64), owner: hex(400 + node.index, 40),
      address: `10.0.0.${node.index + 1}:7100`, standing: "counting", since_epoch: 0, pledge: "10000",
      reachable: node.reachable, round: node.index === this.down ? this.round - 412 : node.round,
      rounds_behind: node.index === this.down ? 412 : 0, latency_ms: node.reachable ? node.index * 7 : null,
      connected: node.reachable ? NODES - 2 : null, signed_last: node.index !== this.down,
    });
    const other = (index: number, name: string, more: Partial<KernelMember>): KernelMember => ({
      ...member({ index, name, reachable: isReachable, round: 0 }), since_epoch: 1, rounds_behind: 0, signed_last: false, ...more,
    });
    return [
      ...this.nodes(isReachable).map(member),
      other(8, "hazel", { standing: "candidate" }),
      other(9, "iris", { standing: "left", reachable: false, latency_ms: null, connected: null, unlocks_ms: Date.now() + 12 * 86_400_000, unlocks_commits: 90_000 }),
    ];
  }

  checkpoint(height: number): CheckpointRecord {
    const hash = (salt: number) => hex(height * 7 + salt, 64);
    return {
      height, commits: this.commits - (this.height - height) * 4, time_ms: Date.now() - 180 - (this.height - height) * 2_200,
      digest: hash(0), previous: hash(-7), transactions: 52_000 + height * 9, transactions_root: hash(1), state_root: hash(2),
      outputs_digest: hash(3), scan_root: hash(4), epoch_next: hash(5),
      signers: [0, 1, 2, 3, 4, 5, 6].filter((index) => index !== this.down),
    };
  }

  view(): KernelPulse {
    return {
      snapshots: this.#snapshots.map((snapshot) => ({ ...snapshot })), commits: this.#commits,
      checkpoint: {
        height: this.height, time_ms: Date.now() - 180, signers: [0, 1, 2, 3, 4, 5, 6].filter((index) => index !== this.down),
        size: NODES, quorum: 5,
      },
      finality_ms: { p50: 43, p99: 118 }, tps: this.#tps,
    };
  }
}
