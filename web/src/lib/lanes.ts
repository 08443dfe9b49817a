/**
 * Layout of the kernel's picture: one lane per kernel node, time runs to the right edge, each snapshot is a dot.
 *
 * Pure: the component draws what this returns. Positions depend on the time shown, so nothing is laid out again
 * when the picture merely moves on.
 */

import type { Snapshot } from "./contract";

/** Longest span of time across the picture; a narrow picture shows less of it, see `spanOf`. */
export const SPAN_MAX_MS = 20_000;
const PIXELS_PER_SECOND = 38;
/** A busy kernel makes dozens of rounds a second; more dots than this can't be told apart anyway. */
const SNAPSHOTS_MAX = 3_000;
/** Kept a little past the left edge, so that dots leave the picture instead of vanishing. */
const SLACK_MS = 2_000;

/** A snapshot as kept for the picture, with the local time at which it was seen to be committed. */
export interface Mark extends Snapshot {
  litAtMs: number | null;
  isLeader: boolean;
}

export function markKey(mark: { author: number; round: number }): string {
  return `${mark.author}/${mark.round}`;
}

/**
 * Joins what is known with what a pulse brought. A snapshot that gained a commit lights up at `nowMs`; those
 * that were committed when first seen are lit already. Returns marks in order of round, author.
 */
export function mergeMarks(known: Mark[], snapshots: Snapshot[], leaders: Set<string>, nowMs: number, newestMs: number): Mark[] {
  const marks = new Map(known.map((mark) => [markKey(mark), mark]));
  for (const snapshot of snapshots) {
    const key = markKey(snapshot);
    const before = marks.get(key);
    const isCommitted = snapshot.commit !== null && snapshot.commit !== undefined;
    const litAtMs = before?.litAtMs ?? (isCommitted ? nowMs : null);
    marks.set(key, { ...snapshot, litAtMs, isLeader: leaders.has(key) || (before?.isLeader ?? false) });
  }
  const oldest = newestMs - SPAN_MAX_MS - SLACK_MS;
  return [...marks.values()]
    .filter((mark) => mark.time_ms >= oldest)
    .sort((a, b) => a.round - b.round || a.author - b.author)
    .slice(-SNAPSHOTS_MAX);
}

export interface Area {
  width: number;
  height: number;
  lanes: number;
}

/** Span of time that fits: the pace at which dots move is the same on a phone as on a large screen. */
export function spanOf(area: Area): number {
  return Math.min(SPAN_MAX_MS, (area.width / PIXELS_PER_SECOND) * 1000);
}

/** Middle of a lane. */
export function laneY(author: number, area: Area): number {
  return ((author + 0.5) * area.height) / Math.max(1, area.lanes);
}

/** Place of a time; `edgeMs` is the time at the right edge. */
export function timeX(timeMs: number, edgeMs: number, area: Area): number {
  return area.width - ((edgeMs - timeMs) / spanOf(area)) * area.width;
}

/** Dots shrink when rounds come quickly, so that neighbours in a lane stay apart. */
export function dotRadius(marks: Mark[], area: Area): number {
  const RADIUS_MAX = 4;
  const RADIUS_MIN = 1.2;
  const perLane = marks.length / Math.max(1, area.lanes);
  const spacing = perLane > 0 ? area.width / perLane : area.width;
  const laneBound = area.height / Math.max(1, area.lanes) / 4;
  return Math.max(RADIUS_MIN, Math.min(RADIUS_MAX, laneBound, spacing * 0.32));
}

/** Strength of the flash of a mark, 1 when it lights up, 0 after it faded. */
export function glow(mark: Mark, nowMs: number): number {
  const FADE_MS = 900;
  if (mark.litAtMs === null) return 0;
  return Math.max(0, 1 - (nowMs - mark.litAtMs) / FADE_MS);
}
