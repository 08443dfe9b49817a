/** What is said of another node at which one talks. */

import type { Device, DeviceHistory } from "@byway/client";
import { formatCount } from "./format";

export function deviceSays({ state, online }: Pick<Device, "state" | "online">): string {
  switch (state) {
    case "calling":
      return "is being called";
    case "refused":
      return "was not linked: its token counts no more";
    case "agreed":
      return "its answer is awaited";
    case "restored":
      return "out of a backup, to be found again";
    case "linked":
    case "first":
      return online ? "there now" : "away";
  }
}

/** How far a linked node has what was said before it was one; nothing where it has all. */
export function historySays(history: DeviceHistory | null | undefined): string | null {
  if (!history || history.whole) return null;
  return `has ${formatCount(history.given)} of ${formatCount(history.messages)} messages of before`;
}
