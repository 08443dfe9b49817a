/** What is said of another node at which one talks. */

import type { Device } from "@byway/client";

export function deviceSays({ state, online }: Pick<Device, "state" | "online">): string {
  switch (state) {
    case "calling":
      return "is being called";
    case "refused":
      return "was not linked: its token counts no more";
    case "agreed":
      return "its answer is awaited";
    case "linked":
    case "first":
      return online ? "there now" : "away";
  }
}
