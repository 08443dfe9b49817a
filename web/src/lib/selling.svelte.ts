/**
 * What is known of this node's selling. No event tells of it, so it is asked for while the page *Provide* is looked at, and
 * at once after each change made there.
 */

import type { GivenPort, Offer, ProviderBlock, ProviderEarnings, ServiceProgram } from "@byway/client";
import { PERIODS_SHOWN, type Span } from "./earnings";
import type { NodeStore } from "./node.svelte";
import { errorMessage } from "./rpc";

const EVERY_MS = 5_000;

export class SellingStore {
  /** What this node sells; null until the first answer. */
  offers = $state.raw<Offer[] | null>(null);
  earnings = $state.raw<ProviderEarnings | null>(null);
  blocks = $state.raw<ProviderBlock[] | null>(null);
  /** Ports that clients have here, by number. */
  ports = $state.raw<GivenPort[]>([]);
  /** Programs that this node sells services of. */
  programs = $state.raw<ServiceProgram[]>([]);
  by = $state<Span>("day");
  /** Why nothing is known yet. */
  problem = $state<string | null>(null);
  #node: NodeStore;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(node: NodeStore) {
    this.#node = node;
  }

  /** Asks from now on. Gives what ends that. */
  watch(): () => void {
    this.#timer = setInterval(() => void this.refresh(), EVERY_MS);
    return () => clearInterval(this.#timer);
  }

  /** What was known stays where an answer fails to come; the banner tells of a lost link. */
  async refresh(): Promise<void> {
    if (!this.#node.isLive || document.hidden) return;
    const by = this.by;
    try {
      const [offers, earnings, blocks, services, ports] = await Promise.all([
        this.#node.call("offer_own", {}),
        this.#node.call("market_earnings", { by, limit: PERIODS_SHOWN[by] }),
        this.#node.call("market_blocks", {}),
        this.#node.call("service_list", {}),
        this.#node.call("market_ports", {}),
      ]);
      [this.offers, this.blocks, this.programs, this.ports, this.problem] = [offers, blocks, services.sold, ports, null];
      // The other span was chosen meanwhile.
      if (by === this.by) this.earnings = earnings;
    } catch (error) {
      if (this.offers === null) this.problem = errorMessage(error);
    }
  }
}
