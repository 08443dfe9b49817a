/** Asks the node what a payment link says, while it is typed or pasted: the newest text counts. */

import type { PaymentLink } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { isPaymentLink } from "./requests";
import { errorMessage } from "./rpc";

export class LinkReader {
  /** What the link asks for; null where there is none, or it is not read yet. */
  link = $state.raw<PaymentLink | null>(null);
  problem = $state<string | null>(null);
  #node: NodeStore;
  #text = "";

  constructor(node: NodeStore) {
    this.#node = node;
  }

  async read(text: string): Promise<void> {
    const wanted = text.trim();
    if (wanted === this.#text) return;
    this.#text = wanted;
    this.link = this.problem = null;
    if (!isPaymentLink(wanted)) return;
    try {
      const link = await this.#node.call("wallet_link", { link: wanted });
      if (wanted === this.#text) this.link = link;
    } catch (error) {
      if (wanted !== this.#text) return;
      this.problem = errorMessage(error);
      // The link to the node may be back when it is read again.
      this.#text = "";
    }
  }

  /** So that the same text is asked about again. */
  forget(): void {
    this.#text = "";
    this.link = this.problem = null;
  }
}
