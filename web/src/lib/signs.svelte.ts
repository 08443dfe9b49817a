/** That people write or are there, as it is heard and said; and what others may hear at all. */

import type { ChatSign, ChatTells } from "@byway/client";
import { presenceDue, TYPING_AGAIN_MS, withoutTyping, withSign, type PresenceSaid } from "./chat_signs";
import type { NodeStore } from "./node.svelte";

export class Signs {
  heard = $state.raw<ChatSign[]>([]);
  /** Null until the node has said what it tells. */
  tells = $state.raw<ChatTells | null>(null);

  #typing: { conversation: string; saidMs: number } | null = null;
  #presence: PresenceSaid = { what: "away", saidMs: 0, lostMs: null };

  constructor(private readonly node: Pick<NodeStore, "call">) {}

  async read(): Promise<void> {
    this.tells = await this.node.call("chat_tells", {});
  }

  /** Throws what went wrong. */
  async setTells(change: Partial<ChatTells>): Promise<void> {
    this.tells = await this.node.call("chat_tells", change);
  }

  note(sign: ChatSign): void {
    this.heard = withSign(this.heard, sign, Date.now());
  }

  noteSaid(conversation: string, person: string): void {
    this.heard = withoutTyping(this.heard, conversation, person);
  }

  /** One writes, or has stopped. Said again only as often as it has to be. */
  type(conversation: string, typing: boolean): void {
    const nowMs = Date.now();
    if (typing) {
      if (!this.tells?.typing || (this.#typing?.conversation === conversation && nowMs - this.#typing.saidMs < TYPING_AGAIN_MS)) return;
      this.#typing = { conversation, saidMs: nowMs };
    } else {
      if (this.#typing?.conversation !== conversation) return;
      this.#typing = null;
    }
    void this.node.call("chat_typing", { to: conversation, typing }).catch(() => undefined);
  }

  /** Whether somebody looks at the page *Messages* now; called again and again while it is shown. */
  look(isThere: boolean, nowMs: number): void {
    if (!this.tells?.presence) return;
    const { say, after } = presenceDue(this.#presence, isThere, nowMs);
    this.#presence = after;
    if (say) void this.node.call("chat_presence", { presence: say }).catch(() => undefined);
  }

  /** It is shown no more. */
  leave(): void {
    if (this.#presence.what !== "here") return;
    this.#presence = { what: "away", saidMs: Date.now(), lostMs: null };
    if (this.tells?.presence) void this.node.call("chat_presence", { presence: "away" }).catch(() => undefined);
  }
}
