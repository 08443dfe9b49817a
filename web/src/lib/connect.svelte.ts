/** Connecting and disconnecting: one attempt at a time, and what went wrong with the last one. */

import type { Methods } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { errorMessage, RpcError } from "./rpc";

export class ConnectAction {
  /** What is being tried: an offer's id, "cheapest", "disconnect"; null when nothing is. */
  pending = $state<string | null>(null);
  problem = $state<string | null>(null);
  #node: NodeStore;
  #attempt = 0;

  constructor(node: NodeStore) {
    this.#node = node;
  }

  connect(params: Methods["connect"]["params"]): Promise<void> {
    const what = params.offer_id ?? "cheapest";
    return this.#run(what, () => this.#node.call("connect", params));
  }

  disconnect(): Promise<void> {
    return this.#run("disconnect", () => this.#node.call("disconnect", {}));
  }

  clearProblem(): void {
    this.problem = null;
  }

  async #run(what: string, act: () => Promise<unknown>): Promise<void> {
    this.#attempt += 1;
    const attempt = this.#attempt;
    this.pending = what;
    this.problem = null;
    try {
      await act();
    } catch (error) {
      // A later click took over: its outcome is the one to show.
      const isStale = attempt !== this.#attempt || (error instanceof RpcError && error.code === "superseded");
      if (!isStale) this.problem = errorMessage(error);
    } finally {
      if (attempt === this.#attempt) this.pending = null;
    }
  }
}
