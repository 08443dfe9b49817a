/** A search in all conversations, or in one of them: asked for a moment after the last letter, and an answer that comes late replaces nothing. */

import type { ChatFound, ChatHit, ChatPerson } from "@byway/client";
import { onlyOnce, searchLoaded, searchNode, type Loaded } from "./chat_search";
import type { NodeStore } from "./node.svelte";
import { errorMessage, RpcError } from "./rpc";

/** Between the last letter and the question. */
const PAUSE_MS = 150;
/** Hits that are asked for at once: a screen or two. */
const PAGE = 40;

export class ChatSearch {
  query = $state("");
  /** The one conversation that is searched; null for all. */
  to = $state<string | null>(null);
  hits = $state.raw<ChatHit[]>([]);
  people = $state.raw<ChatPerson[]>([]);
  /** Leads to older hits, where there are any. */
  next = $state<string | null>(null);
  /** What these were found for; null where nothing was looked for. */
  found = $state<string | null>(null);
  isBusy = $state(false);
  problem = $state<string | null>(null);
  /** The node knows no search: this is among what the page has read in. */
  isLoadedOnly = $state(false);

  #due: ReturnType<typeof setTimeout> | undefined;
  /** Counts questions, so that the answer to an earlier one is dropped. */
  #turn = 0;

  constructor(private readonly node: Pick<NodeStore, "call">, private readonly loaded: () => Loaded) {}

  /** Something else is looked for. */
  ask(query: string, to: string | null = this.to): void {
    this.query = query;
    this.to = to;
    clearTimeout(this.#due);
    this.#turn += 1;
    this.problem = null;
    if (query.trim() === "") return this.#clear();
    this.isBusy = true;
    this.#due = setTimeout(() => void this.#look(null), PAUSE_MS);
  }

  async more(): Promise<void> {
    if (this.next !== null && !this.isBusy) await this.#look(this.next);
  }

  #clear(): void {
    this.isBusy = false;
    this.hits = [];
    this.people = [];
    this.next = this.found = null;
  }

  async #look(before: string | null): Promise<void> {
    const turn = (this.#turn += 1);
    const query = this.query.trim();
    this.isBusy = true;
    try {
      const found = await this.#find(query, before);
      if (turn !== this.#turn) return;
      this.hits = onlyOnce(before === null ? found.hits : [...this.hits, ...found.hits]);
      if (before === null) this.people = found.people;
      this.next = found.next ?? null;
      this.found = query;
      this.problem = null;
    } catch (error) {
      if (turn !== this.#turn) return;
      if (before === null) this.#clear();
      this.problem = errorMessage(error);
    } finally {
      if (turn === this.#turn) this.isBusy = false;
    }
  }

  async #find(query: string, before: string | null): Promise<ChatFound> {
    try {
      const found = await searchNode(this.node, { query, limit: PAGE, ...(this.to === null ? {} : { to: this.to }), ...(before === null ? {} : { before }) });
      this.isLoadedOnly = false;
      return found;
    } catch (error) {
      if (!(error instanceof RpcError) || error.code !== "method_not_found") throw error;
      this.isLoadedOnly = true;
      return searchLoaded(query, this.to, this.loaded());
    }
  }
}
