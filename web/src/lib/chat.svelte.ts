/**
 * People, conversations and what is said in them, as the page *Messages* has them; kept current by events.
 *
 * What is sent is shown at once and stays until the node has taken it: under its key it is said once, however often it is tried.
 */

import type { ChatConversation, ChatFile, ChatItem, ChatPerson, ChatSign, Methods } from "@byway/client";
import { ChatBooks } from "./chat_books.svelte";
import { ChatContents } from "./chat_contents";
import { ChatGroups } from "./chat_groups";
import { hitName, type Loaded } from "./chat_search";
import { ChatSearch } from "./chat_search.svelte";
import { Drafts, type Draft } from "./drafts.svelte";
import { conversationTitle, excerpt, isMuted, isUnread, namedIn, personName, sortedConversations } from "./chat_words";
import { Media } from "./media";
import type { NodeStore } from "./node.svelte";
import { Notifier } from "./notify.svelte";
import { errorMessage, idempotencyKey } from "./rpc";
import { Reminders } from "./reminders.svelte";
import { Signs } from "./signs.svelte";
import { Thread } from "./thread.svelte";
import { Timeline } from "./timeline.svelte";
import { Uploads } from "./uploads.svelte";
import { upserted } from "./upserted";

/** Something that was sent and that the node has not taken yet. */
export interface Outgoing {
  key: string;
  conversation: string;
  text: string;
  files: ChatFile[];
  reply: string | null;
  /** The message that its thread began with. */
  thread: string | null;
  problem: string | null;
}

export class ChatStore {
  /** Null until the first answer. */
  people = $state.raw<ChatPerson[] | null>(null);
  conversations = $state.raw<ChatConversation[] | null>(null);
  problem = $state<string | null>(null);
  /** That of the conversation that is shown. */
  timeline = $state.raw<Timeline | null>(null);
  /** The thread beside it. */
  thread = $state.raw<Thread | null>(null);
  outgoing = $state.raw<Outgoing[]>([]);
  /** A message that is to be brought into view in its conversation, once that is shown. */
  wanted = $state.raw<ChatItem | null>(null);
  /** The newest message of somebody else, in words, for whoever listens to the page. */
  announced = $state("");
  readonly notifier = new Notifier();
  /** Polls, lists and notes. */
  readonly contents: ChatContents;
  readonly drafts: Drafts;
  /** Who writes and is there, and what others hear of it. */
  readonly signs: Signs;
  readonly groups: ChatGroups;
  /** Address books of groups. */
  readonly books: ChatBooks;
  readonly reminders: Reminders;
  /** In all that was said. */
  readonly search: ChatSearch;
  /** Files that are to be sent, and what came and is shown or played. */
  readonly uploads: Uploads;
  readonly media: Media;

  #node: Pick<NodeStore, "call">;
  #own = "";
  #wasRead = false;
  /** The newest place that was told of, by conversation. */
  #heard = new Map<string, number>();
  #sending: Promise<unknown> = Promise.resolve();
  /** The key of what the node is asked to say and has not answered yet. */
  #asking: string | null = null;
  #marking = new Set<string>();

  constructor(node: Pick<NodeStore, "call">) {
    this.#node = node;
    this.signs = new Signs(node);
    this.drafts = new Drafts((conversation, draft) => this.keep(conversation, { draft }));
    this.groups = new ChatGroups(node, (conversation) => this.noteConversation(conversation));
    this.books = new ChatBooks(node);
    this.search = new ChatSearch(node, () => this.#loaded());
    this.reminders = new Reminders((item) => this.#remind(item));
    this.uploads = new Uploads(node);
    this.media = new Media(node);
    this.contents = new ChatContents(node, (item) => this.noteItem(item));
  }

  /** Reads what there is; what is shown catches up with what was missed. */
  async read(own: string): Promise<void> {
    this.#own = own;
    try {
      const [people, conversations] = await Promise.all([this.#node.call("chat_people", {}), this.#node.call("chat_conversations", {})]);
      this.people = people;
      this.conversations = sortedConversations(conversations);
      for (const conversation of conversations) this.#hear(conversation);
      this.problem = null;
      this.#wasRead = true;
      await this.signs.read().catch(() => undefined);
      await this.timeline?.catchUp();
      await this.thread?.read();
    } catch (error) {
      this.problem = errorMessage(error);
    }
  }

  notePerson(person: ChatPerson): void {
    const known = this.people?.find(({ identity }) => identity === person.identity);
    // What was there when the page came up is no news.
    if (person.standing === "asking" && known?.standing !== "asking" && this.#wasRead) {
      this.announced = `${person.name || "Somebody"} asks to talk with you`;
      this.notifier.notify({ title: "Somebody asks to talk with you", body: person.name, tag: person.identity, part: person.identity });
    }
    this.people = upserted(this.people, person, (a, b) => a.identity === b.identity);
  }

  noteConversation(conversation: ChatConversation): void {
    this.conversations = sortedConversations(upserted(this.conversations, conversation, (a, b) => a.conversation === b.conversation));
    if (!this.#heard.has(conversation.conversation)) this.#hear(conversation);
  }

  noteSign(sign: ChatSign): void {
    this.signs.note(sign);
  }

  noteItem(item: ChatItem): void {
    if (this.timeline?.conversation === item.conversation) this.timeline.note(item);
    if (this.thread?.conversation === item.conversation) this.thread.note(item);
    this.#noteNewest(item);
    if (item.place <= (this.#heard.get(item.conversation) ?? -1)) return;
    this.#heard.set(item.conversation, item.place);
    this.signs.noteSaid(item.conversation, item.author);
    if (item.author !== this.#own) this.#announce(item);
    else this.#noteOwn(item);
  }

  /** Shows one, or none. */
  open(conversation: string | null): void {
    if (this.timeline?.conversation === conversation) return;
    this.timeline = conversation === null ? null : new Timeline(this.#node, conversation, this.#own);
    const { wanted } = this;
    if (wanted && wanted.conversation === conversation) {
      this.wanted = null;
      void this.timeline?.openAt(wanted);
    } else void this.timeline?.open(this.named(conversation ?? "")?.unread ?? 0);
  }

  /** Goes to a message, in whichever conversation. */
  lookFor(item: ChatItem): void {
    this.wanted = item;
    location.hash = `messages/${item.conversation}`;
  }

  /** Shows a thread of a conversation, or none. */
  openThread(conversation: string, message: string | null): void {
    this.thread = message === null ? null : new Thread(this.#node, conversation, message);
    void this.thread?.read();
  }

  named(conversation: string): ChatConversation | null {
    return this.conversations?.find((known) => known.conversation === conversation) ?? null;
  }

  /** That with oneself, once something was noted. */
  notes(): ChatConversation | null {
    return this.conversations?.find(({ peer }) => peer === this.#own) ?? null;
  }

  /** Notes the first thing for oneself; the conversation that it begins is known afterwards. */
  async note(text: string, remindMs: number | null): Promise<void> {
    await this.contents.memo(text, remindMs);
    if (!this.notes()) this.conversations = sortedConversations(await this.#node.call("chat_conversations", {}));
  }

  person(identity: string | null | undefined): ChatPerson | null {
    return this.people?.find((known) => known.identity === identity) ?? null;
  }

  /** Its newest message is on the screen. */
  async mark(conversation: string): Promise<void> {
    if (this.#marking.has(conversation) || !isUnread(this.named(conversation))) return;
    this.#marking.add(conversation);
    try {
      this.noteConversation(await this.#node.call("chat_mark", { to: conversation, tell: this.signs.tells?.read_marks ?? true }));
    } catch {
      // It stays unread, and is marked when it is looked at again.
    } finally {
      this.#marking.delete(conversation);
    }
  }

  /** What one keeps of a conversation for oneself: pinned, muted, marked as unread, a draft. */
  async keep(conversation: string, what: Omit<Methods["chat_keep"]["params"], "to">): Promise<void> {
    this.noteConversation(await this.#node.call("chat_keep", { to: conversation, ...what }));
  }

  draft(conversation: string): Draft {
    return this.drafts.of(conversation, this.named(conversation)?.draft ?? "");
  }

  setDraft(conversation: string, draft: Draft): void {
    this.drafts.set(conversation, draft);
  }

  /** One after the other, so that they stand as they were sent. */
  send(conversation: string, text: string, reply: string | null, files: ChatFile[] = [], thread: string | null = null): void {
    const outgoing: Outgoing = { key: idempotencyKey(), conversation, text, files, reply, thread, problem: null };
    this.outgoing = [...this.outgoing, outgoing];
    this.#queue(outgoing);
  }

  sendAgain(key: string): void {
    const outgoing = this.outgoing.find((known) => known.key === key);
    if (!outgoing) return;
    this.outgoing = this.outgoing.map((known) => (known.key === key ? { ...known, problem: null } : known));
    this.#queue(outgoing);
  }

  discard(key: string): void {
    this.outgoing = this.outgoing.filter((known) => known.key !== key);
  }

  /** Says something about a message; what went wrong is thrown. */
  async about(item: ChatItem, what: "edit" | "delete" | "react" | "unreact", value?: string): Promise<void> {
    this.noteItem(await this.#node.call("chat_about", { to: item.conversation, message: item.message, what, value }));
  }

  /** Has a file fetched; how far it is comes with its message. */
  async fetchFile(item: ChatItem, number: number): Promise<void> {
    const attachment = await this.#node.call("chat_fetch", { to: item.conversation, message: item.message, number });
    this.noteItem({ ...item, attachments: item.attachments?.map((known) => (known.number === number ? attachment : known)) });
  }

  async accept(who: string): Promise<ChatPerson> {
    const person = await this.#node.call("chat_accept", { who });
    this.notePerson(person);
    return person;
  }

  /** Asks somebody, and waits a moment for what they say; a refusal is thrown. */
  async ask(who: string, more: Omit<Methods["chat_ask"]["params"], "who"> = {}): Promise<ChatPerson> {
    const person = await this.#node.call("chat_ask", { who, ...more });
    this.notePerson(person);
    return person;
  }

  async block(who: string, blocked: boolean): Promise<void> {
    this.people = await this.#node.call("chat_block", { who, blocked });
  }

  async nickname(who: string, nickname: string): Promise<void> {
    this.notePerson(await this.#node.call("chat_nickname", nickname === "" ? { who } : { who, nickname }));
  }

  /** Notes that the safety number or words of somebody are alike, or forgets it. */
  async verify(who: string, matches: boolean): Promise<void> {
    this.notePerson(await this.#node.call("chat_verify", { who, matches }));
  }

  #queue(outgoing: Outgoing): void {
    const { key } = outgoing;
    this.#sending = this.#sending.then(async () => {
      try {
        this.#asking = key;
        const item = await this.#say(outgoing);
        this.#asking = null;
        this.discard(key);
        this.noteItem(item);
      } catch (error) {
        const failed = { ...outgoing, problem: errorMessage(error) };
        const isShown = this.outgoing.some((known) => known.key === key);
        this.outgoing = isShown ? this.outgoing.map((known) => (known.key === key ? failed : known)) : [failed, ...this.outgoing];
      }
    });
  }

  /** As what it is: with files, a note, or a text. */
  #say({ key, conversation, text, files, reply, thread }: Outgoing): Promise<ChatItem> {
    const where = { to: conversation, idempotency_key: key, ...(reply ? { reply } : {}), ...(thread ? { thread } : {}) };
    if (files.length > 0) return this.#node.call("chat_attach", { ...where, files, ...(text ? { text } : {}) });
    if (reply === null && thread === null && this.notes()?.conversation === conversation) return this.#node.call("chat_memo", { text, idempotency_key: key });
    return this.#node.call("chat_send", { ...where, text });
  }

  /** The node may tell of what was sent before it answers: then it is shown as said, and no longer as on its way. */
  #noteOwn({ conversation, text, thread }: ChatItem): void {
    const sent = this.outgoing.find(({ key }) => key === this.#asking);
    if (sent?.conversation === conversation && sent.text === text && sent.thread === (thread ?? null)) this.discard(sent.key);
  }

  #remind(item: ChatItem): void {
    const body = excerpt(item, this.people);
    this.announced = `Reminder: ${body}`;
    this.notifier.notify({ title: "Reminder", body, tag: item.message, part: item.conversation });
  }

  #loaded(): Loaded {
    const newest = (this.conversations ?? []).flatMap((conversation) => conversation.newest ?? []);
    const items = [...newest, ...(this.thread?.answers ?? []), ...(this.timeline?.items ?? [])];
    return { items: [...new Map(items.map((item) => [hitName({ item }), item])).values()], conversations: this.conversations ?? [], people: this.people ?? [] };
  }

  #hear({ conversation, newest }: ChatConversation): void {
    this.#heard.set(conversation, Math.max(this.#heard.get(conversation) ?? -1, newest?.place ?? -1));
  }

  /** The list shows it before the conversation is told of. */
  #noteNewest(item: ChatItem): void {
    const known = this.named(item.conversation);
    if (known && item.place >= (known.newest?.place ?? -1)) this.noteConversation({ ...known, newest: item });
  }

  #announce(item: ChatItem): void {
    const conversation = this.named(item.conversation);
    if (this.person(item.author)?.standing === "blocked") return;
    const named = namedIn(conversation, this.people);
    const name = personName(named, item.author);
    const said = excerpt(item, named);
    this.announced = `${name}: ${said}`;
    const title = conversation && !conversation.peer ? `${name}, ${conversationTitle(conversation)}` : name;
    if (conversation && isMuted(conversation, Date.now()) && !item.mentions_me) return;
    this.notifier.notify({ title, body: said, tag: item.conversation, part: item.conversation });
  }
}
