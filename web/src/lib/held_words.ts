/** What a person is told of those who hold what is sent to them while they are away. */

import type { HoldStatus } from "@byway/client";

export interface HeldWords {
  words: string;
  /** Something is to be done about it. */
  isBad: boolean;
}

/** One line; nothing where nobody holds and nobody is held for. */
export function heldWords({ holders, clients, bringing }: HoldStatus): HeldWords | null {
  const failing = holders.filter(({ failing }) => failing);
  const holding = holders.filter(({ holding, failing }) => holding && !failing);
  const parts = [];
  if (holders.length > 0) parts.push(holding.length === 0 ? "Nobody holds your messages now while you are away" : `${many(holding.length, "node holds", "nodes hold")} your messages while you are away`);
  if (failing.length > 0) parts.push(failing.every(({ replaceable }) => replaceable) ? `${many(failing.length, "fails", "fail")}, and another is sought` : `${many(failing.length, "fails", "fail")}: have another hold`);
  const problem = holders.find(({ failing, problem }) => !failing && problem)?.problem;
  if (problem) parts.push(problem);
  if (bringing > 0) parts.push(`${many(bringing, "message waits", "messages wait")} for people who are away`);
  if (clients.length > 0) parts.push(`you hold for ${many(clients.length, "other", "others")}`);
  if (parts.length === 0) return null;
  return { words: `${parts.join("; ")}.`, isBad: holders.length > 0 && (holding.length === 0 || failing.length > 0 || problem !== undefined) };
}

function many(count: number, one: string, more: string): string {
  return `${count} ${count === 1 ? one : more}`;
}
