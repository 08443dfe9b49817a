/** The key of a call that writes, kept as long as nobody knows whether it was done: asked for once more, it is done once. */

import { idempotencyKey, RpcError } from "./rpc";

export class Attempt {
  #open: { key: string; input: string } | null = null;

  /** `input` is what a person asked for: whatever differs in it is another thing to do. */
  async make<T>(input: string, act: (key: string) => Promise<T>): Promise<T> {
    if (this.#open?.input !== input) this.#open = { key: idempotencyKey(), input };
    try {
      const done = await act(this.#open.key);
      this.#open = null;
      return done;
    } catch (error) {
      const isUnsure = error instanceof RpcError && (error.code === "link_lost" || error.code === "timeout");
      if (!isUnsure) this.#open = null;
      throw error;
    }
  }
}
