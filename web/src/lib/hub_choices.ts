/** The hubs over which a virtual channel can be opened: those on the market, and peers with whom there is a channel. Pure. */

import type { HubOffer } from "@byway/client";
import { amountMax, formatAmountShort, type Amount } from "./amount";
import { spendable, type KnownChannel } from "./channels";
import { shortId } from "./format";

export interface HubChoice {
  hub: string;
  /** What can be put in out of one channel with it; null where there is no channel that could. */
  room: Amount | null;
  isConnected: boolean;
  isOnMarket: boolean;
}

/** Those with whom most can be put in come first; without a channel with it no hub guarantees anything. */
export function hubChoices(offers: HubOffer[], channels: KnownChannel[]): HubChoice[] {
  const parents = channels.filter(({ state, health, guaranteed }) => state === "open" && health === "sound" && !guaranteed);
  const peers = new Set([...offers.map(({ hub }) => hub), ...parents.map(({ peer }) => peer)]);
  const choices = [...peers].map((hub): HubChoice => {
    const own = parents.filter(({ peer }) => peer === hub);
    const offer = offers.find((one) => one.hub === hub);
    return {
      hub, isOnMarket: offer !== undefined, isConnected: offer?.connected ?? own.some(({ connected }) => connected),
      room: own.length === 0 ? null : own.map(spendable).reduce(amountMax),
    };
  });
  return choices.sort((a, b) => Number(b.isOnMarket && b.room !== null) - Number(a.isOnMarket && a.room !== null)
    || compare(b.room ?? -1n, a.room ?? -1n) || a.hub.localeCompare(b.hub));
}

/** "77abab…5566 · 3.20 WAY to put in": a line to choose by. */
export function choiceWords({ hub, room, isConnected, isOnMarket }: HubChoice): string {
  const money = room === null ? "no channel with it" : `${formatAmountShort(room)} WAY to put in`;
  return [shortId(hub), money, ...(isOnMarket ? [] : ["not on the market"]), ...(isConnected || room === null ? [] : ["not connected"])].join(" · ");
}

function compare(a: Amount, b: Amount): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
