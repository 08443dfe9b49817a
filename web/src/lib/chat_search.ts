/**
 * Looking through all that was said: what is typed, taken apart as the node does it, and what was found, in pieces of which some are marked. Pure, but for the
 * call to the node.
 *
 * `marks` are the sender's text measured by the node: whatever they say, nothing but pieces of that text comes of them, made harmless each.
 */

import type { ChatConversation, ChatFound, ChatHit, ChatItem, ChatPerson, Methods } from "@byway/client";
import { bareAddresses } from "./chat_links";
import { conversationTitle, excerpt, namedIn, personName } from "./chat_words";
import { folded, harmlessText } from "./harmless";
import type { NodeStore } from "./node.svelte";
import { RpcError } from "./rpc";

/** What it is known by: whoever writes chooses the names of their messages, and may choose the same in two conversations. */
export function hitName({ item }: Pick<ChatHit, "item">): string {
  return `${item.conversation} ${item.message}`;
}

/** Each once, where it stands first. */
export function onlyOnce(hits: ChatHit[]): ChatHit[] {
  const names = new Set<string>();
  return hits.filter((hit) => !names.has(hitName(hit)) && names.add(hitName(hit)));
}

/** Days in a query are those of this place. */
export function searchNode(node: Pick<NodeStore, "call">, params: Methods["chat_search"]["params"]): Promise<ChatFound> {
  return node.call("chat_search", { ...params, offset_minutes: 0 - new Date().getTimezoneOffset() });
}

export const FILTERS = ["from", "in", "before", "after", "has"] as const;
export type Filter = (typeof FILTERS)[number];
export const HAS = ["file", "picture", "link", "poll", "list", "voice"] as const;

/** A word, a phrase or a filter, and where it stands in what was typed. */
export interface Part {
  filter: Filter | null;
  value: string;
  from: number;
  to: number;
}

/** Values that are proposed for a filter. */
const PROPOSED_MAX = 6;

export function partsOf(query: string): Part[] {
  const parts: Part[] = [];
  for (const match of query.matchAll(/(?:(from|in|before|after|has):)?(?:"([^"]*)"?|([^\s"]*))/gi)) {
    const [all, filter, phrase, word] = match;
    if (all === "") continue;
    parts.push({ filter: (filter?.toLowerCase() as Filter | undefined) ?? null, value: phrase ?? word ?? "", from: match.index, to: match.index + all.length });
  }
  return parts;
}

/** The filter that is being typed, which is the last thing there. */
export function pendingPart(query: string): Part | null {
  const last = partsOf(query).at(-1);
  const isClosed = /"$/.test(query) && query.slice(last?.from ?? 0).split('"').length > 2;
  return last?.filter && last.to === query.length && !isClosed ? last : null;
}

/** With a filter at its end that is yet to be filled in. */
export function withFilter(query: string, filter: Filter): string {
  return `${query.trim()} ${filter}:`.trimStart();
}

/** With a part's value replaced. */
export function withValue(query: string, part: Part, value: string): string {
  const plain = value.replace(/["\u2066-\u2069]/g, "").trim();
  const written = `${part.filter ? `${part.filter}:` : ""}${/\s/.test(plain) ? `"${plain}"` : plain}`;
  return `${query.slice(0, part.from)}${written} ${query.slice(part.to).trimStart()}`;
}

export function withoutPart(query: string, part: Part): string {
  return `${query.slice(0, part.from).trimEnd()} ${query.slice(part.to).trimStart()}`.trimStart();
}

/** What may stand behind a filter: names that begin as what was typed come first. */
export function proposals(part: Part, people: ChatPerson[], conversations: ChatConversation[]): string[] {
  const known: Record<Filter, readonly string[]> = {
    from: people.map(({ name }) => name), in: conversations.map(conversationTitle), has: HAS, before: [], after: [],
  };
  const typed = folded(part.value).trim();
  const all = [...new Set(part.filter ? known[part.filter] : [])].filter((name) => name !== "" && folded(name).includes(typed));
  return all.sort((a, b) => Number(folded(b).startsWith(typed)) - Number(folded(a).startsWith(typed))).slice(0, PROPOSED_MAX);
}

export interface Piece {
  text: string;
  isMarked: boolean;
}

/** Marks that are looked at: more than a line shows. */
const MARKS_MAX = 64;
/** Characters in front of the first mark, and in all. */
const LEAD = 40;
const SHOWN_MAX = 240;

/** Marks that lie in the text, in their order, none within another, and no character cut in two. */
function soundMarks(text: string, marks: readonly (readonly number[])[]): [number, number][] {
  const sound: [number, number][] = [];
  const inside = marks.slice(0, MARKS_MAX).map(([from, to]) => [from, Math.min(to ?? 0, text.length)] as [number, number])
    .filter(([from, to]) => Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to).sort((a, b) => a[0] - b[0]);
  for (const [from, to] of inside) {
    const [first, end] = [wholeFrom(text, from), wholeTo(text, to)];
    const last = sound.at(-1);
    if (last && first <= last[1]) last[1] = Math.max(last[1], end);
    else sound.push([first, end]);
  }
  return sound;
}

const isLow = (text: string, at: number): boolean => /[\udc00-\udfff]/.test(text[at] ?? "");
const wholeFrom = (text: string, at: number): number => (isLow(text, at) ? at - 1 : at);
const wholeTo = (text: string, at: number): number => (isLow(text, at) ? at + 1 : at);

/** The part of a text around what was found in it, on one line. */
export function piecesOf(text: string, marks: readonly (readonly number[])[]): Piece[] {
  const sound = soundMarks(text, marks);
  const start = wholeFrom(text, Math.max(0, (sound[0]?.[0] ?? 0) - LEAD));
  const end = wholeTo(text, Math.min(text.length, start + SHOWN_MAX));
  const pieces: Piece[] = start > 0 ? [{ text: "…", isMarked: false }] : [];
  const put = (from: number, to: number, isMarked: boolean): void => {
    const shown = harmlessText(text.slice(from, Math.min(to, end))).replace(/\s+/g, " ");
    if (from < end && shown !== "") pieces.push({ text: shown, isMarked });
  };
  let at = start;
  for (const [from, to] of sound) {
    put(at, from, false);
    put(from, to, true);
    at = to;
  }
  put(at, end, false);
  return end < text.length ? [...pieces, { text: "…", isMarked: false }] : pieces;
}

/** What is shown of a hit: its text around what was found, or what the message is where it has none. */
export function hitPieces({ item, marks }: ChatHit, conversation: ChatConversation | null, people: ChatPerson[]): Piece[] {
  if (item.text.trim() !== "" && !item.poll && !item.list) return piecesOf(item.text, marks);
  return [{ text: excerpt(item, namedIn(conversation, people)), isMarked: false }];
}

/** What the page has read in, for a node that can't search. */
export interface Loaded {
  items: ChatItem[];
  conversations: ChatConversation[];
  people: ChatPerson[];
}

/** Hits of such a search. */
const HITS_MAX = 50;

/** The same search among what is loaded. Throws what can't be read of the query. */
export function searchLoaded(query: string, to: string | null, { items, conversations, people }: Loaded): ChatFound {
  const parts = partsOf(query);
  const terms = parts.filter(({ filter }) => filter === null).map(({ value }) => folded(value).trim()).filter((term) => term !== "");
  const tests = parts.flatMap((part) => (part.filter ? [testOf(part, conversations, people)] : []));
  if (terms.length + tests.length === 0) return { hits: [], people: [] };
  const hits = items.filter((item) => !item.deleted && (to === null || item.conversation === to) && tests.every((test) => test(item)) && hasAll(item, terms));
  return {
    hits: hits.sort((a, b) => b.sent_ms - a.sent_ms || b.place - a.place).slice(0, HITS_MAX).map((item) => ({ to: item.conversation, item, marks: marksOf(item.text, terms) })),
    people: tests.length > 0 || to !== null ? [] : people.filter(({ name, claimed }) => terms.every((term) => folded(`${name} ${claimed ?? ""}`).includes(term))),
  };
}

function hasAll(item: ChatItem, terms: string[]): boolean {
  const names = [...(item.attachments ?? []).map(({ name }) => name), item.poll?.question ?? "", ...(item.poll?.options ?? []).map(({ text }) => text), item.list?.title ?? "", ...(item.list?.entries ?? []).map(({ text }) => text)];
  const text = folded([item.text, ...names].join(" "));
  return terms.every((term) => text.includes(term));
}

/** Where small and large letters are as long as each other, which is nearly everywhere. */
function marksOf(text: string, terms: string[]): [number, number][] {
  const small = text.toLowerCase();
  if (small.length !== text.length) return [];
  return terms.flatMap((term) => {
    const at = small.indexOf(term);
    return at < 0 ? [] : [[at, at + term.length] as [number, number]];
  });
}

function testOf({ filter, value }: Part, conversations: ChatConversation[], people: ChatPerson[]): (item: ChatItem) => boolean {
  const wanted = folded(value).trim();
  if (wanted === "") throw new RpcError("search_filter", `Write something behind “${filter}:”.`);
  const titles = new Map(conversations.map((conversation) => [conversation.conversation, conversation]));
  if (filter === "from") return (item) => folded(personName(namedIn(titles.get(item.conversation) ?? null, people), item.author)).includes(wanted);
  if (filter === "in") return (item) => folded(conversationTitle(titles.get(item.conversation) ?? conversations[0]!)).includes(wanted);
  if (filter === "has") return hasTest(wanted);
  const [start, end] = daysOf(filter ?? "", wanted);
  return filter === "before" ? (item) => item.sent_ms < start : (item) => item.sent_ms >= end;
}

function hasTest(what: string): (item: ChatItem) => boolean {
  const tests: Record<(typeof HAS)[number], (item: ChatItem) => boolean> = {
    file: (item) => (item.attachments ?? []).length > 0,
    picture: (item) => (item.attachments ?? []).some(({ media_type }) => media_type.startsWith("image/")),
    link: (item) => bareAddresses(item.text).length > 0,
    poll: (item) => !!item.poll,
    list: (item) => !!item.list,
    voice: (item) => item.kind === "voice",
  };
  const known = HAS.find((name) => name === what);
  if (!known) throw new RpcError("search_filter", `“has:” knows ${HAS.join(", ")}.`);
  return tests[known];
}

/** From when to when a day, a month or a year is. */
function daysOf(filter: string, value: string): [startMs: number, endMs: number] {
  const [, year, month, day] = /^(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?$/.exec(value) ?? [];
  if (!year) throw new RpcError("search_filter", `“${filter}:” needs a day, such as ${filter}:2026-03-14, ${filter}:2026-03 or ${filter}:2026.`);
  const at = (years: number, months: number, days: number): number => new Date(Number(year) + years, Number(month ?? 1) - 1 + months, Number(day ?? 1) + days).getTime();
  return [at(0, 0, 0), day ? at(0, 0, 1) : month ? at(0, 1, 0) : at(1, 0, 0)];
}
