/**
 * Layout of the kernel's picture: a lane per kernel node, a column per round, a dot per snapshot.
 *
 * Columns stand side by side whatever time passed between their rounds, since a quiet kernel makes one a second and a
 * busy one dozens; the node leaves rounds out where there are too many, and a gap marks the place. Pure: the component
 * draws what is kept here.
 */

import type { Pulse as KernelPulse, PulseSnapshot } from "@byway/client";
import { roundInEpoch } from "./format";

/** Rounds kept: more than fit on the widest screen. */
export const ROUNDS_MAX = 120;
/** A gap takes up so much of a column. */
const GAP_COLUMNS = 0.9;
const FADE_MS = 900;

/** A snapshot as kept for the picture, with the local time at which it was seen to be committed. */
export interface Mark extends PulseSnapshot {
  litAtMs: number | null;
  isLeader: boolean;
}

export interface Round {
  round: number;
  /** Where its column is, in widths of a column; rises for ever. */
  place: number;
  /** Rounds left out before it. */
  skipped: number;
  /** By rising author; two of one author only if it signed twice. */
  marks: Mark[];
}

/**
 * Joins what is known with what a pulse brought. Rounds are only added at the end, so that nothing that is drawn moves
 * aside: what a pulse says of older rounds that are not shown is passed over.
 */
export function mergeRounds(known: Round[], pulse: KernelPulse, nowMs: number): Round[] {
  const leaders = new Set(pulse.commits.map((commit) => `${commit.leader}/${commit.round}`));
  const fresh = byRound(pulse.snapshots);
  const newest = Math.max(0, ...fresh.keys());
  const first = known[0]?.round ?? 0;
  // A node that begins again from below tells of another network.
  const base = newest > 0 && newest < first ? [] : known;
  const isFirst = base.length === 0;
  const rounds = base.map((round) => withMarks(round, fresh.get(round.round) ?? [], leaders, nowMs, false));
  let last = rounds.at(-1);
  for (const round of [...fresh.keys()].sort((a, b) => a - b)) {
    if (last && round <= last.round) continue;
    const skipped: number = last ? roundsBetween(last.round, round) : 0;
    const place: number = last ? last.place + 1 + (skipped > 0 ? GAP_COLUMNS : 0) : 0;
    last = withMarks({ round, place, skipped, marks: [] }, fresh.get(round) ?? [], leaders, nowMs, isFirst);
    rounds.push(last);
  }
  return rounds.slice(-ROUNDS_MAX);
}

/** Rounds left out between two. Those of a new epoch begin far above the last one of the epoch before. */
function roundsBetween(before: number, after: number): number {
  return after - Math.max(before, after - roundInEpoch(after)) - 1;
}

function byRound(snapshots: PulseSnapshot[]): Map<number, PulseSnapshot[]> {
  const rounds = new Map<number, PulseSnapshot[]>();
  for (const snapshot of snapshots) {
    const there = rounds.get(snapshot.round);
    if (there) there.push(snapshot);
    else rounds.set(snapshot.round, [snapshot]);
  }
  return rounds;
}

/** What is committed when the picture begins is lit without a flash. */
function withMarks(round: Round, snapshots: PulseSnapshot[], leaders: Set<string>, nowMs: number, isOld: boolean): Round {
  if (snapshots.length === 0) return round;
  const marks = new Map(round.marks.map((mark) => [mark.hash, mark]));
  for (const snapshot of snapshots) {
    const before = marks.get(snapshot.hash);
    const isCommitted = snapshot.commit !== null && snapshot.commit !== undefined;
    const litAtMs = before?.litAtMs ?? (isCommitted ? nowMs - (isOld ? FADE_MS : 0) : null);
    const isLeader = (before?.isLeader ?? false) || leaders.has(`${snapshot.author}/${snapshot.round}`);
    marks.set(snapshot.hash, { ...snapshot, litAtMs, isLeader });
  }
  return { ...round, marks: [...marks.values()].sort((a, b) => a.author - b.author) };
}

/** How everything is measured, in pixels. */
export interface Scale {
  width: number;
  height: number;
  /** The seats that have a lane, from the top down. Seats may be free in between. */
  seats: number[];
  column: number;
}

export const NARROW_PX = 560;

/** Lanes of a large kernel are thin; columns are as wide as their lines need. */
export function scaleOf(width: number, seats: number[]): Scale {
  const lanes = seats.length;
  const lane = lanes <= 10 ? 38 : lanes <= 22 ? 22 : 13;
  const column = width < NARROW_PX ? 24 : 34;
  return { width, height: lanes * lane, seats, column };
}

/** Middle of a seat's lane; far outside for one that has none any more. */
export function laneY(seat: number, scale: Scale): number {
  const lane = scale.seats.indexOf(seat);
  return lane < 0 ? -scale.height : ((lane + 0.5) * scale.height) / scale.seats.length;
}

/** Middle of a column; `edge` is the place at the right edge. */
export function placeX(place: number, edge: number, scale: Scale): number {
  return scale.width - (edge - place) * scale.column;
}

/** The place that belongs at the right edge: half a column, and a little, beyond the newest. */
export function edgeOf(rounds: Round[]): number {
  return (rounds.at(-1)?.place ?? 0) + 0.8;
}

export function dotRadius(scale: Scale): number {
  const lane = scale.height / Math.max(1, scale.seats.length);
  return Math.max(1.6, Math.min(5, lane * 0.2, scale.column * 0.2));
}

/** Where the picture is after `pass_ms` more on its way from `edge` to `target`: quickly first, then gently. */
export function eased(edge: number, target: number, pass_ms: number): number {
  const PACE_MS = 420;
  const JUMP_COLUMNS = 40;
  if (target < edge || target - edge > JUMP_COLUMNS) return target;
  const next = target - (target - edge) * Math.exp(-pass_ms / PACE_MS);
  return target - next < 0.004 ? target : next;
}

/** Strength of the flash of a mark, 1 when it lights up, 0 after it faded. */
export function glow(mark: Mark, nowMs: number): number {
  if (mark.litAtMs === null) return 0;
  return Math.max(0, Math.min(1, 1 - (nowMs - mark.litAtMs) / FADE_MS));
}

/** The snapshot nearest to a point, if one is near. */
export function markAt(rounds: Round[], x: number, y: number, edge: number, scale: Scale): Mark | null {
  const near_px = Math.max(12, scale.column / 2);
  let best: Mark | null = null;
  let least = near_px ** 2;
  for (const round of rounds) {
    const dx = placeX(round.place, edge, scale) - x;
    if (Math.abs(dx) > near_px) continue;
    for (const mark of round.marks) {
      const distance = dx ** 2 + (laneY(mark.author, scale) - y) ** 2;
      if (distance <= least) [best, least] = [mark, distance];
    }
  }
  return best;
}

/**
 * Where nearly every snapshot leads a commit of its own, as in a kernel that runs well, rings and lines of leaders would
 * be everywhere and hide what is under them.
 */
export function isCrowded(round: Round): boolean {
  return round.marks.filter((mark) => mark.isLeader).length > 2;
}

/** A snapshot as it stands now, which may have gained a commit since it was chosen. */
export function markOf(rounds: Round[], hash: string): Mark | null {
  for (const round of rounds) for (const mark of round.marks) if (mark.hash === hash) return mark;
  return null;
}

export type Direction = "left" | "right" | "up" | "down";

/** The snapshot beside the chosen one: of its author in the next round there is one, or of the next author in its round. */
export function markBeside(rounds: Round[], chosen: Mark | null, direction: Direction): Mark | null {
  const at = chosen ? rounds.findIndex((round) => round.round === chosen.round) : -1;
  if (!chosen || at < 0) return rounds.at(-1)?.marks[0] ?? null;
  const marks = rounds[at]!.marks;
  if (direction === "up") return marks.filter((mark) => mark.author < chosen.author).at(-1) ?? chosen;
  if (direction === "down") return marks.find((mark) => mark.author > chosen.author) ?? chosen;
  const others = direction === "left" ? rounds.slice(0, at).reverse() : rounds.slice(at + 1);
  for (const round of others) {
    const mark = round.marks.find((each) => each.author === chosen.author);
    if (mark) return mark;
  }
  return chosen;
}
