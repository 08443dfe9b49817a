/** How a kernel node does, in words. Pure. */

import type { KernelMember } from "./contract";

export type Health = { word: string; tone: "good" | "warn" | "bad" };

/** Rounds that a node far away may be behind at any moment. */
const BEHIND_MAX = 8;

export function healthOf(member: KernelMember): Health {
  if (!member.reachable) return { word: "Out of reach", tone: "bad" };
  if (member.rounds_behind > BEHIND_MAX) return { word: `${member.rounds_behind} rounds behind`, tone: "warn" };
  return { word: "In step", tone: "good" };
}

/** One line about all of them. */
export function healthSummary(members: KernelMember[], quorum: number): string {
  const well = members.filter((member) => healthOf(member).tone === "good").length;
  const missing = quorum - well;
  return missing > 0
    ? `${well} of ${members.length} in step; ${missing} more needed for a quorum`
    : `${well} of ${members.length} in step, ${quorum} needed`;
}
