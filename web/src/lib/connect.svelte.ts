/** Connecting and disconnecting: one attempt at a time, and what went wrong with the last one. */

import type { Methods } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { errorMessage, RpcError } from "./rpc";

export class ConnectAction {
  /** What is being tried: an offer's id, "best", "disconnect"; null when nothing is. */
  pending = $state<string | null>(null);
  problem = $state<string | null>(null);
  #node: NodeStore;
  #attempt = 0;

  constructor(node: NodeStore) {
    this.#node = node;
  }

  /** Tries one target after another until one is open. */
  connect(targets: Methods["connect"]["params"][]): Promise<void> {
    const [first, ...others] = targets;
    if (!first) return Promise.resolve();
    const what = targets.length === 1 ? (first.offer_id ?? "best") : "best";
    return this.#run(what, async () => {
      let failed: unknown;
      for (const target of [first, ...others]) {
        try {
          return await this.#node.call("connect", target);
        } catch (error) {
          if (!isAboutOffer(error)) throw error;
          failed = error;
        }
      }
      throw failed;
    });
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

/** Whether another offer may do where this one did not. */
function isAboutOffer(error: unknown): boolean {
  const codes = ["provider_unreachable", "provider_refused", "offer_not_found", "offer_expired"];
  return error instanceof RpcError && codes.includes(error.code);
}
