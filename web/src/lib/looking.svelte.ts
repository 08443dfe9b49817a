/** For what no event tells of. */

import { onDestroy } from "svelte";

const EVERY_MS = 5_000;

/** Looks when the node is there (`isLive`), and every few seconds as long as somebody can see it. Called while a component is set up. */
export function keepLooking(isLive: () => boolean, look: () => Promise<void>): void {
  const lookIfSeen = (): void => {
    if (isLive() && !document.hidden) void look();
  };
  const timer = setInterval(lookIfSeen, EVERY_MS);
  onDestroy(() => clearInterval(timer));
  $effect(() => {
    if (isLive()) lookIfSeen();
  });
}
