/**
 * Money as whole numbers of 10^-18 of a coin.
 *
 * Amounts travel as decimal strings (`docs/formats/rpc.md`, Values) and are `bigint` here, so that nothing is
 * ever rounded by a floating-point number. Only showing an amount may cut digits off, always downwards: a
 * balance never looks larger than it is.
 */

/** Units of 10^-18. */
export type Amount = bigint;

export const DECIMALS = 18;
const ONE: Amount = 10n ** BigInt(DECIMALS);
/** Digits before the point that the wire format allows; u128 needs no more. */
const WHOLE_DIGITS_MAX = 21;
const PATTERN = /^(0|[1-9][0-9]*)(?:\.([0-9]+))?$/;

/** Parses an amount from the node. Throws on anything that isn't one: that is a fault of the node. */
export function parseAmount(text: string): Amount {
  const checked = readAmount(text);
  if (!checked.ok) throw new RangeError(`not an amount: ${JSON.stringify(text)} (${checked.problem})`);
  return checked.amount;
}

export type ReadAmount = { ok: true; amount: Amount } | { ok: false; problem: string };

/** Reads an amount that a person typed; the problem is a sentence that says what to do. */
export function readAmount(text: string): ReadAmount {
  const trimmed = text.trim();
  if (trimmed === "") return { ok: false, problem: "Enter an amount." };
  if (/^[0-9]*,[0-9]+$/.test(trimmed)) return { ok: false, problem: "Use a point for decimals, as in 1.5." };
  if (/^-/.test(trimmed)) return { ok: false, problem: "Enter an amount above zero." };
  const match = PATTERN.exec(trimmed.startsWith(".") ? `0${trimmed}` : trimmed);
  const whole = match?.[1];
  if (!whole) return { ok: false, problem: "Enter a plain number, as in 1.5." };
  const fraction = match[2] ?? "";
  if (fraction.length > DECIMALS) return { ok: false, problem: `Use at most ${DECIMALS} decimals.` };
  if (whole.length > WHOLE_DIGITS_MAX) return { ok: false, problem: "That is more than there is." };
  return { ok: true, amount: BigInt(whole) * ONE + BigInt(fraction.padEnd(DECIMALS, "0")) };
}

/** The wire form: exact, no trailing zeros. */
export function amountToWire(amount: Amount): string {
  if (amount < 0n) throw new RangeError("amounts on the wire are never negative");
  const fraction = (amount % ONE).toString().padStart(DECIMALS, "0").replace(/0+$/, "");
  const whole = (amount / ONE).toString();
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

/** Grouped with commas and exactly `decimals` decimals, the rest cut off. */
export function formatAmount(amount: Amount, decimals: number): string {
  const negative = amount < 0n;
  const size = negative ? -amount : amount;
  const whole = (size / ONE).toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  const fraction = (size % ONE).toString().padStart(DECIMALS, "0").slice(0, decimals);
  return `${negative ? "−" : ""}${whole}${decimals > 0 ? `.${fraction}` : ""}`;
}

/** As few decimals as say it, between `least` and `most`; what is too small to show is "<0.00…1". */
export function formatAmountShort(amount: Amount, least = 2, most = 6): string {
  const step = 10n ** BigInt(DECIMALS - most);
  if (amount > 0n && amount < step) return `<${formatAmount(step, most)}`;
  const full = formatAmount(amount, most);
  const kept = full.replace(/0+$/, "");
  const point = full.indexOf(".");
  return full.slice(0, Math.max(kept.length, point + 1 + least));
}

/** The amount `part` of the way (0..1) between two amounts; used to let a figure tick. */
export function amountBetween(from: Amount, to: Amount, part: number): Amount {
  if (part >= 1) return to;
  if (part <= 0) return from;
  const STEPS = 10_000;
  return from + ((to - from) * BigInt(Math.floor(part * STEPS))) / BigInt(STEPS);
}

/** Cost of `count` pieces (bytes for `mb`) at a price: rounded up, as the ledger counts it. */
export function costOf(bytes: number, pricePerMb: Amount): Amount {
  const MB = 1_000_000n;
  return (BigInt(bytes) * pricePerMb + MB - 1n) / MB;
}

export function amountMax(a: Amount, b: Amount): Amount {
  return a > b ? a : b;
}
