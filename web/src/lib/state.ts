/** Words for the states of the connection. Pure. */

import type { Connection } from "@byway/client";
import { countryName, reasonSentence } from "./format";

export type Tone = "good" | "busy" | "warn" | "bad" | "calm";

export interface StateWords {
  label: string;
  headline: string;
  tone: Tone;
}

export function stateWords(connection: Connection): StateWords {
  const country = countryName(connection.country);
  switch (connection.state) {
    case "connected":
      return { label: "Connected through", headline: country, tone: "good" };
    case "connecting":
      return { label: "Connecting through", headline: connection.country ? country : "the cheapest exit", tone: "busy" };
    case "paused":
      // A way that a limit has stopped has no exit.
      return { label: "Paused", headline: connection.country ? country : "Limit reached", tone: "warn" };
    case "failed":
      return { label: "Connection failed", headline: "Not connected", tone: "bad" };
    case "disconnected":
      return { label: "Off", headline: "Disconnected", tone: "calm" };
    default:
      return { label: "Ready", headline: "Not connected", tone: "calm" };
  }
}

/** One sentence for a screen reader; changes only when the state does. */
export function announcement(connection: Connection): string {
  const { label, headline } = stateWords(connection);
  const joined = label.endsWith("through") ? `${label} ${headline}` : label === headline ? label : `${label}: ${headline}`;
  return connection.reason ? `${joined}. ${reasonSentence(connection.reason.message)}` : joined;
}
