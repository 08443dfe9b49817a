/** People and conversations of the mock node, after `docs/formats/rpc.md`. */

import type { ChatBookPerson, ChatConversation, ChatItem, ChatMember, ChatPerson, ChatTells, Events, Method, Methods } from "@byway/client";
import type { PageTopic } from "../../src/lib/rpc";
import { MethodError } from "./error";
import type { MockNode } from "./node";
import { bookHandlers } from "./chat_books";
import { contentHandlers, once } from "./chat_contents";
import { groupHandlers } from "./chat_groups";
import { fileHandlers } from "./chat_files";
import { nameHandlers, OwnNames } from "./names";
import { searchHandlers } from "./chat_search";
import { signHandlers } from "./chat_signs";
import { hex } from "./world";

type Handlers = { [M in Method]?:
  (node: MockNode, params: Methods[M]["params"]) => Methods[M]["result"] | Promise<Methods[M]["result"]> };
type Publish = <T extends PageTopic>(topic: T, data: Events[T]) => void;

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

/** What is compared with the so-manyth person. */
const safetyOf = (made: number): Pick<ChatPerson, "safety_number" | "safety_words"> => ({
  safety_number: Array.from({ length: 12 }, (_, at) => String(10_000 + (((at + made) * 7_919 + 4_211) % 90_000))).join(" "),
  safety_words: Array.from({ length: 12 }, (_, at) => ["acid", "bread", "cliff", "dove", "echo"][(at * 3 + made) % 5]).join(" "),
});

/** A message as tests write it: the rest is made up. */
export type Said = Partial<ChatItem> & { text: string };

export interface Talk {
  conversation: ChatConversation;
  /** A message by its place: made when it is asked for, so that there may be very many. */
  itemAt: (place: number) => ChatItem;
  /** Messages by place, where they were said or changed. */
  said: Map<number, ChatItem>;
}

export class MockChat {
  people: ChatPerson[] = [];
  /** Times that a page of messages was asked for. */
  reads = 0;
  /** Bytes by upload, and by message and number. */
  readonly uploads = new Map<string, Buffer>();
  readonly files = new Map<string, Buffer>();
  readonly names = new OwnNames();
  /** Address books, by conversation. */
  readonly books = new Map<string, ChatBookPerson[]>();
  tells: ChatTells = { typing: true, presence: true, read_marks: true };
  readonly #talks = new Map<string, Talk>();
  #made = 0;

  constructor(readonly own: string, readonly publish: Publish) {}

  /** Some of each kind that a person may come upon. */
  begin(): void {
    const now_ms = Date.now();
    const ada = this.person("Ada", { online: true, primary_name: "ada-of-the-garden", registered: true });
    const talk = this.talk(ada);
    this.say(talk, { text: "Did the **parcel** come?", sent_ms: now_ms - 2 * DAY_MS }, ada);
    this.say(talk, { text: "It did. Look: https://parcel.example/track/17 says *delivered*.", sent_ms: now_ms - 2 * DAY_MS + MINUTE_MS });
    const asked = this.say(talk, { text: "Shall we meet at eight?\n\n- bring the map\n- and tea", sent_ms: now_ms - 40 * MINUTE_MS }, ada);
    this.say(talk, { text: "Gladly.", reply: asked.message, sent_ms: now_ms - 38 * MINUTE_MS, read: [ada.identity], received: [ada.identity], reactions: [{ emoji: "👍", people: [ada.identity] }] });
    this.say(talk, { text: "🎉", sent_ms: now_ms - 30 * MINUTE_MS }, ada);
    const bob = this.person("Bob from the garden with the very long name that goes on", { waiting: 1 });
    const garden = this.talk(bob);
    this.say(garden, { text: "", kind: "hologram", sent_ms: now_ms - 5 * DAY_MS }, bob);
    this.say(garden, { text: "", deleted: true, sent_ms: now_ms - 5 * DAY_MS + MINUTE_MS }, bob);
    this.say(garden, { text: "I'll be late", edited: true, sent_ms: now_ms - 3 * DAY_MS });
    const lea = this.talk(this.person("ليلى", { online: true }));
    this.say(lea, { text: "مرحبا! كيف حالك؟ 12:30", sent_ms: now_ms - 60 * MINUTE_MS }, this.people.at(-1)!);
    this.say(lea, { text: "見て：新しい花火の写真です", sent_ms: now_ms - 50 * MINUTE_MS }, this.people.at(-1)!);
    lea.conversation.unread = 2;
    this.people.push(this.made("Mallory", { standing: "asking", conversation: null }), this.made("", { standing: "asked", conversation: null }));
  }

  made(name: string, more: Partial<ChatPerson> = {}): ChatPerson {
    this.#made += 1;
    return { identity: hex(3_000 + this.#made, 40), name, standing: "contact", since_ms: Date.now() - 9 * DAY_MS, online: false, waiting: 0, conversation: hex(3_500 + this.#made, 64), ...safetyOf(this.#made), ...more };
  }

  person(name: string, more: Partial<ChatPerson> = {}): ChatPerson {
    const person = this.made(name, more);
    this.people.push(person);
    return person;
  }

  /** The conversation with somebody, with so many messages in it that were said a minute apart. */
  talk(person: ChatPerson, messages = 0, textOf: (place: number) => string = (place) => `Message ${place}`): Talk {
    const first_ms = Date.now() - messages * MINUTE_MS;
    const id = person.conversation!;
    const itemAt = (place: number): ChatItem =>
      this.item(id, place, { text: textOf(place), sent_ms: first_ms + place * MINUTE_MS }, place % 3 === 0 ? this.own : person.identity);
    const conversation: ChatConversation = {
      conversation: id, title: person.name, peer: person.identity, members: [this.own, person.identity], member: true, since_ms: first_ms,
      messages, unread: 0,
    };
    const talk: Talk = { conversation, itemAt, said: new Map() };
    this.#talks.set(id, talk);
    return talk;
  }

  item(conversation: string, place: number, said: Said, author: string): ChatItem {
    return {
      conversation, message: `${author}/${hex(place + 9, 32)}`, author, place, sent_ms: Date.now(), kind: "text", edited: false, deleted: false, reactions: [], received: [], read: [],
      ...said,
    };
  }

  /** A group of such people, in which one is such a member oneself. */
  group(title: string, people: ChatPerson[], role: ChatMember["role"] = "founder"): Talk {
    const talk = this.talk({ ...this.made(title), name: title });
    const others = people.map(({ identity, name }, at) => ({ identity, name, role: at === 0 && role !== "founder" ? ("founder" as const) : ("member" as const) }));
    talk.conversation.peer = null;
    talk.conversation.members = [this.own, ...people.map(({ identity }) => identity)];
    talk.conversation.group = { awaited: [], leaving: false, members: [{ identity: this.own, name: "", role }, ...others] };
    return talk;
  }

  /** The conversation with oneself. */
  notes(): Talk {
    const known = [...this.#talks.values()].find(({ conversation }) => conversation.peer === this.own);
    if (known) return known;
    const talk = this.talk({ ...this.made("Notes to yourself"), identity: this.own });
    talk.conversation.members = [this.own];
    return talk;
  }

  /** Notes whose time has come. */
  reminders(): ChatItem[] {
    return [...this.#talks.values()].flatMap(({ said }) => [...said.values()].filter(({ remind_ms }) => remind_ms != null && remind_ms <= Date.now()));
  }

  /** Somebody says something, or one does oneself. */
  say(talk: Talk, said: Said, by?: ChatPerson): ChatItem {
    const place = talk.conversation.messages;
    const item = this.item(talk.conversation.conversation, place, said, by?.identity ?? this.own);
    talk.conversation.messages += 1;
    talk.said.set(place, item);
    return item;
  }

  /** The same, and the page is told of it. */
  tell(talk: Talk, said: Said, by: ChatPerson): ChatItem {
    const item = this.say(talk, said, by);
    talk.conversation.unread += 1;
    this.publish("message", item);
    this.publish("conversation", this.view(talk));
    return item;
  }

  change(talk: Talk, item: ChatItem): ChatItem {
    talk.said.set(item.place, item);
    this.publish("message", item);
    return item;
  }

  tellPerson(person: ChatPerson): ChatPerson {
    this.people = this.people.some(({ identity }) => identity === person.identity)
      ? this.people.map((known) => (known.identity === person.identity ? person : known)) : [...this.people, person];
    this.publish("people", person);
    return person;
  }

  tellConversation(talk: Talk): ChatConversation {
    this.publish("conversation", this.view(talk));
    return this.view(talk);
  }

  at(talk: Talk, place: number): ChatItem {
    return talk.said.get(place) ?? talk.itemAt(place);
  }

  view({ conversation }: Talk): ChatConversation {
    const talk = this.#talks.get(conversation.conversation)!;
    return { ...conversation, newest: conversation.messages > 0 ? this.at(talk, conversation.messages - 1) : null };
  }

  list(): ChatConversation[] {
    return [...this.#talks.values()].map((talk) => this.view(talk));
  }

  named(conversation: string): Talk {
    const talk = this.#talks.get(conversation);
    if (!talk) throw new MethodError(1601, "conversation_not_found", "There is no such conversation here. See which there are.");
    return talk;
  }

  known(identity: string): ChatPerson {
    const person = this.people.find((known) => known.identity === identity);
    if (!person) throw new MethodError(1604, "person_not_found", "Nobody of that identity is known here.");
    return person;
  }

  /** Somebody agrees, or is asked. */
  accept(who: string): ChatPerson {
    const asking = this.people.find(({ identity, standing }) => identity === who && standing === "asking");
    if (asking) {
      const person = this.tellPerson({ ...asking, standing: "contact", conversation: hex(4_100, 64), online: true });
      this.tellConversation(this.talk(person));
      return person;
    }
    if (who === "dora") return this.tellPerson(this.made("", { standing: "asked", conversation: null, primary_name: "dora", registered: true }));
    if (/^[a-z0-9-]{3,32}$/.test(who)) throw new MethodError(1651, "name_not_found", `Nobody has the name ${who}. Look whether it is written as they write it, or ask them for a link (\`byway chat invite\` there).`);
    if (!/^byway:chat\/[0-9a-f]+$/.test(who)) {
      throw new MethodError(-32602, "invalid_params", "The parameter `who` can't be used: it is no link of a conversation (byway:chat/…), no card, no identity, and can be nobody's name. Correct it and call again.", { field: "who" });
    }
    return this.tellPerson(this.made("", { standing: "asked", conversation: null }));
  }

  page(conversation: string, before: number | undefined, limit: number): ChatItem[] {
    this.reads += 1;
    const talk = this.named(conversation);
    const end = Math.min(before ?? talk.conversation.messages, talk.conversation.messages);
    const first = Math.max(0, end - Math.min(limit, 200));
    return Array.from({ length: end - first }, (_, index) => this.at(talk, end - 1 - index));
  }

  find(talk: Talk, message: string): ChatItem {
    for (let place = talk.conversation.messages - 1; place >= 0; place -= 1) {
      const item = this.at(talk, place);
      if (item.message === message) return item;
    }
    throw new MethodError(1603, "message_not_found", "There is no such message.");
  }
}


export const chatHandlers: Handlers = {
  chat_people: ({ chat }) => chat.people,
  chat_conversations: ({ chat }) => chat.list(),
  chat_invite: (_, { days = 7 }) => ({ link: `byway:chat/${hex(3_900, 420)}`, expires_ms: Date.now() + days * DAY_MS }),
  chat_accept: ({ chat }, { who }) => chat.accept(who),
  chat_block: ({ chat }, { who, blocked }) => {
    const person = chat.known(who);
    chat.tellPerson({ ...person, standing: blocked ? "blocked" : "contact" });
    return chat.people;
  },
  chat_nickname: ({ chat }, { who, nickname }) => {
    const person = chat.known(who);
    const claimed = person.claimed ?? person.name;
    const named = chat.tellPerson(nickname ? { ...person, name: nickname, claimed } : { ...person, name: claimed, claimed: null });
    if (named.conversation) {
      const talk = chat.named(named.conversation);
      talk.conversation.title = named.name;
      chat.tellConversation(talk);
    }
    return named;
  },
  chat_verify: ({ chat }, { who, matches }) => chat.tellPerson({ ...chat.known(who), verified_ms: matches ? Date.now() : null }),
  chat_read: ({ chat }, { to, before, limit = 50 }) => chat.page(to, before, limit),
  chat_send: ({ chat }, { to, text, reply, thread, idempotency_key }) => once(chat, to, idempotency_key, { text, reply: reply ?? null, thread: thread ?? null }),
  chat_about: ({ chat }, { to, message, what, value = "" }) => {
    const talk = chat.named(to);
    const item = chat.find(talk, message);
    const rest = item.reactions.map(({ emoji, people }) => ({ emoji, people: emoji === value ? people.filter((person) => person !== chat.own) : people }));
    const known = rest.find(({ emoji }) => emoji === value) ?? { emoji: value, people: [] };
    const reactions = [...rest.filter(({ emoji }) => emoji !== value), ...(what === "react" ? [{ emoji: value, people: [...known.people, chat.own] }] : [known])];
    const changes: Record<typeof what, Partial<ChatItem>> = {
      edit: { text: value, edited: true },
      delete: { text: "", deleted: true, reactions: [] },
      react: { reactions },
      close: item.poll ? { poll: { ...item.poll, closed: true } } : {},
      unreact: { reactions: reactions.filter(({ people }) => people.length > 0) },
    };
    return chat.change(talk, { ...item, ...changes[what] });
  },
  ...contentHandlers,
  ...fileHandlers,
  ...bookHandlers,
  ...groupHandlers,
  ...nameHandlers,
  ...searchHandlers,
  ...signHandlers,
  chat_mark: ({ chat }, { to }) => {
    const talk = chat.named(to);
    talk.conversation.unread = 0;
    talk.conversation.marked_unread = false;
    return chat.tellConversation(talk);
  },
};
