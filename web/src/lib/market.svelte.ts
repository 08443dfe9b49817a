/**
 * The offers of the chosen service. What the node tells of by itself, which is what is sold by the megabyte, is taken as it comes
 * while that is all there is; of a larger market, of tunnels and of what is sold by the second, which no event tells of, the page
 * asks for what is looked for.
 */

import type { Offer } from "@byway/client";
import type { NodeStore } from "./node.svelte";
import { queryOf, type OfferChoice, type OfferFilter } from "./offers";

/** As many as an event carries. */
const EVENT_MAX = 200;
/** As many as the node gives at once. */
const ASKED_MAX = 1_000;
const EVERY_MS = 5_000;
/** What is only counted. */
const COUNT_EVERY_MS = 30_000;
/** While somebody types. */
const PAUSE_MS = 250;

export class Market {
  #asked = $state.raw<{ what: string; offers: Offer[] } | null>(null);
  #timed = $state.raw<{ service: OfferChoice["service"]; count: number } | null>(null);
  #node: NodeStore;
  #choice: () => OfferChoice;
  #isTold = $derived.by(() => whatOf(this.#choice()) === "socks mb" && (this.#node.offers?.length ?? 0) < EVENT_MAX);
  /** What to ask for, as text, so that the same is known to be the same; null where nothing is. */
  #wanted = $derived.by(() => (this.#isTold || !this.#node.isLive ? null : JSON.stringify(queryOf(this.#choice()))));

  /** Of the chosen service; null until they are known. */
  offers = $derived.by(() => {
    const what = whatOf(this.#choice());
    if (!this.#isTold && this.#asked?.what === what) return this.#asked.offers;
    return what === "socks mb" ? this.#node.offers : null;
  });
  /** How many sell by the second alone, and so are not among the offers that sell by the megabyte. */
  onlyTimed = $derived.by(() => {
    const { service, per } = this.#choice();
    return per === "mb" && this.#timed?.service === service ? this.#timed.count : 0;
  });
  /** Whether there may be more than these. */
  isCut = $derived.by(() => (this.offers?.length ?? 0) >= ASKED_MAX);

  constructor(node: NodeStore, choice: () => OfferChoice) {
    this.#node = node;
    this.#choice = choice;
  }

  /** Asks from now on. Gives what ends that; begins anew whenever something else is looked for, as an effect does. */
  watch(): (() => void) | undefined {
    const wanted = this.#wanted;
    if (wanted === null) return undefined;
    const what = whatOf(this.#choice());
    let isStale = false;
    const ask = async () => {
      if (document.hidden) return;
      const query = JSON.parse(wanted) as OfferFilter;
      // What was known stays where no answer comes; the banner tells of a lost link.
      const offers = await this.#node.call("offer_list", { ...query, limit: ASKED_MAX }).catch(() => null);
      if (offers && !isStale) this.#asked = { what, offers };
    };
    const first = setTimeout(ask, this.offers === null ? 0 : PAUSE_MS);
    const again = setInterval(ask, EVERY_MS);
    return () => {
      isStale = true;
      clearTimeout(first);
      clearInterval(again);
    };
  }

  /** Counts from now on what is sold by the second alone. Gives what ends that, as an effect does. */
  watchTimed(): (() => void) | undefined {
    const { service, per } = this.#choice();
    if (per !== "mb" || !this.#node.isLive) return undefined;
    let isStale = false;
    const ask = async () => {
      if (document.hidden) return;
      const offers = await this.#node.call("offer_list", { service, unit: "second", limit: ASKED_MAX }).catch(() => null);
      if (!offers || isStale) return;
      this.#timed = { service, count: offers.filter(({ prices }) => !prices.some(({ unit }) => unit === "mb")).length };
    };
    void ask();
    const again = setInterval(ask, COUNT_EVERY_MS);
    return () => {
      isStale = true;
      clearInterval(again);
    };
  }

  /** A provider's mark, before the node tells of it. */
  mark(provider: string, preferred: boolean): void {
    if (!this.#asked) return;
    const offers = this.#asked.offers.map((offer) => (offer.provider === provider ? { ...offer, preferred } : offer));
    this.#asked = { ...this.#asked, offers };
  }
}

/** What no filter changes: the service, and what it is paid by. */
function whatOf({ service, per }: OfferChoice): string {
  return `${service} ${per}`;
}
