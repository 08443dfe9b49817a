/** Who is called by name in a text: `@Ada` as it is typed, `[@Ada](mention:IDENTITY)` as it is said. Pure. */

import type { ChatConversation, ChatPerson } from "@byway/client";
import type { Named } from "./chat_words";

/** Somebody who may be called, by what the list shows. */
export interface Callable extends Named {
  /** Another name that they go by, such as that in the directory. */
  others: string[];
}

/** Others in a conversation with a name, in the order of the alphabet. Whom one knows is called as one calls them. */
export function callable(conversation: ChatConversation, people: ChatPerson[] | null, own: string): Callable[] {
  const all = conversation.members.filter((member) => member !== own).map((identity) => {
    const person = people?.find((known) => known.identity === identity);
    const said = conversation.group?.members.find((member) => member.identity === identity)?.name ?? "";
    const name = person?.name || said;
    const others = [said, person?.claimed ?? "", person?.primary_name ?? ""].filter((other) => other !== "" && other !== name);
    return { identity, name, others };
  });
  return all.filter(({ name }) => name !== "").sort((a, b) => a.name.localeCompare(b.name));
}

/** Whether a letter before an `@` makes it part of a word, or of what was marked as none. */
const GOES_ON = /[\p{L}\p{N}\\[@]/u;
const IN_WORD = /^[\p{L}\p{N}_]/u;
/** Letters of a name that are looked for in front of the caret. */
const QUERY_MAX = 64;

/** What is typed of a name in front of the caret, and where its `@` stands; null where none is. */
export function askedAt(text: string, caret: number): { from: number; query: string } | null {
  const before = text.slice(Math.max(0, caret - QUERY_MAX), caret);
  const at = before.lastIndexOf("@");
  const query = before.slice(at + 1);
  if (at < 0 || /[\n\]`]/.test(query) || /^\s/.test(query) || GOES_ON.test(Array.from(before.slice(0, at)).at(-1) ?? "")) return null;
  return { from: caret - query.length - 1, query };
}

/** Those of whom a name or a word of it begins so. */
export function matching(people: Callable[], query: string): Callable[] {
  const begin = query.toLowerCase();
  const fits = (name: string): boolean => name.toLowerCase().startsWith(begin) || name.toLowerCase().split(/[^\p{L}\p{N}]+/u).some((word) => word.startsWith(begin));
  return people.filter(({ name, others }) => [name, ...others].some(fits));
}

function mention(name: string, identity: string): string {
  return `[@${name.replace(/[!-/:-@[-`{-~]/g, "\\$&")}](mention:${identity})`;
}

/** The longest name that a text begins with, in whatever case, and whose it is, if it is one person's. */
function namedAt(text: string, people: Callable[]): { name: string; identity: string } | null {
  const names = people.flatMap(({ identity, name, others }) => [name, ...others].map((known) => ({ identity, name: text.slice(0, known.length), known })));
  const found = names.filter(({ name, known }) => name.toLowerCase() === known.toLowerCase() && !IN_WORD.test(text.slice(known.length)));
  const length = Math.max(0, ...found.map(({ name }) => name.length));
  const [first, ...rest] = found.filter(({ name }) => name.length === length);
  return first && rest.every(({ identity }) => identity === first.identity) ? first : null;
}

/** A text as it is said: each name after an `@` that begins a word, outside of code, is a mention. What several are called stays as it is. */
export function called(text: string, people: Callable[]): string {
  let [out, isCode, before] = ["", false, ""];
  for (let at = 0; at < text.length; ) {
    const letter = String.fromCodePoint(text.codePointAt(at)!);
    if (letter === "`") isCode = !isCode;
    const found = letter === "@" && !isCode && !GOES_ON.test(before) ? namedAt(text.slice(at + 1), people) : null;
    const taken = found ? `@${found.name}` : letter;
    out += found ? mention(found.name, found.identity) : letter;
    before = Array.from(taken).at(-1) ?? "";
    at += taken.length;
  }
  return out;
}

/** What to write for somebody who was chosen: their name, or who they are where that is not enough. */
export function written(person: Callable, people: Callable[]): string {
  return namedAt(person.name, people)?.identity === person.identity ? `@${person.name}` : mention(person.name, person.identity);
}

/** A text that was said, as it is typed: to be edited. */
export function typed(text: string, people: Callable[]): string {
  return text.replace(/\[@(?:[^[\]\\\n]|\\.)*\]\(mention:([0-9a-f]{40})\)/g, (all: string, identity: string) => {
    const person = people.find((known) => known.identity === identity);
    return person ? written(person, people) : all;
  });
}
