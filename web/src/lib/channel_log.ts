/** What happened in a channel, and the messages of the two nodes, as lines to be read. Pure. */

import type { ChannelLogEntry, ChannelMessage } from "@byway/client";
import { formatCount, reasonSentence } from "./format";

export interface LogLine {
  time_ms: number;
  text: string;
  round?: number | null;
  isMessage: boolean;
}

/** The newest first; of what is of one time, what happened is before the messages that led to it. */
export function logLines(log: readonly ChannelLogEntry[], messages: readonly ChannelMessage[]): LogLine[] {
  const happened = log.map(({ time_ms, round, what }) => ({ time_ms, round, text: reasonSentence(what.message), isMessage: false }));
  const said = messages.map((message) => ({ time_ms: message.time_ms, round: message.round, text: messageText(message), isMessage: true }));
  return [...happened.reverse(), ...said.reverse()].sort((a, b) => b.time_ms - a.time_ms);
}

/** A message by its name, which way it went, and how long it was. */
function messageText({ ours, message, bytes, times }: ChannelMessage): string {
  const inRow = times > 1 ? `, ${formatCount(times)} in a row` : "";
  return `${ours ? "You say" : "The peer says"} ${message.replaceAll("_", " ")}: ${formatCount(bytes)} bytes${inRow}.`;
}
