/** People, conversations and messages in words. Pure; the clock is a parameter. */

import type { ChatConversation, ChatItem, ChatPerson } from "@byway/client";
import { filesWords } from "./chat_files";
import { formatDay, formatTime, shortId } from "./format";
import { folded, harmlessLine } from "./harmless";
import { parseMarkdown, plainText } from "./markdown";

/** Characters of an excerpt: more than any line shows. */
const EXCERPT_MAX = 200;

/** Somebody with a name, which may be empty. */
export type Named = Pick<ChatPerson, "identity" | "name">;

/** What to call somebody of whom only the identity may be known, or what they call themselves. */
export function personName(people: Named[] | null, identity: string, claimed = ""): string {
  return people?.find((person) => person.identity === identity && person.name !== "")?.name || claimed || shortId(identity);
}

/** All who have a name in a conversation: people whom one knows first, and members of a group as they call themselves. */
export function namedIn(conversation: ChatConversation | null, people: ChatPerson[] | null): Named[] {
  return [...(people ?? []), ...(conversation?.group?.members ?? [])];
}

export function conversationTitle(conversation: ChatConversation): string {
  return conversation.title || (conversation.peer ? shortId(conversation.peer) : "Group");
}

/** Identities whose names look like somebody else's, as the node says: their short ids are shown beside them. */
export function lookAlikes(people: ChatPerson[]): Set<string> {
  return new Set(people.filter(({ looks_like }) => looks_like).map(({ identity }) => identity));
}

/** For whom somebody could be taken, in words; null where that is nobody. */
export function alikeWords({ looks_like }: Pick<ChatPerson, "looks_like">): string | null {
  if (!looks_like) return null;
  const { name, identity, in_directory } = looks_like;
  if (in_directory) return `In the directory, ${name} is somebody else: ${shortId(identity)}. What this one is called here nobody has checked.`;
  return `Somebody else in your list has a name that looks like this one: ${name}, ${shortId(identity)}. Names are what people call themselves; nobody has checked them.`;
}

/** The first letters of a name, for the disc beside it. */
export function initials(name: string): string {
  const words = harmlessLine(name).split(" ").filter((word) => /[\p{L}\p{N}]/u.test(word));
  const first = words.slice(0, 2).map((word) => Array.from(word).find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "");
  return first.join("").toUpperCase() || "?";
}

/** Which of so many tints somebody has, the same on every page. */
export function tintOf(id: string, tints: number): number {
  return Number.parseInt(id.slice(0, 6), 16) % tints || 0;
}

/** Whether this page shows what such a message says; others are shown as what they are. */
export function isText(item: ChatItem): boolean {
  return item.kind === "text" || item.kind === "memo";
}

/** Whether this page shows it, be it a text or not. */
export function isShown(item: ChatItem): boolean {
  return isText(item) || !!item.poll || !!item.list || (item.attachments ?? []).length > 0;
}

/** "A poll", for a message that this page can't show. */
export function kindWords(kind: string): string {
  const words = harmlessLine(kind);
  if (/^an? /.test(words)) return `A${words.slice(1)}`;
  return `${/^[aeiou]/.test(words) ? "An" : "A"} ${words}`;
}

/** A message on one line. */
export function excerpt(item: ChatItem, people: Named[] | null): string {
  if (item.deleted) return "Deleted message";
  if (item.poll) return `Poll: ${harmlessLine(item.poll.question)}`;
  if (item.list) return `List: ${harmlessLine(item.list.title)}`;
  const text = plainText(parseMarkdown(item.text), (identity) => personName(people, identity));
  if (text !== "") return Array.from(text).slice(0, EXCERPT_MAX).join("");
  if (item.attachments?.length) return item.kind === "voice" ? "Voice note" : `File: ${filesWords(item.attachments)}`;
  return isText(item) ? "Empty message" : kindWords(item.kind);
}

export type Mark = "kept" | "received" | "read";

/** How far what one said oneself has come: with all of them, or it counts as not there yet. */
export function markOf(item: ChatItem, members: string[], own: string): Mark {
  const others = members.filter((member) => member !== own);
  const has = (list: string[]): boolean => others.length > 0 && others.every((member) => list.includes(member));
  return has(item.read) ? "read" : has([...item.received, ...item.read]) ? "received" : "kept";
}

export const MARK_WORDS: Record<Mark, string> = { kept: "Sent, has not arrived yet", received: "Arrived", read: "Read" };

function dayOf(timeMs: number): number {
  const date = new Date(timeMs);
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

const DAY_MS = 86_400_000;

export function isSameDay(a: number, b: number): boolean {
  return dayOf(a) === dayOf(b);
}

/** "Today", "Yesterday", "Monday", "12 March 2026". */
export function dayLabel(timeMs: number, nowMs: number): string {
  const days = Math.round((dayOf(nowMs) - dayOf(timeMs)) / DAY_MS);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  const date = new Date(timeMs);
  if (days > 1 && days < 7) return date.toLocaleDateString("en-GB", { weekday: "long" });
  return date.toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric" });
}

/** In the list: the time today, the weekday of this week, then the day. */
export function listTime(timeMs: number, nowMs: number): string {
  const label = dayLabel(timeMs, nowMs);
  if (label === "Today") return formatTime(timeMs);
  if (label === "Yesterday") return label;
  if (!label.includes(" ")) return label.slice(0, 3);
  const isThisYear = new Date(timeMs).getFullYear() === new Date(nowMs).getFullYear();
  return isThisYear ? formatDay(timeMs) : new Date(timeMs).toLocaleDateString("en-GB", { month: "short", year: "numeric" });
}

/** Something in it is new, or it is kept as if there were. */
export function isUnread(conversation: ChatConversation | null): boolean {
  return conversation !== null && (conversation.unread > 0 || conversation.marked_unread === true);
}

/** Nothing of it is notified but what mentions one, and it does not count. */
export function isMuted(conversation: ChatConversation, nowMs: number): boolean {
  return (conversation.muted_until_ms ?? 0) > nowMs;
}

/** When a conversation was last alive. */
export function lastAlive(conversation: ChatConversation): number {
  return conversation.newest?.sent_ms ?? conversation.since_ms;
}

/** Pinned ones first, then by when they were last alive. */
export function sortedConversations(conversations: ChatConversation[]): ChatConversation[] {
  return [...conversations].sort((a, b) => Number(b.pinned ?? false) - Number(a.pinned ?? false) || lastAlive(b) - lastAlive(a));
}

/** Those whose name, people or newest message have every word of it. */
export function searchedConversations(conversations: ChatConversation[], people: ChatPerson[] | null, query: string): ChatConversation[] {
  const words = folded(query).trim().split(" ").filter((word) => word !== "");
  if (words.length === 0) return conversations;
  return conversations.filter((conversation) => {
    const known = people?.filter(({ identity }) => conversation.members.includes(identity)) ?? [];
    const names = [...known.map(({ name, claimed, primary_name }) => `${name} ${claimed ?? ""} ${primary_name ?? ""}`), ...(conversation.group?.members.map(({ name }) => name) ?? [])];
    const newest = conversation.newest ? excerpt(conversation.newest, namedIn(conversation, people)) : "";
    const text = folded([conversationTitle(conversation), ...names, newest].join(" "));
    return words.every((word) => text.includes(word));
  });
}

/** Messages that have every word of it, in their order. */
export function searchedItems(items: ChatItem[], people: Named[] | null, query: string): ChatItem[] {
  const words = folded(query).trim().split(" ").filter((word) => word !== "");
  if (words.length === 0) return [];
  return items.filter((item) => {
    if (item.deleted) return false;
    const text = folded(plainText(parseMarkdown(item.text), (identity) => personName(people, identity)));
    return words.every((word) => text.includes(word));
  });
}

/** A handful of emoji alone, which are shown large. */
export function isEmojiAlone(text: string): boolean {
  const shown = text.trim();
  // Each class is gone through once: classes that overlap, one after the other, would try all ways to share a text among them.
  const isEmoji = /^[\p{Emoji}\p{Extended_Pictographic}\ufe0f\u200d\u{e0020}-\u{e007f}\s]+$/u.test(shown);
  return shown.length <= 40 && isEmoji && /[^\d#*\s]/.test(shown) && !/[\d#*](?!\ufe0f)/.test(shown);
}

/** "(3) ", in front of the page's title, for what nobody has looked at. */
export function titleCount(conversations: ChatConversation[] | null, people: ChatPerson[] | null, nowMs: number): string {
  const unread = (conversations ?? []).filter((conversation) => !isMuted(conversation, nowMs)).reduce((sum, conversation) => sum + (conversation.unread || Number(conversation.marked_unread ?? false)), 0);
  const waiting = unread + (people ?? []).filter(({ standing }) => standing === "asking").length;
  return waiting === 0 ? "" : `(${waiting > 99 ? "99+" : waiting}) `;
}
