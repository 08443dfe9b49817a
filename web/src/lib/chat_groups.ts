/** Groups: founding and changing them, and what one may do in them. The last part is pure; the node decides all the same. */

import type { ChatConversation, ChatGroup, ChatMember, ChatPerson, Methods } from "@byway/client";
import { Attempt } from "./attempt";
import type { NodeStore } from "./node.svelte";

type Change = Methods["chat_group_change"]["params"];

/** Bytes of what a group is called. */
export const TITLE_BYTES_MAX = 128;

export class ChatGroups {
  #founding = new Attempt();

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly note: (conversation: ChatConversation) => void) {}

  async found(title: string, people: string[]): Promise<ChatConversation> {
    const group = { title, with: people };
    const made = await this.#founding.make(JSON.stringify(group), (key) => this.node.call("chat_group_create", { ...group, idempotency_key: key }));
    this.note(made);
    return made;
  }

  async change(to: string, what: Change["what"], more: Pick<Change, "who" | "title"> = {}): Promise<void> {
    this.note(await this.node.call("chat_group_change", { to, what, ...more }));
  }
}

export type Role = ChatMember["role"];
export const ROLE_WORDS: Record<Role, string> = { founder: "founder", admin: "admin", member: "member" };

export function roleIn(group: ChatGroup, identity: string): Role | null {
  return group.members.find((member) => member.identity === identity)?.role ?? null;
}

/** What somebody may do in it: nothing once they leave. */
export function rightsIn(group: ChatGroup, own: string): { adds: boolean; renames: boolean; setsRoles: boolean } {
  const role = group.leaving ? null : roleIn(group, own);
  const leads = role === "founder" || role === "admin";
  // Where the founder is gone, admins say who is one.
  const isOrphan = !group.members.some((member) => member.role === "founder");
  return { adds: leads, renames: leads, setsRoles: role === "founder" || (role === "admin" && isOrphan) };
}

export function mayRemove(group: ChatGroup, own: string, member: ChatMember): boolean {
  if (group.leaving || member.identity === own) return false;
  const role = roleIn(group, own);
  return role === "founder" || (role === "admin" && member.role === "member");
}

/** Contacts who are neither in it nor about to be. */
export function addable(group: ChatGroup | null, people: ChatPerson[] | null): ChatPerson[] {
  const there = new Set([...(group?.members.map(({ identity }) => identity) ?? []), ...(group?.awaited ?? [])]);
  return (people ?? []).filter(({ identity, standing }) => standing === "contact" && !there.has(identity));
}

const RANKS: Role[] = ["founder", "admin", "member"];

/** Who says what happens in it first, then by name. */
export function sortedMembers(group: ChatGroup): ChatMember[] {
  return [...group.members].sort((a, b) => RANKS.indexOf(a.role) - RANKS.indexOf(b.role) || a.name.localeCompare(b.name));
}

export function titleProblem(title: string): string | null {
  if (title.trim() === "") return "Write what the group is called.";
  return new TextEncoder().encode(title.trim()).length > TITLE_BYTES_MAX ? "That is too long for what a group is called." : null;
}
