/** What limits have stopped: the question to the user, answered, or put off until something else is stopped. */

import { amountToWire, type Amount } from "./amount";
import { Deed } from "./deed.svelte";
import { askKey, questionOf } from "./limits";
import type { NodeStore } from "./node.svelte";

export class LimitAsks {
  readonly deed = new Deed();
  /** Asks that the user doesn't want to answer now. */
  #putOff = $state.raw<string[]>([]);
  #node: NodeStore;
  #asks = $derived.by(() => this.#node.status?.spending.asks ?? []);
  /** Since when the main way is stopped. */
  #mainSinceMs = $derived.by(() => {
    const connection = this.#node.connection;
    return connection?.state === "paused" && connection.reason?.code === "spending_limit" ? connection.since_ms : null;
  });
  #isPutOff = $derived.by(() => this.#asks.every((ask) => this.#putOff.includes(askKey(ask))));

  /** Null where there is none. */
  question = $derived.by(() => {
    const spending = this.#node.status?.spending;
    return spending ? questionOf(spending, this.#mainSinceMs) : null;
  });
  /** The question, unless it was put off. */
  shown = $derived.by(() => (this.#isPutOff ? null : this.question));

  constructor(node: NodeStore) {
    this.#node = node;
  }

  /** As much again as the limit where no amount is named. */
  allow(amount?: Amount): Promise<void> {
    return this.deed.run(async () => {
      this.#node.noteSpending(await this.#node.call("spending_allow", amount === undefined ? {} : { amount: amountToWire(amount) }));
    });
  }

  putOff(): void {
    this.#putOff = this.#asks.map(askKey);
    this.deed.problem = null;
  }

  ask(): void {
    this.#putOff = [];
  }
}
