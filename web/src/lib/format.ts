/** How numbers, times and ids are shown. Pure; the clock is a parameter. */

/** MB is 10^6 bytes everywhere in Byway, on the bill as on the page. */
const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const RATE_UNITS = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];

export interface Quantity {
  value: string;
  unit: string;
}

function scaled(value: number, units: string[]): Quantity {
  let size = Math.max(0, value);
  let index = 0;
  // 999.5 would be shown as "1000", so it moves on to the next unit already.
  while (size >= 999.5 && index < units.length - 1) {
    size /= 1000;
    index += 1;
  }
  const decimals = index === 0 ? 0 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0;
  return { value: size.toFixed(decimals), unit: units[index] ?? "" };
}

export function bytesOf(bytes: number): Quantity {
  return scaled(bytes, BYTE_UNITS);
}

export function rateOf(bps: number): Quantity {
  return scaled(bps, RATE_UNITS);
}

export function formatQuantity(quantity: Quantity): string {
  return `${quantity.value} ${quantity.unit}`;
}

/** A bandwidth as advertised: no decimals that only pretend precision. */
export function formatBandwidth(bps: number): string {
  const { value, unit } = rateOf(bps);
  return `${value.includes(".") ? value.replace(/\.?0+$/, "") : value} ${unit}`;
}

export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  if (hours >= 48) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours > 0) return `${hours} h ${String(minutes).padStart(2, "0")} min`;
  if (minutes > 0) return `${minutes} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${whole} s`;
}

/** "just now", "40 s ago", "3 min ago", "2 h ago", then the day. */
export function formatAgo(timeMs: number, nowMs: number): string {
  const seconds = Math.floor((nowMs - timeMs) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return formatDay(timeMs);
}

/** Time left until then: "in 9 min". */
export function formatUntil(timeMs: number, nowMs: number): string {
  const seconds = Math.ceil((timeMs - nowMs) / 1000);
  if (seconds <= 0) return "any moment";
  if (seconds < 60) return `in ${seconds} s`;
  if (seconds < 3600) return `in ${Math.ceil(seconds / 60)} min`;
  if (seconds < 172_800) return `in ${Math.round(seconds / 3600)} h`;
  return `in ${Math.round(seconds / 86_400)} days`;
}

export function formatDay(timeMs: number): string {
  return new Date(timeMs).toLocaleDateString("en-GB", { day: "numeric", month: "short" });
}

export function formatTime(timeMs: number): string {
  return new Date(timeMs).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}

/** The time for today, day and time before that. */
export function formatWhen(timeMs: number, nowMs: number): string {
  const today = new Date(nowMs).toDateString() === new Date(timeMs).toDateString();
  return today ? formatTime(timeMs) : `${formatDay(timeMs)}, ${formatTime(timeMs)}`;
}

/** Start and end of an id, enough to tell two apart at a glance. */
export function shortId(id: string, head = 6, tail = 4): string {
  return id.length <= head + tail + 1 ? id : `${id.slice(0, head)}…${id.slice(-tail)}`;
}

/** The same for every id and address within a text. */
export function withShortIds(text: string): string {
  return text.replace(/\b(?:0x)?[0-9a-f]{32,}\b/gi, (id) => shortId(id, id.startsWith("0x") ? 8 : 6, 4));
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString("en-US");
}

/** How many rounds an epoch has numbers for: rounds of epoch e run from e times this on. */
const EPOCH_ROUNDS = 2 ** 40;

/** A round's place in its epoch. */
export function roundInEpoch(round: number): number {
  return round % EPOCH_ROUNDS;
}

/** A round as people read it: its place in its epoch. */
export function formatRound(round: number): string {
  return formatCount(roundInEpoch(round));
}

/** A kernel node's name by its seat. */
export function nodeName(nodes: { index: number; name: string }[], seat: number): string {
  return nodes.find((node) => node.index === seat)?.name ?? `seat ${seat}`;
}

/** A latency: "42 ms", "1.24 s". */
export function formatLatency(ms: number | null | undefined): Quantity {
  if (ms === null || ms === undefined) return { value: "–", unit: "" };
  return ms < 1000 ? { value: String(Math.round(ms)), unit: "ms" } : { value: (ms / 1000).toFixed(2), unit: "s" };
}

/** The node's reason without the command that it names for a terminal: the page has its own ways. */
export function withoutCommand(message: string): string {
  return message.replace(/; `byway [^`]*`.*$/, "");
}

/** A reason as a sentence of its own. */
export function reasonSentence(message: string): string {
  const words = withoutCommand(message);
  return `${words.slice(0, 1).toUpperCase()}${words.slice(1)}${/[.!?]$/.test(words) ? "" : "."}`;
}

const UNIT_NAMES: Record<string, string> = {
  mb: "MB",
  second: "second",
  cell: "cell",
  byte_hour: "byte-hour",
  call: "call",
  fixed: "session",
};

export function unitName(unit: string): string {
  return UNIT_NAMES[unit] ?? unit;
}

const regions = new Intl.DisplayNames(["en"], { type: "region", fallback: "code" });

/** English name of a declared country; the bare code when it isn't one we know. */
export function countryName(code: string | null | undefined): string {
  if (!code) return "somewhere undeclared";
  if (!/^[A-Z]{2}$/.test(code)) return code.slice(0, 8);
  return regions.of(code) ?? code;
}

/** A moment for machines to read; nothing where there is no such moment, as what others send may name any number. */
export function isoMoment(timeMs: number): string | undefined {
  const date = new Date(timeMs);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
