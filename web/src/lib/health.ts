/** How a kernel node does, in words. Pure. */

import type { KernelMember } from "@byway/client";

export type Health = { word: string; tone: "good" | "warn" | "bad" | "quiet" };

/** Rounds that a node far away may be behind at any moment. */
const BEHIND_MAX = 8;

export function healthOf(member: KernelMember): Health {
  if (member.standing === "left") return { word: "Has left", tone: "quiet" };
  if (member.standing === "marked") return { word: "Marked", tone: "bad" };
  if (!member.reachable) return { word: "Out of reach", tone: "bad" };
  if (member.standing === "candidate") return { word: "Catching up", tone: "warn" };
  if (member.rounds_behind > BEHIND_MAX) return { word: `${member.rounds_behind} rounds behind`, tone: "warn" };
  return { word: "In step", tone: "good" };
}

/** One line about those that count, and how many others there are. */
export function healthSummary(members: KernelMember[], quorum: number): string {
  const counting = members.filter((member) => member.standing === "counting");
  const well = counting.filter((member) => healthOf(member).tone === "good").length;
  const missing = quorum - well;
  const others = members.length - counting.length;
  const beside = others > 0 ? `; ${others} that ${others === 1 ? "doesn't" : "don't"} count` : "";
  return missing > 0
    ? `${well} of ${counting.length} in step; ${missing} more needed for a quorum${beside}`
    : `${well} of ${counting.length} in step, ${quorum} needed${beside}`;
}
